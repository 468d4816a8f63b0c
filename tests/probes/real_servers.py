"""Real servers for the probes: Postgres, Redis and Prometheus, each in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import trustme
from psycopg import sql
from pydantic import SecretStr

from probes import http, redis
from probes.observation import Deadline
from probes.postgres import PostgresTarget
from probes.redis import RedisTarget
from sandbox.core import binaries, processes
from sandbox.systems.data import postgres as sandbox_postgres
from tests.probes.servers import closed_port, wait_until

PASSWORD = "sentinel-9f2-password"


@contextlib.contextmanager
def running(
    argv: list[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    user: str | None = None,
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, or this process; its output goes to `log` in the folder."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **environment},
            user=user,
            preexec_fn=processes.die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - no other thread of it
        )
        try:
            yield process
        finally:
            process.send_signal(end)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=5)


@contextlib.contextmanager
def folder_of(user: str | None) -> Iterator[Path]:
    """Yield a temporary folder that belongs to `user`, short enough for every server."""
    folder = Path(tempfile.mkdtemp(prefix="probe-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Database:
    """A running Postgres with the table `visits`, and how to reach it as each of its logins."""

    port: int
    ca_file: str

    def target(self, user: str = "reader", **changes: str) -> PostgresTarget:
        """Return the target for one of its logins."""
        settings = {
            "host": "localhost",
            "database": "clinic",
            "sslmode": "disable",
            "sslrootcert": self.ca_file,
            **changes,
        }
        password = SecretStr(settings.pop("password", PASSWORD))
        return PostgresTarget(port=self.port, user=user, password=password, **settings)

    def session(
        self, user: str = "postgres", database: str = "clinic"
    ) -> psycopg.Connection[tuple[object, ...]]:
        """Connect past the probe."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=user,
            password=PASSWORD,
            autocommit=True,
        )

    def as_superuser(self, *statements: str, database: str = "clinic") -> None:
        """Run statements past the probe."""
        with self.session(database=database) as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))


def initdb(data: Path, user: str | None, *options: str) -> None:
    """Make a cluster of databases that belongs to `user`."""
    program = str(sandbox_postgres.programs() / "initdb")
    usual = ("--username=postgres", "--no-sync", "--locale=C", "--encoding=UTF8")
    subprocess.run(
        (program, f"--pgdata={data}", *usual, *options),
        check=True,
        capture_output=True,
        user=user,
        cwd=data.parent,
        env={"LC_ALL": "C"},
    )


_SETTINGS = {
    "listen_addresses": "localhost",
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "wal_level": "logical",
}

_LOGINS = Path(__file__).with_name("logins.sql")


@contextlib.contextmanager
def postgres_server(ca_file: str) -> Iterator[Database]:
    """Run a throwaway Postgres with logins of every kind and one table."""
    user, programs = sandbox_postgres.ordinary_user(), sandbox_postgres.programs()
    with folder_of(user) as folder:
        data, password_file = folder / "data", folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        initdb(data, user, "--auth=scram-sha-256", f"--pwfile={password_file}")
        database = Database(closed_port(), ca_file)
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        argv = [str(programs / "postgres"), "-D", str(data), "-p", str(database.port), *settings]
        with running(argv, folder=folder, environment={"LC_ALL": "C"}, user=user):
            wait_until(lambda: _accepts(database), "Postgres accepts logins")
            logins = _LOGINS.read_text(encoding="utf-8")
            database.as_superuser(
                logins.replace(" LOGIN", f" PASSWORD '{PASSWORD}' LOGIN"),
                "CREATE DATABASE shut",
                "REVOKE CONNECT ON DATABASE shut FROM PUBLIC",
                "CREATE DATABASE small CONNECTION LIMIT 0",
            )
            yield database


def _accepts(database: Database) -> bool:
    try:
        database.as_superuser("CREATE DATABASE clinic", database="postgres")
    except psycopg.OperationalError:
        return False
    return True


_ACL = (
    f"user default on >{PASSWORD} ~* &* +@all\n"
    f"user gate on >{PASSWORD} resetkeys -@all +ping +role +info +scan +command|info +acl|dryrun\n"
    f"user plain on >{PASSWORD} resetkeys -@all +ping +role +info +scan\n"
)


_REDIS = """\
bind 127.0.0.1
port 0
tls-port {port}
tls-cert-file cert.pem
tls-key-file cert.pem
tls-auth-clients no
tls-ca-cert-file ca.pem
aclfile users.acl
save ""
"""


@contextlib.contextmanager
def redis_server(authority: trustme.CA) -> Iterator[RedisTarget]:
    """Run a throwaway Redis with TLS; the target is the gate's user."""
    binary = binaries.find_redis(print)
    if binary.version_numbers < (7, 0):
        pytest.skip(f"needs Redis 7 with TLS; here is {binary.version} ({binary.source})")
    with folder_of(None) as folder:
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate = authority.issue_cert("localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
        (folder / "users.acl").write_text(_ACL)
        port = closed_port()
        (folder / "redis.conf").write_text(_REDIS.format(port=port))
        password, ca_file = SecretStr(PASSWORD), str(folder / "ca.pem")
        target = RedisTarget("localhost", port, user="gate", password=password, ca_file=ca_file)
        with running([binary.path, "redis.conf"], folder=folder, environment=binary.environment):
            wait_until(
                lambda: redis.ping(target, deadline=Deadline.after(2)).failure is None,
                "Redis answers PING",
            )
            yield target


_SCRAPE = """\
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
- job_name: itself
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@contextlib.contextmanager
def prometheus_server() -> Iterator[str]:
    """Run a throwaway Prometheus that scrapes itself; yield its address."""
    binary = binaries.find_prometheus(print)
    with folder_of(None) as folder:
        port = closed_port()
        (folder / "prometheus.yml").write_text(_SCRAPE.format(port=port))
        argv = [
            binary.path,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        target = http.HttpTarget(f"http://127.0.0.1:{port}")
        with running(argv, folder=folder, environment=binary.environment):
            wait_until(lambda: _has_sample(target), "Prometheus has scraped itself")
            yield target.base_url


def _has_sample(target: http.HttpTarget) -> bool:
    path = "/api/v1/query?query=up"
    answer = http.request(target, "GET", path, deadline=Deadline.after(2)).value
    return answer is not None and b'"1"' in answer.body

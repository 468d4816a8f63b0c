"""Real servers for the tests of the reference API: Postgres, Redis, the vendors."""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis

from sandbox.core.binaries import find_redis
from sandbox.core.child import PYTHON
from sandbox.core.layout import RELEASE
from sandbox.faults import catalogue
from sandbox.systems.data import migrations
from sandbox.systems.data.postgres import ordinary_user, programs
from tests.probes.real_servers import folder_of, initdb, running
from tests.probes.servers import closed_port, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
SLOW: dict[str, str] = next(
    fault.does["script"] for fault in catalogue.load() if fault.name == "slow-query"
)
"""The scripts that slow the lists' query down, and make it fast again."""
SQL = CHECKOUT / "sandbox" / "systems" / "data" / "database"
HOST = "127.0.0.1"
OWNER = "unified_health"
ADMIN_TOKEN = "admin-token"
SYNTHETIC_TOKEN = "synthetic-token"
SYNTHETIC_DOMAIN = "synthetic.example.org"
REDIS_PASSWORD = "redis-password"
SETTINGS = ("fsync=off", "full_page_writes=off", "unix_socket_directories=")


def accepts(port: int) -> bool:
    """Tell whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


class Servers:
    """The servers, started once for a test session and stopped at its end."""

    def __init__(self) -> None:
        self._user = ordinary_user()
        self._stack = contextlib.ExitStack()
        self._primary = contextlib.ExitStack()
        self.folder = self._stack.enter_context(folder_of(self._user))
        self.folder.chmod(0o755)
        self.ports = {name: closed_port() for name in ("primary", "redis", "vendors")}

    def start_all(self) -> None:
        """Make the cluster, seed it, and start everything."""
        initdb(self.folder / "data", self._user, "--auth=trust")
        self.start_primary()
        self._seed()
        redis_server = find_redis(lambda _said: None)
        options = ("--bind", HOST, "--save", "", "--requirepass", REDIS_PASSWORD)
        argv = [redis_server.path, "--port", str(self.ports["redis"]), *options]
        self._run(argv, redis_server.environment, "redis")
        servers = {"vendors": {"port": self.ports["vendors"]}}
        settings = self.json_file({"admin_token": ADMIN_TOKEN, "servers": servers})
        self._run([sys.executable, "-m", "sandbox.systems", str(settings)], PYTHON, "vendors")

    def _run(self, argv: list[str], environment: Mapping[str, str], name: str) -> None:
        server = running(argv, folder=self.folder, environment=environment)
        self._stack.enter_context(server)
        wait_until(lambda: accepts(self.ports[name]), f"{name} listens")

    def stop_all(self) -> None:
        """Stop everything."""
        self.stop_primary()
        self._stack.close()

    def start_primary(self) -> None:
        """Start Postgres."""
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        data = ("-D", str(self.folder / "data"), "-p", str(self.ports["primary"]))
        argv = [str(programs() / "postgres"), *data, *settings]
        where: dict[str, Any] = {"folder": self.folder, "environment": {"LC_ALL": "C"}}
        server = running(argv, **where, user=self._user, end=signal.SIGQUIT)
        self._primary.enter_context(server)
        wait_until(self._answers_sql, "Postgres answers queries")

    def stop_primary(self) -> None:
        """Stop Postgres at once."""
        self._primary.close()

    def start_api(self, version: str = "1.2.0", **changes: Any) -> Api:
        """Start one process of the API; `changes` replace parts of its configuration."""
        port = closed_port()
        login = {"host": HOST, "name": OWNER, "user": OWNER, "password": "trusted"}
        settings = {
            "region": "eu",
            "version": version,
            "port": port,
            "database": {**login, "port": self.ports["primary"]},
            "redis": {"host": HOST, "port": self.ports["redis"], "password": REDIS_PASSWORD},
            "vendors_url": f"http://{HOST}:{self.ports['vendors']}",
            "admin_token": ADMIN_TOKEN,
            "synthetic": {
                "email_domain": SYNTHETIC_DOMAIN,
                "token": SYNTHETIC_TOKEN,
            },
            **changes,
        }
        argv = [sys.executable, "-m", "sandbox.app", str(self.json_file(settings))]
        self._stack.enter_context(running(argv, folder=self.folder, environment=PYTHON))
        api = Api(port)
        self._stack.callback(api.http.close)
        wait_until(api.is_live, "the API answers /health")
        return api

    def json_file(self, content: object) -> Path:
        """Write a private configuration file."""
        path = self.folder / f"{secrets.token_hex(4)}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(content))
        return path

    def sql(self, statement: str, user: str = OWNER) -> list[tuple[Any, ...]]:
        """Run a statement on the primary."""
        with self.connect(user) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def connect(self, user: str = OWNER, database: str = OWNER) -> psycopg.Connection[Any]:
        """Connect to the primary."""
        return psycopg.connect(
            host=HOST, port=self.ports["primary"], user=user, dbname=database, autocommit=True
        )

    def redis(self) -> redis.Redis:
        """Connect to Redis."""
        return redis.Redis(port=self.ports["redis"], password=REDIS_PASSWORD, decode_responses=True)

    def _seed(self) -> None:
        with self.connect("postgres", "postgres") as connection:
            connection.execute(f"CREATE ROLE {OWNER} LOGIN".encode())
            connection.execute(f"CREATE DATABASE {OWNER} OWNER {OWNER}".encode())
            connection.execute(f"GRANT pg_read_all_stats TO {OWNER}".encode())
        for migration in migrations.of_release(RELEASE):
            self.sql(migration.script.decode())
        self.sql((SQL / "audit.sql").read_text())
        self.sql((SQL / "seed.sql").read_text())

    def _answers_sql(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.connect("postgres", "postgres").close()
            return True
        return False


class Api:
    """One running process of the API, as a client sees it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.http = httpx.Client(base_url=f"http://{HOST}:{port}", timeout=15, trust_env=False)

    def is_live(self) -> bool:
        """Tell whether it answers."""
        with contextlib.suppress(httpx.TransportError):
            return bool(self.http.get("/health").status_code)
        return False

    def fault(self, **switches: object) -> None:
        """Put exactly these switches in force."""
        answer = self.http.put(
            "/_sandbox/faults", json=switches, headers={"X-Sandbox-Token": ADMIN_TOKEN}
        )
        answer.raise_for_status()

    def read(self, path: str, token: str = SYNTHETIC_TOKEN) -> httpx.Response:
        """GET with a token."""
        return self.http.get(path, headers={"Authorization": f"Bearer {token}"})

    def post(self, path: str, body: object, token: str | None = None) -> httpx.Response:
        """POST, with a token when there is one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.http.post(path, json=body, headers=headers)

    def metric(self, line_start: str) -> float:
        """Return the value of one series; 0 when it is not there."""
        lines = self.http.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(line_start))


@functools.cache
def _started() -> Servers:
    return Servers()


@functools.cache
def _api(version: str) -> Api:
    return _started().start_api(version)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Return the servers, the same ones in every module."""
    first = _started.cache_info().currsize == 0
    running = _started()
    try:
        if first:
            running.start_all()
        yield running
    finally:
        if first:
            running.stop_all()


@pytest.fixture
def api(servers: Servers) -> Iterator[Api]:  # noqa: ARG001 - the API needs them
    """Return the API 1.2.0 without faults; it is freed of them afterwards."""
    running = _api("1.2.0")
    yield running
    running.fault()


@pytest.fixture
def old_api(servers: Servers) -> Api:  # noqa: ARG001 - the API needs them
    """Return the API 1.1.0."""
    return _api("1.1.0")

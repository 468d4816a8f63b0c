"""Real servers for the tests of the reference API: Postgres with its standby, Redis, the vendors."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis

from sandbox.core.binaries import find_redis
from sandbox.core.layout import RELEASE
from sandbox.faults import catalogue
from sandbox.systems.data import migrations
from sandbox.systems.data.postgres import ordinary_user, programs
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
SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "unix_socket_directories=",
    "wal_retrieve_retry_interval=200ms",
)


def accepts(port: int) -> bool:
    """Tell whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


class Servers:
    """The servers, started once for a test session and stopped at its end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="health-app-tests-"))
        self.folder.chmod(0o755)
        self.ports = {name: closed_port() for name in ("primary", "standby", "redis", "vendors")}
        self._programs = programs()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._apis: list[tuple[Api, subprocess.Popen[bytes]]] = []

    def start_all(self) -> None:
        """Make the cluster, seed it, and start everything."""
        self.run_as_user("initdb", "-D", str(self._data("primary")), "-U", "postgres", "-A", "trust",
                         "--locale=C", "--encoding=UTF8", "--no-sync")  # fmt: skip
        self.start_postgres("primary")
        self._seed()
        self.run_as_user("pg_basebackup", "-h", HOST, "-p", str(self.ports["primary"]),
                         "-U", "postgres", "-D", str(self._data("standby")), "-R",
                         "-c", "fast", "--no-sync")  # fmt: skip
        self.start_postgres("standby")
        self.start_redis()
        self.start_vendors()

    def stop_all(self) -> None:
        """Stop everything; may be called again."""
        for api, process in self._apis:
            api.http.close()
            process.send_signal(signal.SIGTERM)
        for _, process in self._apis:
            end(process, signal.SIGTERM)
        for name in tuple(self._processes):
            self.stop(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self, name: str) -> None:
        """Stop one server at once."""
        is_postgres = name in {"primary", "standby"}
        end(self._processes.pop(name), signal.SIGQUIT if is_postgres else signal.SIGTERM)

    def start_postgres(self, name: str) -> None:
        """Start the primary or the standby."""
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        self._processes[name] = subprocess.Popen(
            [self._program("postgres"), "-D", self._data(name), "-p", str(self.ports[name]), *settings],
            **self._as_user(),
        )  # fmt: skip
        wait_until(lambda: self._answers_sql(name), f"{name} answers queries")

    def start_redis(self) -> None:
        """Start Redis."""
        binary = find_redis(lambda _said: None)
        port = str(self.ports["redis"])
        self._processes["redis"] = subprocess.Popen(
            [binary.path, "--port", port, "--bind", HOST, "--save", "", "--requirepass", REDIS_PASSWORD],
            stdout=subprocess.DEVNULL,
            env={**os.environ, **binary.environment},
            cwd=self.folder,
        )  # fmt: skip
        wait_until(lambda: accepts(self.ports["redis"]), "redis listens")

    def start_vendors(self) -> None:
        """Start the vendors' stand-in."""
        servers = {"vendors": {"port": self.ports["vendors"]}}
        settings = self.json_file({"admin_token": ADMIN_TOKEN, "servers": servers})
        self._processes["vendors"] = self.python("sandbox.systems", str(settings))
        wait_until(lambda: accepts(self.ports["vendors"]), "the vendors listen")

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
                "provider_id": "synthetic-provider",
            },
            **changes,
        }
        process = self.python("sandbox.app", str(self.json_file(settings)))
        api = Api(port)
        self._apis.append((api, process))
        wait_until(api.is_live, "the API answers /health")
        return api

    def python(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a module of the platform."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=CHECKOUT,
        )

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

    def run_as_user(self, program: str, *arguments: str) -> None:
        """Run one of Postgres's programs; its folder belongs to the ordinary user."""
        user = ordinary_user()
        if user is not None:
            shutil.chown(self.folder, user)
        subprocess.run(
            [self._program(program), *arguments], check=True, timeout=60, **self._as_user()
        )

    def _seed(self) -> None:
        with self.connect("postgres", "postgres") as connection:
            connection.execute(f"CREATE ROLE {OWNER} LOGIN".encode())
            connection.execute(f"CREATE DATABASE {OWNER} OWNER {OWNER}".encode())
            connection.execute(f"GRANT pg_read_all_stats TO {OWNER}".encode())
        for migration in migrations.of_release(RELEASE):
            self.sql(migration.script.decode())
        self.sql((SQL / "audit.sql").read_text())
        self.sql((SQL / "seed.sql").read_text())

    def _answers_sql(self, name: str) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(
                host=HOST, port=self.ports[name], user="postgres", dbname="postgres"
            ).close()
            return True
        return False

    def _data(self, name: str) -> Path:
        return self.folder / name

    def _program(self, name: str) -> Path:
        return self._programs / name

    def _as_user(self) -> dict[str, Any]:
        return {
            "user": ordinary_user(),
            "cwd": "/",
            "env": {**os.environ, "LC_ALL": "C"},
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }


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


def end(process: subprocess.Popen[bytes], number: int) -> None:
    """Stop a process that the tests started."""
    process.send_signal(number)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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

"""Real servers for the tests of the reference API: Postgres, Redis, the vendors."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import redis
from pydantic import SecretStr

from sandbox.app.__main__ import make_app
from sandbox.app.config import AppConfig
from sandbox.core.binaries import find_redis
from sandbox.core.layout import RELEASE
from sandbox.faults import catalogue
from sandbox.systems.data import migrations
from sandbox.systems.data.postgres import ordinary_user, programs
from sandbox.systems.service.standins import vendors
from tests.checkout import ROOT
from tests.probes.real_servers import folder_of, initdb, running
from tests.probes.servers import closed_port, wait_until
from tests.probes.standin_server import listening

SLOW: dict[str, str] = next(
    fault.does["script"] for fault in catalogue.load() if fault.name == "slow-query"
)
"""The scripts that slow the lists' query down, and make it fast again."""
SQL = ROOT / "sandbox" / "systems" / "data" / "database"
HOST = "127.0.0.1"
OWNER = "unified_health"
ADMIN_TOKEN = "admin-token"
SYNTHETIC_TOKEN = "synthetic-token"
SYNTHETIC_DOMAIN = "synthetic.example.org"
REDIS_PASSWORD = "redis-password"
SETTINGS = ("fsync=off", "full_page_writes=off", "unix_socket_directories=")


def answers(ask: Callable[[], object]) -> bool:
    """Tell whether a server answers a question."""
    with contextlib.suppress(psycopg.OperationalError, redis.ConnectionError):
        ask()
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
        self.ports = {name: closed_port() for name in ("primary", "redis")}
        self._vendors = self._stack.enter_context(listening(vendors(SecretStr(ADMIN_TOKEN), {})))

    def start_all(self) -> None:
        """Make the cluster, seed it, and start everything."""
        initdb(self.folder / "data", self._user, "--auth=trust")
        self.start_primary()
        self._seed()
        redis_server = find_redis(lambda _said: None)
        options = ("--bind", HOST, "--save", "", "--requirepass", REDIS_PASSWORD)
        argv = [redis_server.path, "--port", str(self.ports["redis"]), *options]
        where: dict[str, Any] = {"folder": self.folder, "environment": redis_server.environment}
        self._stack.enter_context(running(argv, **where))
        wait_until(lambda: answers(self.redis().ping), "Redis answers")

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
        sql = "Postgres answers queries"
        wait_until(lambda: answers(lambda: self.connect("postgres", "postgres").close()), sql)

    def stop_primary(self) -> None:
        """Stop Postgres at once."""
        self._primary.close()

    def start_api(self, around: Callable[[Any], Any] = lambda app: app, **changes: Any) -> Api:
        """Serve the API once more, with something around it; `changes` replace parts of its settings."""
        login = {"host": HOST, "name": OWNER, "user": OWNER, "password": "trusted"}
        settings = {
            "region": "eu",
            "version": "1.2.0",
            "port": 0,
            "database": {**login, "port": self.ports["primary"]},
            "redis": {"host": HOST, "port": self.ports["redis"], "password": REDIS_PASSWORD},
            "vendors_url": self._vendors,
            "admin_token": ADMIN_TOKEN,
            "synthetic": {"email_domain": SYNTHETIC_DOMAIN, "token": SYNTHETIC_TOKEN},
            **changes,
        }
        app = around(make_app(AppConfig.model_validate(settings)))
        api = Api(self._stack.enter_context(listening(app)))
        self._stack.callback(api.http.close)
        return api

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


class Api:
    """The API, as a client sees it."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=15, trust_env=False)

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

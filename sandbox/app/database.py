"""The API's way to Postgres: a lazy pool for its work, one connection of its own for the health check."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, LiteralString, NamedTuple, TypeAlias

import psycopg
from psycopg.rows import DictRow, dict_row, scalar_row
from psycopg_pool import AsyncConnectionPool

from sandbox.app.config import Database as Login
from sandbox.app.metrics import Metrics

Connection: TypeAlias = psycopg.AsyncConnection[DictRow]
Row: TypeAlias = dict[str, Any]

_FEWEST, _MOST = 2, 16
_CONNECT_SECONDS = 2
_WAIT_SECONDS = 2.0
# UTC also where Postgres writes the JSON, and times with it.
_OPTIONS = "-c statement_timeout=3s -c timezone=UTC"
_HEALTH_SECONDS = 2.0
_STANDBY_CACHE_SECONDS = 1.0
_TEND_SECONDS = 5.0


class DatabaseUnavailableError(Exception):
    """The primary did not answer the health check in time."""


class Health(NamedTuple):
    """What the health check measured on the primary."""

    latency_seconds: float
    standby_is_streaming: bool


class Database:
    """Queries on the primary, each timed; opens lazily, so the API starts without Postgres."""

    def __init__(self, login: Login, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs=_parameters(login),
            connection_class=psycopg.AsyncConnection[DictRow],
            min_size=_FEWEST,
            max_size=_MOST,
            timeout=_WAIT_SECONDS,
            # Attempts back off while Postgres is away; a short limit means that the next request
            # after its return tries at once instead of waiting for a late attempt.
            reconnect_timeout=0.5,
            check=_refuse_broken,
            open=False,
        )
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        self.health = HealthCheck(login)
        self._held: list[Connection] = []

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Keep the pool open, and free of connections that died, for as long as the API runs."""
        await self._pool.open(wait=False)
        tending = asyncio.create_task(self._tend())
        try:
            yield
        finally:
            tending.cancel()
            await self.health.close()
            await self._pool.close()

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TEND_SECONDS)
            await self._pool.check()

    async def pool(self, held: int) -> tuple[int, int]:
        """Return how many connections are in use and how many there can be, with so many kept for nothing."""
        with contextlib.suppress(psycopg.Error):
            while len(self._held) < held:
                self._held.append(await self._pool.getconn())
        while len(self._held) > held:
            await self._pool.putconn(self._held.pop())
        known = self._pool.get_stats()
        return known.get("pool_size", 0) - known.get("pool_available", 0), _MOST

    async def rows(self, query: LiteralString, *values: object) -> list[Row]:
        """Run one query and return its rows; raises psycopg.Error."""
        async with self._pool.connection() as connection:
            return await self._timed(connection, query, values)

    async def document(self, query: LiteralString, *values: str) -> str | None:
        """Return the JSON text that a query makes, None without a row; raises psycopg.Error.

        Postgres writes a list ten times as fast as its rows become objects here and text again.
        """
        async with self._pool.connection() as connection:
            cursor = psycopg.AsyncCursor(connection, row_factory=scalar_row)
            with self._clock():
                await cursor.execute(query, values)
                found: str | None = await cursor.fetchone()
            return found

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Run several queries as one; raises psycopg.Error."""
        async with self._pool.connection() as connection, connection.transaction():
            yield Transaction(self, connection)

    async def _timed(
        self, connection: Connection, query: LiteralString, values: tuple[object, ...]
    ) -> list[Row]:
        with self._clock():
            cursor = await connection.execute(query, values)
            return await cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def _clock(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._metrics.query(time.perf_counter() - started)


class Transaction:
    """Queries on one connection, committed together."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection

    async def rows(self, query: LiteralString, *values: object) -> list[Row]:
        """Run one query and return its rows; raises psycopg.Error."""
        return await self._database._timed(self._connection, query, values)  # noqa: SLF001 - one module


class HealthCheck:
    """Times a query on a connection of its own, so that a busy pool is not taken for a dead server."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connection: Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._standby = (float("-inf"), False)
        self._abandoned: set[asyncio.Task[Health]] = set()

    async def measure(self, *, extra_seconds: float = 0.0) -> Health:
        """Time SELECT 1 and look for the standby; raises DatabaseUnavailableError within 2 seconds."""
        probe = asyncio.create_task(self._probe(extra_seconds))
        await asyncio.wait({probe}, timeout=_HEALTH_SECONDS)
        if not probe.done():
            # Not awaited: psycopg first tries to cancel the query on the server that hangs.
            self._connection = None
            self._abandoned.add(probe)
            probe.add_done_callback(self._abandoned.discard)
            probe.cancel()
            raise DatabaseUnavailableError
        try:
            return probe.result()
        except psycopg.Error as exc:
            raise DatabaseUnavailableError from exc

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _probe(self, extra_seconds: float) -> Health:
        async with self._one_at_a_time:
            connection = await self._connected()
            started = time.perf_counter()
            if extra_seconds:
                await connection.execute("SELECT pg_sleep(%s)", (extra_seconds,))
            await connection.execute("SELECT 1")
            latency = time.perf_counter() - started
            return Health(latency, await self._standby_is_streaming(connection))

    async def _connected(self) -> Connection:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                await _refuse_broken(self._connection)
                return self._connection
            await self._connection.close()
        self._connection = await psycopg.AsyncConnection.connect(**_parameters(self._login))
        return self._connection

    async def _standby_is_streaming(self, connection: Connection) -> bool:
        asked_at, answer = self._standby
        if time.monotonic() - asked_at < _STANDBY_CACHE_SECONDS:
            return answer
        cursor = await connection.execute(
            "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' LIMIT 1"
        )
        answer = await cursor.fetchone() is not None
        self._standby = (time.monotonic(), answer)
        return answer


def _parameters(login: Login) -> dict[str, Any]:
    return {
        "host": login.host,
        "port": login.port,
        "dbname": login.name,
        "user": login.user,
        "password": login.password.get_secret_value(),
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "api",
        "options": _OPTIONS,
        "autocommit": True,
        "prepare_threshold": 1,
        "row_factory": dict_row,
    }


async def _refuse_broken(connection: Connection) -> None:
    """Raise psycopg.Error for a connection that Postgres has closed; free of a round trip otherwise.

    An idle connection has nothing to read, unless the server said goodbye (or sent a notice).
    """
    if connection.closed:
        raise psycopg.OperationalError("the connection is closed")
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    if poller.poll(0):
        await connection.execute("")

"""Prepared reads on kept connections, through libpq's own functions.

A query through a cursor costs this process four times as much, hundreds of times a second, on cores that
are shared with what measures the platform. The connections are the pool's: it makes, counts and replaces
them. A reader only keeps the few that it works on, with their statements prepared, and listens to them
while they rest, so that one that dies goes back at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, LiteralString, NamedTuple, TypeAlias

import psycopg
from psycopg import pq
from psycopg.rows import scalar_row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from psycopg.rows import DictRow
    from psycopg_pool import AsyncConnectionPool

Connection: TypeAlias = "psycopg.AsyncConnection[DictRow]"

_MOST_KEPT = 10  # of the pool's 16: the rest is for everybody else


class Statement(NamedTuple):
    """A query with text parameters ($1, …) that makes at most one row of one text."""

    name: LiteralString
    sql: LiteralString


class Reader:
    """Runs prepared statements on connections that it keeps, and on others while all of those are busy."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        statements: Sequence[Statement],
        clock: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._pool = pool
        self._statements = statements
        self._clock = clock
        """Times the query, and not the wait for a connection."""
        self._count = 0
        self._idle: list[_Kept] = []
        self._going_back: set[asyncio.Task[None]] = set()

    async def text(self, statement: Statement, *values: str) -> str | None:
        """Return the text that a statement makes; None when it finds nothing; raises psycopg.Error."""
        if not self._idle and self._count >= _MOST_KEPT:
            return await self._ordinary(statement, values)
        kept = self._idle.pop() if self._idle else await self._keep_another()
        try:
            with self._clock():
                return await kept.text(statement.name, values)
        finally:
            if kept.works:
                self._idle.append(kept)
            else:
                self._give_back(kept)

    async def close(self) -> None:
        """Give the resting connections back, and wait until they are."""
        while self._idle:
            self._give_back(self._idle.pop())
        await asyncio.gather(*self._going_back)

    async def _ordinary(self, statement: Statement, values: tuple[str, ...]) -> str | None:
        async with self._pool.connection() as connection:
            cursor = psycopg.AsyncRawCursor(connection, row_factory=scalar_row)
            with self._clock():
                await cursor.execute(statement.sql, values)
            found: str | None = await cursor.fetchone()
            return found

    async def _keep_another(self) -> _Kept:
        self._count += 1
        connection = None
        try:
            connection = await self._pool.getconn()
            for statement in self._statements:
                await connection.execute("PREPARE " + statement.name + " AS " + statement.sql)
        except BaseException:
            self._count -= 1
            if connection is not None:
                await self._closed(connection)
            raise
        return _Kept(connection, self._died_resting)

    def _died_resting(self, kept: _Kept) -> None:
        # One that is not among the idle has just answered, and is looked at by who waits for it.
        if kept in self._idle:
            self._idle.remove(kept)
            self._give_back(kept)

    def _give_back(self, kept: _Kept) -> None:
        """Close a connection and let the pool replace it; its statements must not meet a second reader."""
        self._count -= 1
        kept.stop_listening()
        task = asyncio.get_running_loop().create_task(self._closed(kept.connection))
        self._going_back.add(task)
        task.add_done_callback(self._going_back.discard)

    async def _closed(self, connection: Connection) -> None:
        await connection.close()
        await self._pool.putconn(connection)


class _Kept:
    """One connection: one statement at a time."""

    def __init__(self, connection: Connection, died_resting: Callable[[_Kept], None]) -> None:
        self.connection = connection
        self._libpq = connection.pgconn
        self._died_resting = died_resting
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[str | None] | None = None
        self._result: pq.abc.PGresult | None = None
        self._descriptor = self._libpq.socket
        self._loop.add_reader(self._descriptor, self._ready)

    @property
    def works(self) -> bool:
        """Whether the connection stands and no answer is owed on it."""
        return self._libpq.transaction_status == pq.TransactionStatus.IDLE

    def stop_listening(self) -> None:
        """Leave the connection to somebody else; may be called again."""
        self._loop.remove_reader(self._descriptor)

    async def text(self, name: str, values: tuple[str, ...]) -> str | None:
        """Run a prepared statement; raises psycopg.Error."""
        self._waiting = self._loop.create_future()
        self._libpq.send_query_prepared(name.encode(), [value.encode() for value in values])
        if self._libpq.flush():
            raise psycopg.OperationalError("the connection takes nothing more")
        return await self._waiting

    def _ready(self) -> None:
        """Read what came; an end of the connection is an error to libpq."""
        try:
            self._libpq.consume_input()
            while self._waiting and not self._libpq.is_busy():
                self._take(self._libpq.get_result())
        except psycopg.OperationalError as exc:
            # Now: libpq has closed the descriptor, whose number the next connection will have.
            self.stop_listening()
            self._end(exc)

    def _take(self, result: pq.abc.PGresult | None) -> None:
        """Keep a result; None says that there are no more."""
        if result is not None:
            self._result = result
        elif self._result is None:
            self._end(psycopg.OperationalError("the server gave no answer"))
        else:
            last, self._result = self._result, None
            self._end(_text_of(last))

    def _end(self, outcome: str | psycopg.Error | None) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self._died_resting(self)
        elif waiting.done():  # who asked was cancelled
            return
        elif isinstance(outcome, psycopg.Error):
            waiting.set_exception(outcome)
        else:
            waiting.set_result(outcome)


def _text_of(result: pq.abc.PGresult) -> str | psycopg.Error | None:
    """Return the text of the only row, None without a row, or what the server says is wrong."""
    if result.status != pq.ExecStatus.TUPLES_OK:
        code = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        return _kind(code)(result.get_error_message())
    value = result.get_value(0, 0) if result.ntuples else None
    return None if value is None else value.decode()


def _kind(code: str) -> type[psycopg.Error]:
    """Return the class for a code of the server; an answer without code is a lost connection."""
    try:
        return psycopg.errors.lookup(code)
    except KeyError:
        return psycopg.OperationalError if not code else psycopg.DatabaseError

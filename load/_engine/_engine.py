"""The engine: sends what is due, when it is due, whatever became of what was sent before.

Due is what an absolute schedule says that nothing moves, or what callers ask who have their answers.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import errno
import gc
import math
import random
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from load._engine._tally import Book, Tally
from load._engine._wire import Answer, Connection, Flight, Names, Request, Trouble, trouble_of

Arrivals = Literal["poisson", "uniform"]


class Schedule:
    """An open model: callers who know nothing of each other, at a rate that may change."""

    def __init__(self, *, begins_at: float, arrivals: Arrivals, seed: int | str) -> None:
        """Begin at a time of a monotonic clock, with no rate: nothing is due before `set_rate`."""
        self._chance = random.Random(seed)  # noqa: S311 - a schedule that can be repeated, no secret
        self._uniform = arrivals == "uniform"
        self._rate = 0.0
        self._since = begins_at
        self._left = self._draw()
        """How much of the way to the next arrival is left, in mean intervals, at `_since`."""

    def set_rate(self, rate: float, *, now: float) -> None:
        """Change the rate from now on; the way already gone to the next arrival is kept.

        Raises ValueError for a rate that is negative or no number.
        """
        if not math.isfinite(rate) or rate < 0:
            raise ValueError(f"a rate of {rate} requests/s")
        now = max(now, self._since)
        self._left -= (now - self._since) * self._rate
        self._since, self._rate = now, rate

    def due(self, now: float) -> Iterator[float]:
        """Yield the intended time of every arrival up to now, each of them once, oldest first."""
        while self._rate > 0:
            at = self._since + max(0.0, self._left) / self._rate
            if at > now:
                return
            self._since, self._left = at, self._draw()
            yield at

    def _draw(self) -> float:
        return 1.0 if self._uniform else self._chance.expovariate(1.0)


class Closed:
    """Callers who wait for their answer: a slow server slows them down, and that hides its slowness.

    It measures how much a server or an engine can do at most; it proves no rate. What is sent is
    due when it is sent: nothing is ever late or dropped.
    """

    connections = 0
    """How many callers there are."""

    def __init__(self, connections: int) -> None:
        """Let so many callers ask, each on a connection of its own; raises ValueError below 0."""
        self.set_connections(connections)

    def set_connections(self, connections: int) -> None:
        """Change how many callers there are; none send nothing. Raises ValueError below 0."""
        if connections < 0:
            raise ValueError(f"{connections} connections")
        self.connections = connections


__all__ = ["Address", "Engine", "Limits", "Request", "unix_offset_seconds"]

TICK_SECONDS = 0.001
"""Fixed: a shorter sleep makes uvloop spin."""
_SWEEP_SECONDS = 0.02
# uvloop's own clock shows whole milliseconds, and those of the loop's last turn: too coarse for a latency.
_now = time.monotonic


def unix_offset_seconds() -> float:
    """Return what makes a time of the engine's clock one of the Unix epoch; ask once for each engine.

    Kept for a whole run: a wall clock that is set meanwhile neither repeats nor skips a second.
    """
    return time.time() - _now()


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine may use."""

    connections: int = 512
    """Of an open model; a closed one has its own number."""
    waiting: int = 10_000
    """Arrivals that may wait for a connection; more are dropped, and counted."""
    deadline_seconds: float = 10.0
    """From the real time of sending to the whole answer."""
    late_seconds: float = 0.01
    most_bytes: int = 4 * 1024 * 1024
    """Of one body."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to; with a context, by TLS."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Engine:
    """One event loop's worth of load. Everything but `drain` and `stop` is called on that loop."""

    def __init__(
        self,
        address: Address,
        model: Schedule | Closed,
        draw: Callable[[], Request],
        limits: Limits,
        *,
        offset_seconds: float = 0.0,
    ) -> None:
        """Count by seconds of the monotonic clock plus an offset (`unix_offset_seconds`)."""
        self._address, self._draw, self._limits = address, draw, limits
        self._closed = model if isinstance(model, Closed) else None
        self._schedule = model if isinstance(model, Schedule) else None
        self._book = Book(offset_seconds=offset_seconds, late_seconds=limits.late_seconds)
        self._names = Names(address.host, address.port)
        self._stage = 0
        self._idle: collections.deque[Connection] = collections.deque()
        """The one that was idle for longest is asked first: so every address of a name is."""
        self._open = 0
        self._connecting = 0
        self._flights: dict[Connection, Flight] = {}
        self._waiting: collections.deque[tuple[int, float]] = collections.deque()
        """Stage and time of each arrival that has no connection yet; its request is drawn when it has."""
        self._again: collections.deque[Flight] = collections.deque()
        """Requests whose kept connection had ended unannounced; each goes out on a new one."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0
        """Counts connections: each goes to the next address of the name."""
        self._running = False
        self._stopping = False
        self._broken: Exception | None = None

    async def run(self) -> None:
        """Send until `stop`; then wait for what is under way, as long as its deadline allows.

        Raises what `draw` raises.
        """
        self._running = True
        try:
            with _spared_collections():
                await self._ticks()
        finally:
            self._stopping = True
            self._end()
            await self._names.end()
        if self._broken is not None:
            raise self._broken

    def stop(self) -> None:
        """Ask for nothing more; what waits unsent is dropped and counted."""
        self._stopping = True

    def drain(self) -> dict[int, Tally]:
        """Take away what was counted since the last call, by stage; nothing is counted twice or lost.

        While it runs, the last hundredths of a second are still to come.
        """
        return self._book.drain()

    def set_stage(self, number: int) -> None:
        """Let what is due from now on belong to another stage; what was due before still goes out."""
        if self._running:
            self._send_due(_now())
        self._stage = number

    @property
    def in_flight(self) -> int:
        """Return how many requests have no answer yet."""
        return len(self._flights)

    async def _ticks(self) -> None:
        ticked = swept = _now()
        while self._flights or self._waiting or self._again or not self._stopping:
            await asyncio.sleep(TICK_SECONDS)
            now = _now()
            self._book.lag(self._stage, now, now - ticked - TICK_SECONDS)
            ticked = now
            if self._stopping:
                self._drop_waiting()
            self._send_due(now)
            if now - swept >= _SWEEP_SECONDS:
                swept = now
                self._sweep(now)
                self._book.hand_over()

    def _end(self) -> None:
        """Leave nothing open and nothing uncounted, also where the run was broken off."""
        self._running = False
        self._drop_waiting()
        for task in tuple(self._tasks):
            task.cancel()
        while self._again:
            self._book.over(self._again.popleft(), Answer(None, Trouble.LOST), _now())
        for connection in tuple(self._flights):
            connection.give_up(Trouble.LOST)
        for connection in self._idle:
            connection.close()
        self._book.hand_over(last=True)

    def _drop_waiting(self) -> None:
        while self._waiting:
            self._book.dropped(*self._waiting.popleft())

    def _send_due(self, now: float) -> None:
        if self._stopping:
            return
        if self._closed is not None:
            for _ in range(self._closed.connections - self._callers):
                self._connect()
        if self._schedule is not None:
            for due_at in self._schedule.due(now):
                self._arrive(due_at, now)

    def _arrive(self, due_at: float, now: float) -> None:
        while self._idle:
            connection = self._idle.popleft()
            if connection.usable:
                self._ask(connection, self._stage, due_at, now)
                return
        if len(self._waiting) >= self._limits.waiting:
            self._book.dropped(self._stage, due_at)
            return
        self._waiting.append((self._stage, due_at))
        self._connect_for_waiting()

    def _ask(self, connection: Connection, stage: int, due_at: float, now: float) -> None:
        flight = self._drawn(stage, due_at, now)
        if flight is None:
            connection.close()
        else:
            self._send(connection, flight)

    def _drawn(self, stage: int, due_at: float, now: float) -> Flight | None:
        """Return the next request; where drawing it breaks there is none, and the run ends."""
        try:
            return Flight(self._draw(), stage, due_at, now)
        except Exception as exc:  # noqa: BLE001 - raised again by `run`; here it would end in a log
            self._broken, self._stopping = exc, True
            self._book.dropped(stage, due_at)
            return None

    def _send(self, connection: Connection, flight: Flight) -> None:
        self._flights[connection] = flight
        connection.ask(flight.request.data, keep_body=flight.request.keep_body)

    def _connect_for_waiting(self) -> None:
        if self._open < self._limits.connections and self._connecting < len(self._waiting):
            self._connect()

    def _connect(self) -> None:
        self._open += 1
        self._connecting += 1
        task = asyncio.get_running_loop().create_task(self._opened())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _opened(self) -> None:
        connection: Connection | None = None
        trouble = Trouble.LOST
        try:
            async with asyncio.timeout(self._limits.deadline_seconds):
                connection = await self._connection()
        except (OSError, TimeoutError) as exc:
            looked_up = isinstance(exc, TimeoutError) and self._names.unknown
            trouble = Trouble.NAME if looked_up else trouble_of(exc)
        finally:
            self._connecting -= 1
        if connection is None:
            self._open -= 1
            self._fail_one(trouble)
            return
        if not connection.usable:
            # Closed already, before anything was asked: that is an arrival's failure too.
            self._fail_one(trouble)
        elif self._again:
            self._send(connection, self._again.popleft())
        else:
            self._free(connection, _now())

    async def _connection(self) -> Connection:
        """Connect to the addresses of the name in turn; one that takes no connection is counted."""
        places = await self._names.places()
        first, self._turn = self._turn % len(places), self._turn + 1
        if not first and self._turn == 1:
            self._connect_to_the_others(len(places) - 1)
        for number in range(first, first + len(places)):
            family, host = places[number % len(places)]
            try:
                connection = await self._connection_to(family, host)
            except OSError:
                self._book.of(self._stage).refused[host] += 1
                if number == first + len(places) - 1:
                    raise
            else:
                self._book.of(self._stage).connects[host] += 1
                return connection
        raise OSError(errno.EADDRNOTAVAIL, "the name has no address")

    def _connect_to_the_others(self, count: int) -> None:
        """Meet each address of a name, also where one connection would do."""
        for _ in range(min(count, self._limits.connections - self._open)):
            self._connect()

    async def _connection_to(self, family: int, host: str) -> Connection:
        address = self._address
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._answered, self._gone, most_bytes=self._limits.most_bytes),
            host,
            address.port,
            family=family,
            ssl=address.tls,
            server_hostname=address.host if address.tls else None,
        )
        return connection

    def _fail_one(self, trouble: Trouble) -> None:
        """Let a failed connection end one of the arrivals that wait: each has a failure of its own."""
        now = _now()
        if self._again:
            self._book.over(self._again.popleft(), Answer(None, trouble), now)
            return
        if self._waiting:
            stage, due_at = self._waiting.popleft()
        elif self._has_caller_to_ask():
            stage, due_at = self._stage, now
        else:
            return
        if (flight := self._drawn(stage, due_at, now)) is not None:
            self._book.over(flight, Answer(None, trouble), now)

    def _free(self, connection: Connection, now: float) -> None:
        """Give a connection to whoever waits, to its own caller of a closed model, or to the idle ones."""
        if self._waiting:
            stage, due_at = self._waiting.popleft()
            self._ask(connection, stage, due_at, now)
        elif self._schedule is not None:
            self._idle.append(connection)
        elif self._has_caller_to_ask():
            self._ask(connection, self._stage, now, now)
        else:
            connection.close()

    def _has_caller_to_ask(self) -> bool:
        """Tell whether a closed model has a caller who asks nothing yet."""
        return (
            self._closed is not None
            and not self._stopping
            and self._callers < self._closed.connections
        )

    @property
    def _callers(self) -> int:
        """Return how many callers of a closed model are there: each asks, or is about to."""
        return len(self._flights) + self._connecting

    def _answered(self, connection: Connection, answer: Answer) -> None:
        now = _now()
        flight = self._flights.pop(connection, None)
        if flight is not None and self._worth_resending(connection, answer, flight):
            self._book.of(flight.stage).resent += 1
            self._again.append(flight)
            self._connect()
        elif flight is not None:
            self._book.over(flight, answer, now)
        if connection.usable:
            self._free(connection, now)
        if self._schedule is not None:
            # A look at the clock between two ticks: at high rates hardly anything waits for a tick.
            self._send_due(now)

    def _worth_resending(self, connection: Connection, answer: Answer, flight: Flight) -> bool:
        """Tell whether a client would ask again: nothing says that the server saw it (RFC 9110, 9.2.2)."""
        return (
            answer.trouble is Trouble.LOST
            and connection.died_reused
            and flight.request.idempotent
            and self._running
        )

    def _gone(self, connection: Connection) -> None:
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        self._connect_for_waiting()

    def _sweep(self, now: float) -> None:
        """End what has waited for longer than its deadline; the oldest come first."""
        overdue = []
        for connection, flight in self._flights.items():
            if now - flight.sent_at <= self._limits.deadline_seconds:
                break
            overdue.append(connection)
        for connection in overdue:
            connection.give_up(Trouble.TIMEOUT)


@contextlib.contextmanager
def _spared_collections() -> Iterator[None]:
    """Let the garbage collector leave alone what was there before: looking through it stops the clock."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

"""The engine: sends what is due, when it is due, whatever became of what was sent before."""

from __future__ import annotations

import asyncio
import collections
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from load._engine._schedule import Schedule
from load._engine._tally import Tally
from load._engine._wire import Answer, Connection, Trouble

TICK_SECONDS = 0.001
"""Fixed: a shorter sleep makes uvloop spin."""
_SWEEP_SECONDS = 0.02
_OUT_OF = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS})


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be written."""

    name: str
    """As reports call its kind."""
    data: bytes
    judge: Callable[[Answer], str | None] | None = None
    """Returns what is wrong with an answer; None: nothing. Without one, a status below 300 is right."""
    keep_body: bool = False
    """Whether `judge` reads the body."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine may use."""

    connections: int = 512
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


@dataclass(slots=True)
class _Flight:
    request: Request
    due_at: float
    sent_at: float


class Engine:
    """One event loop's worth of load. Everything but `drain` and `stop` is called on that loop."""

    def __init__(
        self, address: Address, schedule: Schedule, draw: Callable[[], Request], limits: Limits
    ) -> None:
        self._address, self._schedule, self._draw, self._limits = address, schedule, draw, limits
        self._tally = Tally()
        self._idle: list[Connection] = []
        self._open = 0
        self._connecting = 0
        self._flights: dict[Connection, _Flight] = {}
        self._waiting: collections.deque[tuple[Request, float]] = collections.deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False

    async def run(self) -> None:
        """Send until `stop`; then wait for what is under way, as long as its deadline allows."""
        loop = asyncio.get_running_loop()
        self._running = True
        ticked = swept = loop.time()
        while self._running or self._flights or self._waiting:
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            self._tally.lag.record(now - ticked - TICK_SECONDS)
            ticked = now
            if self._running:
                self._send_due(now)
            if now - swept >= _SWEEP_SECONDS:
                swept = now
                self._sweep(now)
        for task in tuple(self._tasks):
            task.cancel()
        for connection in self._idle:
            connection.close()

    def stop(self) -> None:
        """Ask for nothing more; what waits unsent is dropped and counted."""
        self._running = False
        self._tally.dropped += len(self._waiting)
        self._waiting.clear()

    def drain(self) -> Tally:
        """Take away what was counted since the last call; nothing is counted twice or lost."""
        taken, self._tally = self._tally, Tally()
        return taken

    @property
    def in_flight(self) -> int:
        """Return how many requests have no answer yet."""
        return len(self._flights)

    def _send_due(self, now: float) -> None:
        for due_at in self._schedule.due(now):
            request = self._draw()
            self._tally.due += 1
            self._tally.second(due_at).due += 1
            self._dispatch(request, due_at, now)

    def _dispatch(self, request: Request, due_at: float, now: float) -> None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                self._ask(connection, request, due_at, now)
                return
        if len(self._waiting) >= self._limits.waiting:
            self._tally.dropped += 1
            return
        self._waiting.append((request, due_at))
        wanted = min(len(self._waiting) - self._connecting, self._limits.connections - self._open)
        if wanted > 0:
            self._connect()

    def _ask(self, connection: Connection, request: Request, due_at: float, now: float) -> None:
        self._flights[connection] = _Flight(request, due_at, now)
        tally = self._tally
        tally.sent += 1
        tally.second(now).sent += 1
        if now - due_at > self._limits.late_seconds:
            tally.late += 1
        connection.ask(request.data, keep_body=request.keep_body)

    def _connect(self) -> None:
        self._open += 1
        self._connecting += 1
        task = asyncio.get_running_loop().create_task(self._opened())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _opened(self) -> None:
        loop = asyncio.get_running_loop()
        address = self._address
        trouble: Trouble | None = None
        try:
            async with asyncio.timeout(self._limits.deadline_seconds):
                _, connection = await loop.create_connection(
                    lambda: Connection(
                        self._answered, self._gone, most_bytes=self._limits.most_bytes
                    ),
                    address.host,
                    address.port,
                    ssl=address.tls,
                    server_hostname=address.host if address.tls else None,
                )
        except (OSError, TimeoutError) as exc:
            trouble = trouble_of(exc)
        finally:
            self._connecting -= 1
        if trouble is not None:
            self._open -= 1
            self._fail_one(trouble, loop.time())
            return
        self._tally.connects += 1
        if connection.usable:
            self._free(connection, loop.time())
        else:
            # Closed already, before anything was asked: that is an arrival's failure too.
            self._fail_one(Trouble.LOST, loop.time())

    def _fail_one(self, trouble: Trouble, now: float) -> None:
        """Let a failed connection end one of the arrivals that wait: each has a failure of its own."""
        if not self._waiting:
            return
        request, due_at = self._waiting.popleft()
        self._tally.sent += 1
        self._tally.second(now).sent += 1
        self._count(_Flight(request, due_at, now), Answer(None, trouble), now)

    def _free(self, connection: Connection, now: float) -> None:
        if self._waiting:
            request, due_at = self._waiting.popleft()
            self._ask(connection, request, due_at, now)
        elif connection.usable:
            self._idle.append(connection)

    def _answered(self, connection: Connection, answer: Answer) -> None:
        now = asyncio.get_running_loop().time()
        flight = self._flights.pop(connection, None)
        if flight is not None:
            self._count(flight, answer, now)
        if connection.usable:
            self._free(connection, now)

    def _count(self, flight: _Flight, answer: Answer, now: float) -> None:
        tally = self._tally
        endpoint = tally.endpoint(flight.request.name)
        endpoint.response.record(now - flight.due_at)
        endpoint.service.record(now - flight.sent_at)
        endpoint.size_bytes += answer.size_bytes
        wrong = _wrong(flight.request, answer)
        second = tally.second(now)
        second.completed += 1
        if answer.status is not None:
            endpoint.statuses[answer.status] += 1
        if wrong:
            second.failed += 1
            endpoint.troubles[wrong] += 1

    def _gone(self, connection: Connection) -> None:
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting and self._connecting < len(self._waiting):
            self._connect()

    def _sweep(self, now: float) -> None:
        """End what has waited for longer than its deadline; the oldest come first."""
        overdue = []
        for connection, flight in self._flights.items():
            if now - flight.sent_at <= self._limits.deadline_seconds:
                break
            overdue.append(connection)
        for connection in overdue:
            connection.give_up(Trouble.TIMEOUT)


def trouble_of(exc: Exception) -> Trouble:
    """Return why no connection came about."""
    if isinstance(exc, ssl.SSLError):
        return Trouble.TLS
    if isinstance(exc, socket.gaierror):
        return Trouble.NAME
    if isinstance(exc, OSError) and exc.errno in _OUT_OF:
        return Trouble.PORTS
    return Trouble.CONNECT


def _wrong(request: Request, answer: Answer) -> str | None:
    """Return what is wrong with an answer, in a report's words."""
    if answer.trouble is not None:
        return answer.trouble.value
    if request.judge is not None:
        return request.judge(answer)
    status = answer.status or 0
    return None if status < 300 else f"status {status}"  # noqa: PLR2004 - redirects are errors too

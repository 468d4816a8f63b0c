"""One process that sends by our engine and tells in JSON what came of it: what `bench load` measures.

`python -m bench.load_sender '{"url": …}'`, the fields of `Order`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import random
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import uvloop

from load._engine._closed import Closed
from load._engine._engine import Address, Engine, Limits, Request
from load._engine._schedule import Schedule
from load._engine._tally import Tally
from load._engine._wire import Answer

DRAINED_EVERY_SECONDS = 0.25
_SEED = 2026
_BODY_READ_EVERY = 20
"""Of so many answers one has its body read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What to send."""

    url: str
    seconds: float
    connections: int = 0
    """Of a closed loop; 0: an open one."""
    rps: float = 0.0
    """Of an open loop."""
    requests: int = 0
    """End after so many instead, if the seconds are not over before."""
    mix: bool = False
    """Requests of eight kinds, with bodies and checks, instead of one GET."""
    authority: str = ""
    """PEM file of who signs the server's certificate."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    rps: float
    sent: int
    failed: int
    late: int
    dropped: int
    slowest_second_rps: float
    """Of the whole seconds."""
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_share: float
    """Of one core."""
    lag_p99_ms: float
    early_rss_mb: float
    """After a tenth of the run."""
    rss_mb: float
    """At its end."""
    peak_rss_mb: float


class _Kept:
    """The counts of a run without its seconds' histograms: they would grow with every second."""

    def __init__(self) -> None:
        self.whole = Tally()
        self.sent_in: dict[int, int] = {}
        self.rss_mb: list[float] = []

    def take(self, tallies: dict[int, Tally]) -> None:
        for tally in tallies.values():
            for at, second in tally.seconds.items():
                self.sent_in[at] = self.sent_in.get(at, 0) + second.sent
            tally.seconds.clear()
            self.whole.merge(tally)
        self.rss_mb.append(_rss_mb())


async def send(order: Order) -> Result:
    """Send as ordered."""
    begins = time.monotonic()
    engine = Engine(_address(order), _model(order, begins), _draw(order), Limits())
    running = asyncio.create_task(engine.run())
    kept = _Kept()
    worked = time.process_time()
    while time.monotonic() - begins < order.seconds:
        if running.done() or (order.requests and kept.whole.sent >= order.requests):
            break
        await asyncio.sleep(DRAINED_EVERY_SECONDS)
        kept.take(engine.drain())
    engine.stop()
    await running
    took = time.monotonic() - begins
    worked = time.process_time() - worked
    kept.take(engine.drain())
    return _result(kept, took, worked)


def _result(kept: _Kept, took_seconds: float, worked_seconds: float) -> Result:
    whole = kept.whole
    every = Tally().endpoint("every")
    for endpoint in whole.endpoints.values():
        every.merge(endpoint)
    inner = sorted(kept.sent_in)[1:-1]
    return Result(
        rps=whole.sent / took_seconds,
        sent=whole.sent,
        failed=every.troubles.total(),
        late=whole.late,
        dropped=whole.dropped,
        slowest_second_rps=min((kept.sent_in[at] for at in inner), default=0),
        p50_ms=every.response.percentile(50) * 1000,
        p99_ms=every.response.percentile(99) * 1000,
        p999_ms=every.response.percentile(99.9) * 1000,
        cpu_share=worked_seconds / took_seconds,
        lag_p99_ms=whole.lag.percentile(99) * 1000,
        early_rss_mb=kept.rss_mb[len(kept.rss_mb) // 10],
        rss_mb=kept.rss_mb[-1],
        peak_rss_mb=max(kept.rss_mb),
    )


def _address(order: Order) -> Address:
    parts = urlsplit(order.url)
    tls = ssl.create_default_context(cafile=order.authority) if order.authority else None
    return Address(str(parts.hostname), int(parts.port or 0), tls)


def _model(order: Order, begins: float) -> Schedule | Closed:
    if order.connections:
        return Closed(order.connections)
    schedule = Schedule(begins_at=begins, arrivals="poisson", seed=_SEED)
    schedule.set_rate(order.rps, now=begins)
    return schedule


def _draw(order: Order) -> Callable[[], Request]:
    host = urlsplit(order.url).netloc
    if order.mix:
        return _mixed(host)
    request = Request("home", _written("GET", "/", host))
    return lambda: request


_KINDS: tuple[tuple[int, str, str, str], ...] = (
    (10, "GET", "/health", ""),
    (5, "POST", "/login", '{{"email":"caller-{0}@example.test","password":"{0:0>32}"}}'),
    (30, "GET", "/people/{0}", ""),
    (25, "GET", "/calendar?person={0}&from=2026-01-01", ""),
    (10, "POST", "/calendar", '{{"person":{0},"at":"2026-03-04T10:30:00Z","note":"{0:.<200}"}}'),
    (5, "POST", "/payments", '{{"person":{0},"amount":4200,"currency":"EUR","key":"k-{0}"}}'),
    (10, "GET", "/documents/{0}", ""),
    (5, "POST", "/calls", '{{"person":{0},"kind":"video"}}'),
)
"""Weight, method, path and body of eight kinds; a number that no other request has takes the place of 0."""


def _mixed(host: str) -> Callable[[], Request]:
    """Draw by weight; every request is written anew, every answer checked, some with their bodies."""
    chance = random.Random(_SEED)  # noqa: S311 - a mix that can be repeated, no secret
    drawn = chance.choices(_KINDS, [kind[0] for kind in _KINDS], k=10_000)
    kinds, numbers = itertools.cycle(drawn), itertools.count(1)

    def draw() -> Request:
        number = next(numbers)
        _, method, path, body = next(kinds)
        data = _written(method, path.format(number), host, body.format(number))
        whole = number % _BODY_READ_EVERY == 0
        judge = _judge_body if whole else _judge_status
        return Request(f"{method} {path}", data, judge, keep_body=whole)

    return draw


def _written(method: str, path: str, host: str, body: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Authorization: Bearer {'t' * 120}\r\n\r\n{body}".encode()


def _judge_status(answer: Answer) -> str | None:
    return None if answer.status in (200, 201) else f"status {answer.status}"


def _judge_body(answer: Answer) -> str | None:
    try:
        told = json.loads(answer.body)
    except ValueError:
        return "its body is no JSON"
    right = isinstance(told, dict) and bool(told.keys() & {"answer", "id"})
    return _judge_status(answer) if right else "its body tells nothing"


def _rss_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - four times a second
        return int(file.read().split()[1]) * 4096 / 1e6


def main(arguments: list[str]) -> None:
    """Send as the one argument says; print the result."""
    fields: dict[str, Any] = json.loads(arguments[0])
    result = uvloop.run(send(Order(**fields)))
    sys.stdout.write(json.dumps(dataclasses.asdict(result)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

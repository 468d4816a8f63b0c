"""One process that sends by our engine and tells in JSON what came of it: what `bench load` measures.

`python -m bench.load_sender '{"url": …}'`, the fields of `Order`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import uvloop

from load._engine._engine import Address, Closed, Engine, Limits, Request, Schedule
from load._engine._tally import Tally

Draw = Callable[[], Request]

DRAINED_EVERY_SECONDS = 0.25
_SEED = "2026"


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What to send."""

    seconds: float
    url: str = ""
    """Empty of a mix, which brings a server that answers as the platform would."""
    connections: int = 0
    """Of a closed loop; 0: an open one."""
    rps: float = 0.0
    """Of an open loop."""
    requests: int = 0
    """End after so many instead, if the seconds are not over before."""
    mix: bool = False
    """The load test's own scenario, with its bodies and checks, instead of one GET."""
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


def sent(order: Order) -> Result:
    """Send as ordered, on a loop of its own."""
    with _mixed() if order.mix else contextlib.nullcontext((order.url, _one(order.url))) as to:
        url, draw = to
        return uvloop.run(_send(dataclasses.replace(order, url=url), draw))


async def _send(order: Order, draw: Draw) -> Result:
    begins = time.monotonic()
    engine = Engine(_address(order), _model(order, begins), draw, Limits())
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
    every = whole.every()
    inner = sorted(kept.sent_in)[1:-1]
    return Result(
        rps=whole.sent / took_seconds,
        sent=whole.sent,
        failed=every.failed,
        late=whole.late,
        dropped=whole.dropped,
        slowest_second_rps=min((kept.sent_in[at] for at in inner), default=0),
        p50_ms=every.response.percentile(50) * 1000,
        p99_ms=every.response.percentile(99) * 1000,
        p999_ms=every.response.percentile(99.9) * 1000,
        cpu_share=worked_seconds / took_seconds,
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


def _one(url: str) -> Draw:
    host = urlsplit(url).netloc
    head = f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
    request = Request("home", head.encode())
    return lambda: request


@contextlib.contextmanager
def _mixed() -> Iterator[tuple[str, Draw]]:
    """Serve what the scenario expects; yields the address and what draws the scenario's requests."""
    # Imported here: it brings Locust, which changes how Python waits, and the others do without.
    from locust.env import Environment  # noqa: PLC0415 - as said above

    from load._generator import null_server  # noqa: PLC0415 - as said above
    from load._scenario import Draws, Target, Writer  # noqa: PLC0415 - as said above
    from load._worker import kinds, prepared  # noqa: PLC0415 - as said above
    from load.locustfile import PatientOnline  # noqa: PLC0415 - as said above

    scenario = PatientOnline(Environment(user_classes=[PatientOnline]))
    with null_server(kinds([scenario])) as url:
        target = Target(region="null", address=url, tag="bench", imitated=True)
        draws = Draws(prepared([scenario], target, _SEED), seed=_SEED)
        writer = Writer(url, headers={})
        numbers = {ask.name: number for number, ask in enumerate(draws.kinds())}

        def draw() -> Request:
            ask = draws.next()
            return writer.request(ask, numbers[ask.name])

        yield url, draw


def _rss_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - four times a second
        return int(file.read().split()[1]) * 4096 / 1e6


def main(arguments: list[str]) -> None:
    """Send as the one argument says; print the result."""
    fields: dict[str, Any] = json.loads(arguments[0])
    sys.stdout.write(json.dumps(dataclasses.asdict(sent(Order(**fields)))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trustme
import uvloop

from load._engine._engine import (
    Address,
    Closed,
    Engine,
    Limits,
    Request,
    Schedule,
    unix_offset_seconds,
)
from load._engine._null_server import Manners
from load._engine._tally import Endpoint, Tally
from load._engine._wire import Answer, Names, Trouble, trouble_of
from tests.limits import descriptors_left
from tests.load.wires import Serve, null_server, scripted
from tests.probes.servers import closed_port
from tests.tables import cases

GET = Request("home", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
POST = Request("home", b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECONDS = 0.5
RATE = 100


@contextlib.asynccontextmanager
async def running(
    port: int,
    model: Schedule | Closed | None = None,
    *,
    limits: Limits | None = None,
    draw: Callable[[], Request] = lambda: GET,
    offset_seconds: float = 0.0,
    address: Address | None = None,
) -> AsyncIterator[Engine]:
    """Let an engine send inside the block, and end it well."""
    address = address or Address("127.0.0.1", port)
    limits = limits or Limits(deadline_seconds=20)
    model = model or arriving(RATE)
    engine = Engine(address, model, draw, limits, offset_seconds=offset_seconds)
    task = asyncio.create_task(engine.run())
    try:
        yield engine
    finally:
        engine.stop()
        await asyncio.wait_for(task, 60)


def arriving(rate: float) -> Schedule:
    now = time.monotonic()
    schedule = Schedule(begins_at=now, arrivals="uniform", seed=1)
    schedule.set_rate(rate, now=now)
    return schedule


async def sent(
    port: int,
    *,
    rate: float = RATE,
    seconds: float = SECONDS,
    drained_every: float | None = None,
    to_the_last: bool = False,
    **how: Any,
) -> Tally:
    """Send at a rate for a while and return everything that was counted.

    What waits for a connection at the end is dropped, unless the last answer is waited for.
    """
    taken: list[Tally] = []
    schedule = arriving(rate)
    async with running(port, schedule, **how) as engine:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            await asyncio.sleep(min(left, drained_every or left))
            taken += engine.drain().values()
        if to_the_last:
            engine.set_stage(0)  # what is due goes out
            schedule.set_rate(0, now=time.monotonic())
            while engine.in_flight or engine._waiting:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
    return summed(engine, taken)


def summed(engine: Engine, taken: list[Tally]) -> Tally:
    """Return the sum of what was taken and what is left, each of which adds up."""
    taken += engine.drain().values()
    together = Tally.whole(taken)
    for one in (*taken, together):
        adds_up(one)
    return together


def adds_up(tally: Tally) -> None:
    """Every arrival is accounted for once: nothing is hidden."""
    assert tally.due == tally.sent + tally.dropped
    assert sum(one.response.count for one in tally.endpoints.values()) == tally.sent
    assert sum(one.due for one in tally.seconds.values()) == tally.due
    assert sum(one.completed for one in tally.seconds.values()) == tally.sent
    assert sum(one.response.count for one in tally.seconds.values()) == tally.sent


def sent_to_null(manners: Manners | None = None, **how: Any) -> Tally:
    with null_server(manners) as port:
        return uvloop.run(sent(port, **how))


def sent_to(serve: Serve, **how: Any) -> Tally:
    async def send() -> Tally:
        async with scripted(serve) as port:
            return await sent(port, **how)

    return uvloop.run(send())


def asked(serve: Serve, count: int) -> Tally:
    """Let one caller of a closed model ask so often at least."""

    async def ask() -> Tally:
        async with scripted(serve) as port, running(port, Closed(1)) as engine:
            taken: list[Tally] = []
            while Tally.whole(taken).sent < count:
                await asyncio.sleep(0.01)
                taken += engine.drain().values()
        return summed(engine, taken)

    return uvloop.run(ask())


def answering(*answers: bytes, times: int | None = None, asks: list[bytes] | None = None) -> Serve:
    """Return what answers requests with these bytes, and hangs up on the next one after so many."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in itertools.count():
            ask = await reader.readuntil(b"\r\n\r\n")
            if number == times:
                return
            if asks is not None:
                asks.append(ask)
            writer.write(b"".join(answers))

    return serve


def home(tally: Tally) -> Endpoint:
    return tally.endpoint("home")


def troubles(tally: Tally) -> dict[str, int]:
    return dict(home(tally).troubles)


@pytest.mark.parametrize("drained_every", [None, 0.003], ids=["drained once", "drained often"])
def test_it_sends_what_is_due_and_counts_it_once(drained_every: float | None) -> None:
    tally = sent_to_null(drained_every=drained_every, to_the_last=True)
    assert tally.due >= 0.95 * RATE * SECONDS
    assert tally.dropped == 0
    assert home(tally).statuses == {200: tally.sent}
    assert not troubles(tally)
    assert tally.connects.total() < tally.sent


def test_a_server_that_stalls_is_seen_from_the_intended_time() -> None:
    tally = sent_to_null(Manners(stall_every_seconds=1.0, stall_seconds=0.4), seconds=2.0)
    # Of each second a fifth to two fifths fall into the stall, wherever it begins.
    assert home(tally).response.percentile(99) > 0.3


SLOW = Manners(delay_seconds=0.05)


def test_waiting_for_a_connection_is_no_service_time_and_what_cannot_wait_is_dropped() -> None:
    limits = Limits(connections=1, waiting=5, deadline_seconds=5)
    tally = sent_to_null(SLOW, seconds=3.0, limits=limits)
    # Five wait for a quarter of a second; the last of all that came would wait for most of three.
    assert home(tally).response.longest_seconds < 2
    assert home(tally).service.percentile(50) < home(tally).response.percentile(50) / 2
    assert tally.late > tally.sent / 2
    assert tally.dropped > tally.sent


def test_what_is_wrong_with_an_answer_is_counted_by_its_reason() -> None:
    def reads(answer: Answer) -> str | None:
        return None if b'"answer"' in answer.body else "no answer in it"

    def breaks(answer: Answer) -> str | None:
        raise KeyError(answer.status)

    read = Request("read", GET.data, reads, keep_body=True)
    turns = itertools.cycle([GET, read, Request("broken", GET.data, breaks)])
    tally = sent_to_null(Manners(bad_every=4), draw=lambda: next(turns))
    bad = {name: one.statuses[500] for name, one in tally.endpoints.items()}
    assert troubles(tally) == {"status 500": bad["home"]}
    assert dict(tally.endpoint("read").troubles) == {"no answer in it": bad["read"]}
    broken = tally.endpoint("broken")
    assert broken.troubles == {"its check raised KeyError": broken.response.count}
    assert sum(bad.values()) == pytest.approx(tally.sent / 4, abs=2)
    failed = bad["home"] + bad["read"] + broken.response.count
    assert sum(one.failed for one in tally.seconds.values()) == failed


@cases(
    "host trouble",
    {
        "a target that is down": ("127.0.0.1", Trouble.CONNECT),
        "a name that nobody knows": ("nobody.invalid", Trouble.NAME),
    },
)
def test_every_arrival_fails_without_a_connection(host: str, trouble: Trouble) -> None:
    tally = uvloop.run(sent(0, rate=40, address=Address(host, closed_port())))
    assert troubles(tally) == {trouble: tally.sent}
    assert tally.sent > 0


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def _drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.01)


async def _hangs_up_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@cases(
    "serve deadline_seconds trouble",
    {
        "an answer that never comes": (_silent, 2.0, Trouble.TIMEOUT),
        "a body that drips": (_drips, 2.0, Trouble.TIMEOUT),
        "a server that hangs up on everybody": (_hangs_up_at_once, 1.0, Trouble.LOST),
        "a read on a new connection that ends": (answering(times=0), 20.0, Trouble.LOST),
    },
)
def test_every_arrival_fails_without_a_whole_answer(
    serve: Serve, deadline_seconds: float, trouble: Trouble
) -> None:
    tally = sent_to(serve, rate=50, limits=Limits(deadline_seconds=deadline_seconds))
    assert troubles(tally) == {trouble: tally.sent}
    assert tally.resent == 0
    assert (home(tally).service.longest_seconds >= 0.2) is (trouble is Trouble.TIMEOUT)


def test_a_server_that_closes_each_time_costs_connections_and_no_request() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    tally = sent_to(once)
    assert not troubles(tally)
    assert tally.connects.total() >= tally.sent


@cases(
    "head status",
    {
        "429 with Retry-After": (b"429 Too Many Requests\r\nRetry-After: 30", 429),
        "a redirect": (b"302 Found\r\nLocation: /elsewhere", 302),
        "503 with Retry-After": (b"503 Service Unavailable\r\nRetry-After: 1", 503),
    },
)
def test_a_refusal_is_counted_as_what_it_is_and_never_tried_again(head: bytes, status: int) -> None:
    asks: list[bytes] = []
    said = b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n"
    tally = asked(answering(said, asks=asks), 20)
    assert home(tally).statuses == {status: len(asks)}
    assert troubles(tally) == {f"status {status}": len(asks)}


def test_a_second_answer_is_not_the_next_requests() -> None:
    tally = asked(answering(OK, OK.replace(b"200", b"203")), 5)
    assert home(tally).statuses == {200: tally.sent}
    assert tally.connects.total() == pytest.approx(tally.sent, abs=1)


def test_a_target_that_goes_down_half_way_fails_what_comes_after() -> None:
    async def ask() -> Tally:
        taken: list[Tally] = []
        async with contextlib.AsyncExitStack() as server:
            port = await server.enter_async_context(scripted(answering(OK)))
            async with running(port) as engine:
                while not home(Tally.whole(taken)).statuses:
                    await asyncio.sleep(0.05)
                    taken += engine.drain().values()
                await server.aclose()
                while "no connection" not in troubles(Tally.whole(taken)):
                    await asyncio.sleep(0.05)
                    taken += engine.drain().values()
        return summed(engine, taken)

    tally = uvloop.run(asyncio.wait_for(ask(), 30))
    answered = home(tally).statuses[200]
    assert 0 < answered < tally.sent
    assert home(tally).troubles.total() == tally.sent - answered


def test_a_gigabyte_of_body_is_cut_off_at_the_limit() -> None:
    wrote = 0
    block = b"x" * 65536

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal wrote
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        while wrote < 1024**3:
            writer.write(block)
            await writer.drain()
            wrote += len(block)

    request = Request("home", GET.data, keep_body=True)
    limits = Limits(connections=1, most_bytes=1024**2)
    tally = sent_to(flood, rate=10, limits=limits, draw=lambda: request)
    assert set(troubles(tally)) == {"body too large"}
    assert wrote < 64 * 1024**2


def test_too_few_descriptors_are_said_and_no_arrival_is_lost() -> None:
    async def ask(port: int) -> Tally:
        with descriptors_left(4):
            return await sent(port, limits=Limits(deadline_seconds=0.3))

    # Its backlog takes connections in the kernel, without a descriptor of this process.
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        tally = uvloop.run(ask(server.getsockname()[1]))
    assert "no free port or descriptor" in troubles(tally)


def _refused_certificate(code: int) -> ssl.SSLCertVerificationError:
    refused = ssl.SSLCertVerificationError("refused")
    refused.verify_code = code
    return refused


@cases(
    "exc trouble",
    {
        "ports used up": (OSError(errno.EADDRNOTAVAIL, "Cannot assign"), Trouble.PORTS),
        "descriptors used up": (OSError(errno.EMFILE, "Too many open files"), Trouble.PORTS),
        "ports used up at both addresses": (
            OSError("Multiple exceptions: [Errno 99] Cannot, [Errno 99] Cannot"),
            Trouble.PORTS,
        ),
        "refused": (OSError(errno.ECONNREFUSED, "Connection refused"), Trouble.CONNECT),
        "no route": (OSError(errno.ENETUNREACH, "Network is unreachable"), Trouble.ROUTE),
        "no answer to a connection": (TimeoutError(), Trouble.CONNECT),
        "no such name": (socket.gaierror(-2, "Name or service not known"), Trouble.NAME),
        "an expired certificate": (_refused_certificate(10), Trouble.TLS),
        "an unknown authority": (_refused_certificate(20), Trouble.AUTHORITY),
    },
)
def test_why_no_connection_came_about_has_its_word(exc: Exception, trouble: Trouble) -> None:
    assert trouble_of(exc) is trouble


def test_a_closed_model_asks_again_with_each_answer_and_nothing_is_late() -> None:
    async def ask(port: int) -> tuple[int, Tally]:
        closed = Closed(3)
        async with running(port, closed) as engine:
            await asyncio.sleep(0.3)
            most = engine.in_flight
            closed.set_connections(1)
            await asyncio.sleep(0.2)
            fewer = engine.in_flight
        assert (most, fewer) == (3, 1)
        return engine.in_flight, summed(engine, [])

    with null_server(SLOW) as port:
        left, tally = uvloop.run(ask(port))
    assert (left, tally.late, tally.dropped, tally.connects.total()) == (0, 0, 0, 3)
    assert tally.sent >= 12
    assert home(tally).response.record_of() == home(tally).service.record_of()
    assert home(tally).statuses == {200: tally.sent}


def test_a_closed_model_against_a_target_that_is_down_fails_and_goes_on() -> None:
    async def ask() -> Tally:
        async with running(closed_port(), Closed(2)) as engine:
            await asyncio.sleep(0.1)
        return summed(engine, [])

    tally = uvloop.run(ask())
    assert troubles(tally) == {"no connection": tally.sent}
    assert tally.sent > 2


def test_the_null_server_is_slow_where_it_is_asked_to_be() -> None:
    slow = Request("slow", b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
    turns = itertools.cycle([GET, slow])
    tally = sent_to_null(Manners(slow_seconds=0.2), seconds=0.3, draw=lambda: next(turns))
    assert home(tally).service.percentile(1) < 0.195
    assert set(tally.endpoints["slow"].statuses) == {200}
    assert tally.endpoints["slow"].service.percentile(1) >= 0.195


def in_two_stages(manners: Manners, first: float, second: float, **how: Any) -> dict[int, Tally]:
    """Return what was counted in a stage of so many seconds, and in another."""

    async def ask(port: int) -> dict[int, Tally]:
        async with running(port, **how) as engine:
            await asyncio.sleep(first)
            engine.set_stage(1)
            await asyncio.sleep(second)
        return engine.drain()

    with null_server(manners) as port:
        tallies = uvloop.run(ask(port))
    for tally in tallies.values():
        adds_up(tally)
    return tallies


def test_a_request_belongs_to_the_stage_in_which_it_was_due() -> None:
    tallies = in_two_stages(Manners(delay_seconds=0.2), 0.5, 0.5)
    assert set(tallies) == {0, 1}
    # Those that were under way at the change too: answered later, and counted before it.
    assert all(one.due == pytest.approx(0.5 * RATE, rel=0.3) for one in tallies.values())
    # What waits at the end is dropped in its own stage.
    tallies = in_two_stages(SLOW, 0.4, 0.1, limits=Limits(connections=1, deadline_seconds=5))
    assert tallies[0].dropped > 0
    assert tallies[1].dropped == tallies[1].due


def test_seconds_are_those_of_the_wall_clock_where_the_offset_is_told() -> None:
    before = time.time()
    tally = sent_to_null(seconds=0.1, offset_seconds=unix_offset_seconds())
    assert {int(before), int(time.time())} >= set(tally.seconds)
    longest = max(one.longest_lag_seconds for one in tally.seconds.values())
    assert longest == pytest.approx(tally.lag.longest_seconds)


@cases("model", {"callers who wait": lambda: Closed(1), "a rate": lambda: arriving(RATE)})
def test_a_drawing_that_breaks_ends_the_run_with_its_error(
    model: Callable[[], Schedule | Closed],
) -> None:
    def broken() -> Request:
        raise LookupError("no key left")

    async def ask(port: int) -> None:
        async with running(port, model(), draw=broken) as engine:
            await asyncio.sleep(0.2)
        assert engine.in_flight == 0

    with null_server() as port, pytest.raises(LookupError, match="no key left"):
        uvloop.run(ask(port))


@cases(
    "name trusted trouble",
    {
        "the right one": ("localhost", True, None),
        "of an unknown authority": ("localhost", False, Trouble.AUTHORITY),
        "of another host": ("elsewhere.test", True, Trouble.TLS),
    },
)
def test_a_certificate_is_verified(name: str, *, trusted: bool, trouble: Trouble | None) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(server)
    client = ssl.create_default_context()
    if trusted:
        authority.configure_trust(client)
    with null_server(tls=server) as port:
        tally = uvloop.run(sent(port, rate=50, address=Address("localhost", port, client)))
    assert troubles(tally) == ({trouble: tally.sent} if trouble else {})


@cases("request_ right", {"a read": (GET, True), "a booking is not": (POST, False)})
def test_a_read_on_a_kept_connection_that_had_ended_is_sent_once_more(
    request_: Request, *, right: bool
) -> None:
    tally = sent_to(answering(OK, times=1), rate=40, draw=lambda: request_)
    lost = home(tally).troubles[Trouble.LOST]
    assert (lost == 0) is right
    assert (tally.resent > 0) is right
    assert tally.resent or lost > tally.sent / 4


def test_each_address_of_a_name_is_asked_and_one_that_is_down_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def places(_: Names) -> list[tuple[int, str]]:
        return [(socket.AF_INET, f"127.0.0.{last}") for last in (1, 2, 3)]

    async def ask() -> Tally:
        async with (
            scripted(answering(OK), host="127.0.0.1") as port,
            scripted(answering(OK), host="127.0.0.2", port=port),
        ):
            return await sent(port, rate=60, address=Address("all.example", port))

    monkeypatch.setattr(Names, "places", places)
    tally = uvloop.run(ask())
    assert set(tally.connects) == {"127.0.0.1", "127.0.0.2"}
    assert set(tally.refused) == {"127.0.0.3"}
    assert not troubles(tally)

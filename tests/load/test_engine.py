from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import resource
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import trustme
import uvloop

from load._engine._engine import Address, Engine, Limits, Request, unix_offset_seconds
from load._engine._null_server import Manners
from load._engine._schedule import Closed, Schedule
from load._engine._tally import Endpoint, Tally
from load._engine._wire import Answer, Names, Trouble, trouble_of
from load._run import whole
from tests.load.wires import null_server, scripted
from tests.probes.servers import closed_port
from tests.tables import cases

GET = Request("home", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
SECONDS = 0.5
RATE = 100


@contextlib.asynccontextmanager
async def running(
    address: Address,
    model: Schedule | Closed | None = None,
    *,
    limits: Limits | None = None,
    draw: Callable[[], Request] = lambda: GET,
    offset_seconds: float = 0.0,
) -> AsyncIterator[Engine]:
    """Let an engine send inside the block, and end it well."""
    engine = Engine(
        address,
        model or arriving(RATE),
        draw,
        limits or Limits(deadline_seconds=20),
        offset_seconds=offset_seconds,
    )
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
    address: Address,
    *,
    rate: float = RATE,
    seconds: float = SECONDS,
    limits: Limits | None = None,
    draw: Callable[[], Request] = lambda: GET,
    drained_every: float | None = None,
) -> Tally:
    """Send at a rate for a while and return everything that was counted."""
    taken: list[Tally] = []
    async with running(address, arriving(rate), limits=limits, draw=draw) as engine:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            await asyncio.sleep(min(left, drained_every or left))
            taken += engine.drain().values()
    taken += engine.drain().values()
    for one in taken:
        adds_up(one)
    return whole(taken)


def adds_up(tally: Tally) -> None:
    """Every arrival is accounted for once: nothing is hidden."""
    assert tally.due == tally.sent + tally.dropped
    assert sum(one.response.count for one in tally.endpoints.values()) == tally.sent
    assert sum(one.due for one in tally.seconds.values()) == tally.due
    assert sum(one.completed for one in tally.seconds.values()) == tally.sent
    assert sum(one.response.count for one in tally.seconds.values()) == tally.sent


@cases("drained_every", {"drained once": None, "drained often": 0.003})
def test_it_sends_what_is_due_and_counts_it_once(drained_every: float | None) -> None:
    with null_server() as port:
        tally = uvloop.run(sent(Address("127.0.0.1", port), drained_every=drained_every))
    adds_up(tally)
    assert tally.due >= 0.95 * RATE * SECONDS
    assert tally.dropped == 0
    assert tally.endpoints["home"].statuses == {200: tally.sent}
    assert not tally.endpoints["home"].troubles
    assert tally.connects.total() < tally.sent


def test_a_server_that_stalls_is_seen_from_the_intended_time() -> None:
    stalls = Manners(stall_every_seconds=1.0, stall_seconds=0.4)
    with null_server(stalls) as port:
        tally = uvloop.run(sent(Address("127.0.0.1", port), seconds=2.0))
    adds_up(tally)
    home = tally.endpoints["home"]
    # Of each second a fifth to two fifths fall into the stall, wherever it begins.
    assert home.response.percentile(99) > 0.3


def test_waiting_for_a_connection_is_no_service_time() -> None:
    slow = Manners(delay_seconds=0.05)
    limits = Limits(connections=1, deadline_seconds=5)
    with null_server(slow) as port:
        tally = uvloop.run(sent(Address("127.0.0.1", port), limits=limits))
    home = tally.endpoints["home"]
    assert home.service.percentile(50) < home.response.percentile(50) / 2
    assert tally.late > tally.sent / 2


def test_what_cannot_wait_is_dropped_and_counted() -> None:
    slow = Manners(delay_seconds=0.05)
    limits = Limits(connections=1, waiting=5, deadline_seconds=5)
    with null_server(slow) as port:
        tally = uvloop.run(sent(Address("127.0.0.1", port), limits=limits))
    adds_up(tally)
    assert tally.dropped > tally.sent


def test_errors_are_counted_by_their_reason() -> None:
    with null_server(Manners(bad_every=10)) as port:
        tally = uvloop.run(sent(Address("127.0.0.1", port)))
    adds_up(tally)
    home = tally.endpoints["home"]
    assert home.troubles == {"status 500": home.statuses[500]}
    assert home.statuses[500] == pytest.approx(tally.sent / 10, abs=2)
    assert sum(one.failed for one in tally.seconds.values()) == home.statuses[500]


def test_a_judge_reads_the_body_and_its_word_counts() -> None:
    def judge(answer: Answer) -> str | None:
        return None if b'"answer"' in answer.body else "no answer in it"

    request = Request("home", GET.data, judge, keep_body=True)
    with null_server(Manners(bad_every=10)) as port:
        tally = uvloop.run(sent(Address("127.0.0.1", port), draw=lambda: request))
    home = tally.endpoints["home"]
    assert home.troubles == {"no answer in it": home.statuses[500]}


def test_a_target_that_is_down_fails_every_arrival() -> None:
    tally = uvloop.run(sent(Address("127.0.0.1", closed_port())))
    adds_up(tally)
    assert tally.endpoints["home"].troubles == {"no connection": tally.sent}
    assert tally.sent > 0


def test_a_name_that_nobody_knows_is_said() -> None:
    tally = uvloop.run(sent(Address("nobody.invalid", 80), rate=20))
    adds_up(tally)
    assert set(tally.endpoints["home"].troubles) == {"name not resolved"}


def test_an_answer_that_never_comes_ends_at_its_deadline() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def ask() -> Tally:
        async with scripted(silent) as port:
            limits = Limits(deadline_seconds=0.2)
            return await sent(Address("127.0.0.1", port), rate=50, limits=limits)

    tally = uvloop.run(ask())
    adds_up(tally)
    home = tally.endpoints["home"]
    assert home.troubles == {"no whole answer in time": tally.sent}
    assert home.service.longest_seconds >= 0.2


def test_a_server_that_closes_each_time_costs_connections_and_no_request() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def ask() -> Tally:
        async with scripted(once) as port:
            return await sent(Address("127.0.0.1", port), rate=100)

    tally = uvloop.run(ask())
    adds_up(tally)
    assert not tally.endpoints["home"].troubles
    assert tally.connects.total() >= tally.sent


def test_a_server_that_hangs_up_on_everybody_fails_every_arrival() -> None:
    async def away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def ask() -> Tally:
        async with scripted(away) as port:
            return await sent(Address("127.0.0.1", port), limits=Limits(deadline_seconds=1))

    tally = uvloop.run(ask())
    adds_up(tally)
    lost = "connection lost before the answer was whole"
    assert tally.endpoints["home"].troubles == {lost: tally.sent}


async def asked(port: int, count: int) -> Tally:
    """Let one caller of a closed model ask so often at least."""
    async with running(Address("127.0.0.1", port), Closed(1)) as engine:
        taken: list[Tally] = []
        while whole(taken).sent < count:
            await asyncio.sleep(0.01)
            taken += engine.drain().values()
    return whole([*taken, *engine.drain().values()])


@cases(
    "head status",
    {
        "429 with Retry-After": (b"429 Too Many Requests\r\nRetry-After: 30", 429),
        "a redirect": (b"302 Found\r\nLocation: /elsewhere", 302),
        "503 with Retry-After": (b"503 Service Unavailable\r\nRetry-After: 1", 503),
    },
)
def test_a_refusal_is_counted_as_what_it_is_and_never_tried_again(head: bytes, status: int) -> None:
    asks = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asks
        while True:
            await reader.readuntil(b"\r\n\r\n")
            asks += 1
            writer.write(b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n")

    async def ask() -> Tally:
        async with scripted(refuse) as port:
            return await asked(port, 20)

    tally = uvloop.run(ask())
    adds_up(tally)
    assert tally.endpoints["home"].statuses == {status: asks}
    assert tally.endpoints["home"].troubles == {f"status {status}": asks}


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection."""
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_a_target_that_goes_down_half_way_fails_what_comes_after() -> None:
    async def ask() -> Tally:
        taken: list[Tally] = []
        async with contextlib.AsyncExitStack() as server:
            port = await server.enter_async_context(scripted(hello))
            async with running(Address("127.0.0.1", port)) as engine:
                while not _home(whole(taken)).statuses:
                    await asyncio.sleep(0.05)
                    taken += engine.drain().values()
                await server.aclose()
                while "no connection" not in _home(whole(taken)).troubles:
                    await asyncio.sleep(0.05)
                    taken += engine.drain().values()
        return whole([*taken, *engine.drain().values()])

    tally = uvloop.run(asyncio.wait_for(ask(), 30))
    adds_up(tally)
    answered = _home(tally).statuses[200]
    assert 0 < answered < tally.sent
    assert _home(tally).troubles.total() == tally.sent - answered


def _home(tally: Tally) -> Endpoint:
    return tally.endpoint("home")


def _troubles(tally: Tally) -> dict[str, int]:
    return dict(_home(tally).troubles)


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

    async def ask() -> Tally:
        async with scripted(flood) as port:
            limits = Limits(connections=1, most_bytes=1024**2)
            request = Request("home", GET.data, keep_body=True)
            return await sent(
                Address("127.0.0.1", port), rate=10, limits=limits, draw=lambda: request
            )

    tally = uvloop.run(ask())
    adds_up(tally)
    assert set(_troubles(tally)) == {"body too large"}
    assert wrote < 64 * 1024**2


def test_a_body_that_drips_ends_at_the_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.01)

    async def ask() -> Tally:
        async with scripted(drip) as port:
            limits = Limits(deadline_seconds=0.2)
            return await sent(Address("127.0.0.1", port), rate=20, limits=limits)

    tally = uvloop.run(ask())
    adds_up(tally)
    assert _troubles(tally) == {"no whole answer in time": tally.sent}


@contextlib.contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open only so many files more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull, "rb") as next_one:  # noqa: PTH123 - its number is what matters
        first_free = next_one.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_few_descriptors_are_said_and_no_arrival_is_lost() -> None:
    async def ask(port: int) -> Tally:
        limits = Limits(deadline_seconds=0.3)
        with descriptors_left(4):
            return await sent(Address("127.0.0.1", port), limits=limits)

    # Its backlog takes connections in the kernel, without a descriptor of this process.
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        tally = uvloop.run(ask(server.getsockname()[1]))
    adds_up(tally)
    assert "no free port or descriptor" in _troubles(tally)


def _refused_certificate(code: int) -> ssl.SSLCertVerificationError:
    refused = ssl.SSLCertVerificationError("refused")
    refused.verify_code = code
    return refused


@cases(
    "exc trouble",
    {
        "ports used up": (
            OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"),
            Trouble.PORTS,
        ),
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
        async with running(Address("127.0.0.1", port), closed) as engine:
            await asyncio.sleep(0.3)
            most = engine.in_flight
            closed.set_connections(1)
            await asyncio.sleep(0.2)
            fewer = engine.in_flight
        assert (most, fewer) == (3, 1)
        return engine.in_flight, whole(engine.drain().values())

    with null_server(Manners(delay_seconds=0.05)) as port:
        left, tally = uvloop.run(ask(port))
    adds_up(tally)
    home = tally.endpoints["home"]
    assert (left, tally.late, tally.dropped, tally.connects.total()) == (0, 0, 0, 3)
    assert tally.sent >= 12
    assert home.response.record_of() == home.service.record_of()
    assert home.statuses == {200: tally.sent}


def test_a_closed_model_against_a_target_that_is_down_fails_and_goes_on() -> None:
    async def ask() -> Tally:
        async with running(Address("127.0.0.1", closed_port()), Closed(2)) as engine:
            await asyncio.sleep(0.1)
        return whole(engine.drain().values())

    tally = uvloop.run(ask())
    adds_up(tally)
    assert _troubles(tally) == {"no connection": tally.sent}
    assert tally.sent > 2


def test_the_null_server_is_slow_where_it_is_asked_to_be() -> None:
    quick = Request("quick", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    slow = Request("slow", b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
    turns = itertools.cycle([quick, slow])
    with null_server(Manners(slow_seconds=0.2)) as port:
        address = Address("127.0.0.1", port)
        tally = uvloop.run(sent(address, seconds=0.3, draw=lambda: next(turns)))
    assert tally.endpoints["quick"].service.percentile(1) < 0.195
    assert set(tally.endpoints["slow"].statuses) == {200}
    assert tally.endpoints["slow"].service.percentile(1) >= 0.195


def test_a_closed_model_with_less_than_no_caller_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 connections"):
        Closed(-1)


def test_a_request_belongs_to_the_stage_in_which_it_was_due() -> None:
    slow = Manners(delay_seconds=0.2)

    async def ask(port: int) -> dict[int, Tally]:
        async with running(Address("127.0.0.1", port)) as engine:
            await asyncio.sleep(0.5)
            engine.set_stage(1)
            await asyncio.sleep(0.5)
        return engine.drain()

    with null_server(slow) as port:
        tallies = uvloop.run(ask(port))
    assert set(tallies) == {0, 1}
    for tally in tallies.values():
        # Those that were under way at the change too: answered later, and counted before it.
        adds_up(tally)
        assert tally.due == pytest.approx(0.5 * RATE, rel=0.3)


def test_what_waits_at_the_end_is_dropped_in_its_own_stage() -> None:
    slow = Manners(delay_seconds=0.05)

    async def ask(port: int) -> dict[int, Tally]:
        limits = Limits(connections=1, deadline_seconds=5)
        async with running(Address("127.0.0.1", port), limits=limits) as engine:
            await asyncio.sleep(0.4)
            engine.set_stage(1)
            await asyncio.sleep(0.1)
        return engine.drain()

    with null_server(slow) as port:
        tallies = uvloop.run(ask(port))
    for tally in tallies.values():
        adds_up(tally)
    assert tallies[0].dropped > 0
    assert tallies[1].dropped == tallies[1].due


def test_seconds_are_those_of_the_wall_clock_where_the_offset_is_told() -> None:
    async def ask(port: int) -> Tally:
        address = Address("127.0.0.1", port)
        async with running(address, offset_seconds=unix_offset_seconds()) as engine:
            await asyncio.sleep(0.1)
        return whole(engine.drain().values())

    before = time.time()
    with null_server() as port:
        tally = uvloop.run(ask(port))
    assert {int(before), int(time.time())} >= set(tally.seconds)
    assert max(one.longest_lag_seconds for one in tally.seconds.values()) == pytest.approx(
        tally.lag.longest_seconds
    )


def test_a_drawing_that_breaks_ends_the_run_with_its_error() -> None:
    def broken() -> Request:
        raise LookupError("no key left")

    async def ask(port: int, model: Schedule | Closed) -> None:
        async with running(Address("127.0.0.1", port), model, draw=broken) as engine:
            await asyncio.sleep(0.2)
        assert engine.in_flight == 0

    with null_server() as port:
        for model in (Closed(1), arriving(RATE)):
            with pytest.raises(LookupError, match="no key left"):
                uvloop.run(ask(port, model))


def test_a_check_that_breaks_is_a_failure_and_no_right_answer() -> None:
    def broken(answer: Answer) -> str | None:
        raise KeyError(answer.status)

    request = Request("home", GET.data, broken)
    with null_server() as port:
        tally = uvloop.run(sent(Address("127.0.0.1", port), seconds=0.2, draw=lambda: request))
    adds_up(tally)
    assert _troubles(tally) == {"its check raised KeyError": tally.sent}


def test_a_second_answer_is_not_the_next_requests() -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            one = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            writer.write(one + one.replace(b"200", b"204"))

    async def ask() -> Tally:
        async with scripted(twice) as port:
            return await asked(port, 5)

    tally = uvloop.run(ask())
    adds_up(tally)
    assert tally.endpoints["home"].statuses == {200: tally.sent}
    assert tally.connects.total() == pytest.approx(tally.sent, abs=1)


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
        address = Address("localhost", port, client)
        tally = uvloop.run(sent(address, rate=50, seconds=0.5))
    adds_up(tally)
    assert tally.endpoints["home"].troubles == ({trouble: tally.sent} if trouble else {})


POST = Request("book", b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")


async def _answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the first request of a connection, and hang up on the second before a byte is sent."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await reader.readuntil(b"\r\n\r\n")


@cases("request_ right", {"a read": (GET, True), "a booking is not": (POST, False)})
def test_a_read_on_a_kept_connection_that_had_ended_is_sent_once_more(
    request_: Request, *, right: bool
) -> None:
    async def ask() -> Tally:
        async with scripted(_answers_once) as port:
            return await sent(Address("127.0.0.1", port), rate=40, draw=lambda: request_)

    tally = uvloop.run(ask())
    adds_up(tally)
    [endpoint] = tally.endpoints.values()
    lost = endpoint.troubles[Trouble.LOST]
    assert (lost == 0) is right
    assert (tally.resent > 0) is right
    assert tally.resent or lost > tally.sent / 4


def test_a_read_on_a_new_connection_that_ends_is_a_failure() -> None:
    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def ask() -> Tally:
        async with scripted(hang_up) as port:
            return await sent(Address("127.0.0.1", port))

    tally = uvloop.run(ask())
    adds_up(tally)
    assert tally.endpoints["home"].troubles == {Trouble.LOST: tally.sent}
    assert tally.resent == 0


def test_each_address_of_a_name_is_asked_and_one_that_is_down_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def places(_: Names) -> list[tuple[int, str]]:
        return [(socket.AF_INET, f"127.0.0.{last}") for last in (1, 2, 3)]

    async def ask() -> Tally:
        async with (
            scripted(_polite, host="127.0.0.1") as port,
            scripted(_polite, host="127.0.0.2", port=port),
        ):
            return await sent(Address("all.example", port), rate=60)

    monkeypatch.setattr(Names, "places", places)
    tally = uvloop.run(ask())
    adds_up(tally)
    assert set(tally.connects) == {"127.0.0.1", "127.0.0.2"}
    assert set(tally.refused) == {"127.0.0.3"}
    assert not tally.endpoints["home"].troubles


async def _polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

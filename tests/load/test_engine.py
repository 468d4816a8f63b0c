from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import pytest
import trustme

from load._engine._engine import Address, Engine, Limits, Request
from load._engine._null_server import Manners
from load._engine._schedule import Schedule
from load._engine._tally import Tally
from load._engine._wire import Answer
from tests.load.wires import null_server, scripted
from tests.probes.servers import closed_port

GET = Request("home", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
SECONDS = 1.0
RATE = 100


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
    loop = asyncio.get_running_loop()
    schedule = Schedule(begins_at=loop.time(), arrivals="uniform", seed=1)
    schedule.set_rate(rate, now=loop.time())
    engine = Engine(address, schedule, draw, limits or Limits(deadline_seconds=20))
    running = asyncio.create_task(engine.run())
    whole = Tally()
    ends = loop.time() + seconds
    while (left := ends - loop.time()) > 0:
        await asyncio.sleep(min(left, drained_every or left))
        whole.merge(engine.drain())
    engine.stop()
    await asyncio.wait_for(running, 60)
    whole.merge(engine.drain())
    return whole


def adds_up(tally: Tally) -> None:
    """Every arrival is accounted for once: nothing is hidden."""
    assert tally.due == tally.sent + tally.dropped
    assert sum(one.response.count for one in tally.endpoints.values()) == tally.sent
    assert sum(one.due for one in tally.seconds.values()) == tally.due
    assert sum(one.completed for one in tally.seconds.values()) == tally.sent


@pytest.mark.parametrize("drained_every", [None, 0.003], ids=["drained once", "drained often"])
def test_it_sends_what_is_due_and_counts_it_once(drained_every: float | None) -> None:
    with null_server() as port:
        tally = asyncio.run(sent(Address("127.0.0.1", port), drained_every=drained_every))
    adds_up(tally)
    assert tally.due >= 0.95 * RATE * SECONDS
    assert tally.dropped == 0
    assert tally.endpoints["home"].statuses == {200: tally.sent}
    assert not tally.endpoints["home"].troubles
    assert tally.connects < tally.sent


def test_a_server_that_stalls_is_seen_from_the_intended_time() -> None:
    stalls = Manners(stall_every_seconds=1.0, stall_seconds=0.4)
    with null_server(stalls) as port:
        tally = asyncio.run(sent(Address("127.0.0.1", port), seconds=2.0))
    adds_up(tally)
    home = tally.endpoints["home"]
    # Of each second a fifth to two fifths fall into the stall, wherever it begins.
    assert home.response.percentile(99) > 0.3


def test_waiting_for_a_connection_is_no_service_time() -> None:
    slow = Manners(delay_seconds=0.05)
    limits = Limits(connections=1, deadline_seconds=5)
    with null_server(slow) as port:
        tally = asyncio.run(sent(Address("127.0.0.1", port), limits=limits))
    home = tally.endpoints["home"]
    assert home.service.percentile(50) < home.response.percentile(50) / 2
    assert tally.late > tally.sent / 2


def test_what_cannot_wait_is_dropped_and_counted() -> None:
    slow = Manners(delay_seconds=0.05)
    limits = Limits(connections=1, waiting=5, deadline_seconds=5)
    with null_server(slow) as port:
        tally = asyncio.run(sent(Address("127.0.0.1", port), limits=limits))
    adds_up(tally)
    assert tally.dropped > tally.sent


def test_errors_are_counted_by_their_reason() -> None:
    with null_server(Manners(bad_every=10)) as port:
        tally = asyncio.run(sent(Address("127.0.0.1", port)))
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
        tally = asyncio.run(sent(Address("127.0.0.1", port), draw=lambda: request))
    home = tally.endpoints["home"]
    assert home.troubles == {"no answer in it": home.statuses[500]}


def test_a_target_that_is_down_fails_every_arrival() -> None:
    tally = asyncio.run(sent(Address("127.0.0.1", closed_port())))
    adds_up(tally)
    assert tally.endpoints["home"].troubles == {"no connection": tally.sent}
    assert tally.sent > 0


def test_a_name_that_nobody_knows_is_said() -> None:
    tally = asyncio.run(sent(Address("nobody.invalid", 80), rate=20))
    adds_up(tally)
    assert set(tally.endpoints["home"].troubles) == {"name not resolved"}


def test_an_answer_that_never_comes_ends_at_its_deadline() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def ask() -> Tally:
        async with scripted(silent) as port:
            limits = Limits(deadline_seconds=0.2)
            return await sent(Address("127.0.0.1", port), rate=50, limits=limits)

    tally = asyncio.run(ask())
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

    tally = asyncio.run(ask())
    adds_up(tally)
    assert not tally.endpoints["home"].troubles
    assert tally.connects >= tally.sent


def test_a_server_that_hangs_up_on_everybody_fails_every_arrival() -> None:
    async def away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def ask() -> Tally:
        async with scripted(away) as port:
            return await sent(Address("127.0.0.1", port), limits=Limits(deadline_seconds=1))

    tally = asyncio.run(ask())
    adds_up(tally)
    lost = "connection lost before the answer was whole"
    assert tally.endpoints["home"].troubles == {lost: tally.sent}


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_verified(*, trusted: bool) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    if trusted:
        authority.configure_trust(client)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def ask() -> Tally:
        async with scripted(serve, server) as port:
            return await sent(Address("localhost", port, client), rate=50)

    tally = asyncio.run(ask())
    adds_up(tally)
    assert tally.endpoints["home"].troubles == ({} if trusted else {"TLS refused": tally.sent})

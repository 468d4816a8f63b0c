from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from sandbox.core.links import Link, Mode
from tests.sandbox.stream_servers import HOST, listening

GREETING = b"end of stream seen"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back, and a greeting once the client has half-closed."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write(GREETING)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def linked(target: tuple[str, int] | None) -> AsyncIterator[Link]:
    link = Link("test")
    link.target = target
    await link.start()
    try:
        yield link
    finally:
        await link.stop()


@contextlib.asynccontextmanager
async def connected(
    link: Link,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(HOST, link.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def exchange(link: Link, data: bytes = b"ping") -> bytes:
    """Send, half-close, and return everything that comes back."""
    async with connected(link) as (reader, writer):
        writer.write(data)
        writer.write_eof()
        return await reader.read(-1)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    runner: Callable[[Awaitable[None]], None] = request.param
    return runner


Run = Callable[[Awaitable[None]], None]


def test_bytes_and_the_half_close_go_through_both_ways(run: Run) -> None:
    async def scene() -> None:
        async with listening(echo) as target, linked(target) as link:
            assert await exchange(link) == b"ping" + GREETING

    run(scene())


def test_new_connections_go_to_one_replica_after_the_other_unless_an_asker_is_kept(
    run: Run,
) -> None:
    async def scene() -> None:
        link = Link("test")
        link.replicas = 3
        there = (HOST, 80)
        spread = [link._next_replica(there)[0] for _ in range(4)]
        assert spread == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]
        await link.set(sticky=True)
        assert {link._next_replica(there) for _ in range(4)} == {there}

    run(scene())


def test_megabytes_arrive_complete_and_in_order(run: Run) -> None:
    async def scene() -> None:
        data = bytes(range(256)) * 20_000
        async with listening(echo) as target, linked(target) as link:
            assert await exchange(link, data) == data + GREETING

    run(scene())


def test_latency_delays_the_way_to_the_server_and_keeps_the_order(run: Run) -> None:
    async def scene() -> None:
        data = bytes(range(256)) * 4_000
        async with listening(echo) as target, linked(target) as link:
            await link.set(latency_seconds=0.08)
            started = time.monotonic()
            assert await exchange(link) == b"ping" + GREETING
            assert time.monotonic() - started >= 0.08
            assert await exchange(link, data) == data + GREETING

    run(scene())


def test_a_smaller_latency_does_not_overtake(run: Run) -> None:
    async def scene() -> None:
        async with (
            listening(echo) as target,
            linked(target) as link,
            connected(link) as (reader, writer),
        ):
            await link.set(latency_seconds=0.3)
            writer.write(b"1")
            await asyncio.sleep(0.1)
            await link.set(latency_seconds=0)
            writer.write(b"2")
            assert await reader.readexactly(2) == b"12"

    run(scene())


def test_a_reader_that_stops_holds_the_sender_back(run: Run) -> None:
    async def scene() -> None:
        sent = 0
        stuck = asyncio.Event()

        async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            with contextlib.suppress(ConnectionError, TimeoutError):
                while True:
                    writer.write(b"x" * 65536)
                    async with asyncio.timeout(0.3):
                        await writer.drain()
                    sent += 65536
            stuck.set()
            writer.transport.abort()

        async with listening(pour) as target, linked(target) as link, connected(link):
            await stuck.wait()
        assert sent < 64_000_000

    run(scene())


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        pytest.param("refuse", ConnectionRefusedError, id="refuse refuses the connection"),
        pytest.param("reset", ConnectionResetError, id="reset resets it"),
        pytest.param("blackhole", TimeoutError, id="blackhole accepts and never answers"),
    ],
)
def test_modes_break_connections_and_open_mends_them(
    mode: Mode, error: type[Exception], run: Run
) -> None:
    async def attempt(link: Link) -> bytes:
        async with asyncio.timeout(0.3):
            return await exchange(link)

    async def scene() -> None:
        async with listening(echo) as target, linked(target) as link:
            port = link.port
            async with connected(link) as (reader, writer):
                writer.write(b"1")
                await reader.readexactly(1)
                await link.set(mode=mode)
                with pytest.raises(ConnectionResetError):
                    await reader.read(1)
            with pytest.raises(error):
                await attempt(link)
            await link.set(mode="open")
            assert link.port == port
            assert await exchange(link) == b"ping" + GREETING

    run(scene())


def test_a_new_target_takes_over_and_old_connections_end(run: Run) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.write(b"other")
        writer.close()
        await writer.wait_closed()

    async def scene() -> None:
        async with listening(echo) as first, listening(other) as second, linked(first) as link:
            async with connected(link) as (reader, writer):
                writer.write(b"1")
                await reader.readexactly(1)
                await link.set(target=second)
                with pytest.raises(ConnectionResetError):
                    await reader.read(1)
            assert await exchange(link) == b"other"

    run(scene())


@pytest.mark.parametrize("target", [None, (HOST, 1)], ids=["no target", "a dead target"])
def test_nobody_behind_the_link_is_a_reset(target: tuple[str, int] | None, run: Run) -> None:
    async def scene() -> None:
        async with linked(target) as link:
            with pytest.raises(ConnectionResetError):
                await exchange(link)

    run(scene())


def test_a_stopped_link_gives_its_port_back_and_can_start_again(run: Run) -> None:
    async def scene() -> None:
        async with listening(echo) as target, linked(target) as link:
            port = link.port
            await link.stop()
            with pytest.raises(ConnectionRefusedError):
                await exchange(link)
            await link.start(port)
            assert await exchange(link) == b"ping" + GREETING

    run(scene())


def test_a_taken_port_is_an_error(run: Run) -> None:
    async def scene() -> None:
        async with linked(None) as link:
            with pytest.raises(OSError, match="in use"):
                await Link("second").start(link.port)

    run(scene())

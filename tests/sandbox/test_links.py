from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from sandbox.core.links import Link, Mode
from tests.sandbox.stream_servers import HOST, listening
from tests.tables import cases

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize(
        "anyio_backend",
        [("asyncio", {"use_uvloop": uvloop}) for uvloop in (False, True)],
        ids=["asyncio", "uvloop"],
    ),
]
GREETING = b"end of stream seen"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back, and a greeting once the client has half-closed."""
    with contextlib.suppress(ConnectionError, RuntimeError):  # uvloop's for a closed connection
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


async def test_new_connections_go_to_one_replica_after_the_other_unless_an_asker_is_kept() -> None:
    link = Link("test")
    link.replicas = 3
    there = (HOST, 80)
    spread = [link._next_replica(there)[0] for _ in range(4)]
    assert spread == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]
    await link.set(sticky=True)
    assert {link._next_replica(there) for _ in range(4)} == {there}


async def test_bytes_and_the_half_close_go_through_both_ways_complete_and_in_order() -> None:
    data = bytes(range(256)) * 20_000
    async with listening(echo) as target, linked(target) as link:
        assert await exchange(link) == b"ping" + GREETING
        assert await exchange(link, data) == data + GREETING


async def test_latency_delays_the_way_to_the_server_and_keeps_the_order() -> None:
    data = bytes(range(256)) * 4_000
    async with listening(echo) as target, linked(target) as link:
        await link.set(latency_seconds=0.08)
        started = time.monotonic()
        assert await exchange(link) == b"ping" + GREETING
        assert time.monotonic() - started >= 0.08
        assert await exchange(link, data) == data + GREETING


async def test_a_smaller_latency_does_not_overtake() -> None:
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


async def test_a_reader_that_stops_holds_the_sender_back() -> None:
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


BREAKS = {
    "refuse": ConnectionRefusedError,
    "reset": ConnectionResetError,
    "blackhole": TimeoutError,
}


@cases("mode error", {mode: (mode, error) for mode, error in BREAKS.items()})
async def test_modes_break_connections_and_open_fixes_them(
    mode: Mode, error: type[Exception]
) -> None:
    async def attempt(link: Link) -> bytes:
        async with asyncio.timeout(0.3):
            return await exchange(link)

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


async def test_a_new_target_takes_over_and_old_connections_end() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(-1) + b" by another")
        await writer.drain()

    async with listening(echo) as first, listening(other) as second, linked(first) as link:
        async with connected(link) as (reader, writer):
            writer.write(b"1")
            await reader.readexactly(1)
            await link.set(target=second)
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
        assert await exchange(link) == b"ping by another"


@pytest.mark.parametrize("target", [None, (HOST, 1)], ids=["no target", "a dead target"])
async def test_nobody_behind_the_link_is_a_reset(target: tuple[str, int] | None) -> None:
    async with linked(target) as link:
        with pytest.raises(ConnectionResetError):
            await exchange(link)


async def test_a_stopped_link_gives_its_port_back_and_can_start_again() -> None:
    async with listening(echo) as target, linked(target) as link:
        port = link.port
        await link.stop()
        with pytest.raises(ConnectionRefusedError):
            await exchange(link)
        await link.start(port)
        assert await exchange(link) == b"ping" + GREETING


async def test_a_taken_port_is_an_error() -> None:
    async with linked(None) as link:
        with pytest.raises(OSError, match="in use"):
            await Link("second").start(link.port)

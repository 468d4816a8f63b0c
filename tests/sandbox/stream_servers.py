"""A small asyncio server for tests, that leaves no connection behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

HOST = "127.0.0.1"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[tuple[str, int]]:
    """Serve on a free port and give its address; every connection ends with it."""
    running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            running[task] = writer
        try:
            await handler(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, HOST, 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        for writer in running.values():
            writer.transport.abort()
        await asyncio.gather(*running, return_exceptions=True)


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a named condition, for a bounded time."""
    end = asyncio.get_running_loop().time() + 10
    while not condition():
        if asyncio.get_running_loop().time() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.01)

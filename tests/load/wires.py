"""Servers that say exactly the bytes that a test wants, on loops of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from load._engine._null_server import Manners, NullServer

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def scripted(
    serve: Serve, tls: ssl.SSLContext | None = None, *, host: str = "localhost", port: int = 0
) -> AsyncIterator[int]:
    """Serve connections by a coroutine; yields the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, host, port, family=socket.AF_INET, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def null_server(manners: Manners | None = None, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run the null server in a thread, so that it may stall by itself; yields the port."""
    loop = asyncio.new_event_loop()
    null = NullServer(manners)
    server = loop.run_until_complete(null.listen(tls=tls))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        loop.run_until_complete(_ended(null))
        loop.close()


async def _ended(null: NullServer) -> None:
    """Hang up on everybody, those too who were just being let in."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=5)
    null.hang_up()
    for _ in range(1000):
        if not null.connections:
            return
        await asyncio.sleep(0)
    raise TimeoutError("connections of the null server do not end")

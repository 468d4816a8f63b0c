"""How to see that a server is ready: each returns an awaitable question with a yes or no."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from sandbox.layout import HOST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_ATTEMPT_SECONDS = 2.0


def answers_http(port: int, path: str) -> Callable[[], Awaitable[bool]]:
    """Ask whether GET path is answered with 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()

    async def ask() -> bool:
        return (await exchange(port, request)).startswith(b"HTTP/1.1 200")

    return ask


def answers_redis(port: int, password: str) -> Callable[[], Awaitable[bool]]:
    """Ask whether Redis accepts the password."""

    async def ask() -> bool:
        return (await exchange(port, f"AUTH {password}\r\n".encode())).startswith(b"+OK")

    return ask


async def exchange(port: int, request: bytes) -> bytes:
    """Send one request and return the first bytes of the answer; nothing when there is none."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(request)
                return await reader.readline()
            finally:
                writer.close()
    return b""

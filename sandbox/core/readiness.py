"""How servers are asked whether they are ready (an awaitable question with a yes or no), and ordered."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sandbox.core import SandboxError
from sandbox.core.layout import HOST

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from sandbox.core.layout import Layout

_ATTEMPT_SECONDS = 2.0
_PAUSE_SECONDS = 0.05


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


def prometheus_says(port: int, query: str, value: int) -> Callable[[], Awaitable[bool]]:
    """Ask whether Prometheus answers a query with one series of just that whole number."""
    path = f"/api/v1/query?{urlencode({'query': query})}"
    request = f"GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()

    async def ask() -> bool:
        answer = await exchange(port, request, whole=True)
        return f'"{value}"]'.encode() in answer

    return ask


async def exchange(port: int, request: bytes, *, whole: bool = False) -> bytes:
    """Send one request and return the answer's first line, or all of it; nothing when there is none."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(request)
                return await (reader.read() if whole else reader.readline())
            finally:
                writer.close()
    return b""


async def put(layout: Layout, server: str, path: str, order: dict[str, Any]) -> None:
    """Give one of our own servers an order on its admin route; raises SandboxError."""
    body = json.dumps(order)
    request = (
        f"PUT {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
        f"X-Sandbox-Token: {layout.passwords['api-admin']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    status = await exchange(layout.ports[server], request.encode())
    if not status.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
        raise SandboxError(
            f"{server} did not take its order {path} ({status.decode(errors='replace').strip()!r}): "
            f"see the logs in {layout.logs}."
        )


async def wait_for(what: str, ask: Callable[[], Awaitable[bool]], timeout_seconds: float) -> None:
    """Ask again and again until the answer is yes; raises SandboxError naming what did not come."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while not await ask():
        if loop.time() > deadline:
            raise SandboxError(f"{what} did not come true in {timeout_seconds:.0f} s.")
        await asyncio.sleep(_PAUSE_SECONDS)


async def together(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs at once; the first failure ends the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as group_of_failures:
        failures = group_of_failures.exceptions
        told = [failure for failure in failures if isinstance(failure, SandboxError)]
        # Without a sentence of ours it is a mistake in this program: the first of them, by itself.
        raise (told or failures)[0] from None

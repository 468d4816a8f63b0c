"""Where a name leads: asked once for all connections that want to know, and again after a while."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

KEPT_SECONDS = 5.0
"""So long an answer holds, also that there is none; then the name may have moved."""

Place = tuple[int, str]
"""Address family and address."""


class Names:
    """The addresses of one host. A lookup is never broken off: uvloop does not survive that."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._lookup: asyncio.Future[list[Place]] | None = None
        self._holds_until = 0.0

    @property
    def unknown(self) -> bool:
        """Whether the first answer, or a new one, is still waited for."""
        return self._lookup is None or not self._lookup.done()

    async def places(self) -> list[Place]:
        """Return the addresses; raises OSError."""
        if self._lookup is None or (self._lookup.done() and time.monotonic() > self._holds_until):
            self._lookup = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._lookup)

    async def end(self) -> None:
        """Wait for a lookup that is under way."""
        if self._lookup is not None:
            with contextlib.suppress(OSError):
                await self._lookup

    async def _ask(self) -> list[Place]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
        finally:
            self._holds_until = time.monotonic() + KEPT_SECONDS
        return [(family, str(where[0])) for family, _, _, _, where in found]

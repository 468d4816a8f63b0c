"""The switches of the API processes: who wants which, and putting their union in force."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.core.errors import SandboxError
from sandbox.core.layout import HOST, RELEASED_APIS
from sandbox.core.readiness import exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.layout import Layout


class Switchboard:
    """Several faults may hold switches at once; each API process is told all of them together."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._held: dict[str, Mapping[str, Any]] = {}

    def hold(self, owner: str, switches: Mapping[str, Any] | None) -> None:
        """Hold switches in the name of `owner`; None lets go of them."""
        self._held.pop(owner, None)
        if switches is not None:
            self._held[owner] = switches

    async def press(self, name: str, **once: Any) -> None:
        """Put the held switches in force in one process (`once` only now); raises SandboxError."""
        held = self._held.values() if name in RELEASED_APIS else ()
        union = {key: value for switches in held for key, value in switches.items()}
        await put(self._layout, name, "/_sandbox/faults", union | once)


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

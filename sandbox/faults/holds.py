"""What several faults hold broken at once: a part is whole again when its last holder lets go."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from sandbox.core.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import psycopg

    from sandbox.parts import Platform


class Holds:
    """The broken parts of one platform, each with the faults that hold it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._links: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._stopped: dict[str, set[str]] = {}
        self._again: dict[str, asyncio.Task[None]] = {}
        self._kept: dict[str, list[psycopg.AsyncConnection]] = {}

    def again(self, fault: str, act: Callable[[], Awaitable[None]], every_seconds: float) -> None:
        """Act every few seconds for as long as the fault holds."""
        self.no_more(fault)
        self._again[fault] = asyncio.create_task(_act_again(act, every_seconds))

    def no_more(self, fault: str) -> None:
        """Act no more for a fault."""
        task = self._again.pop(fault, None)
        if task is not None:
            task.cancel()

    def keep(self, fault: str, connection: psycopg.AsyncConnection) -> None:
        """Keep a connection open for as long as the fault holds."""
        self._kept.setdefault(fault, []).append(connection)

    async def close_kept(self, fault: str) -> None:
        """Close what was kept open for a fault."""
        for connection in self._kept.pop(fault, []):
            await connection.close()

    async def switches(self, fault: str, values: Mapping[str, Any] | None) -> None:
        """Hold switches of the released API; None lets go of them."""
        self.platform.switchboard.hold(fault, values)
        await self.platform.press_switches()

    async def link(self, fault: str, name: str, changes: Mapping[str, Any] | None) -> None:
        """Hold a link changed; None lets go of it."""
        holders = self._links.setdefault(name, {})
        holders.pop(fault, None)
        if changes is not None:
            holders[fault] = changes
        union = {key: value for held in holders.values() for key, value in held.items()}
        await self.platform.set_link(name, **union)

    async def stopped(self, fault: str, process: str, *, hold: bool) -> None:
        """Hold a process stopped, or let go of it."""
        holders = self._stopped.setdefault(process, set())
        if hold:
            holders.add(fault)
            await self.platform.stop_process(process)
            return
        holders.discard(fault)
        if not holders:
            await self.platform.start_process(process)


async def _act_again(act: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        with contextlib.suppress(SandboxError):  # the next time will do
            await act()

"""What faults hold broken, and how each of them is fixed, however much of it was broken."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

from sandbox.core import SandboxError
from sandbox.core.readiness import put, together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform


class Holds:
    """The parts that several faults may hold: one is whole again when its last holder lets go."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._links: dict[str, dict[str, Mapping[str, Any]]] = collections.defaultdict(dict)
        self._stopped: dict[str, set[str]] = collections.defaultdict(set)

    async def switches(self, fault: str, values: Mapping[str, Any] | None) -> None:
        """Hold switches of the released API; None lets go of them."""
        self.platform.switchboard.hold(fault, values)
        await self.platform.press_switches()

    async def link(self, fault: str, name: str, changes: Mapping[str, Any] | None) -> None:
        """Hold a link changed; None lets go of it."""
        holders = self._links[name]
        holders.pop(fault, None)
        if changes is not None:
            holders[fault] = changes
        union = {key: value for held in holders.values() for key, value in held.items()}
        await self.platform.set_link(name, **union)

    async def stop(self, fault: str, process: str) -> None:
        """Hold a process stopped."""
        self._stopped[process].add(fault)
        await self.platform.stop_process(process)

    async def start(self, fault: str, process: str) -> None:
        """Let go of a process, which starts when nobody else holds it."""
        self._stopped[process].discard(fault)
        if not self._stopped[process]:
            await self.platform.start_process(process)


class Breakage:
    """One applied fault: a stack of what fixes it, whose end may be repeated until all is fixed."""

    def __init__(self, name: str, holds: Holds) -> None:
        self.name = name
        self.platform = holds.platform
        self.went_live = False
        """Whether the release went live before the fault, which happens to what is live."""
        self._holds = holds
        self._fixers: list[Callable[[], object]] = []

    @property
    def layout(self) -> Layout:
        """The platform's names, ports and paths."""
        return self.platform.layout

    def undo(self, fix: Callable[..., object], *arguments: Any, **named: Any) -> None:
        """Note what fixes the next step, before it is taken; it must bear being done for nothing."""
        self._fixers.append(functools.partial(fix, *arguments, **named))

    async def end(self) -> None:
        """Fix the last step first; raises SandboxError, and goes on from there when called again."""
        while self._fixers:
            fixing = self._fixers[-1]()
            if inspect.isawaitable(fixing):
                await fixing
            self._fixers.pop()

    def go_live(self) -> None:
        """Let the release go live now: what follows happens to it."""
        self.platform.note_release()
        self.went_live = True

    async def switches(self, values: Mapping[str, Any]) -> None:
        """Press switches of the released API."""
        self.undo(self._holds.switches, self.name, None)
        await self._holds.switches(self.name, values)

    async def link(self, name: str, **changes: Any) -> None:
        """Change a link."""
        self.undo(self._holds.link, self.name, name, None)
        await self._holds.link(self.name, name, changes)

    async def stop(self, processes: Iterable[str]) -> None:
        """Stop processes for real."""
        self.undo(self.start, processes)
        await together(*(self._holds.stop(self.name, process) for process in processes))

    async def start(self, processes: Iterable[str]) -> None:
        """Start them again."""
        await together(*(self._holds.start(self.name, process) for process in processes))

    async def bend(self, standin: str, values: Mapping[str, Any]) -> None:
        """Have a stand-in show other facts than the deployment's."""
        self.undo(self._lay, standin, None)
        await self._lay(standin, values)

    async def _lay(self, standin: str, values: Mapping[str, Any] | None) -> None:
        order = {"fault": self.name, "values": values}
        await put(self.layout, standin, "/_sandbox/fault", order)

    def again(self, act: Callable[[], Awaitable[None]], every_seconds: float) -> None:
        """Act every few seconds for as long as the fault holds."""
        self.undo(asyncio.create_task(_act_again(act, every_seconds)).cancel)

    def aside(self, path: Path) -> Path:
        """Put a file or folder aside and return where it lies meanwhile."""
        kept = path.with_name(f"{path.name}.aside-{self.name}")
        self.undo(_put_back, kept, path)
        with contextlib.suppress(FileNotFoundError):
            path.rename(kept)
        return kept


async def _act_again(act: Callable[[], Awaitable[None]], every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        with contextlib.suppress(SandboxError):  # the next time will do
            await act()


def _put_back(kept: Path, path: Path) -> None:
    if kept.is_symlink() or kept.exists():
        if path.is_symlink():
            path.unlink()
        kept.replace(path)

"""Which faults are applied now: applied and reverted by name, each at most once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.core.breakage import Breakage, Holds
from sandbox.core.errors import SandboxError, UnknownNameError
from sandbox.faults import catalogue
from sandbox.faults.kinds import bound

if TYPE_CHECKING:
    from sandbox.core.platform import Platform


class Book:
    """The applied faults of one running platform; a fresh platform has none."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._holds = Holds(platform)
        self._applied: dict[str, Breakage] = {}

    @property
    def applied(self) -> list[str]:
        """Their names, the first one first."""
        return list(self._applied)

    async def apply(self, name: str) -> bool:
        """Apply a fault; False when it was applied already.

        Raises SandboxError with the fault reverted, or still noted when even that is impossible now.
        """
        fault = _known(name)
        if name in self._applied:
            return False
        it = self._applied[name] = Breakage(name, self._holds)
        try:
            for step in bound(fault.does, it):
                await step()
        except SandboxError:
            with contextlib.suppress(SandboxError):
                await self.revert(name)
            raise
        if not it.went_live:
            self._platform.note_release()
        return True

    async def revert(self, name: str) -> bool:
        """Revert a fault; False when it was not applied; raises SandboxError, and may be repeated.

        With the last fault gone it waits until the platform is whole again.
        """
        _known(name)
        if name not in self._applied:
            return False
        await self._applied[name].end()
        del self._applied[name]
        if not self._applied:
            await self._platform.settle()
        self._platform.note_release()
        return True

    async def revert_all(self) -> list[str]:
        """Revert every applied fault, the last one first; raises SandboxError."""
        reverted = self.applied[::-1]
        for name in reverted:
            await self.revert(name)
        return reverted


def _known(name: str) -> catalogue.Fault:
    for fault in catalogue.load():
        if fault.name == name:
            return fault
    raise UnknownNameError(f"there is no fault {name!r}: `sandbox fault list` names them.")

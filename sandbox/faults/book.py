"""Which faults are applied now: applied and reverted by name, each at most once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from sandbox.core.errors import SandboxError, UnknownNameError
from sandbox.faults.actions import Restarted
from sandbox.faults.holds import Holds
from sandbox.faults.table import ACTIONS

if TYPE_CHECKING:
    from sandbox.faults.actions import Action
    from sandbox.parts import Platform


class Book:
    """The applied faults of one running platform; a fresh platform has none."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._holds = Holds(platform)
        self.applied: list[str] = []

    async def apply(self, name: str) -> bool:
        """Apply a fault; False when it was applied already.

        Raises SandboxError with the fault reverted, or still noted when even that is impossible now.
        """
        action = _action(name)
        if name in self.applied:
            return False
        self.applied.append(name)
        if isinstance(action, Restarted):
            # It happens to a release that is live: the switch comes before it.
            self._platform.note_release()
        try:
            await action.apply(self._holds, name)
        except SandboxError:
            with contextlib.suppress(SandboxError):
                await self.revert(name)
            raise
        if not isinstance(action, Restarted):
            self._platform.note_release()
        return True

    async def revert(self, name: str) -> bool:
        """Revert a fault; False when it was not applied; raises SandboxError, and may be repeated.

        With the last fault gone it waits until the platform is whole again.
        """
        action = _action(name)
        if name not in self.applied:
            return False
        await action.revert(self._holds, name)
        self.applied.remove(name)
        if not self.applied:
            await self._platform.settle()
        self._platform.note_release()
        return True

    async def revert_all(self) -> list[str]:
        """Revert every applied fault, the last one first; raises SandboxError."""
        reverted = list(reversed(self.applied))
        for name in reverted:
            await self.revert(name)
        return reverted


def _action(name: str) -> Action:
    try:
        return ACTIONS[name]
    except KeyError:
        raise UnknownNameError(
            f"there is no fault {name!r}: `sandbox fault list` names them."
        ) from None

"""How far the release is deployed: phase by phase, each step of a phase in the runbook's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core.errors import SandboxError
from sandbox.deployment.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.parts import Platform

LAST_PHASE = 7


class Deployment:
    """Phases carried out so far on one platform: 0 is before the release, 7 is finished."""

    def __init__(self, platform: Platform, *, pending: bool) -> None:
        self._platform = platform
        self.pending = pending
        """The release waits: each phase is carried out by hand. Otherwise all are at the start."""
        self.done = 0
        self.rolled_out = not pending
        """Whether the release's processes are meant to run; so from the start where nobody waits."""

    async def carry_out(self, phase: int, say: Callable[[str], None]) -> None:
        """Carry out the next phase; raises SandboxError for any other, and when a step fails."""
        if phase != self.done + 1:
            there = (
                "it is finished" if self.done == LAST_PHASE else f"next is phase {self.done + 1}"
            )
            raise SandboxError(f"phase {phase} can't be carried out now: {there}.")
        for step in STEPS[phase]:
            say(f"phase {step.name}")
            await step.carry_out(self._platform)
        self.done = phase

    async def finish(self, say: Callable[[str], None]) -> None:
        """Carry out every phase that is left; raises SandboxError."""
        while self.done < LAST_PHASE:
            await self.carry_out(self.done + 1, say)

"""The plan of a deployment: its phases, how long each may take, what undoes it, how long a rollback takes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from settings.sections import Seconds, Section

LAST_PHASE = 7
Planned = Annotated[Seconds, Field(gt=0, le=86_400)]


class PlannedPhase(Section):
    """One phase of the runbook."""

    title: str = Field(min_length=1)
    planned: Planned
    undo: str = ""
    """What undoes it while nothing is live; from the traffic switch on a rollback is a rollback."""


class DeploymentPolicy(Section):
    """The runbook's phases in order, and its ways back."""

    phases: tuple[PlannedPhase, ...]
    rollback: dict[str, Planned] = Field(min_length=1)
    """By method; the longest has to fit before the deployment window closes."""

    @model_validator(mode="after")
    def _every_phase(self) -> Self:
        if len(self.phases) != LAST_PHASE:
            raise ValueError(f"phases has {len(self.phases)} entries; the runbook has {LAST_PHASE}")
        return self

    def undo(self, number: int) -> tuple[str, ...]:
        """Return what undoes a phase and those before it, the last one first."""
        return tuple(
            f"To undo phase {n}, {self.phases[n - 1].title.lower()}: {self.phases[n - 1].undo}"
            for n in range(number, 0, -1)
            if self.phases[n - 1].undo
        )

"""How far a run is, folded from its events: what a live view shows."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from reports.events import finished
from reports.verdict import GOOD, MISSING, CheckResult, DamagedVerdictError


@dataclasses.dataclass(frozen=True, slots=True)
class Red:
    """One finding that is not good, as soon as it is known."""

    check: str
    region: str
    outcome: str
    sentence: str


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """A run so far; a value, so that a drawing thread never sees half of a change."""

    total: int
    regions: tuple[str, ...]
    done: tuple[CheckResult, ...] = ()
    running: str | None = None
    problems: tuple[str, ...] = ()

    def after(self, event: Mapping[str, Any]) -> Progress:
        """Return the progress after an event; one it cannot read is a problem."""
        kind = event.get("event")
        if kind == "check_started":
            return dataclasses.replace(self, running=str(event.get("check")))
        if kind == "problem":
            said = str(event.get("sentence"))
            return dataclasses.replace(self, problems=(*self.problems, said))
        try:
            check = finished(event)
        except DamagedVerdictError as exc:
            said = f"an event of the run cannot be read: {exc}"
            return dataclasses.replace(self, problems=(*self.problems, said))
        if check is None:
            return self
        running = None if self.running == check.id else self.running
        return dataclasses.replace(self, done=(*self.done, check), running=running)

    def tally(self, region: str) -> Mapping[str, int]:
        """Return the number of checks by outcome in a region."""
        return collections.Counter(check.outcome_in(region) for check in self.done)

    def reds(self) -> tuple[Red, ...]:
        """Return every finding so far that is not good, oldest first."""
        return tuple(
            red for check in self.done for region in self.regions for red in reds_of(check, region)
        )


def reds_of(check: CheckResult, region: str) -> tuple[Red, ...]:
    """Return a check's findings in a region that are not good; one that says nothing is missing."""
    outcome = check.outcome_in(region)
    if outcome in GOOD:
        return ()
    result = check.results.get(region)
    if outcome == MISSING or result is None:
        return (Red(check.id, region, MISSING, "the check said nothing here"),)
    return tuple(Red(check.id, region, item.outcome.value, item.sentence) for item in result.red)

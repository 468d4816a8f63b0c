"""What a phase needs of the phase before, and what it leaves for the phase after."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from checks import history
from environments.store import Store, StoreError
from gates.decide.history import PhaseRun, gaps
from gates.decide.scope import Phase
from probes.observation import utc_now
from reports.words import GATE


@dataclasses.dataclass(frozen=True, slots=True)
class Chronicle:
    """The history of one release's deployment in one environment."""

    store: Store
    environment: str
    release: str
    asked_as: str
    """The environment as `--env` said it, for commands."""

    def missing(self, needed: Sequence[Phase], regions: Sequence[str]) -> tuple[str, ...]:
        """Return why the phases before are not GO, as problems of the run; nothing when they are."""
        if not needed:
            return ()
        number = needed[0].number
        command = f"{GATE} phase {number} --env {self.asked_as} --release {self.release}"
        parts = [str(part) for part in needed]
        try:
            runs = history.runs_of(
                self.store, self.environment, self.release, (str(number), *parts)
            )
        except StoreError as exc:
            return (f"whether phase {number} is GO can't be told: {exc}",)
        found = gaps(parts, regions, runs, utc_now())
        if not found:
            return ()
        missing = f"phase {number} comes before and is not GO for {self.release}"
        return (f"{missing}: {'; '.join(found)}. Run {command}, then this phase again",)

    def add(self, run: PhaseRun) -> str | None:
        """Add a run; return why it could not be added, or None."""
        folder = history.folder(self.environment, self.release, run.phase)
        try:
            self.store.add(f"{folder}/{run.run}.json", run.record())
        except StoreError as exc:
            return f"this run is not in the history, so the next phase can't build on it: {exc}"
        return None

"""What a phase needs of the phase before, and what it leaves for the phase after."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from environments.store import StoreError
from gates.decide.history import Entry, Kind, attempts, gaps
from gates.decide.outcome import Decision
from gates.decide.scope import Phase
from probes.observation import utc_now
from reports.words import GATE
from steps.kit.history import History

FORGOTTEN = "this run is not in the history, so the next phase can't build on it"


@dataclasses.dataclass(frozen=True, slots=True)
class Chronicle:
    """The history of one release's deployment in one environment, as one run reads and adds to it."""

    history: History
    run: str
    asked_as: str
    """The environment as `--env` said it, for commands."""
    regions: Sequence[str]
    digests: Mapping[str, str]
    """Of the policy and of what is required."""

    def missing(self, needed: Sequence[Phase]) -> tuple[str, ...]:
        """Return why the phases before are not GO, as problems of the run; nothing when they are."""
        if not needed:
            return ()
        number, release = needed[0].number, self.history.release
        command = f"{GATE} phase {number} --env {self.asked_as} --release {release}"
        parts = [str(part) for part in needed]
        try:
            entries = self.history.entries()
        except StoreError as exc:
            return (f"whether phase {number} is GO is unknown: {exc}",)
        found = gaps(parts, self.regions, entries, utc_now(), self.digests)
        if not found:
            return ()
        missing = f"phase {number} comes before and is not GO for {release}"
        return (f"{missing}: {'; '.join(found)}. Run {command}, then this phase again",)

    def begin(self, phase: str, parts: Sequence[str], *, live: bool) -> str | None:
        """Say that a phase's run is about to measure; return why nobody could be told, or None."""
        return self._add(
            lambda entries: dataclasses.replace(
                self._entry(Kind.STARTED, entries, phase, parts), live=live
            )
        )

    def end(
        self, parts: Mapping[str, Mapping[str, Decision]], started_at: dt.datetime
    ) -> str | None:
        """Add what the run decided; return why it could not be added, or None."""

        def ended(entries: Sequence[Entry]) -> Entry:
            begun = next((one for one in entries if one.run == self.run), None)
            if begun is None:
                raise StoreError("its beginning was removed")
            return dataclasses.replace(
                begun, kind=Kind.ENDED, at=utc_now(), parts=parts, started_at=started_at
            )

        return self._add(ended)

    def rolled_back(self, regions: Sequence[str]) -> str | None:
        """Say that the live release is to be taken back; return why nobody could be told, or None."""
        return self._add(
            lambda entries: dataclasses.replace(
                self._entry(Kind.ROLLED_BACK, entries), regions=tuple(regions)
            )
        )

    def _entry(
        self, kind: Kind, entries: Sequence[Entry], phase: str = "", parts: Sequence[str] = ()
    ) -> Entry:
        return Entry(
            kind=kind,
            run=self.run,
            at=utc_now(),
            regions=tuple(self.regions),
            attempts=attempts(entries, self.regions),
            digests=self.digests,
            phase=phase,
            parts={part: dict.fromkeys(self.regions) for part in parts},
        )

    def _add(self, make: Callable[[Sequence[Entry]], Entry]) -> str | None:
        try:
            self.history.append(make)
        except StoreError as exc:
            return f"{FORGOTTEN}: {exc}"
        return None

"""Histories as the gate writes them, step by step."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from collections.abc import Mapping

from gates.decide.history import Entry, Kind, attempts
from gates.decide.outcome import Decision
from steps.kit.chain import History

AT = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
DIGESTS = {"policy": "p", "catalogue": "c"}
Said = Mapping[str, Mapping[str, Decision]]
"""By part, then by region."""


@dataclasses.dataclass(frozen=True)
class Step:
    """Something that is added to a history: a run of a phase, or another record of this kind."""

    minute: float
    said: Said = dataclasses.field(default_factory=dict)
    kind: Kind = Kind.ENDED
    """STARTED: a run that never ended."""
    regions: tuple[str, ...] = ("eu", "us")
    digests: Mapping[str, str] = dataclasses.field(default_factory=lambda: DIGESTS)
    live: bool = True
    """Whether it might have said ROLLBACK."""
    verdict: str = ""

    def added_to(self, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """Return the history with the step's one or two records."""
        at, run = AT + dt.timedelta(minutes=self.minute), f"run-{self.minute:g}"
        if not self.said:
            return *entries, Entry(self.kind, run, at, self.regions)
        where = tuple(dict.fromkeys(region for by in self.said.values() for region in by))
        begun = Entry(
            kind=Kind.STARTED,
            run=run,
            at=at,
            regions=where,
            attempts=attempts(entries, where),
            digests=self.digests,
            phase=min(self.said).partition(".")[0],
            parts={part: dict.fromkeys(by) for part, by in self.said.items()},
            live=self.live,
        )
        if self.kind is Kind.STARTED:
            return *entries, begun
        ended = dataclasses.replace(
            begun,
            kind=Kind.ENDED,
            at=at + dt.timedelta(seconds=3),
            parts=self.said,
            started_at=at,
            verdict=self.verdict,
        )
        return *entries, begun, ended


def a_run(minute: float, *, ended: bool = True, **said: Decision) -> Step:
    """Return a run of a phase; `p11_eu=GO` says part 1.1 in eu."""
    parts: dict[str, dict[str, Decision]] = {}
    for key, decision in said.items():
        part, region = key.split("_")
        parts.setdefault(f"{part[1]}.{part[2]}", {})[region] = decision
    return Step(minute, parts, Kind.ENDED if ended else Kind.STARTED)


def told(*steps: Step) -> tuple[Entry, ...]:
    """Return the history of these steps."""
    entries: tuple[Entry, ...] = ()
    for step in steps:
        entries = step.added_to(entries)
    return entries


def keep(history: History, *steps: Step) -> pathlib.Path:
    """Write the history of these steps; return its folder."""
    for entry in told(*steps):
        _append(history, entry)
    return pathlib.Path(history.store.url) / history.folder


def _append(history: History, entry: Entry) -> None:
    history.append(lambda _: entry)

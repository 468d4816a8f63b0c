"""Where a deployment stands, phase by phase: done, red or missing, whose it is, what to run next."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from environments import loader
from environments.yaml_file import ConfigurationError
from gates.cli import runs
from gates.decide.catalogue import Row
from gates.decide.history import ONE_DEPLOYMENT, PhaseRun, by_part, last, newest_first
from gates.decide.outcome import Decision
from gates.decide.schedule import WeeklyWindow, closing, time_left
from gates.decide.scope import Phase
from gates.decide.verdict import Verdict
from reports import words
from settings.environment import LocalFile
from settings.people import LAST_PHASE

MOST_RUNS = 60
"""So many runs of phases are looked through, the newest first."""


@dataclasses.dataclass(frozen=True, slots=True)
class PhaseStanding:
    """One phase of one release's deployment."""

    number: int
    state: str
    """done, red or missing."""
    said: str
    """What its last runs decided where it is red; which parts nobody asked about."""
    owners: tuple[str, ...]
    """Who mends what is red, or whose checks are missing."""


def standings(
    out: pathlib.Path, verdict: Verdict, rows: Sequence[Row], now: dt.datetime
) -> tuple[PhaseStanding, ...]:
    """Return every phase that the catalogue asks anything of; none where none was run for a day.

    What is older belongs to another deployment, as the gate itself sees it.
    """
    found = [
        one
        for one in _verdicts(out, verdict.environment, verdict.release)
        if now - dt.datetime.fromisoformat(one.started_at) <= ONE_DEPLOYMENT
    ]
    if not found:
        return ()
    history = newest_first(_phase_run(one, rows) for one in found)
    regions = tuple(dict.fromkeys(region for one in found for region in one.regions))
    return tuple(
        _standing(number, rows, regions, history)
        for number in range(1, LAST_PHASE + 1)
        if Phase(number).parts(rows)
    )


def lines(phases: Sequence[PhaseStanding]) -> Iterator[str]:
    """Yield a line for each phase."""
    for phase in phases:
        owners = f" (owner: {', '.join(phase.owners)})" if phase.owners else ""
        said = f": {phase.said}" if phase.said else ""
        yield f"  phase {phase.number}   {phase.state}{said}{owners}"


def as_json(phases: Sequence[PhaseStanding]) -> list[dict[str, Any]]:
    """Return the phases as JSON values."""
    return [dataclasses.asdict(phase) | {"owners": list(phase.owners)} for phase in phases]


def next_command(verdict: Verdict, phases: Sequence[PhaseStanding]) -> str | None:
    """Return the gate of the first phase that is not done, or None where all are or none was begun."""
    undone = next((phase for phase in phases if phase.state != "done"), None)
    if undone is None:
        return None
    return words.command(verdict, f"phase {undone.number}")


def window_left(environment: str, now: dt.datetime) -> str | None:
    """Return in words how long the deployment window stays open, where the environment has one."""
    try:
        described = loader.find(environment)
    except ConfigurationError:
        return None
    if isinstance(described, LocalFile) or described.deployment is None:
        return None
    windows = [WeeklyWindow(one.opens, one.closes) for one in described.deployment.windows]
    left = time_left(windows, now)
    named = " or ".join(map(str, windows))
    return f"closed; {named}" if left is None else closing(left)


def _verdicts(out: pathlib.Path, environment: str, release: str | None) -> Iterator[Verdict]:
    phases = (run for run in runs.newest_first(out) if "-phase-" in run.id)
    for run in itertools.islice(phases, MOST_RUNS):
        try:
            verdict = run.verdict()
        except runs.UnreadableRunError:
            continue  # the newest run's own trouble is told; an older one's says nothing of today
        same = (verdict.environment, verdict.release) == (environment, release)
        if same and verdict.complete and verdict.phase is not None:
            yield verdict


def _phase_run(verdict: Verdict, rows: Sequence[Row]) -> PhaseRun:
    phase = Phase.parse(verdict.phase or "")
    at = dt.datetime.fromisoformat(verdict.started_at)
    parts = by_part(rows, phase.parts(rows), tuple(verdict.regions), verdict.reasons)
    return PhaseRun(verdict.run, str(phase), at, at, parts)


def _standing(
    number: int, rows: Sequence[Row], regions: Sequence[str], history: Sequence[PhaseRun]
) -> PhaseStanding:
    red: dict[str, list[str]] = {}
    missing: list[str] = []
    for part in Phase(number).parts(rows):
        found = [last(part, region, history) for region in regions]
        said = [run.parts[part][region] for run, region in zip(found, regions, strict=True) if run]
        bad = next((one for one in said if one is not Decision.GO), None)
        if bad is not None:
            red.setdefault(bad.value, []).append(part)
        elif len(said) < len(regions):
            missing.append(part)
    asked = [f"{', '.join(parts)} {word}" for word, parts in red.items()]
    not_asked = [f"{', '.join(missing)} not asked"] if missing else []
    state = "red" if red else ("missing" if missing else "done")
    concerned = [part for parts in red.values() for part in parts] or missing
    owners = dict.fromkeys(row.owner for row in rows if row.when in concerned)
    return PhaseStanding(number, state, "; ".join([*asked, *not_asked]), tuple(owners))

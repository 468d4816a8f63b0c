"""The history of a deployment: what each phase's runs decided, and what is missing for the next one."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from gates.decide.outcome import Decision, worst_decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gates.decide.catalogue import Row
    from gates.decide.fold import Reason

SCHEMA = 1


ONE_DEPLOYMENT = dt.timedelta(hours=24)
"""The runbook's phases take two hours; what is a day old belongs to another try."""
CLOCKS_DIFFER = dt.timedelta(minutes=1)
"""So far two machines' clocks may be apart; what is later than that was written by a wrong one."""


@dataclasses.dataclass(frozen=True, slots=True)
class PhaseRun:
    """One complete run of a phase gate."""

    run: str
    phase: str
    """What was asked: 2, or 2.1."""
    started_at: dt.datetime
    finished_at: dt.datetime
    parts: Mapping[str, Mapping[str, Decision]]
    """By part of the phase, then by region."""

    def record(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        return {
            "schema": SCHEMA,
            "run": self.run,
            "phase": self.phase,
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "finished_at": self.finished_at.isoformat(timespec="milliseconds"),
            "parts": {
                part: {region: said.value for region, said in by_region.items()}
                for part, by_region in self.parts.items()
            },
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> PhaseRun:
        """Read a run back; raises KeyError, TypeError, ValueError or AttributeError for another thing."""
        if record["schema"] != SCHEMA:
            raise ValueError(f"schema {record['schema']!r}")
        return cls(
            run=record["run"],
            phase=record["phase"],
            started_at=dt.datetime.fromisoformat(record["started_at"]),
            finished_at=dt.datetime.fromisoformat(record["finished_at"]),
            parts={
                part: {region: Decision(said) for region, said in by_region.items()}
                for part, by_region in record["parts"].items()
            },
        )


def by_part(
    rows: Iterable[Row], parts: Sequence[str], regions: Sequence[str], reasons: Sequence[Reason]
) -> dict[str, dict[str, Decision]]:
    """Return what a run decided of each part in each region.

    What belongs to no part (the run itself, a check of every phase) counts for all of them.
    """
    part_of = {row.id: row.when for row in rows if row.when in parts}
    return {
        part: {
            region: worst_decision(
                [
                    Decision.GO,
                    *(
                        reason.decision
                        for reason in reasons
                        if part_of.get(reason.check or "", part) == part
                        and reason.region in (None, region)
                    ),
                ]
            )
            for region in regions
        }
        for part in parts
    }


def gaps(
    needed: Sequence[str], regions: Sequence[str], runs: Iterable[PhaseRun], now: dt.datetime
) -> tuple[str, ...]:
    """Return, for each part that is not GO in every region, what its last run said there.

    `runs` may come in any order; the last one that asked a part in a region counts, if it is of this
    deployment: a release may have been tried a week ago, and taken back since.
    """
    newest = newest_first(runs)
    return tuple(sentence for part in needed if (sentence := _gap(part, regions, newest, now)))


def _gap(part: str, regions: Sequence[str], newest: Sequence[PhaseRun], now: dt.datetime) -> str:
    found: dict[str, list[str]] = {}
    for region in regions:
        run = last(part, region, newest)
        if run is None:
            found.setdefault("was never asked", []).append(region)
        elif run.started_at - now > CLOCKS_DIFFER:
            # It would stay the newest, and hide every red run until its time has come.
            said = (
                f"was last asked at {run.started_at:%H:%M UTC on %d %B}, which is still to come: a clock "
                f"was wrong; move that record out of the state (run {run.run})"
            )
            found.setdefault(said, []).append(region)
        elif now - run.started_at > ONE_DEPLOYMENT:
            said = (
                f"was last asked on {run.started_at:%d %B}, in another deployment (run {run.run})"
            )
            found.setdefault(said, []).append(region)
        elif run.parts[part][region] is not Decision.GO:
            said = f"was {run.parts[part][region].value} (run {run.run})"
            found.setdefault(said, []).append(region)
    return "; ".join(f"{part} {said} in {', '.join(where)}" for said, where in found.items())


def done_lately(runs: Iterable[PhaseRun], now: dt.datetime) -> PhaseRun | None:
    """Return the first run of this deployment that found anything of it done, or None."""
    done = (
        run
        for run in reversed(newest_first(runs))
        if now - run.started_at <= ONE_DEPLOYMENT
        and any(Decision.GO in by_region.values() for by_region in run.parts.values())
    )
    return next(done, None)


def newest_first(runs: Iterable[PhaseRun]) -> list[PhaseRun]:
    """Return runs by when they began, the last one first."""
    return sorted(runs, key=lambda run: (run.started_at, run.run), reverse=True)


def last(part: str, region: str, newest: Iterable[PhaseRun]) -> PhaseRun | None:
    """Return the last run that asked a part in a region, of runs given newest first."""
    return next((run for run in newest if region in run.parts.get(part, {})), None)

"""The history of a deployment: what was begun and decided, in one order, and what a phase may build on.

Each record says to which attempt it belongs in each region. A baseline begins an attempt; a ROLLBACK is
the end of one, and so is a run that may have been one and never ended. What was asked before that counts
no longer.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, PlainSerializer

from gates.decide.kept import READ_ON, Kept, MalformedError
from gates.decide.outcome import Decision, worst_decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gates.decide.catalogue import Row
    from gates.decide.fold import Reason
    from gates.decide.statements import Overridden

ONE_DEPLOYMENT = dt.timedelta(hours=12)
"""The runbook's phases take two hours; what is half a day old belongs to another try."""
CLOCKS_DIFFER = dt.timedelta(minutes=1)
"""So far two machines' clocks may be apart; what is later than that was written by a wrong one."""


Moment = Annotated[dt.datetime, PlainSerializer(lambda at: at.isoformat(timespec="milliseconds"))]


class Kind(enum.StrEnum):
    """What a record of the history says."""

    BASELINE = "baseline"
    STARTED = "started"
    """A run of a phase is about to measure."""
    ENDED = "ended"
    ROLLED_BACK = "rolled back"
    """The live release's gate said ROLLBACK."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry(Kept):
    """One record of the history."""

    __pydantic_config__ = READ_ON

    kind: Kind
    run: str
    at: Moment
    regions: tuple[str, ...]
    attempts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """By region: the number of the record with which the attempt began that this belongs to; 0, the first."""
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Of the policy and of what was required; of a baseline's facts."""
    phase: str = ""
    """What was asked: 2, or 2.1."""
    parts: Mapping[str, Mapping[str, Decision | None]] = dataclasses.field(default_factory=dict)
    """By part of the phase, then by region; None until the run has ended."""
    started_at: Moment | None = None
    live: bool = False
    """Whether a failure could mean ROLLBACK, as the release may carry traffic."""
    verdict: Annotated[str, Field(exclude_if=lambda digest: not digest)] = ""
    """SHA-256 of the verdict of a run that ended; what people decide is about this one."""

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read it back; raises MalformedError, also where a key is missing that every record has."""
        kept = record if isinstance(record, Mapping) else {}
        for name in (field.name for field in dataclasses.fields(cls)):
            if name not in kept and name != "verdict":
                raise MalformedError(f"missing at {name}")
        # `super()` has no class to start from where slots made a new one.
        return super(Entry, cls).from_record(record)


@dataclasses.dataclass(frozen=True, slots=True)
class PhaseRun:
    """One run of a phase gate that ended."""

    run: str
    phase: str
    """What was asked: 2, or 2.1."""
    started_at: dt.datetime
    finished_at: dt.datetime
    parts: Mapping[str, Mapping[str, Decision]]
    """By part of the phase, then by region."""


def phase_runs(entries: Iterable[Entry]) -> list[PhaseRun]:
    """Return the runs that ended, in their order."""
    return [
        PhaseRun(
            run=entry.run,
            phase=entry.phase,
            started_at=entry.started_at or entry.at,
            finished_at=entry.at,
            parts={
                part: {region: said or Decision.HOLD for region, said in by_region.items()}
                for part, by_region in entry.parts.items()
            },
        )
        for entry in entries
        if entry.kind is Kind.ENDED
    ]


def attempts(entries: Sequence[Entry], regions: Iterable[str]) -> dict[str, int]:
    """Return, by region, the number of the last record that began an attempt or ended one; 0 for none."""
    ended = {entry.run for entry in entries if entry.kind is Kind.ENDED}
    return {
        region: max(
            (
                number
                for number, entry in enumerate(entries, start=1)
                if region in entry.regions and _turns(entry, region, ended)
            ),
            default=0,
        )
        for region in regions
    }


def _turns(entry: Entry, region: str, ended: set[str]) -> bool:
    """Tell whether nothing from before an entry counts after it."""
    if entry.kind is Kind.STARTED:
        return entry.live and entry.run not in ended
    if entry.kind is Kind.ENDED:
        return Decision.ROLLBACK in (by_region[region] for by_region in entry.parts.values())
    return True


def impossible(entries: Sequence[Entry]) -> str | None:
    """Return why the last entry can't have come after the others, or None."""
    *before, entry = entries
    begun = [one for one in before if one.kind is Kind.STARTED and one.run == entry.run]
    if entry.kind is Kind.ENDED:
        if len(begun) != 1 or any(o.kind is Kind.ENDED and o.run == entry.run for o in before):
            return "it ends a run that was not begun, or had ended"
        first = begun[0]
        same = (first.phase, first.regions, first.attempts, first.digests, first.parts.keys())
        if same != (entry.phase, entry.regions, entry.attempts, entry.digests, entry.parts.keys()):
            return "it ends another run than the one that was begun"
    elif begun:
        return "its run was begun already"
    elif entry.attempts != attempts(before, entry.attempts):
        return "it belongs to another attempt"
    return None


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
    needed: Sequence[str],
    regions: Sequence[str],
    entries: Sequence[Entry],
    now: dt.datetime,
    digests: Mapping[str, str],
    decisions: Mapping[str, Overridden],
) -> tuple[str, ...]:
    """Return, for each part that is not GO in every region, what its last run said there.

    By the digest of a verdict, `decisions` has what people made of a HOLD: to go on is as good as a GO here,
    and nowhere else.
    The last run that asked a part in a region counts, if it is of this attempt and was decided by the
    same policy and requirements.
    """
    present = attempts(entries, regions)
    return tuple(
        sentence
        for part in needed
        if (
            sentence := _gap(
                part, {r: _last(part, r, entries) for r in regions}, now, digests, decisions
            )
        )
        or (sentence := _before(part, entries, present))
    )


def stopped(
    parts: Iterable[str], regions: Sequence[str], entries: Sequence[Entry], now: dt.datetime
) -> tuple[str, ...]:
    """Return each part whose last run stopped this deployment, whatever was GO of later parts since."""
    present, began = attempts(entries, regions), _began(entries)
    found: dict[tuple[str, str], list[str]] = {}
    for part in parts:
        for region in regions:
            ended = [
                one
                for one in entries
                if one.kind is Kind.ENDED
                and region in one.parts.get(part, {})
                and began[one.run] > present[region]
                and now - (one.started_at or one.at) <= ONE_DEPLOYMENT
            ]
            last = max(ended, key=lambda one: began[one.run], default=None)
            if last is not None and last.parts[part][region] is Decision.STOP:
                found.setdefault((part, last.run), []).append(region)
    return tuple(
        f"{part} was STOP (run {run}) in {', '.join(where)}" for (part, run), where in found.items()
    )


def _last(part: str, region: str, entries: Iterable[Entry]) -> Entry | None:
    """Return the end of the last run that asked a part in a region, or its beginning if it has none."""
    asked = [entry for entry in entries if region in entry.parts.get(part, {})]
    if not asked:
        return None
    last = [entry for entry in asked if entry.kind is Kind.STARTED][-1]
    return next((one for one in asked if one.kind is Kind.ENDED and one.run == last.run), last)


def _gap(
    part: str,
    last: Mapping[str, Entry | None],
    now: dt.datetime,
    digests: Mapping[str, str],
    decisions: Mapping[str, Overridden],
) -> str:
    found: dict[str, list[str]] = {}
    for region, entry in last.items():
        decided = None if entry is None else _decided(entry, decisions)
        said = "was never asked" if entry is None else _said(entry, part, region, now, decided)
        if not said and entry is not None and entry.digests != digests:
            said = f"was asked with another policy or other checks (run {entry.run})"
        if said:
            found.setdefault(said, []).append(region)
    return "; ".join(f"{part} {said} in {', '.join(where)}" for said, where in found.items())


def _said(
    entry: Entry, part: str, region: str, now: dt.datetime, decided: Overridden | None
) -> str:
    """Return why an entry is not a GO of this deployment; empty where it is one."""
    began = entry.started_at or entry.at
    if began - now > CLOCKS_DIFFER:
        return (
            f"was last asked at {began:%H:%M UTC on %d %B}, which is still to come: a clock was wrong "
            f"(run {entry.run})"
        )
    if entry.kind is Kind.STARTED:
        return f"was begun at {began:%H:%M UTC on %d %B} and has not ended (run {entry.run})"
    if now - began > ONE_DEPLOYMENT:
        return f"was last asked on {began:%d %B}, in another deployment (run {entry.run})"
    decision = entry.parts[part][region]
    if decision is Decision.HOLD and decided is not None:
        go_on = decided.decision == "proceed"
        return "" if go_on else f"was HOLD, and {decided} (run {entry.run})"
    return "" if decision is Decision.GO else f"was {decision} (run {entry.run})"


def built_on(
    needed: Sequence[str],
    regions: Sequence[str],
    entries: Sequence[Entry],
    decisions: Mapping[str, Overridden],
) -> tuple[str, ...]:
    """Return what a phase builds on that was no GO: people decided to go on."""
    last = (_last(part, region, entries) for part in needed for region in regions)
    held = (
        one
        for one in last
        if one is not None
        and one.kind is Kind.ENDED
        and any(Decision.HOLD in said.values() for said in one.parts.values())
    )
    runs = {one.run: one for one in held}
    return tuple(
        f"OVERRIDDEN: phase {one.phase} was HOLD, and {decided} (run {one.run})"
        for one in runs.values()
        if (decided := _decided(one, decisions)) is not None
    )


def _decided(entry: Entry, decisions: Mapping[str, Overridden]) -> Overridden | None:
    """Return what people decided of the very verdict that a run ended with, or None."""
    found = decisions.get(entry.verdict) if entry.verdict else None
    return found if found is not None and found.run == entry.run else None


def _before(part: str, entries: Sequence[Entry], present: Mapping[str, int]) -> str:
    """Return in which regions a part that was GO was asked before the present attempt."""
    began, found = _began(entries), dict[str, list[str]]()
    for region, number in present.items():
        last = _last(part, region, entries)
        if last is not None and began[last.run] < number:
            found.setdefault(_ended_by(entries[number - 1]), []).append(region)
    return "; ".join(
        f"{part} was GO before {turn} in {', '.join(where)}" for turn, where in found.items()
    )


def _began(entries: Sequence[Entry]) -> dict[str, int]:
    """Return the number of each phase run's beginning."""
    return {e.run: number for number, e in enumerate(entries, 1) if e.kind is Kind.STARTED}


def _ended_by(entry: Entry) -> str:
    """Return in words what nothing from before it counts after."""
    if entry.kind is Kind.BASELINE:
        return f"the baseline of {entry.at:%H:%M UTC on %d %B} (run {entry.run})"
    if entry.kind is Kind.ROLLED_BACK:
        return f"the release was to be rolled back (run {entry.run})"
    if entry.kind is Kind.STARTED:
        return f"a run of phase {entry.phase} that has not ended (run {entry.run})"
    return f"phase {entry.phase} was {Decision.ROLLBACK} (run {entry.run})"


def done_lately(entries: Sequence[Entry], now: dt.datetime) -> Entry | None:
    """Return the first run of the present attempt that found anything of it done, or None."""
    present = attempts(entries, {region for entry in entries for region in entry.regions})
    began = _began(entries)
    done = (
        entry
        for entry in entries
        if entry.kind is Kind.ENDED
        and now - (entry.started_at or entry.at) <= ONE_DEPLOYMENT
        and any(
            said is Decision.GO and present[region] < began[entry.run]
            for by_region in entry.parts.values()
            for region, said in by_region.items()
        )
    )
    return next(done, None)


def newest_first(runs: Iterable[PhaseRun]) -> list[PhaseRun]:
    """Return runs by when they began, the last one first."""
    return sorted(runs, key=lambda run: (run.started_at, run.run), reverse=True)


def last(part: str, region: str, newest: Iterable[PhaseRun]) -> PhaseRun | None:
    """Return the last run that asked a part in a region, of runs given newest first.

    What came before a ROLLBACK there was taken back with it, and counts no longer.
    """
    for run in newest:
        if region in run.parts.get(part, {}):
            return run
        if any(by_region.get(region) is Decision.ROLLBACK for by_region in run.parts.values()):
            return None
    return None

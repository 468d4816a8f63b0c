"""Changes of a key against a log of changes: nothing unlogged, nothing contradicted, nobody nameless."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class Logged:
    """One logged change of one key; texts are those that evidence may show."""

    at: dt.datetime
    actor: str | None
    old: str
    new: str


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What one key has to have gone through."""

    key: str
    starts: tuple[str, ...]
    """What it may have been at the start of what the log covers; the last one is what it was to be
    just before this change."""
    wanted: str
    now: str
    """What it is."""

    @property
    def due(self) -> bool:
        """Whether it has to change at all."""
        return self.starts[-1] != self.wanted


@dataclasses.dataclass(frozen=True, slots=True)
class Covered:
    """The time that the log was read for."""

    since: dt.datetime
    until: dt.datetime
    skew_seconds: float

    @property
    def latest(self) -> dt.datetime:
        """Return the latest time that an entry may bear."""
        return self.until + dt.timedelta(seconds=self.skew_seconds)


def logged_truly(change: Change, entries: tuple[Logged, ...], covered: Covered) -> Judgement:
    """PASS when the entries tell without a gap how the key came to what it is; FAIL otherwise.

    Entries are given as the log has them, oldest first.
    """
    ordered = tuple(sorted(entries, key=lambda entry: entry.at))
    problems = list(_problems(change, ordered, covered))
    since = f"{covered.since:%H:%M} UTC"
    told = _told(ordered, since) if not problems else "; ".join(problems)
    return Judgement(
        outcome=Outcome.FAIL if problems else Outcome.PASS,
        rule="logged",
        subject=f"changes of {change.key}",
        sentence=f"{change.key}: {told}",
        observed=len(ordered),
        target=1 if change.due else None,
        unit="entries",
        clears="an audit log that tells who changed it, when, from what to what"
        if problems
        else "",
        data={
            "since": covered.since.isoformat(),
            "now": change.now,
            "wanted": change.wanted,
            "entries": [
                {"at": one.at.isoformat(), "actor": one.actor, "old": one.old, "new": one.new}
                for one in ordered[-20:]
            ],
        },
    )


def _problems(change: Change, entries: tuple[Logged, ...], covered: Covered) -> Iterator[str]:
    since = f"{covered.since:%H:%M} UTC"
    if not entries:
        yield from _without_entries(change, since)
        return
    if entries[0].old not in change.starts:
        yield (
            f"the first entry since {since} says that it was “{entries[0].old}”, but it was to be "
            f"“{change.starts[-1]}”: an earlier change is not logged"
        )
    for one, other in itertools.pairwise(entries):
        if one.new != other.old:
            yield (
                f"between {one.at:%H:%M:%S} and {other.at:%H:%M:%S} UTC it went from “{one.new}” to "
                f"“{other.old}” without an entry"
            )
    yield from _end(change, entries[-1])
    for entry in entries:
        if not entry.actor:
            yield f"the entry of {entry.at:%H:%M:%S} UTC does not say who did it"
        if entry.at > covered.latest:
            yield f"an entry bears the time {entry.at:%Y-%m-%d %H:%M:%S} UTC, which is yet to come"


def _without_entries(change: Change, since: str) -> Iterator[str]:
    if change.due:
        yield (
            f"the audit log has no entry since {since} that sets it from “{change.starts[-1]}” to "
            f"“{change.wanted}” (it is “{change.now}”)"
        )
    elif change.now not in change.starts:
        yield (
            f"it is “{change.now}” and was to be “{change.starts[-1]}”, and the audit log has no entry "
            f"since {since} that says who changed it"
        )


def _end(change: Change, last: Logged) -> Iterator[str]:
    if last.new != change.now:
        yield (
            f"the last entry, of {last.at:%H:%M:%S} UTC by {last.actor or 'nobody'}, says “{last.new}”, "
            f"but it is “{change.now}”: changed past the log, or logged wrongly"
        )
    elif change.due and last.new != change.wanted:
        yield f"its last entry leaves it at “{last.new}”, wanted “{change.wanted}”"


def _told(entries: tuple[Logged, ...], since: str) -> str:
    if not entries:
        return f"unchanged, and no entry since {since}"
    last = entries[-1]
    return f"“{last.old}” to “{last.new}” by {last.actor} at {last.at:%H:%M:%S} UTC"

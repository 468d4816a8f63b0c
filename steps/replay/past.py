"""Past releases, what their triggers would have said of them, and how often that was right. Pure.

Told to people and to machines.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from gates.decide.judgement import percent
from gates.decide.release import Release
from gates.decide.trigger import Clock, Event, Observation, State, step
from steps.kit.expect import age

_COLUMNS = ("release", "at", "label")
_SHOWN = 3
"""So many alarms of one trigger are listed for people."""
Label = Literal["good", "bad"]
Found = Literal["fired", "undecided", "quiet"]


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """One release of the past; times in seconds since 1970."""

    release: Release
    at: float
    """When it got the traffic."""
    until: float
    bad_since: float | None
    """When what made it bad began; None: it was good."""

    @property
    def label(self) -> Label:
        """Return what people said of it afterwards."""
        return "good" if self.bad_since is None else "bad"


@dataclasses.dataclass(frozen=True, slots=True)
class Alarm:
    """One time that a trigger would have fired."""

    since: float
    at: float
    value: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """What one trigger would have said of one release in one region."""

    past: Past
    check: str
    title: str
    region: str
    evaluations: int
    unanswered: int
    alarms: tuple[Alarm, ...]
    undecided_since: float | None

    @property
    def found(self) -> Found:
        """Return what it came to: a bad release is found by what fires once it is bad."""
        if self.right or (self.past.bad_since is None and self.alarms):
            return "fired"
        return "quiet" if self.undecided_since is None else "undecided"

    @property
    def right(self) -> tuple[Alarm, ...]:
        """Return the alarms that were right."""
        since = self.past.bad_since
        return () if since is None else tuple(one for one in self.alarms if one.at >= since)


class LabelsError(ValueError):
    """The releases can't be read; the text says where and why."""


def releases(lines: Iterable[str], since: float, until: float) -> list[Past]:
    """Return the releases of a CSV that had traffic between two times, the oldest first; raises LabelsError.

    Each is looked at from its switch until the next one's, or until the time that its row says.
    """
    reader = csv.DictReader(lines)
    if not set(_COLUMNS) <= set(reader.fieldnames or ()):
        raise LabelsError(
            f"the first line must name {', '.join(_COLUMNS)} and, if known, since, until"
        )
    rows = sorted((_row(row, reader.line_num) for row in reader), key=lambda one: one.at)
    found = []
    for one, following in itertools.zip_longest(rows, rows[1:]):
        end = min(until, one.until, following.at if following else until)
        if end > max(one.at, since):
            found.append(dataclasses.replace(one, at=max(one.at, since), until=end))
    return found


def _row(row: Mapping[str, str | None], line: int) -> Past:
    """Return the release of a row, until the time that it says, or for ever."""
    try:
        label, since, until = (row.get(name) or "" for name in ("label", "since", "until"))
        at, release = _time(row["at"] or ""), Release.parse(row["release"] or "")
        bad_since = max(at, _time(since)) if since else at
        ended = _time(until) if until else math.inf
    except ValueError as exc:
        raise LabelsError(f"line {line}: {exc}") from exc
    if label not in ("good", "bad"):
        raise LabelsError(f"line {line}: label “{label}” is neither good nor bad")
    if since and label == "good":
        raise LabelsError(f"line {line}: since is when it became bad, and it was good")
    return Past(release, at, ended, bad_since if label == "bad" else None)


def _time(text: str) -> float:
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(f"“{text}” is not a time with its zone, such as 2026-01-31T22:00:00Z")
    return at.timestamp()


def replayed(
    clock: Clock,
    seen: Iterable[tuple[float, bool | None]],
    proves: Callable[[float], bool],
) -> tuple[tuple[Alarm, ...], State]:
    """Return each time that a trigger would have fired, and its state after the last evaluation.

    As in a watch, what too few events prove does not fire, and its evaluation decides nothing. `proves` is
    asked for the time of an evaluation at which it would.
    """
    state, alarms = State(), []
    for at, holds in seen:
        # Nothing is pending, and nothing begins: the clock stands still.
        if holds is False and state.possible_since is None and state.fired_at is None:
            continue
        after, events = step(clock, state, Observation(at, holds))
        if Event.FIRING in events and not proves(at):
            after, events = step(clock, state, Observation(at, None))
        state = after
        if Event.FIRING in events:
            since = state.pending_since
            alarms.append(Alarm(at if since is None else since, at))
    return tuple(alarms), state


def lines(found: Mapping[str, Sequence[Told]], rollback_minutes: float | None) -> Iterator[str]:
    """Yield the text: each release and trigger, the policies side by side, then how often each was right."""
    yield "No verdict: this is what the triggers would have said."
    named = max(map(len, found)) if len(found) > 1 else 0
    seen: Past | None = None
    for row in _beside(found):
        past = row[0][1].past
        if past != seen:
            seen = past
            since = "" if past.bad_since is None else f" since {_clock(past.bad_since)}"
            while_ = f"{_clock(past.at)} to {_clock(past.until)} UTC"
            yield f"\n{past.release.tag}, {past.label}{since}, {while_}"
        for number, (name, one) in enumerate(row):
            trigger = f"{one.check} {one.region}, {one.title}"
            who = f"{name:{named}}  " if named else ""
            yield f"  {trigger if number == 0 else ' ' * len(trigger)}  {who}{_told(one)}"
    for name, told in found.items():
        yield from _sums(name, _summed(told), rollback_minutes)


def record(told: Sequence[Told], rollback_minutes: float | None) -> dict[str, Any]:
    """Return one policy's findings as JSON values."""
    summed = _summed(told)
    cost = None if rollback_minutes is None else summed["false_alarms"] * rollback_minutes
    return {
        **summed,
        "rollback_minutes": rollback_minutes,
        "false_alarms_minutes": cost,
        "releases": [_record(one) for one in told],
    }


def _summed(told: Sequence[Told]) -> dict[str, Any]:
    """Return how often all triggers together were right, as JSON values.

    A release is found by the first trigger in any of its regions. Its alarms in one region at one time are
    one. The seconds are those from when a bad release was bad to its first alarm.
    """
    matrix: dict[Label, dict[Found, int]] = {
        label: {"fired": 0, "undecided": 0, "quiet": 0} for label in ("bad", "good")
    }
    seconds, false = [], 0
    for past in dict.fromkeys(one.past for one in told):
        own = [one for one in told if one.past == past]
        said = {one.found for one in own}
        matrix[past.label][next(one for one in matrix["bad"] if one in said)] += 1
        right = [alarm.at for one in own for alarm in one.right]
        if right and past.bad_since is not None:
            seconds.append(min(right) - past.bad_since)
        false += len({alarm.at for one in own for alarm in one.alarms if alarm not in one.right})
    median, longest = statistics.median(seconds) if seconds else None, max(seconds, default=None)
    found = {"median": median, "longest": longest}
    return {"matrix": matrix, "detection_seconds": found, "false_alarms": false}


def _beside(found: Mapping[str, Sequence[Told]]) -> Iterator[list[tuple[str, Told]]]:
    """Yield what each policy says of a release, by the trigger and region; a trigger may be of one alone."""
    rows: dict[tuple[Past, str, str], list[tuple[str, Told]]] = {}
    for name, told in found.items():
        for one in told:
            rows.setdefault((one.past, one.check, one.region), []).append((name, one))
    yield from (rows[key] for key in sorted(rows, key=lambda key: (key[0].at, key[1:])))


def _told(one: Told) -> str:
    missing = f", {one.unanswered:,} without an answer" if one.unanswered else ""
    seen = f"{one.evaluations:,} evaluations{missing}"
    if one.alarms:
        said = "; ".join(_alarm(one, alarm) for alarm in one.alarms[:_SHOWN])
        more = len(one.alarms) - _SHOWN
        return f"{said}{f'; {more:,} more' if more > 0 else ''} ({seen})"
    if one.undecided_since is not None:
        return f"undecided: a gap at {_clock(one.undecided_since)} could hide it ({seen})"
    return f"quiet ({seen})"


def _alarm(one: Told, alarm: Alarm) -> str:
    since = one.past.bad_since
    right = alarm in one.right and since is not None
    said = f"{age(alarm.at - (since or 0.0))} after it was bad" if right else "false alarm"
    value = "" if alarm.value is None else f", {percent(alarm.value)}"
    return f"fired {_clock(alarm.at)}{value}, {said}"


def _sums(name: str, summed: Mapping[str, Any], rollback_minutes: float | None) -> Iterator[str]:
    yield f"\n{name:14}  {'fired':>9}{'undecided':>11}{'quiet':>7}"
    for label, row in summed["matrix"].items():
        yield f"  {label + ' releases':14}{row['fired']:>9}{row['undecided']:>11}{row['quiet']:>7}"
    seconds = summed["detection_seconds"]
    if seconds["median"] is not None:
        yield f"  bad ones found after {age(seconds['median'])} (median), {age(seconds['longest'])} (longest)"
    false, cost = summed["false_alarms"], ""
    if rollback_minutes is not None:
        whole = f"{false * rollback_minutes:g} min"
        cost = f", at {rollback_minutes:g} min of rollback each: {whole}"
    yield f"  false alarms: {false}{cost}"


def _record(one: Told) -> dict[str, Any]:
    return {
        "release": one.past.release.tag,
        "label": one.past.label,
        "from": _moment(one.past.at),
        "to": _moment(one.past.until),
        "check": one.check,
        "region": one.region,
        "found": one.found,
        "evaluations": one.evaluations,
        "without_an_answer": one.unanswered,
        "undecided_since": None if one.undecided_since is None else _moment(one.undecided_since),
        "alarms": [
            {
                "first_bad_at": _moment(alarm.since),
                "fired_at": _moment(alarm.at),
                "value": alarm.value,
                "false": alarm not in one.right,
            }
            for alarm in one.alarms
        ],
    }


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")


def _clock(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S}"

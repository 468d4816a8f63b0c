"""What a backtest found, for people and for machines. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gates.decide.judgement import percent
from steps.kit.expect import age
from steps.replay.past import Alarm, Past, Sums, Told, sums

_SHOWN = 3
"""So many alarms of one trigger are listed for people."""


def lines(found: Mapping[str, Sequence[Told]], rollback_minutes: float | None) -> Iterator[str]:
    """Yield the text: each release and trigger, the policies side by side, then how often each was right."""
    yield "No verdict: this is what the triggers would have said."
    named = max(map(len, found)) if len(found) > 1 else 0
    seen: Past | None = None
    for row in _beside(found):
        first = row[0][1]
        if first.past != seen:
            seen = first.past
            yield f"\n{_about(seen)}"
        for number, (name, one) in enumerate(row):
            trigger = f"{one.check} {one.region}, {one.title}"
            who = f"{name:{named}}  " if named else ""
            yield f"  {trigger if number == 0 else ' ' * len(trigger)}  {who}{_told(one)}"
    for name, told in found.items():
        yield from _sums(name, sums(told), rollback_minutes)


def record(told: Sequence[Told], rollback_minutes: float | None) -> dict[str, Any]:
    """Return one policy's findings as JSON values."""
    summed = sums(told)
    cost = None if rollback_minutes is None else summed.false_alarms * rollback_minutes
    return {
        **summed.record(),
        "rollback_minutes": rollback_minutes,
        "false_alarms_minutes": cost,
        "releases": [_record(one) for one in told],
    }


def _beside(found: Mapping[str, Sequence[Told]]) -> Iterator[list[tuple[str, Told]]]:
    """Yield what each policy says of a release, by the trigger and region; a trigger may be of one alone."""
    rows: dict[tuple[Past, str, str], list[tuple[str, Told]]] = {}
    for name, told in found.items():
        for one in told:
            rows.setdefault((one.past, one.check, one.region), []).append((name, one))
    yield from (rows[key] for key in sorted(rows, key=lambda key: (key[0].at, key[1:])))


def _about(past: Past) -> str:
    since = "" if past.bad_since is None else f" since {_clock(past.bad_since)}"
    return f"{past.release.tag}, {past.label}{since}, {_clock(past.at)} to {_clock(past.until)} UTC"


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


def _sums(name: str, summed: Sums, rollback_minutes: float | None) -> Iterator[str]:
    yield f"\n{name:14}  {'fired':>9}{'undecided':>11}{'quiet':>7}"
    for label, row in summed.matrix.items():
        yield f"  {label + ' releases':14}{row['fired']:>9}{row['undecided']:>11}{row['quiet']:>7}"
    seconds = summed.record()["detection_seconds"]
    if seconds["median"] is not None:
        yield f"  bad ones found after {age(seconds['median'])} (median), {age(seconds['longest'])} (longest)"
    cost = "" if rollback_minutes is None else f", at {rollback_minutes:g} min of rollback each: "
    total = "" if rollback_minutes is None else f"{summed.false_alarms * rollback_minutes:g} min"
    yield f"  false alarms: {summed.false_alarms}{cost}{total}"


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

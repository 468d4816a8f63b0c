"""Past releases, what their triggers would have said of them, and how often that was right. Pure."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from gates.decide.release import Release
from gates.decide.trigger import Clock, Event, Observation, State, step

COLUMNS = ("release", "at", "label")
MORE_COLUMNS = ("since", "until")
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

    @property
    def false(self) -> tuple[Alarm, ...]:
        """Return the alarms of what was good then."""
        return tuple(one for one in self.alarms if one not in self.right)


class LabelsError(ValueError):
    """The releases can't be read; the text says where and why."""


def releases(lines: Iterable[str], since: float, until: float) -> list[Past]:
    """Return the releases of a CSV that had traffic between two times, the oldest first; raises LabelsError.

    Each is looked at from its switch until the next one's, or until the time that its row says.
    """
    reader = csv.DictReader(lines)
    known = tuple(reader.fieldnames or ())
    if any(name not in known for name in COLUMNS):
        raise LabelsError(
            f"the first line must name {', '.join(COLUMNS)} and, if known, {', '.join(MORE_COLUMNS)}"
        )
    rows = sorted((_row(row, reader.line_num) for row in reader), key=lambda one: one[1])
    found = []
    for number, (release, at, bad_since, ended) in enumerate(rows):
        following = rows[number + 1][1] if number + 1 < len(rows) else until
        end = min(until, following, ended or until)
        if end > max(at, since):
            found.append(Past(release, max(at, since), end, bad_since))
    return found


def _row(
    row: Mapping[str, str | None], line: int
) -> tuple[Release, float, float | None, float | None]:
    try:
        label, since, until = (row.get(name) or "" for name in ("label", *MORE_COLUMNS))
        at, release = _time(row["at"] or ""), Release.parse(row["release"] or "")
        bad_since = max(at, _time(since)) if since else at
        ended = _time(until) if until else None
    except ValueError as exc:
        raise LabelsError(f"line {line}: {exc}") from exc
    if label not in ("good", "bad"):
        raise LabelsError(f"line {line}: label “{label}” is neither good nor bad")
    if since and label == "good":
        raise LabelsError(f"line {line}: since is when it became bad, and it was good")
    return release, at, bad_since if label == "bad" else None, ended


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


@dataclasses.dataclass(frozen=True, slots=True)
class Sums:
    """How often all triggers together were right."""

    matrix: Mapping[Label, Mapping[Found, int]]
    """Releases, by what they were and by what was said."""
    detection_seconds: tuple[float, ...]
    """Of each bad release that was found: from when it was bad to the first alarm."""
    false_alarms: int
    """A release's alarms in one region at one time are one."""

    def record(self) -> dict[str, Any]:
        """Return them as JSON values."""
        seconds = self.detection_seconds
        return {
            "matrix": {label: dict(row) for label, row in self.matrix.items()},
            "detection_seconds": {
                "median": statistics.median(seconds) if seconds else None,
                "longest": max(seconds, default=None),
            },
            "false_alarms": self.false_alarms,
        }


def sums(told: Sequence[Told]) -> Sums:
    """Return how often they were right: a release is found by the first trigger in any of its regions."""
    matrix: dict[Label, dict[Found, int]] = {
        label: {"fired": 0, "undecided": 0, "quiet": 0} for label in ("bad", "good")
    }
    seconds, false = [], 0
    for past, own in _by_release(told):
        said = {one.found for one in own}
        order: tuple[Found, ...] = ("fired", "undecided", "quiet")
        matrix[past.label][next(one for one in order if one in said)] += 1
        right = [alarm.at for one in own for alarm in one.right]
        if right and past.bad_since is not None:
            seconds.append(min(right) - past.bad_since)
        false += len({alarm.at for one in own for alarm in one.false})
    return Sums(matrix, tuple(seconds), false)


def _by_release(told: Sequence[Told]) -> Iterator[tuple[Past, list[Told]]]:
    for past in dict.fromkeys(one.past for one in told):
        yield past, [one for one in told if one.past == past]

"""Whether one may deploy at a time: what a deployment needs of it, and what lies in its way.

Pure functions of the time at which a deployment begins or goes on; all times have a zone.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.schedule import Needed, Window, minutes, time_left
from settings.people import parse_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from settings.people import Blackout

DAY = dt.timedelta(days=1)
_MOMENT = dt.timedelta.resolution


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, its end not included."""

    begins: dt.datetime
    ends: dt.datetime
    name: str = ""

    def meets(self, other: Span) -> bool:
        """Return whether they share any moment; one without a length is the moment itself."""
        mine, others = (max(one.ends, one.begins + _MOMENT) for one in (self, other))
        return self.begins < others and other.begins < mine

    def left(self, now: dt.datetime) -> dt.timedelta | None:
        """Return how long it goes on, or None before and after it."""
        return self.ends - now if self.begins <= now < self.ends else None

    def __str__(self) -> str:
        named = f"{self.name}: " if self.name else ""
        return f"{named}{moment(self.begins)} to {moment(self.ends)} UTC"


def moment(at: dt.datetime) -> str:
    """Write a time in UTC as people say it: Saturday 2026-01-31 22:00."""
    return f"{at.astimezone(dt.UTC):%A %Y-%m-%d %H:%M}"


def fits(start: dt.datetime, needed: Needed, windows: Sequence[Window]) -> Judgement:
    """PASS where all that a deployment needs from its start on fits into one open window, else FAIL."""
    left = time_left(windows, start)
    parts = [f"{minutes(needed.phases)} for the phases"] if needed.phases else []
    parts.append(f"{minutes(needed.validation)} to validate")
    parts.append(f"{minutes(needed.rollback)} for a rollback of the {needed.method}")
    total = f"{minutes(needed.total)} are needed ({', '.join(parts)})"
    what = f"from {moment(start)} UTC on {total}"
    named = " or ".join(map(str, windows))
    if left is None:
        return _judged(f"{what}, and no deployment window is open then ({named})", named)
    if needed.total > left:
        latest = f"a start by {moment(start + left - needed.total)} UTC, or a longer window"
        short = minutes(max(needed.total - left, dt.timedelta(minutes=1)))
        return _judged(
            f"{what}, and the window closes after {minutes(left)}: {short} short", latest
        )
    return _judged(f"{what}, and the deployment window is open longer ({named})", "")


def _judged(sentence: str, clears: str) -> Judgement:
    outcome = Outcome.FAIL if clears else Outcome.PASS
    return Judgement(
        outcome=outcome,
        rule="window",
        subject="the deployment window",
        sentence=sentence,
        clears=clears,
    )


def blackout_days(blackouts: Iterable[Blackout], span: Span) -> Iterator[Span]:
    """Yield the days of a span on which nobody deploys, in UTC, the same every year."""
    day = span.begins.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    every = tuple(blackouts)
    while day < span.ends:
        yield from (Span(day, day + DAY, one.name) for one in every if _is_of(one, day))
        day += DAY


def _is_of(blackout: Blackout, day: dt.datetime) -> bool:
    first, last = parse_day(blackout.first), parse_day(blackout.last)
    this = (day.month, day.day)
    # One that ends before it begins goes on over the end of the year.
    return first <= this <= last if first <= last else this >= first or this <= last

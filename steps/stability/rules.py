"""When a figure or a rate is as it was before the release, and when a figure keeps to its limit. Pure.

A rate is compared by counts: of independent events in two spans, the share that lies in the later one is
binomial, and its exact bounds prove that the rate was kept, or that it was not (ADR 0048). Where they prove
neither, there were too few events. The time of day is no part of it: the sentence names the baseline.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from gates.decide.counting.statistics import lower_bound, upper_bound
from gates.decide.judgement import Judgement
from settings.monitoring import FigureLimit
from steps.kit.expect import expect, measured

STABLE = "stable"
"""The rule of every comparison with the baseline."""
LEAST_POINTS = 5
"""A median of fewer values is mostly luck."""
LEAST_OF_A_TREND = 10
"""With fewer the bounds of a slope are those of any noise."""
_ONE_SIDED = 1.645
"""The normal distribution's 95 %."""


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """Events of one span of time, and how many of them failed."""

    events: float
    failed: float
    seconds: float

    @property
    def good(self) -> float:
        """Return those that did not fail."""
        return self.events - self.failed

    @property
    def problem(self) -> str | None:
        """Return why these are no counts, or None."""
        numbers = (self.events, self.failed, self.seconds)
        if not all(map(math.isfinite, numbers)):
            return "a count is not a finite number"
        if min(numbers) < 0 or self.seconds <= 0 or self.failed > self.events:
            return "the counts contradict themselves"
        return None

    def facts(self) -> dict[str, float]:
        """Return it as a baseline keeps it."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Was:
    """What the baseline has of something."""

    facts: Mapping[str, Any]
    named: str
    """Such as: the baseline of 2026-01-31T21:40:00Z."""

    @property
    def counted(self) -> Counted | None:
        """Return its events; None where it has none to compare with."""
        try:
            found = Counted(*(float(self.facts[one]) for one in ("events", "failed", "seconds")))
        except (KeyError, TypeError, ValueError):
            return None
        return None if found.problem else found

    @property
    def value(self) -> float | None:
        """Return its figure; None where it has none to compare with."""
        found = self.facts.get("value")
        return float(found) if isinstance(found, int | float) and math.isfinite(found) else None


def rate_kept(title: str, now: Counted, was: Was, keeps: float, own: float = 0.0) -> Judgement:
    """Judge that good events come at `keeps` of the baseline's rate at least; both bounds are 95 %.

    So many of them may be the gate's `own` reads: what is left without these must prove it.
    """
    before = was.counted
    if before is None or before.good <= 0:
        return _nothing_before(title, was)
    if now.problem:
        return _open(title, now.problem)
    share = keeps * now.seconds
    # A counter with half as many events as there were own reads counts none of them.
    real = now.good if now.events < own / 2 else max(0.0, now.good - own)
    low, high = _bounds(real, before.good)[0], _bounds(now.good, before.good)[1]
    limit = share / (share + before.seconds)
    good = True if low >= limit and real > 0 else False if high < limit else None
    return _compared(good, title, now, before, was, f"at least {keeps:.0%} of that rate")


def rate_not_risen(title: str, now: Counted, was: Was, at_most: float, few: float) -> Judgement:
    """Judge that events come at `at_most` times the baseline's rate at most; `few` are never a spike."""
    before = was.counted
    if before is None:
        return _nothing_before(title, was)
    if now.problem:
        return _open(title, now.problem)
    share = at_most * now.seconds
    low, high = _bounds(now.events, before.events)
    limit = share / (share + before.seconds)
    good = True if now.events <= few or high <= limit else False if low > limit else None
    bad = dataclasses.replace(now, failed=0.0), dataclasses.replace(before, failed=0.0)
    return _compared(good, title, *bad, was, f"at most {at_most:g} times that rate")


def share_not_risen(title: str, now: Counted, was: Was, at_most: float, few: float) -> Judgement:
    """Judge that failed events are at most `at_most` times the share that they were of the baseline's.

    Counted against the events, not the time: of half as many calls, half as many break off. A share that is
    proved below `few` is good unless it is proved to have risen.
    """
    before = was.counted
    if before is None or before.events <= 0:
        return _nothing_before(title, was)
    if now.problem:
        return _open(title, now.problem)
    if now.events <= 0:
        return _open(title, "there was none")
    low, high = _bounds(now.failed, before.failed)
    exposed = at_most * now.events
    limit = exposed / (exposed + before.events)
    kept = not now.failed or high <= limit
    good = False if low > limit else True if kept or _proved_below(now, few) else None
    wanted = f"at most {at_most:g} times that share, or less than {few:.0%}"
    of_now, of_before = (f"{one.failed:,.0f} of {one.events:,.0f}" for one in (now, before))
    found = f"{title}: {of_now} failed; {was.named} has {of_before}; wanted {wanted}"
    if good is None:
        found += "; these are too few to tell"
    share, earlier = (round(one.failed / one.events, 6) for one in (now, before))
    figures = measured(STABLE, share, earlier, "of them")
    clears = "more events, or the cause of the failures found"
    return expect(good, title, found, clears, **figures, data={"now": now.facts()})


def _proved_below(counted: Counted, share: float) -> bool:
    return upper_bound(counted.failed, counted.events) <= share


def _bounds(now: float, before: float) -> tuple[float, float]:
    """Return the bounds of the share that the later events are of both; 0 and 1 without any."""
    return lower_bound(now, now + before), upper_bound(now, now + before)


def _compared(
    good: bool | None,  # noqa: FBT001 - as of `expect`
    title: str,
    now: Counted,
    before: Counted,
    was: Was,
    wanted: str,
) -> Judgement:
    rate, earlier = (60 * one.good / one.seconds for one in (now, before))
    found = (
        f"{title}: {now.good:,.0f} in {now.seconds:.0f} s, {rate:,.3g} a minute; {was.named} has "
        f"{before.good:,.0f} in {before.seconds:.0f} s, {earlier:,.3g} a minute; wanted {wanted}"
    )
    if good is None:
        found += "; these are too few to tell"
    return expect(
        good,
        title,
        found,
        "more events to compare, or the cause found; at another time of day a rate may differ by itself",
        **measured(STABLE, round(rate, 3), round(earlier, 3), "a minute"),
        data={"now": now.facts(), "before": before.facts()},
    )


def few_failed(title: str, now: Counted, most: float) -> Judgement:
    """Judge that a share of the events failed that is below `most`, with 95 % confidence."""
    if now.problem:
        return _open(title, now.problem)
    above = lower_bound(now.failed, now.events) > most
    good = True if _proved_below(now, most) else False if above else None
    share = now.failed / now.events if now.events else None
    shown = "none was tried" if share is None else f"{share:.1%} of {now.events:,.0f} failed"
    found = f"{title}: {shown}, wanted less than {most:.0%}"
    if good is None:
        found += "; these are too few to tell"
    clears = "more events, or the cause of the failures found"
    figures = measured("few failures", share and round(share, 4), most, "of them")
    return expect(good, title, found, clears, **figures, data={"now": now.facts()})


@dataclasses.dataclass(frozen=True, slots=True)
class Points:
    """A figure's five-minute values, of every series at each step of the look-back."""

    steps: tuple[Mapping[str, float], ...]
    """By series, oldest step first."""
    at_least: int
    """How many series there are at least."""

    @property
    def problem(self) -> str | None:
        """Return why they decide nothing, or None: a gap, a series that is missing, what is no number."""
        if len(self.steps) < LEAST_POINTS:
            return f"{len(self.steps)} values, and {LEAST_POINTS} are needed"
        fewest = min(map(len, self.steps))
        if fewest < self.at_least:
            steps = sum(len(one) < self.at_least for one in self.steps)
            return (
                f"{fewest} series at {steps} of {len(self.steps)} steps, there are at least "
                f"{self.at_least}; the others may be bad"
            )
        values = (value for one in self.steps for value in one.values())
        strange = [
            f"a value is {one}, not a finite number" for one in values if not math.isfinite(one)
        ]
        return strange[0] if strange else None

    def worst(self, worse: str) -> list[tuple[float, str]]:
        """Return each step's worst value and its series, of those that are numbers."""
        choose, steps = max if worse == "higher" else min, (one.items() for one in self.steps)
        found = ([(value, name) for name, value in one if math.isfinite(value)] for one in steps)
        return [choose(one) for one in found if one]

    def median(self, worse: str) -> float:
        """Return the median of the steps' worst values."""
        return statistics.median(value for value, _ in self.worst(worse))


def within(limit: FigureLimit, points: Points) -> Judgement:
    """Judge that no value of the look-back is beyond the limit; one that is fails whatever is missing."""
    worst, bound = points.worst(limit.worse), limit.limit or 0.0
    title, unit = limit.title, limit.unit
    extreme = (max if limit.worse == "higher" else min)(worst, default=None)
    beyond = extreme is not None and not _better(extreme[0], bound, limit.worse)
    if points.problem and not beyond:
        return _open(title, points.problem)
    if extreme is None:
        return _open(title, "there is no value")
    value, series = extreme
    word = "highest" if limit.worse == "higher" else "lowest"
    wanted = "below" if limit.worse == "higher" else "above"
    found = (
        f"{title}: {word} five-minute value {_shown(value, unit)}{f' ({series})' if series else ''}, "
        f"of {len(points.steps)}; wanted {wanted} {_shown(bound, unit)}"
    )
    figures = measured("limit", round(value, 6), bound, unit)
    return expect(not beyond, title, found, "the cause found, or more room", **figures)


def _better(value: float, bound: float, worse: str) -> bool:
    return value < bound if worse == "higher" else value > bound


def unchanged(limit: FigureLimit, points: Points, was: Was) -> Judgement:
    """Judge that the median is not worse than the baseline's by more than the change that is allowed."""
    before, title = _comparable(limit, was), limit.title
    if before is None:
        return _nothing_before(title, was)
    if points.problem:
        return _open(title, points.problem)
    now, allowed = points.median(limit.worse), limit.change or 0.0
    worse_by = now - before if limit.worse == "higher" else before - now
    good = worse_by <= max(allowed * abs(before), limit.slack)
    found = (
        f"{title}: {_shown(now, limit.unit)}; {was.named} has {_shown(before, limit.unit)}; wanted at most "
        f"{allowed:.0%} {limit.worse}"
    )
    if limit.slack:
        found += f", or {_shown(limit.slack, limit.unit)}"
    figures = measured(STABLE, round(now, 6), round(before, 6), limit.unit)
    return expect(good, title, found, "the cause found", **figures)


def _comparable(limit: FigureLimit, was: Was) -> float | None:
    """Return the baseline's value; None where nothing could ever be worse than it."""
    value = was.value
    none_is_worse = value is not None and value <= 0 and limit.worse == "lower"
    return None if none_is_worse else value


def trend(limit: FigureLimit, points: Points, was: Was | None) -> Judgement:
    """Judge that a figure is within its limit, and still is after the same time if its trend continues.

    Its limit is the policy's, else what its median may come to. The slope is the median of those between
    any two values, with its bounds of 95 % (Sen, 1968), so that a burst is no trend.
    """
    title, bound = limit.title, _bound(limit, was)
    if bound is None:
        return _nothing_before(title, was) if was else _open(title, "nothing limits it")
    values = [value for value, _ in points.worst(limit.worse)]
    if points.problem or len(values) < LEAST_OF_A_TREND:
        few = f"{len(values)} values, and {LEAST_OF_A_TREND} make a trend"
        return _open(title, points.problem or few)
    # From the middle of what was read to as long after its end.
    ahead, level = 1.5 * (len(values) - 1), statistics.median(values)
    low, high = sorted(level + slope * ahead for slope in _slopes(values))
    now, *later = (one == bound or _better(one, bound, limit.worse) for one in (level, low, high))
    good = False if not any(later) else True if now and all(later) else None
    sentence = (
        f"{title}: median {_shown(level, limit.unit)}; if the trend continues, between "
        f"{_shown(low, limit.unit)} and {_shown(high, limit.unit)} after the same time again; wanted "
        f"{'below' if limit.worse == 'higher' else 'above'} {_shown(bound, limit.unit)}"
    )
    if good is None:
        sentence += "; undecided"
    worst = high if limit.worse == "higher" else low
    figures = measured("trend", round(worst, 6), round(bound, 6), limit.unit)
    return expect(good, title, sentence, "the cause found, or more room", **figures)


def _bound(limit: FigureLimit, was: Was | None) -> float | None:
    if limit.limit is not None:
        return limit.limit
    before = None if was is None else _comparable(limit, was)
    if before is None:
        return None
    room = max((limit.change or 0.0) * abs(before), limit.slack)
    return before + (room if limit.worse == "higher" else -room)


def _slopes(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the change from one value to the next, each with 95 % confidence."""
    count = len(values)
    between = sorted(
        (values[later] - values[earlier]) / (later - earlier)
        for earlier in range(count)
        for later in range(earlier + 1, count)
    )
    spread = _ONE_SIDED * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low, high = (len(between) - spread) / 2, (len(between) + spread) / 2
    return between[max(0, math.floor(low) - 1)], between[min(len(between) - 1, math.ceil(high))]


def _shown(value: float, unit: str) -> str:
    """Return a value as people say it; a share in percent, seconds under one as milliseconds."""
    if unit == "%":
        return f"{value:.1%}"
    if unit == "s" and abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    return f"{value:,.4g} {unit}".rstrip()


def _nothing_before(title: str, was: Was) -> Judgement:
    """Return the INCONCLUSIVE of what the baseline has nothing of."""
    why = was.facts.get("unknown")
    told = f": {why}" if isinstance(why, str) else ""
    return _open(title, f"{was.named} holds nothing of it to compare with{told}")


def _open(title: str, why: str) -> Judgement:
    clears = "what is measured there from before the release on, without a gap"
    return expect(None, title, f"{title}: {why}", clears, rule=STABLE)

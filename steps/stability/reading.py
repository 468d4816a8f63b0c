"""What the first hour is measured by, read from a region's Prometheus: now, and before the release."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gates.decide.counting import tally
from gates.decide.counting.samples import Samples
from settings.monitoring import LABELS, RANGE, Events, Figure, Stability
from settings.objectives import Objective
from steps.kit.baseline import Before, CannotCollectError
from steps.kit.platform import Platform
from steps.objectives import promql
from steps.objectives.counting import FLOOR_SCRAPES, LOOK_BACK_FLOOR_SECONDS, Counting
from steps.objectives.instrument import Fit, Inspector, UnfitError, forget, unfit
from steps.stability.rules import Counted, Points, Was

COLLECTOR = "stability"
"""The name of the collector."""
RANGE_SECONDS = 300.0
"""What `$range` stands for."""
STEPS_OF_RANGE = 5
_DAY_SECONDS, _VALUES_OF_A_DAY = 86400.0, 288


@dataclasses.dataclass(frozen=True, slots=True)
class Ranges:
    """The times of stability in the environment's scale, in seconds."""

    look_back: float
    range: float
    step: float

    @classmethod
    def of(cls, platform: Platform, scrape_seconds: float) -> Ranges:
        """Scale the policy's times, keeping the floors that scrapes impose."""
        shortest = FLOOR_SCRAPES * scrape_seconds
        range_ = max(platform.scaled(RANGE_SECONDS, shortest), shortest)
        look_back = platform.scaled(platform.policy.stability.look_back, LOOK_BACK_FLOOR_SECONDS)
        step = max(range_ / STEPS_OF_RANGE, scrape_seconds)
        return cls(max(look_back, 2 * range_), range_, step)


def filled(figure: Figure, labels: Mapping[str, str], range_seconds: float) -> str:
    """Return the query of a figure with its labels and its range."""
    matchers = promql.selector("", labels)[1:-1]
    return figure.query.replace(LABELS, matchers).replace(RANGE, f"{range_seconds * 1000:.0f}ms")


@dataclasses.dataclass(frozen=True, slots=True)
class EventCounting(Counting):
    """Counts events as objectives do: without resets, twins and targets that are missing going unseen.

    Other than an objective's they may be few, and stop: that is a finding.
    """

    failed: tuple[str, str] | None = None
    """The label that tells failed ones, and the regular expression of its values."""

    @classmethod
    def of(
        cls, inspector: Inspector, name: str, events: Events, *, released: bool
    ) -> EventCounting:
        """Return what counts these events in a region: the release's, or those of whatever ran before."""
        own = events.labels if released else promql.of_any_release(events.labels)
        # As much of an objective as counting needs: which metric it is, and that it is no histogram.
        known: dict[str, Any] = {"kind": "errors", "metric": name}
        return cls(
            inspector=inspector,
            objective=Objective.model_construct(**known),
            metric=events.model_copy(update={"labels": own}),
            labels=inspector.platform.labels(inspector.region, own),
            own_paths=frozenset(),
            failed=next(iter(events.failed.items()), None),
        )

    def _columns(self) -> tally.Columns:
        def columns(series: Samples) -> Iterable[str]:
            label, pattern = self.failed or ("", None)
            bad = pattern is not None and re.fullmatch(pattern, series.labels.get(label, ""))
            return (tally.ALL, tally.BAD) if bad else (tally.ALL,)

        return columns

    def _check(self, counted: tally.Tally, series: Iterable[Samples]) -> None:
        """Leave events alone that bear no status, or come seldom."""


class _EarlierTargets(Inspector):
    """Inspects the targets of whatever release runs now."""

    @property
    def target_labels(self) -> dict[str, str]:
        """Labels of the targets in this region, but for those that tell the release."""
        own = promql.of_any_release(self.section.target_labels)
        return self.platform.labels(self.region, {"job": self.section.job, **own})


def was(platform: Platform, earlier: Before | None, name: str) -> Was | None:
    """Return what a baseline has of a figure or of events; nothing where it was taken after the switch."""
    if earlier is None:
        return None
    facts = earlier.facts.get(name) if isinstance(earlier.facts, Mapping) else None
    switched_at = platform.switched_at
    if switched_at is not None and dt.datetime.fromisoformat(earlier.taken_at) >= switched_at:
        facts = {"unknown": "it was taken after the traffic switch, of the release itself"}
    return Was(facts if isinstance(facts, Mapping) else {}, earlier.baseline)


def collect(platform: Platform) -> dict[str, Any]:
    """Collect each region's figures and events that are compared later; raises CannotCollectError.

    What can't be believed now is kept as unknown, with the reason: its check says so later.
    """
    section = platform.section(Stability)
    return platform.each_region(lambda region: _before(platform, region, section))


def _before(platform: Platform, region: str, section: Stability) -> dict[str, Any]:
    inspector = _EarlierTargets(platform, region, forget)
    try:
        fit = inspector.inspect()
    except UnfitError as exc:
        raise CannotCollectError(f"Prometheus of {region}: {exc}; see gate doctor") from exc
    now, policy = Now.of(inspector, section, fit, fit.started_at), platform.policy.stability
    compared = {one.figure: one.worse for one in policy.figures if one.change is not None}
    counted = {one.events for one in policy.events}
    return {
        **{
            name: _or_why(now.median, name, compared[name])
            for name in compared
            if name in section.figures
        },
        **{name: _or_why(now.earlier, name) for name in sorted(counted & section.events.keys())},
    }


def _or_why(read: Callable[..., dict[str, float]], *what: str) -> dict[str, Any]:
    try:
        return read(*what)
    except UnfitError as exc:
        return {"unknown": str(exc)}


@dataclasses.dataclass(frozen=True, slots=True)
class Now:
    """A region's Prometheus that was found fit, and how far back it may be read."""

    inspector: Inspector
    section: Stability
    fit: Fit
    ranges: Ranges
    known_seconds: float
    """So long the release has run, and Prometheus with it."""

    @classmethod
    def of(cls, inspector: Inspector, section: Stability, fit: Fit, since: dt.datetime) -> Now:
        """Return what is known since then, in the look-back of the policy."""
        ranges = Ranges.of(inspector.platform, inspector.scrape_seconds)
        known = (fit.server_time - max(since, fit.started_at)).total_seconds()
        return cls(inspector, section, fit, ranges, known)

    def over_a_day(self) -> Now:
        """Return the same with all that is known, up to a day."""
        ranges, platform = self.ranges, self.inspector.platform
        known = min(self.known_seconds, platform.scaled(_DAY_SECONDS, ranges.look_back))
        day = Ranges(known, ranges.range, max(ranges.step, known / _VALUES_OF_A_DAY))
        return dataclasses.replace(self, ranges=day)

    @property
    def seconds(self) -> float:
        """How much of the look-back is known and of the release."""
        return min(self.ranges.look_back, self.known_seconds)

    def points(self, name: str) -> Points:
        """Return a figure's values, each over a range inside of what is read; raises UnfitError."""
        figure, step = self.section.figures[name], self.ranges.step
        count = max(0, int((self.seconds - self.ranges.range) / step + 1e-9) + 1)
        labels = self.inspector.platform.labels(self.inspector.region, {})
        query, end = filled(figure, labels, self.ranges.range), self.fit.server_time
        begin = end - dt.timedelta(seconds=(count - 1) * step)
        steps: list[dict[str, float]] = [{} for _ in range(count)]
        found = self.inspector.matrix(query, (begin, end, step), name).series if count else ()
        for one in found:
            named = ", ".join(f"{label} {value}" for label, value in sorted(one.labels.items()))
            for at, value in one.samples:
                steps[round((at - begin).total_seconds() / step)][named] = value
        return Points(tuple(steps), figure.at_least)

    def events(self, name: str, *, released: bool = True) -> Counted:
        """Return the release's events, or those of whatever ran before; raises UnfitError."""
        events = self.section.events[name]
        counting = EventCounting.of(self.inspector, name, events, released=released)
        counts = counting.read(self.fit, self.seconds).over(None, self.seconds)
        return Counted(counts.total, counts.bad, self.seconds)

    def median(self, name: str, worse: str) -> dict[str, float]:
        """Return a figure as a baseline keeps it; raises UnfitError."""
        found = self.points(name)
        if found.problem:
            raise unfit(found.problem)
        return {"value": found.median(worse)}

    def earlier(self, name: str) -> dict[str, float]:
        """Return the events of whatever release ran before, as a baseline keeps them; raises UnfitError."""
        return self.events(name, released=False).facts()

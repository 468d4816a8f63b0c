"""Is the instrument fit to judge by? Prometheus itself, and its scrapes of the release."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import probes
from gates.decide.counting.samples import Patience, Samples, Target
from gates.decide.counting.sources import targets_of
from gates.decide.judgement import Judgement
from probes.observation import Observation
from steps.kit import failures
from steps.kit.expect import expect, need
from steps.kit.platform import Platform
from steps.objectives import promql

REPAIRED = "fixed for monotonicity"
"""So Prometheus, from 2.48 on, remarks on a histogram whose data are damaged; the rest is no wrong data."""


A = TypeVar(
    "A", "probes.prometheus.Vector", "probes.prometheus.SampleSet", "probes.prometheus.Matrix"
)
Keep = Callable[[Observation[Any]], None]
"""What takes each observation, for the evidence."""


def forget(_: Observation[Any]) -> None:
    """Keep nothing of an observation."""


class UnfitError(Exception):
    """The instrument can't decide now; carries the judgement that says why."""

    def __init__(self, judgement: Judgement, patience: Patience = Patience.SCRAPES) -> None:
        super().__init__(judgement.sentence)
        self.judgement = judgement
        self.patience = patience


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """An instrument that may be believed, and its time."""

    server_time: dt.datetime
    started_at: dt.datetime


class Inspector:
    """Inspects the Prometheus of a region before anything is read from it."""

    def __init__(self, platform: Platform, region: str, keep: Keep) -> None:
        self.platform = platform
        self.region = region
        self.section = need(platform.environment.settings.prometheus, "the section prometheus")
        self._keep = keep
        self._target = platform.prometheus(region)

    @property
    def job(self) -> str:
        """Name of the job that scrapes the release."""
        return self.section.job

    @property
    def target_labels(self) -> dict[str, str]:
        """Labels of the targets that serve the release in this region."""
        own = {"job": self.section.job, **self.section.target_labels}
        return self.platform.labels(self.region, own)

    @property
    def scrape_seconds(self) -> float:
        """Seconds between two scrapes."""
        return self.section.scrape_interval

    def inspect(self) -> Fit:
        """Return the instrument if it is alive and on time; else UnfitError."""
        observed = probes.prometheus.instrument(
            self._target, deadline=self.platform.call_deadline()
        )
        self._keep(observed)
        if observed.value is None:
            raise UnfitError(failures.instrument_error("Prometheus", failures.failure_of(observed)))
        found = observed.value
        if (
            abs(found.clock_skew_seconds)
            > self.section.max_clock_skew + found.clock_uncertainty_seconds
        ):
            raise unfit(
                f"Prometheus and the gate disagree about the time by "
                f"{found.clock_skew_seconds:.1f} s; set both clocks"
            )
        if not found.config_reload_succeeded:
            raise unfit("Prometheus runs on an old configuration: its last reload failed")
        if found.corruption_count:
            raise unfit("Prometheus reports a corrupted write-ahead log")
        return Fit(found.server_time, found.started_at)

    def value(self, query: str, at: dt.datetime | None, what: str) -> float | None:
        """Return the one number of a query, None where it is empty; raises UnfitError."""
        vector = self.vector(query, at, what)
        if not vector.series:
            return None
        if len(vector.series) > 1:
            raise unfit(f"{what}: {len(vector.series)} series where one was expected")
        number = vector.series[0].value
        if not math.isfinite(number):
            raise unfit(f"{what} is {number}, not a finite number")
        return number

    def vector(self, query: str, at: dt.datetime | None, what: str) -> probes.prometheus.Vector:
        """Return the answer to a query that came without warnings; raises UnfitError.

        Other remarks, such as on a counter's name, say how to ask better and not that the answer is
        wrong: they stay in the observation and change nothing.
        """
        observed = probes.prometheus.instant(
            self._target, query, at=at, deadline=self.platform.call_deadline()
        )
        return self._believed(observed, what)

    def samples(self, query: str, at: dt.datetime, what: str) -> tuple[Samples, ...]:
        """Return the samples of a range selector, which came without warnings; raises UnfitError."""
        observed = probes.prometheus.samples(
            self._target, query, at=at, deadline=self.platform.call_deadline()
        )
        found = self._believed(observed, what).series
        return tuple(Samples(one.labels, one.times, one.values) for one in found)

    def matrix(
        self, query: str, steps: tuple[dt.datetime, dt.datetime, float], what: str
    ) -> probes.prometheus.Matrix:
        """Return the answers to a query from a begin to an end, so many seconds apart; raises UnfitError."""
        start, end, seconds = steps
        observed = probes.prometheus.range_query(
            self._target,
            query,
            start=start,
            end=end,
            step_seconds=seconds,
            deadline=self.platform.call_deadline(),
        )
        return self._believed(observed, what)

    def targets(self, jobs: Iterable[str], at: dt.datetime, seconds: float) -> tuple[Target, ...]:
        """Return what was scraped of these jobs in this region; raises UnfitError."""
        selector = promql.targets(sorted(jobs), self.platform.labels(self.region, {}))
        read = self.samples(promql.samples(selector, seconds), at, "the scrapes of the release")
        return targets_of(read, self.scrape_seconds)

    def _believed(self, observed: Observation[A], what: str) -> A:
        self._keep(observed)
        if observed.value is None:
            raise UnfitError(
                failures.instrument_error(f"Prometheus, {what}", failures.failure_of(observed))
            )
        if observed.value.warnings:
            raise unfit(f"{what}: Prometheus warns that its answer may be partial")
        if any(REPAIRED in info for info in observed.value.infos):
            raise unfit(
                f"{what}: Prometheus had to repair the histogram's buckets, whose counts do not "
                "grow with their bounds; let all instances of the release have the same bounds",
                Patience.NONE,
            )
        return observed.value


def unfit(why: str, patience: Patience = Patience.SCRAPES) -> UnfitError:
    """Return the error for an instrument that answers and yet does not decide."""
    clears = "metrics that can be believed; then run again"
    return UnfitError(expect(None, "Prometheus", why, clears, rule="instrument"), patience)

"""Is the instrument fit to judge by? Prometheus itself, and its scrapes of the release."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import probes
from checks import failures
from checks.platform import NotDescribedError, Platform
from checks.promql import selector
from environments.settings import Prometheus
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation

FRESH_SCRAPES = 3
"""The newest sample may be two scrapes old, and one more for the scrape under way."""

REPAIRED = "fixed for monotonicity"
"""So Prometheus, from 2.48 on, remarks on a histogram whose data are damaged; the rest is no wrong data."""


class UnfitError(Exception):
    """The instrument can't decide now; carries the judgement that says why."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(judgement.sentence)
        self.judgement = judgement


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """An instrument that may be believed, and its time."""

    target: probes.prometheus.PrometheusTarget
    server_time: dt.datetime
    started_at: dt.datetime


class Inspector:
    """Inspects the Prometheus of a region before anything is read from it."""

    def __init__(
        self, platform: Platform, region: str, keep: Callable[[Observation[Any]], None]
    ) -> None:
        section = platform.environment.settings.prometheus
        if section is None:
            raise NotDescribedError("the environment lacks the section prometheus; add it")
        self._platform = platform
        self._region = region
        self._section: Prometheus = section
        self._keep = keep
        self.target = platform.prometheus(region)

    @property
    def scrape_seconds(self) -> float:
        """Seconds between two scrapes."""
        return self._section.scrape_interval

    def inspect(self) -> Fit:
        """Return the instrument if it is alive, on time, and scrapes the release; else UnfitError."""
        observed = probes.prometheus.instrument(
            self.target, deadline=self._platform.call_deadline()
        )
        self._keep(observed)
        if observed.value is None:
            raise UnfitError(failures.instrument_error("Prometheus", failures.failure_of(observed)))
        self._check_itself(observed.value)
        self._check_scrapes()
        return Fit(self.target, observed.value.server_time, observed.value.started_at)

    def value(self, query: str, at: dt.datetime | None, what: str) -> float | None:
        """Return the one number of a query, None where it is empty; raises UnfitError."""
        vector = self.vector(query, at, what)
        if not vector.series:
            return None
        if len(vector.series) > 1:
            raise unfit(f"{what}: {len(vector.series)} series where one was expected")
        number = vector.series[0].value
        if not math.isfinite(number):
            raise unfit(f"{what} is {number}, no finite number")
        return number

    def vector(self, query: str, at: dt.datetime | None, what: str) -> probes.prometheus.Vector:
        """Return the answer to a query that came without warnings; raises UnfitError.

        Other remarks, such as on a counter's name, say how to ask better and not that the answer is
        wrong: they stay in the observation and change nothing.
        """
        observed = probes.prometheus.instant(
            self.target, query, at=at, deadline=self._platform.call_deadline()
        )
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
                "grow with their bounds; let all instances of the release have the same bounds"
            )
        return observed.value

    def _check_itself(self, instrument: probes.prometheus.Instrument) -> None:
        allowed = self._section.max_clock_skew + instrument.clock_uncertainty_seconds
        if abs(instrument.clock_skew_seconds) > allowed:
            raise unfit(
                f"Prometheus and the gate disagree about the time by "
                f"{instrument.clock_skew_seconds:.1f} s; set both clocks"
            )
        if not instrument.config_reload_succeeded:
            raise unfit("Prometheus runs on an old configuration: its last reload failed")
        if instrument.corruption_count:
            raise unfit("Prometheus reports a corrupted write-ahead log")

    def _check_scrapes(self) -> None:
        labels = self._platform.labels(
            self._region, {"job": self._section.job, **self._section.target_labels}
        )
        up = selector("up", labels)
        alive = self.value(f"count({up} == 1)", None, "the count of scraped targets")
        down = self.value(f"count({up} == 0)", None, "the count of failing targets")
        if down:
            raise unfit(f"Prometheus can't scrape {down:g} of the release's targets; see {up}")
        if not alive:
            raise unfit(f"Prometheus scrapes no target of the release; {up} is empty")
        age = self.value(f"max(time() - timestamp({up}))", None, "the age of the newest samples")
        if age is None or age > FRESH_SCRAPES * self.scrape_seconds:
            raise unfit(f"the newest samples are {age or 0:.0f} s old; {up} is stale")


def unfit(why: str) -> UnfitError:
    """Return the error for an instrument that answers and yet does not decide."""
    return UnfitError(
        Judgement(
            outcome=Outcome.INCONCLUSIVE,
            rule="instrument",
            subject="Prometheus",
            sentence=why,
            clears="metrics that can be believed; then run again",
        )
    )

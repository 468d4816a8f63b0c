"""Dashboards: are they loaded, do their queries return data, and were there gaps?"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement, contains_all
from probes.observation import Observation
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import NotDescribedError, Platform
from steps.monitoring import watchers
from steps.monitoring.panels import Panels
from steps.objectives.promql import selector

_LOOK_BACK_FLOOR_SECONDS = 20.0
_FEWEST_STEPS = 2
_SCRAPES_A_STEP = 3
"""A step without any of three scrapes is a gap; one late scrape is none."""
_AS_FAR_BACK = dt.timedelta(days=365)
"""Longer than samples are kept."""


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """A dashboard that Grafana has."""

    title: str
    dashboard: probes.grafana.Dashboard


@dataclasses.dataclass(frozen=True, slots=True)
class _Steps:
    """The look-back, cut into steps that each hold some scrapes."""

    end: dt.datetime
    look_back_seconds: float
    seconds: float

    @property
    def start(self) -> dt.datetime:
        """The first step's time."""
        whole = math.floor(self.look_back_seconds / self.seconds)
        return self.end - dt.timedelta(seconds=whole * self.seconds)

    def since(self, first: dt.datetime) -> int:
        """Return how many steps there are from one on, with that one."""
        return round((self.end - first).total_seconds() / self.seconds) + 1


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """A scrape job, with the labels that select its targets."""

    name: str
    targets: int
    labels: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class _Scrapes:
    """How many targets of a job were scraped in each step, and how many had to be.

    A job that a deployment scales up has had fewer targets before: one of them must have been
    scraped all the time, all of them since all were there.
    """

    targets: int
    counts: tuple[tuple[dt.datetime, float], ...]
    fewest_before: int | None = None
    """Of the time before all were there; None: as many as now. 0: there was no such job."""

    @classmethod
    def read(cls, observed: Observation[probes.prometheus.Matrix], targets: int) -> _Scrapes:
        """Read the counts; none when there was no answer."""
        series = observed.value.series if observed.value else ()
        return cls(targets, tuple(sample for one in series for sample in one.samples))

    @property
    def complete_since(self) -> dt.datetime | None:
        """The first step in which every target was scraped."""
        return min((at for at, count in self.counts if count >= self.targets), default=None)

    @property
    def begins(self) -> dt.datetime | None:
        """From when on gaps count: None stands for the whole look-back."""
        return self.complete_since if self.fewest_before == 0 else None

    def of_a_job_that_had(self, series: int) -> _Scrapes:
        """Take into account how many targets were ever seen before the look-back."""
        if series >= self.targets:
            return self
        return dataclasses.replace(self, fewest_before=min(series, 1))

    def good(self) -> int:
        """Return how many steps had as many scraped targets as they had to have."""
        complete = self.complete_since
        early = self.targets if self.fewest_before is None else self.fewest_before
        return sum(
            count >= (self.targets if complete is None or at >= complete else early)
            for at, count in self.counts
            if self.begins is None or at >= self.begins
        )


class Dashboards:
    """The dashboards of one platform as one check looks at them; shared by all regions."""

    def __init__(self, platform: Platform, check: Check) -> None:
        self._platform = platform
        self._check = check
        self._section = watchers.monitoring_of(platform)
        self._grafana = self._section.grafana
        self._target = watchers.grafana(platform)

    def read(self) -> Sequence[Loaded]:
        """Read every dashboard by title, judging each; returns those that are there."""
        found = [self._one(title) for title in self._grafana.dashboards]
        return [one for one in found if one is not None]

    def of_the_release(self, loaded: Sequence[Loaded]) -> None:
        """Judge that every dashboard has the panels that the release expects on it."""
        for one in loaded:
            wanted = self._grafana.dashboards[one.title]
            subject = f"panels of “{one.title}”"
            self._check.judge_everywhere(contains_all(subject, one.dashboard.panels, wanted))

    def flow(self, loaded: Sequence[Loaded]) -> None:
        """Judge that every query of every dashboard returns data now, asked as Grafana asks."""
        panels = Panels(self._platform, self._check)
        for one in loaded:
            self._check.judge_everywhere(*panels.flow(one.title, one.dashboard))

    def without_gaps(self) -> None:
        """Judge that each described job was scraped all the time of the look-back, in each region."""
        self._platform.each_region(self._gaps_of)

    def _one(self, title: str) -> Loaded | None:
        deadline = self._platform.call_deadline()
        found = probes.grafana.find(self._target, title, deadline=deadline)
        self._check.observe_everywhere(found)
        if found.value is None:
            self._check.judge_everywhere(_instrument(found))
            return None
        there = len(found.value.uids)
        subject = f"dashboard {title}"
        self._check.judge_everywhere(
            expect(
                good=there == 1,
                rule="loaded once",
                subject=subject,
                sentence=f"Grafana has {there} dashboards “{title}”, wanted 1",
                clears=f"one dashboard “{title}”",
                observed=there,
                target=1,
            )
        )
        if there != 1:
            return None
        read = probes.grafana.dashboard(self._target, found.value.uids[0], deadline=deadline)
        self._check.observe_everywhere(read)
        if read.value is None:
            self._check.judge_everywhere(_instrument(read))
            return None
        count = len(read.value.queries)
        self._check.judge_everywhere(
            expect(
                good=count > 0,
                rule="asks something",
                subject=subject,
                sentence=f"dashboard “{title}” has {count} queries, wanted at least 1",
                clears=f"panels on “{title}”",
                observed=count,
                target=1,
            )
        )
        return Loaded(title, read.value)

    def _gaps_of(self, region: str) -> None:
        settings = self._platform.environment.settings
        if settings.prometheus is None:
            raise NotDescribedError("the environment lacks the section prometheus; add it")
        usual = settings.prometheus.scrape_interval
        policy = self._platform.policy.monitoring.gap_look_back
        seconds = self._platform.scaled(policy, _LOOK_BACK_FLOOR_SECONDS)
        target = self._platform.prometheus(region)
        instrument = probes.prometheus.instrument(target, deadline=self._platform.call_deadline())
        self._check.observe(region, instrument)
        if instrument.value is None:
            self._check.judge(region, _instrument(instrument))
            return
        now = instrument.value.server_time
        slower = self._intervals(region)
        for job in self._jobs_of(region):
            step = _SCRAPES_A_STEP * max(usual, slower.get(job.name, usual))
            self._gap_of(region, job, _Steps(now, max(seconds, step), step))

    def _jobs_of(self, region: str) -> Iterator[_Job]:
        # How many pods there were in the past is not known: one of them at least.
        own = {**dict.fromkeys(self._section.pod_jobs, 1), **self._section.jobs}
        for name, targets in own.items():
            yield _Job(name, targets, self._platform.labels(region, {"job": name}))
        for name, targets in self._section.shared_jobs.items():
            yield _Job(name, targets, {"job": name})

    def _intervals(self, region: str) -> Mapping[str, float]:
        """Return the seconds between two scrapes of each job, where Prometheus tells them."""
        target, deadline = self._platform.prometheus(region), self._platform.call_deadline()
        scraped = probes.alerting.targets(target, deadline=deadline)
        self._check.observe(region, scraped)
        found: dict[str, float] = {}
        for one in scraped.value.targets if scraped.value else ():
            found[one.job] = max(found.get(one.job, 0.0), one.interval_seconds or 0.0)
        return found

    def _gap_of(self, region: str, job: _Job, steps: _Steps) -> None:
        seen = f"sum_over_time({selector('up', job.labels)}[{steps.seconds * 1000:.0f}ms]) > 0"
        observed = probes.prometheus.range_query(
            self._platform.prometheus(region),
            f"count({seen})",
            start=steps.start,
            end=steps.end,
            step_seconds=steps.seconds,
            deadline=self._platform.call_deadline(),
        )
        self._check.observe(region, observed)
        scrapes = _Scrapes.read(observed, job.targets)
        if scrapes.complete_since is not None and scrapes.complete_since > steps.start:
            before = self._seen_before(region, job.labels, steps.start)
            if before.value is None:
                self._check.judge(region, _instrument(before))
                return
            if before.value.whole:
                scrapes = scrapes.of_a_job_that_had(before.value.count)
        self._check.judge(region, _gap(job.name, observed, scrapes, steps))

    def _seen_before(
        self, region: str, labels: Mapping[str, str], start: dt.datetime
    ) -> Observation[probes.alerting.SeriesSeen]:
        """Ask what was scraped before, as far back as Prometheus keeps its samples.

        A day would not do: what has been away since yesterday is no new job, it is a long gap.
        """
        observed = probes.alerting.scraped_ever(
            self._platform.prometheus(region),
            selector("up", labels),
            begins=start - _AS_FAR_BACK,
            ends=start,
            deadline=self._platform.call_deadline(),
        )
        self._check.observe(region, observed)
        return observed


def _gap(
    job: str, observed: Observation[probes.prometheus.Matrix], scrapes: _Scrapes, steps: _Steps
) -> Judgement:
    if observed.value is None:
        return _instrument(observed)
    if observed.value.warnings:
        what = f"scrapes of {job}"
        return expect(
            None, what, "Prometheus warns that its answer may be partial", "a whole answer"
        )
    wanted = steps.since(scrapes.begins or steps.start)
    if wanted < _FEWEST_STEPS:
        sentence = f"{job} is scraped since less than {steps.seconds * _FEWEST_STEPS:g} s"
        return expect(None, f"scrapes of {job}", sentence, "another run in a minute")
    good = scrapes.good()
    return expect(
        good=good >= wanted,
        rule="no gaps",
        subject=f"scrapes of {job}",
        sentence=f"{job} was scraped in {good} of {wanted} steps of {steps.seconds:g} s, "
        "wanted in all",
        clears=f"{wanted} steps without a gap of {steps.seconds:g} s",
        observed=good,
        target=wanted,
    )


def _instrument(observed: Observation[Any]) -> Judgement:
    subject = "Grafana" if observed.probe == "grafana" else "Prometheus"
    return failures.instrument_error(subject, failures.failure_of(observed))

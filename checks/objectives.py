"""Objectives: counts events in Prometheus until the policy's target is proved or disproved."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from typing import Any

import probes
from checks.check import Check
from checks.counting import Counting
from checks.instrument import FRESH_SCRAPES, Fit, Inspector, UnfitError, unfit
from checks.platform import NotDescribedError, Platform
from checks.traffic import TrafficLease
from environments.settings import Metric
from gates.decide.bursts import NONE_SEEN, Burst
from gates.decide.events import Counts
from gates.decide.judgement import Judgement
from gates.decide.looks import Looks
from gates.decide.objective import Evidence, Sustained, judge_rollback, judge_target, over_limit_now
from gates.decide.outcome import Outcome
from gates.decide.policy import Objective, RollbackLimit
from gates.decide.quantile import RULE, Bucket, Over, judge_quantile
from probes.observation import Observation

LOOK_BACK_FLOOR_SECONDS = 20.0
FLOOR_SCRAPES = 5
STEPS_OF_FOR = 5
STEP_SCRAPES = 4
"""A rate needs two samples; over fewer than four scrapes it is mostly luck."""
SWITCH_SCRAPES = 2
"""So long after the switch old-version samples may still be read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """An objective's times in the environment's scale, in seconds."""

    look_back: float
    wait: float
    sustained: float
    step: float
    step_range: float

    @classmethod
    def of(cls, objective: Objective, platform: Platform, scrape_seconds: float) -> Times:
        """Scale a policy's times, keeping the floors that scrapes impose."""
        shortest = FLOOR_SCRAPES * scrape_seconds
        look_back = platform.scaled(objective.look_back, LOOK_BACK_FLOOR_SECONDS)
        policy_for = objective.rollback.sustained if objective.rollback else 0.0
        sustained = platform.scaled(policy_for, shortest)
        step = sustained / STEPS_OF_FOR
        return cls(
            look_back=max(look_back, shortest),
            wait=max(platform.scaled(objective.wait_for_samples, 0.0), look_back + shortest),
            sustained=sustained,
            step=step,
            step_range=max(step, STEP_SCRAPES * scrape_seconds),
        )


class Waiting:
    """The run's one wait for samples: all its objectives wait for the same traffic."""

    def __init__(self, lease: TrafficLease) -> None:
        self._lease = lease
        self._since: float | None = None

    def for_samples(self, scrape_seconds: float) -> None:
        """Wait one scrape, keeping the traffic lease alive."""
        self._lease.renew()
        time.sleep(scrape_seconds)

    def seconds(self) -> float:
        """Return the seconds since the first objective began."""
        if self._since is None:
            self._since = time.monotonic()
        return time.monotonic() - self._since


class Objectives:
    """Judges objectives in every region at once."""

    def __init__(self, platform: Platform, lease: TrafficLease) -> None:
        self._platform = platform
        self._waiting = Waiting(lease)

    def judge(self, check: Check) -> None:
        """Judge the objective that the policy has for this check."""
        try:
            objective = self._platform.policy.objective(check.id)
        except LookupError as exc:
            raise NotDescribedError(
                f"gates/policy lacks an objective for {check.id}; add it"
            ) from exc

        def judge_region(region: str) -> None:
            watch = _Watch(self._platform, self._waiting, objective, check, region)
            check.judge(region, *watch.decide())

        self._platform.each_region(judge_region)


class _Watch:
    """One objective in one region, measured until it is decided or its time is up."""

    def __init__(
        self,
        platform: Platform,
        waiting: Waiting,
        objective: Objective,
        check: Check,
        region: str,
    ) -> None:
        self._platform = platform
        self._waiting = waiting
        self._objective = objective
        self._last: list[Observation[Any]] = []
        self._check = check
        self._region = region
        self._inspector = Inspector(platform, region, self._last.append)
        self._times = Times.of(objective, platform, self._inspector.scrape_seconds)
        self._looks = Looks(self._times.look_back)
        self._seen = NONE_SEEN
        metric = self._described_metric()
        labels = platform.labels(region, metric.labels)
        self._counting = Counting(self._inspector, objective, metric, labels)

    def decide(self) -> list[Judgement]:
        """Measure again with every scrape until decided; only the last measurement is evidence."""
        started = time.monotonic()
        while True:
            self._last.clear()
            try:
                judgements, open_question = self._measure()
            except UnfitError as exc:
                judgements, open_question = [exc.judgement], False
            # An open rollback question has seen all of `for` by the end of its own time.
            own = time.monotonic() - started
            watched = own >= self._times.sustained + self._times.step_range
            samples = self._worth_waiting(judgements) and self._waiting.seconds() < self._times.wait
            late = self._platform.deadline.remaining_seconds() <= 0
            if late or not (samples or (open_question and not watched)):
                for observation in self._last:
                    self._check.observe(self._region, observation)
                return judgements
            self._waiting.for_samples(self._inspector.scrape_seconds)

    def _worth_waiting(self, judgements: list[Judgement]) -> bool:
        """Return whether the answer may change: it is due, or it may still become another."""
        target = judgements[0]
        if target.rule not in ("error budget", RULE):
            return False
        if not self._looks.due(target.data.get("look_back_seconds", 0.0), time.monotonic()):
            return True
        return target.outcome is Outcome.INCONCLUSIVE and not target.data.get("settled")

    def _measure(self) -> tuple[list[Judgement], bool]:
        """Return the judgements now, and whether a rollback limit is exceeded but not yet for long."""
        fit = self._inspector.inspect()
        since = self._since(fit)
        look_back = min(self._times.look_back, (fit.server_time - since).total_seconds())
        if look_back < FLOOR_SCRAPES * self._inspector.scrape_seconds:
            return [self._too_early(look_back)], False
        self._check_restart(fit, look_back)
        recent = FRESH_SCRAPES * self._inspector.scrape_seconds
        self._counting.check_metric(fit.server_time, recent)
        judgements = [self._target(fit, look_back)]
        limit = self._objective.rollback
        if limit is None:
            return judgements, False
        sustained, evidence = self._sustained(fit, limit, since)
        verdict = judge_rollback(self._objective, limit, sustained, evidence)
        exceeded_not_long = verdict.outcome is Outcome.PASS and over_limit_now(limit, sustained)
        return [*judgements, verdict], exceeded_not_long

    def _target(self, fit: Fit, look_back_seconds: float) -> Judgement:
        bounds = self._objective.bounds_around
        if bounds is None:
            counts, evidence = self._counting.count(
                self._objective.target, fit.server_time, look_back_seconds
            )
            judgement = judge_target(self._objective, counts, evidence, self._seen)
        else:
            bucket, evidence = self._counting.bucket(bounds, fit.server_time, look_back_seconds)
            judgement = judge_quantile(self._objective, bucket, evidence, self._seen)
        # A burst that has left the look-back since is still what this platform's errors come in.
        self._seen = Burst.of(judgement.data)
        return judgement

    def _since(self, fit: Fit) -> dt.datetime:
        """Return the first moment whose samples are the release's own."""
        switched_at = self._platform.switched_at
        if switched_at is None:
            raise unfit("nobody said since when the release carries traffic; give --switched-at")
        if switched_at > fit.server_time:
            raise unfit("the traffic switch lies in the future; mend --switched-at")
        return switched_at + dt.timedelta(seconds=SWITCH_SCRAPES * self._inspector.scrape_seconds)

    def _check_restart(self, fit: Fit, look_back_seconds: float) -> None:
        first = fit.server_time - dt.timedelta(seconds=look_back_seconds)
        if fit.started_at > first:
            raise unfit(
                f"Prometheus restarted at {fit.started_at:%H:%M:%S} UTC, inside the look-back of "
                f"{look_back_seconds:.0f} s; its samples have a hole"
            )

    def _sustained(
        self, fit: Fit, limit: RollbackLimit, since: dt.datetime
    ) -> tuple[Sustained, Evidence]:
        times = self._times
        queries = self._counting.queries(limit, times.step_range)
        end = fit.server_time
        moments = [
            end - dt.timedelta(seconds=times.step * number)
            for number in reversed(range(STEPS_OF_FOR))
        ]
        totals = self._range(queries.total, moments)
        bads = self._range(queries.bad, moments)
        first = since + dt.timedelta(seconds=times.step_range)
        steps = tuple(
            _step(bads.get(number), totals.get(number)) if moment >= first else None
            for number, moment in enumerate(moments)
        )
        age = (end - since).total_seconds()
        seconds = min(times.sustained, age)
        whole, evidence = self._counting.count(limit, end, seconds)
        in_steps = {f"{name} by step": query for name, query in dataclasses.asdict(queries).items()}
        evidence = dataclasses.replace(evidence, queries={**evidence.queries, **in_steps}, shown={})
        return Sustained(steps, whole, times.sustained), evidence

    def _range(self, query: str, moments: list[dt.datetime]) -> dict[int, float]:
        """Return the query's value by number of the moment; what is empty has none."""
        observed = probes.prometheus.range_query(
            self._inspector.target,
            query,
            start=moments[0],
            end=moments[-1],
            step_seconds=self._times.step,
            deadline=self._platform.call_deadline(),
        )
        self._last.append(observed)
        if observed.value is None or observed.value.warnings or len(observed.value.series) > 1:
            raise unfit("Prometheus does not answer the rollback limit's range query as one series")
        samples = observed.value.series[0].samples if observed.value.series else ()
        start, step = moments[0], self._times.step
        return {round((at - start).total_seconds() / step): value for at, value in samples}

    def _described_metric(self) -> Metric:
        metric = self._platform.environment.settings.metrics.get(self._objective.metric)
        if metric is None:
            raise NotDescribedError(
                f"the environment lacks metrics.{self._objective.metric}; add it"
            )
        return metric

    def _too_early(self, look_back_seconds: float) -> Judgement:
        empty = Counts(0.0, 0.0)
        evidence = Evidence(max(0.0, look_back_seconds), {}, "", {})
        bounds = self._objective.bounds_around
        if bounds is None:
            return judge_target(self._objective, empty, evidence)
        bucket = Bucket(Over(bounds[0], empty), Over(bounds[1], empty), None)
        return judge_quantile(self._objective, bucket, evidence)


def _step(bad: float | None, total: float | None) -> Counts | None:
    if bad is None or total is None:
        return None
    counts = Counts(max(0.0, bad), total)
    return None if counts.problem() else counts

"""Objectives: counts events in Prometheus until the policy's target is proved or disproved.

Before a deployment: room on the file systems, and the traffic of the day captured (T2H-TASK-4).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import Any

from environments.store import StoreError
from gates.decide.counting.objective import (
    RULE,
    Bucket,
    Evidence,
    Looks,
    Over,
    Sustained,
    judge_quantile,
    judge_rollback,
    judge_target,
    over_limit_now,
    with_own_reads,
)
from gates.decide.counting.samples import Patience
from gates.decide.counting.statistics import NONE_SEEN, Burst, Counts
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation, pause, utc_now
from settings.objectives import Objective, RollbackLimit
from steps.kit.asked import Asked
from steps.kit.baseline import Baseline, NoBaselineError, command, load_baseline
from steps.kit.expect import expect, nothing_to_judge, unable
from steps.kit.leases import TrafficLease
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.objectives.counting import FLOOR_SCRAPES, STEPS_OF_FOR, Counting, Reading, Times
from steps.objectives.instrument import Fit, Inspector, UnfitError, unfit
from steps.objectives.promql import free_shares
from steps.objectives.rules import lacking, of_today, room_on

SWITCH_SCRAPES = 2
"""So long after the switch old-version samples may still be read."""


class Waiting:
    """The run's one wait: all its objectives wait for the same traffic and the same instrument."""

    def __init__(self, lease: TrafficLease, tell: Callable[..., None]) -> None:
        self._lease = lease
        self._tell = tell
        self._since: float | None = None
        self._unfit_since: dict[str, float] = {}

    @classmethod
    def of(cls, run: Run) -> Waiting:
        """Return that of a run."""
        return cls(run.lease, run.events.write)

    def for_samples(self, here: Asked, awaited: str, scrape_seconds: float) -> None:
        """Wait one scrape, keeping the traffic lease alive; say what is awaited."""
        self._tell("waiting", check=here.check.id, region=here.region, awaited=awaited)
        self._lease.renew()
        pause(scrape_seconds)

    def own_reads(self, reading: Reading, seconds: float) -> float:
        """Return how many events of a reading may be reads of this run's own lease."""
        end = reading.at.timestamp()
        return self._lease.reads(end - seconds, end)

    def seconds(self) -> float:
        """Return the seconds since the first objective began."""
        if self._since is None:
            self._since = time.monotonic()
        return time.monotonic() - self._since

    def note_fit(self, region: str) -> None:
        """Note that a region's instrument can be believed."""
        self._unfit_since.pop(region, None)

    def seconds_unfit(self, region: str, looked_at: float) -> float:
        """Return for how long a region's instrument can't be believed, since it was first seen so."""
        return time.monotonic() - self._unfit_since.setdefault(region, looked_at)


@when("the events since the traffic switch are counted in every region", target_fixture="counted")
def counted(run: Run) -> Waiting:
    """Return the run's one wait: events are counted until what is asked of them is decided."""
    return run.shared(Waiting.of)


@then("they prove the policy's target")
def prove_target(counted: Waiting, asked: Asked) -> None:
    """Judge the objective that the policy has for this check, and a rollback limit where it has one."""
    judge(asked, counted, _objective_of(asked))


@then("they prove the policy's target and stay under its rollback limit")
def prove_target_and_limit(counted: Waiting, asked: Asked) -> None:
    """Judge the objective and its rollback limit; raises NotDescribedError where the policy has none."""
    objective = _objective_of(asked)
    if objective.rollback is None:
        raise _policy_lacks(asked, "a rollback limit")
    judge(asked, counted, objective)


def _objective_of(asked: Asked) -> Objective:
    try:
        return asked.platform.policy.objective(asked.check.id)
    except LookupError as exc:
        raise _policy_lacks(asked, "an objective") from exc


def _policy_lacks(asked: Asked, what: str) -> NotDescribedError:
    folder = asked.platform.policy_folder
    return NotDescribedError(f"{folder} lacks {what} for {asked.check.id}; add it")


def judge(asked: Asked, waiting: Waiting, objective: Objective) -> None:
    """Judge an objective in every region at once."""
    asked.in_each_region(lambda here: here.judge(*_Watch(here, waiting, objective).decide()))


class _Watch:
    """One objective in one region, measured until it is decided or its time is up."""

    def __init__(self, here: Asked, waiting: Waiting, objective: Objective) -> None:
        self._here = here
        self._waiting = waiting
        self._objective = objective
        self._last: list[Observation[Any]] = []
        self._counting = Counting.of_objective(
            here.platform, here.region, objective, self._last.append
        )
        self._inspector = self._counting.inspector
        self._times = Times.of(objective, here.platform, self._inspector.scrape_seconds)
        self._looks = Looks(self._times.look_back)
        self._seen = NONE_SEEN

    def decide(self) -> list[Judgement]:
        """Measure again with every scrape until decided; only the last measurement is evidence."""
        started = time.monotonic()
        while True:
            self._last.clear()
            looked_at = time.monotonic()
            try:
                judgements, open_question = self._measure()
                self._waiting.note_fit(self._here.region)
                samples = self._worth_waiting(judgements)
            except UnfitError as exc:
                judgements, open_question = [exc.judgement], False
                samples = self._can_pass(exc.patience, looked_at)
            # An open rollback question has seen all of `for` by the end of its own time.
            own = time.monotonic() - started
            watched = own >= self._times.sustained + self._times.step_range
            samples = samples and self._waiting.seconds() < self._times.wait
            late = self._here.platform.deadline.remaining_seconds() <= 0
            if late or not (samples or (open_question and not watched)):
                for observation in self._last:
                    self._here.keep(observation)
                return judgements
            awaited = _awaited_by(judgements, open_question=open_question)
            self._waiting.for_samples(self._here, awaited, self._inspector.scrape_seconds)

    def _can_pass(self, patience: Patience, looked_at: float) -> bool:
        """Return whether what can't be believed now may be believed later: a blip is waited out."""
        if patience is not Patience.SCRAPES:
            return patience is Patience.SAMPLES
        return self._waiting.seconds_unfit(self._here.region, looked_at) < self._times.blip

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
        since = released_since(self._here.platform, fit, self._inspector.scrape_seconds)
        age = (fit.server_time - since).total_seconds()
        look_back = min(self._times.look_back, age)
        if look_back < FLOOR_SCRAPES * self._inspector.scrape_seconds:
            return [self._too_early(look_back)], False
        limit = self._objective.rollback
        held = min(self._times.sustained + self._times.step_range, age) if limit else 0.0
        reading = self._counting.read(fit, max(look_back, held))
        judgements = [self._target(reading, look_back)]
        if limit is None:
            return judgements, False
        sustained = self._sustained(reading, limit, age)
        evidence = self._counting.evidence(reading, min(self._times.sustained, age))
        evidence = dataclasses.replace(evidence, shown={})
        verdict = judge_rollback(self._objective, limit, sustained, evidence)
        exceeded_not_long = verdict.outcome is Outcome.PASS and over_limit_now(limit, sustained)
        return [*judgements, verdict], exceeded_not_long

    def _target(self, reading: Reading, look_back_seconds: float) -> Judgement:
        bounds = self._objective.bounds_around
        if bounds is None:
            counts = reading.counts(self._objective.target, look_back_seconds)
            evidence = self._counting.evidence(reading, look_back_seconds)
            judgement = judge_target(self._objective, counts, evidence, self._seen)
            bad = counts.bad
        else:
            bucket, evidence = self._counting.bucket(reading, bounds, look_back_seconds)
            judgement = judge_quantile(self._objective, bucket, evidence, self._seen)
            bad = bucket.lower.counts.bad
        # A burst that has left the look-back since is still what this platform's errors come in.
        self._seen = Burst.of(judgement.data).or_larger(self._seen)
        own = self._waiting.own_reads(reading, look_back_seconds)
        return with_own_reads(judgement, own, bad, self._objective.target.budget)

    def _sustained(self, reading: Reading, limit: RollbackLimit, age_seconds: float) -> Sustained:
        """Count `for` in equal steps, which overlap where scrapes are too far apart for them."""
        times = self._times
        steps = []
        for number in reversed(range(STEPS_OF_FOR)):
            ago = times.step * number
            until = reading.at - dt.timedelta(seconds=ago)
            young = ago + times.step_range > age_seconds
            counts = reading.counts(limit, times.step_range, until)
            steps.append(None if young or not counts.cells else counts)
        whole = reading.counts(limit, min(times.sustained, age_seconds))
        return Sustained(tuple(steps), whole, times.sustained)

    def _too_early(self, look_back_seconds: float) -> Judgement:
        empty = Counts(0.0, 0.0)
        evidence = Evidence(max(0.0, look_back_seconds), {}, "", {})
        bounds = self._objective.bounds_around
        if bounds is None:
            return judge_target(self._objective, empty, evidence)
        bucket = Bucket(Over(bounds[0], empty), Over(bounds[1], empty), None)
        return judge_quantile(self._objective, bucket, evidence)


def _awaited_by(judgements: Sequence[Judgement], *, open_question: bool) -> str:
    """Return in words what an objective waits for, and how far it is: `2,100 of 2,995 events`."""
    data = judgements[0].data
    short, samples = data.get("events_short"), data.get("samples")
    if isinstance(short, int | float) and isinstance(samples, int | float) and short > 0:
        return f"{samples:,.0f} of {samples + short:,.0f} events"
    if judgements[0].rule == "instrument":
        return "an instrument that can be believed"
    return "a rollback limit's whole time" if open_question else "the whole look-back"


def released_since(platform: Platform, fit: Fit, scrape_seconds: float) -> dt.datetime:
    """Return the first moment whose samples are the release's own, and of this Prometheus's life.

    What was not scraped while Prometheus was restarted is not known; its samples since then count.
    Raises UnfitError where the switch is not known, or is still to come.
    """
    if platform.switched_at is None:
        raise unfit(
            "since when the release carries traffic is not known; give --switched-at",
            Patience.NONE,
        )
    if platform.switched_at > fit.server_time:
        raise unfit("the traffic switch is in the future; fix --switched-at", Patience.NONE)
    own = dt.timedelta(seconds=SWITCH_SCRAPES * scrape_seconds)
    return max(platform.switched_at + own, fit.started_at)


Lookup = Baseline | NoBaselineError | StoreError


@then("no file system is nearly full")
def file_systems(asked: Asked) -> None:
    """Judge the fullest file system of each kind that the environment names, in every region."""
    platform = asked.platform
    min_free = platform.policy.storage.min_free

    def judge(here: Asked) -> None:
        storage = platform.environment.settings.storage
        if not storage:
            here.judge(nothing_to_judge("room on file systems", "the environment has no storage"))
        for name, kind in storage.items():
            query = free_shares(kind, platform.labels(here.region, kind.labels))
            try:
                inspector = Inspector(platform, here.region, here.keep)
                found = inspector.vector(query, None, f"the free space of {name}").series
            except UnfitError as exc:
                here.judge(exc.judgement)
            else:
                here.judge(room_on(name, found, kind.at_least, min_free))

    asked.in_each_region(judge)


@when("the baseline of the release is looked up", target_fixture="looked_up")
def look_up_baseline(run: Run) -> Lookup:
    """Return the baseline, or why there is none to believe."""
    try:
        return load_baseline(run.platform)
    except (NoBaselineError, StoreError) as exc:
        return exc


@then("it is of today and holds traffic and latency")
def baseline_taken(looked_up: Lookup, asked: Asked) -> None:
    """Judge that the baseline of this release is young and holds each region's traffic and latency."""
    take_one = command(asked.platform)
    if isinstance(looked_up, NoBaselineError):
        asked.judge(expect(False, "the baseline", str(looked_up), take_one, rule="baseline taken"))
        return
    if not isinstance(looked_up, Baseline):
        asked.judge(unable("the baseline", str(looked_up), take_one, rule="baseline taken"))
        return
    limit = asked.platform.policy.people.baseline_max_age
    asked.judge(of_today(looked_up, utc_now(), limit, take_one))
    for region in asked.regions:
        for what in lacking(looked_up, region):
            words = f"{looked_up.named} holds no {what}"
            asked.check.judge(region, expect(None, "the baseline", words, take_one))

"""A load run as the judge needs it, and its generator judged: did it do what the plan asked for, undisturbed?

A shortfall is an ERROR: the instrument's, not the platform's.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Literal

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from settings.load import GeneratorLimits


@dataclasses.dataclass(frozen=True, slots=True)
class EndpointFacts:
    """One kind of request in one stage and region."""

    name: str
    requests: int
    """That ended, one way or another."""
    failed: int
    own: int
    """Failed by the generator's machine: no free port, descriptor, route, address for a name, or trust in
    the certificate's authority."""
    timeouts: int
    """Failed by their deadline; a generator that lags may be the cause."""
    slow: Mapping[float, int]
    """Threshold in seconds → requests that may have reached it, from the time they were due."""
    slow_service: Mapping[float, int]
    """The same from the time they were sent: what the platform took."""


@dataclasses.dataclass(frozen=True, slots=True)
class StageFacts:
    """One measured stage in one region."""

    number: int
    title: str
    region: str
    rps: float
    """What the plan asks for in this region."""
    planned_seconds: float
    lasted_seconds: float | None
    """None: it never began."""
    sent_by_second: tuple[int, ...]
    """Of each second that lies wholly within the stage."""
    due: int
    sent: int
    late: int
    dropped: int
    lag_p99_seconds: float
    """NaN: nobody measured it."""
    paused_seconds: float
    """By how much the engine's clock lagged beyond what makes a request late, in all."""
    cpu_share: float
    """Of the busiest worker in its busiest ten seconds, of one core; NaN: nobody measured it."""
    endpoints: tuple[EndpointFacts, ...]
    unreached: tuple[str, ...] = ()
    """Addresses of the target's name that took no connection, while others of their kind did."""
    required: bool = True
    """False: beyond what is wanted. It is judged, and the run may pass without it."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One process that sent."""

    name: str
    lost: bool
    """It went silent before it had told everything: what it sent is partly unknown."""
    clock_skew_seconds: float
    """Its clock less the master's; positive is ahead."""
    throttled_periods: int
    """In how many periods its control group was denied the processor; 0 where there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoadFacts:
    """The whole run."""

    model: Literal["open", "closed"]
    arrivals: Literal["poisson", "uniform"]
    ramp: bool
    """Its stages climb until one does not hold: those behind it may be missing."""
    stages: tuple[StageFacts, ...]
    """Every measured stage of the plan in every region, also one that never began."""
    workers: tuple[WorkerFacts, ...]
    expected_workers: int
    interrupted: str
    """Why it ended before its plan did; empty if it did not."""


RATE, SECOND, LATE, DROPPED, TOO_MUCH = (
    "sent rate",
    "each second",
    "late arrivals",
    "dropped arrivals",
    "no more than planned",
)
LAG, CPU, OWN, ALL_COUNTED = "loop lag", "worker CPU", "own failures", "all accounted for"
ADDRESSES = "every address"
KEEPING_UP = frozenset({RATE, SECOND, LATE, DROPPED})
HEALTH = frozenset({LAG, CPU})
_CLEARS = {
    RATE: "more workers, or a lower rate",
    SECOND: "no second short of its rate",
    LATE: "requests sent on time",
    DROPPED: "more connections, a faster platform or a lower rate",
    TOO_MUCH: "a generator that sends what was planned",
    LAG: "more workers, or separate processors for them",
    CPU: "more workers",
    OWN: "more ports and descriptors (ip_local_port_range, ulimit -n), a name that resolves, "
    "the environment's ca_file, a check that does not raise",
    ALL_COUNTED: "workers that report everything before they end",
    ADDRESSES: "each address of the target's name reachable from the generator",
    "workers": "every expected worker up to the end",
    "whole plan": "a run to the end of its plan",
    "whole stage": "a stage of its full length",
    "measured": "a longer run",
    "clock skew": "synchronised clocks",
    "throttling": "no processor limit below what a worker needs",
}
"""What makes a judgement of each rule good."""
_IN_SECONDS = frozenset({LAG, "whole stage", "clock skew"})
_CHANCE_OF_ALL, _CHANCE_OF_A_SECOND = 3.0, 5.0
"""Standard deviations that Poisson arrivals may lack, over a stage and in one of its many seconds."""
_CHANCE_OF_MORE = 5.0
"""By how many they may be too much: more than planned makes a platform look worse, never better."""
_ENDED_EARLY_SECONDS = 1.0


def judge_stage(
    stage: StageFacts, facts: LoadFacts, limits: GeneratorLimits
) -> tuple[Judgement, ...]:
    """Return what is to be said of the generator in a stage that began."""
    if facts.model == "closed":
        return (_no_rate(stage), *_health(stage, facts, limits))
    return (
        *_rates(stage, facts, limits),
        *_late(stage, limits),
        *_health(stage, facts, limits),
        *_whole(stage, facts),
    )


def judge_run(facts: LoadFacts, limits: GeneratorLimits) -> tuple[Judgement, ...]:
    """Return what is to be said of the workers and the run as a whole."""
    here = sorted((one for one in facts.workers if not one.lost), key=lambda one: one.name)
    lost = sorted(worker.name for worker in facts.workers if worker.lost)
    wanted = max(facts.expected_workers, 1)
    named = f": {', '.join(lost)} went silent" if lost else ""
    told = f"{len(here)} of {wanted} workers reported everything{named}"
    ended = f"ended early: {facts.interrupted}" if facts.interrupted else "ran to its end"
    return (
        _judged("workers", told, len(here), wanted, good=not lost and len(here) >= wanted),
        _judged("whole plan", ended, good=not facts.interrupted),
        *_measured(facts),
        *(one for worker in here for one in _worker(worker, limits)),
    )


def _measured(facts: LoadFacts) -> Iterator[Judgement]:
    """Say why a run without a measured stage is not evidence; others speak for themselves."""
    if not any(stage.required for stage in facts.stages):
        said = "no stage was measured: the run ended before its rate was steady"
        yield _judged("measured", said, good=False)


def fewest(expected: float, share: float, deviations: float, facts: LoadFacts) -> float:
    """Return the fewest arrivals that are no shortfall, where so many are expected.

    Poisson arrivals scatter around their mean; evenly spaced ones may miss a stretch's border, one of
    each worker's.
    """
    chance = math.sqrt(expected) * deviations
    if facts.arrivals == "uniform":
        chance = max(len(facts.workers), 1)
    return min(share * expected, expected - chance)


def _rates(stage: StageFacts, facts: LoadFacts, limits: GeneratorLimits) -> Iterator[Judgement]:
    seconds, sent = len(stage.sent_by_second), sum(stage.sent_by_second)
    expected = stage.rps * seconds
    if not (math.isfinite(expected) and expected > 0):
        short = _judged(RATE, "no whole second was measured", good=False)
        yield dataclasses.replace(short, clears="a longer stage")
        return
    least = fewest(expected, limits.rate, _CHANCE_OF_ALL, facts)
    yield _judged(
        RATE,
        f"sent {sent / seconds:,.1f}/s of {stage.rps:,.1f}/s, {sent / expected:.2%}, "
        f"wanted at least {least / expected:.2%}",
        sent / expected,
        least / expected,
        good=sent >= least,
        data={"sent": sent, "expected": expected, "seconds": seconds},
    )
    yield _each_second(stage, facts, limits)
    most = max(expected / limits.rate, expected + _CHANCE_OF_MORE * math.sqrt(expected))
    said = f"sent {sent:,} in {seconds} s, planned {expected:,.0f}"
    yield _judged(TOO_MUCH, said, sent, most, good=sent <= most)


def _each_second(stage: StageFacts, facts: LoadFacts, limits: GeneratorLimits) -> Judgement:
    least = fewest(stage.rps, limits.second, _CHANCE_OF_A_SECOND, facts)
    short = [sent for sent in stage.sent_by_second if sent < least]
    worst = min(stage.sent_by_second)
    said = (
        f"{len(short)} of {len(stage.sent_by_second)} seconds had less than "
        f"{max(least, 0):,.0f} requests; the emptiest {worst:,}"
    )
    return _judged(SECOND, said, worst, least, good=not short, data={"short_seconds": len(short)})


def _late(stage: StageFacts, limits: GeneratorLimits) -> Iterator[Judgement]:
    share = stage.late / stage.sent if stage.sent > 0 else math.nan
    said = (
        f"{stage.late:,} of {stage.sent:,} requests were sent late, "
        f"wanted less than {limits.late * 100:g} % of them"
    )
    said = said if stage.sent else "nothing was sent"
    yield _judged(LATE, said, share, limits.late, good=0 <= share < limits.late)
    yield _at_most(DROPPED, f"{stage.dropped:,} arrivals were never sent", stage.dropped, 0)


def _health(stage: StageFacts, facts: LoadFacts, limits: GeneratorLimits) -> Iterator[Judgement]:
    """Say how the generator itself was, and whether all that it did is known."""
    lag, share = stage.lag_p99_seconds, stage.cpu_share
    said = (
        f"the engine's clock lagged {lag * 1000:.3g} ms at p99, "
        f"wanted at most {limits.lag_p99 * 1000:g} ms"
    )
    unknown = "it was not measured how much the engine's clock lagged"
    yield _at_most(LAG, said if math.isfinite(lag) else unknown, lag, limits.lag_p99)
    most = limits.worker_cpu
    said = f"the busiest worker used {share:.0%} of a core, wanted at most {most:.0%}"
    unknown = "the processor time of a worker was not measured"
    yield _at_most(CPU, said if math.isfinite(share) else unknown, share, most)
    own = sum(one.own for one in stage.endpoints)
    said = (
        f"{own:,} requests found no port, descriptor, route, address or trusted certificate authority on "
        "the generator's machine, or met a check of the scenario that raised"
    )
    yield _at_most(OWN, said, own, 0)
    dead = f"{', '.join(stage.unreached)} took no connection: others of the name took the load"
    said = dead if stage.unreached else "every address that was tried took connections"
    yield _judged(ADDRESSES, said, good=not stage.unreached)
    missing = abs(stage.sent - sum(one.requests for one in stage.endpoints))
    if facts.model == "open":
        missing += abs(stage.due - stage.sent - stage.dropped)
    yield _at_most(ALL_COUNTED, f"{missing:,} requests are not accounted for", missing, 0)


def _whole(stage: StageFacts, facts: LoadFacts) -> Iterator[Judgement]:
    lasted, planned = stage.lasted_seconds or 0.0, stage.planned_seconds
    if facts.ramp or not math.isfinite(planned):
        return
    said = f"lasted {lasted:.0f} s of {planned:.0f} s"
    good = lasted >= planned - _ENDED_EARLY_SECONDS
    yield _judged("whole stage", said, lasted, planned, good=good)


def _worker(worker: WorkerFacts, limits: GeneratorLimits) -> Iterator[Judgement]:
    skew, denied = abs(worker.clock_skew_seconds), worker.throttled_periods
    said = f"the clock of worker {worker.name} is {skew * 1000:.3g} ms off the master's"
    unknown = f"nobody knows how far the clock of worker {worker.name} is off"
    known = math.isfinite(skew)
    yield _at_most("clock skew", said if known else unknown, skew, limits.clock_skew)
    said = f"worker {worker.name} was denied the processor in {denied} periods"
    yield _at_most("throttling", said, denied, limits.throttled_periods)


def _no_rate(stage: StageFacts) -> Judgement:
    return Judgement(
        Outcome.NOT_APPLICABLE,
        RATE,
        "generator",
        f"closed model: {stage.rps:g} connections ask again when they are answered, at no set rate; "
        "while the platform stalls nobody asks, so latency looks better than callers find it",
    )


def _at_most(rule: str, said: str, observed: float, most: float) -> Judgement:
    """Judge a figure that must be known, must not be negative and must not exceed a limit."""
    return _judged(rule, said, observed, most, good=0 <= observed <= most)


def _judged(
    rule: str,
    said: str,
    observed: float | None = None,
    target: float | None = None,
    *,
    good: bool,
    data: Mapping[str, float] | None = None,
) -> Judgement:
    return Judgement(
        Outcome.PASS if good else Outcome.ERROR,
        rule,
        "generator",
        said,
        observed=observed if observed is None or math.isfinite(observed) else None,
        target=target,
        unit="s" if rule in _IN_SECONDS else "",
        clears="" if good else _CLEARS[rule],
        data=data or {},
    )

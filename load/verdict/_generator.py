"""Judges a load run's generator: did it do what the plan asked for, undisturbed?

A shortfall is an ERROR: the instrument's, not the platform's.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from load.verdict._facts import LoadFacts, StageFacts, WorkerFacts
from settings.load import GeneratorLimits

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
_CHANCE_OF_ALL, _CHANCE_OF_A_SECOND = 3.0, 5.0
"""Standard deviations that Poisson arrivals may lack, over a stage and in one of its many seconds."""
_CHANCE_OF_MORE = 5.0
"""By how many they may be too much: more than planned makes a platform look worse, never better."""
_ENDED_EARLY_SECONDS = 1.0


def judge_stage(
    stage: StageFacts, facts: LoadFacts, limits: GeneratorLimits
) -> tuple[Judgement, ...]:
    """Return what is to be said of the generator in a stage that began."""
    found = [
        _lag(stage, limits), _cpu(stage, limits), _own(stage), _addresses(stage),
        _all_counted(stage, facts),
    ]  # fmt: skip
    if facts.model == "closed":
        return (_no_rate(stage), *found)
    rates = (_late(stage, limits), _dropped(stage))
    return (*_rates(stage, facts, limits), *rates, *found, *_whole(stage, facts))


def judge_run(facts: LoadFacts, limits: GeneratorLimits) -> tuple[Judgement, ...]:
    """Return what is to be said of the workers and the run as a whole."""
    here = sorted((one for one in facts.workers if not one.lost), key=lambda one: one.name)
    lost = sorted(worker.name for worker in facts.workers if worker.lost)
    wanted = max(facts.expected_workers, 1)
    named = f": {', '.join(lost)} went silent" if lost else ""
    judged = [
        _judged(
            "workers",
            f"{len(here)} of {wanted} workers told everything{named}",
            good=not lost and len(here) >= wanted,
            observed=len(here),
            target=wanted,
            clears="every expected worker up to the end",
        ),
        _judged(
            "whole plan",
            f"ended early: {facts.interrupted}" if facts.interrupted else "ran to its end",
            good=not facts.interrupted,
            clears="a run to the end of its plan",
        ),
    ]
    return (
        *judged,
        *_measured(facts),
        *(one for worker in here for one in _worker(worker, limits)),
    )


def _measured(facts: LoadFacts) -> Iterator[Judgement]:
    """Say why a run without a measured stage is no evidence; others speak for themselves."""
    if not any(stage.required for stage in facts.stages):
        yield _judged(
            "measured",
            "no stage was measured: the run ended before its rate was steady",
            good=False,
            clears="a longer run",
        )


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
    if not _positive(expected):
        yield _judged(RATE, "no whole second was measured", good=False, clears="a longer stage")
        return
    least = fewest(expected, limits.rate, _CHANCE_OF_ALL, facts)
    yield _judged(
        RATE,
        f"sent {sent / seconds:,.1f}/s of {stage.rps:,.1f}/s, {sent / expected:.2%}, "
        f"wanted at least {least / expected:.2%}",
        good=sent >= least,
        observed=sent / expected,
        target=least / expected,
        clears="more workers, or a lower rate",
        data={"sent": sent, "expected": expected, "seconds": seconds},
    )
    yield _each_second(stage, facts, limits)
    most = max(expected / limits.rate, expected + _CHANCE_OF_MORE * math.sqrt(expected))
    yield _judged(
        TOO_MUCH,
        f"sent {sent:,} in {seconds} s, planned {expected:,.0f}",
        good=sent <= most,
        observed=sent,
        target=most,
        clears="a generator that sends what was planned",
    )


def _each_second(stage: StageFacts, facts: LoadFacts, limits: GeneratorLimits) -> Judgement:
    least = fewest(stage.rps, limits.second, _CHANCE_OF_A_SECOND, facts)
    short = [sent for sent in stage.sent_by_second if sent < least]
    worst = min(stage.sent_by_second)
    return _judged(
        SECOND,
        f"{len(short)} of {len(stage.sent_by_second)} seconds had less than "
        f"{max(least, 0):,.0f} requests; the emptiest {worst:,}",
        good=not short,
        observed=worst,
        target=least,
        clears="no second short of its rate",
        data={"short_seconds": len(short)},
    )


def _late(stage: StageFacts, limits: GeneratorLimits) -> Judgement:
    share = stage.late / stage.sent if stage.sent > 0 else math.nan
    return _judged(
        LATE,
        f"{stage.late:,} of {stage.sent:,} requests were sent late, "
        f"wanted less than {limits.late * 100:g} % of them"
        if stage.sent
        else "nothing was sent",
        good=0 <= share < limits.late,
        observed=_finite(share),
        target=limits.late,
        clears="requests sent on time",
    )


def _dropped(stage: StageFacts) -> Judgement:
    return _judged(
        DROPPED,
        f"{stage.dropped:,} arrivals were never sent",
        good=stage.dropped == 0,
        observed=stage.dropped,
        target=0,
        clears="more connections, a faster platform or a lower rate",
    )


def _lag(stage: StageFacts, limits: GeneratorLimits) -> Judgement:
    lag = stage.lag_p99_seconds
    return _judged(
        LAG,
        f"the engine's clock lagged {lag * 1000:.3g} ms at p99, "
        f"wanted at most {limits.lag_p99 * 1000:g} ms"
        if math.isfinite(lag)
        else "nobody measured how much the engine's clock lagged",
        good=0 <= lag <= limits.lag_p99,
        observed=_finite(lag),
        target=limits.lag_p99,
        unit="s",
        clears="more workers, or processors of their own for them",
    )


def _cpu(stage: StageFacts, limits: GeneratorLimits) -> Judgement:
    share = stage.cpu_share
    return _judged(
        CPU,
        f"the busiest worker used {share:.0%} of a core, wanted at most {limits.worker_cpu:.0%}"
        if math.isfinite(share)
        else "nobody measured the processor time of a worker",
        good=0 <= share <= limits.worker_cpu,
        observed=_finite(share),
        target=limits.worker_cpu,
        clears="more workers",
    )


def _own(stage: StageFacts) -> Judgement:
    own = sum(one.own for one in stage.endpoints)
    return _judged(
        OWN,
        f"{own:,} requests found no port, descriptor, route, address or trusted certificate authority on "
        "the generator's machine, or met a check of the scenario that raised",
        good=own == 0,
        observed=own,
        target=0,
        clears="more ports and descriptors (ip_local_port_range, ulimit -n), a name that resolves, "
        "the environment's ca_file, a check that does not raise",
    )


def _addresses(stage: StageFacts) -> Judgement:
    return _judged(
        ADDRESSES,
        f"{', '.join(stage.unreached)} took no connection: others of the name took the load"
        if stage.unreached
        else "every address that was tried took connections",
        good=not stage.unreached,
        clears="each address of the target's name reachable from the generator",
    )


def _all_counted(stage: StageFacts, facts: LoadFacts) -> Judgement:
    ended = sum(one.requests for one in stage.endpoints)
    missing = abs(stage.sent - ended)
    if facts.model == "open":
        missing += abs(stage.due - stage.sent - stage.dropped)
    return _judged(
        ALL_COUNTED,
        f"{missing:,} requests are not accounted for",
        good=missing == 0,
        observed=missing,
        target=0,
        clears="workers that tell everything before they end",
    )


def _whole(stage: StageFacts, facts: LoadFacts) -> Iterator[Judgement]:
    lasted = stage.lasted_seconds or 0.0
    if facts.ramp or not math.isfinite(stage.planned_seconds):
        return
    yield _judged(
        "whole stage",
        f"lasted {lasted:.0f} s of {stage.planned_seconds:.0f} s",
        good=lasted >= stage.planned_seconds - _ENDED_EARLY_SECONDS,
        observed=lasted,
        target=stage.planned_seconds,
        unit="s",
        clears="a stage of its full length",
    )


def _worker(worker: WorkerFacts, limits: GeneratorLimits) -> Iterator[Judgement]:
    skew = abs(worker.clock_skew_seconds)
    yield _judged(
        "clock skew",
        f"the clock of worker {worker.name} is {skew * 1000:.3g} ms off the master's"
        if math.isfinite(skew)
        else f"nobody knows how far the clock of worker {worker.name} is off",
        good=skew <= limits.clock_skew,
        observed=_finite(skew),
        target=limits.clock_skew,
        unit="s",
        clears="synchronised clocks",
    )
    yield _judged(
        "throttling",
        f"worker {worker.name} was denied the processor in {worker.throttled_periods} periods",
        good=0 <= worker.throttled_periods <= limits.throttled_periods,
        observed=worker.throttled_periods,
        target=limits.throttled_periods,
        clears="no processor limit below what a worker needs",
    )


def _no_rate(stage: StageFacts) -> Judgement:
    return Judgement(
        Outcome.NOT_APPLICABLE,
        RATE,
        "generator",
        f"closed model: {stage.rps:g} connections ask again when they are answered, at no set rate; "
        "while the platform stalls nobody asks, so latency looks better than callers find it",
    )


def _judged(rule: str, sentence: str, *, good: bool, **fields: Any) -> Judgement:
    made = Judgement(Outcome.PASS if good else Outcome.ERROR, rule, "generator", sentence)
    if good:
        fields.pop("clears", None)
    return dataclasses.replace(made, **fields)


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

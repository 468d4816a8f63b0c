"""Judges a load run's generator: did it do what the plan asked for, undisturbed?

A shortfall is an ERROR: the instrument's, not the platform's.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

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


def _late(stage: StageFacts, limits: GeneratorLimits) -> Judgement:
    share = stage.late / stage.sent if stage.sent > 0 else math.nan
    said = (
        f"{stage.late:,} of {stage.sent:,} requests were sent late, "
        f"wanted less than {limits.late * 100:g} % of them"
    )
    said = said if stage.sent else "nothing was sent"
    return _judged(LATE, said, share, limits.late, good=0 <= share < limits.late)


def _dropped(stage: StageFacts) -> Judgement:
    return _at_most(DROPPED, f"{stage.dropped:,} arrivals were never sent", stage.dropped, 0)


def _lag(stage: StageFacts, limits: GeneratorLimits) -> Judgement:
    lag = stage.lag_p99_seconds
    said = (
        f"the engine's clock lagged {lag * 1000:.3g} ms at p99, "
        f"wanted at most {limits.lag_p99 * 1000:g} ms"
    )
    unknown = "it was not measured how much the engine's clock lagged"
    return _at_most(LAG, said if math.isfinite(lag) else unknown, lag, limits.lag_p99)


def _cpu(stage: StageFacts, limits: GeneratorLimits) -> Judgement:
    share, most = stage.cpu_share, limits.worker_cpu
    said = f"the busiest worker used {share:.0%} of a core, wanted at most {most:.0%}"
    unknown = "the processor time of a worker was not measured"
    return _at_most(CPU, said if math.isfinite(share) else unknown, share, most)


def _own(stage: StageFacts) -> Judgement:
    own = sum(one.own for one in stage.endpoints)
    said = (
        f"{own:,} requests found no port, descriptor, route, address or trusted certificate authority on "
        "the generator's machine, or met a check of the scenario that raised"
    )
    return _at_most(OWN, said, own, 0)


def _addresses(stage: StageFacts) -> Judgement:
    dead = f"{', '.join(stage.unreached)} took no connection: others of the name took the load"
    said = dead if stage.unreached else "every address that was tried took connections"
    return _judged(ADDRESSES, said, good=not stage.unreached)


def _all_counted(stage: StageFacts, facts: LoadFacts) -> Judgement:
    ended = sum(one.requests for one in stage.endpoints)
    missing = abs(stage.sent - ended)
    if facts.model == "open":
        missing += abs(stage.due - stage.sent - stage.dropped)
    return _at_most(ALL_COUNTED, f"{missing:,} requests are not accounted for", missing, 0)


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

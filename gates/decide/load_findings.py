"""What a load run shows beyond its verdict: the highest rate that held, the bottleneck, the recovery."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from gates.decide import load_generator
from gates.decide.judgement import Judgement
from gates.decide.load_policy import LoadPolicy
from gates.decide.load_verdict import LoadResult, LoadVerdict, StageVerdict, result_of
from gates.decide.outcome import Outcome

STEADY_SECONDS = 3
"""So many seconds in a row have to be good: one good second is no recovery."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sustained:
    """How far a ramp came."""

    rps: float | None
    """The highest rate up to which everything held; None where not even the first stage did."""
    why_not_more: str
    """Empty where every stage held."""


def sustained(verdict: LoadVerdict) -> Sustained:
    """Return the highest rate that held: its stage and all before it are PASS in every region."""
    if result_of(verdict.run) is not LoadResult.PASS:
        return Sustained(None, _first_bad(verdict.run))
    held: float | None = None
    for number in sorted({one.stage.number for one in verdict.stages}):
        here = [one for one in verdict.stages if one.stage.number == number]
        rps = sum(one.stage.rps for one in here)
        bad = [one for one in here if one.result is not LoadResult.PASS]
        if bad:
            worst = min(bad, key=lambda one: one.result is not LoadResult.FAIL)
            return Sustained(held, f"{rps:,.0f}/s: {_first_bad(worst.judgements)}")
        held = rps
    return Sustained(held, "")


def _first_bad(judgements: Iterable[Judgement]) -> str:
    bad = [one for one in judgements if one.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)]
    bad.sort(key=lambda one: one.outcome is not Outcome.FAIL)
    return bad[0].sentence if bad else "it was not measured"


Cause = Literal["generator", "target", "connections", "ports"]


@dataclasses.dataclass(frozen=True, slots=True)
class Bottleneck:
    """What limited the run first."""

    cause: Cause
    sentence: str


def bottleneck(verdict: LoadVerdict) -> Bottleneck | None:
    """Return what limited the first stage that did not pass; None where all did."""
    for stage in verdict.stages:
        if stage.result is not LoadResult.PASS and stage.stage.lasted_seconds is not None:
            return _of_stage(stage)
    bad = [one for one in verdict.run if one.outcome is not Outcome.PASS]
    return Bottleneck("generator", bad[0].sentence) if bad else None


def _of_stage(stage: StageVerdict) -> Bottleneck | None:
    found = [one for one in stage.judgements if one.outcome is not Outcome.PASS]
    bad = {one.rule: one for one in found}
    own = sum(one.own for one in stage.stage.endpoints)
    if own:
        return Bottleneck("ports", bad[load_generator.OWN].sentence)
    for rule in (load_generator.LAG, load_generator.CPU):
        if rule in bad:
            return Bottleneck("generator", bad[rule].sentence)
    failed = [one for one in found if one.outcome is Outcome.FAIL]
    short = [bad[rule] for rule in sorted(load_generator.KEEPING_UP) if rule in bad]
    if failed:
        beside = f"; {short[0].sentence} while the generator itself was well" if short else ""
        return Bottleneck("target", f"{failed[0].sentence}{beside}")
    if short and (stage.stage.late or stage.stage.dropped):
        return Bottleneck(
            "connections",
            f"{short[0].sentence} although the generator was well and the platform answered what it "
            "was sent in time: all connections were taken; allow rate x p99.9 x 2 of them",
        )
    return Bottleneck("generator", short[0].sentence) if short else None


@dataclasses.dataclass(frozen=True, slots=True)
class SecondFacts:
    """One second behind a spike, over all regions."""

    after_seconds: int
    completed: int
    failed: int
    slow: Mapping[float, int]
    """Threshold → of those completed in it."""


def recovery_seconds(seconds: Sequence[SecondFacts], policy: LoadPolicy) -> int | None:
    """Return how long behind a spike every objective over all requests was missed; None: to the end.

    A second in which nothing was completed is no good one.
    """
    good = [_is_good(second, policy) for second in seconds]
    for place in range(len(good) - STEADY_SECONDS + 1):
        if all(good[place : place + STEADY_SECONDS]):
            return seconds[place].after_seconds
    return None


def _is_good(second: SecondFacts, policy: LoadPolicy) -> bool:
    if second.completed <= 0:
        return False
    for objective in policy.objectives:
        over = objective.target.over_seconds
        bad = second.failed if over is None else second.slow[over]
        if objective.endpoint is None and bad / second.completed > objective.target.budget:
            return False
    return True

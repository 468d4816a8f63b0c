"""What a load run shows beyond its verdict: the highest rate that held, the bottleneck, the recovery."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from load.verdict import _generator
from load.verdict._facts import StageFacts
from load.verdict._judge import LoadResult, LoadVerdict, StageVerdict, result_of
from settings.load import LoadPolicy

STEADY_SECONDS = 3
"""So many seconds in a row have to be good: one good second is not a recovery."""


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


_PAUSE_ECHO = 2.0
"""What piles up in a pause delays as much again behind it."""
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
    unwell = [bad[rule] for rule in sorted(_generator.HEALTH) if rule in bad]
    short = [bad[rule] for rule in sorted(_generator.KEEPING_UP) if rule in bad]
    failed = next((one for one in found if one.outcome is Outcome.FAIL), None)
    if failed is not None:
        return Bottleneck("target", f"{failed.sentence}{_beside(unwell, short)}")
    if _generator.OWN in bad:
        return Bottleneck("ports", bad[_generator.OWN].sentence)
    if unwell:
        return Bottleneck("generator", unwell[0].sentence)
    return _of_shortfall(stage.stage, short) if short else None


def _beside(unwell: list[Judgement], short: list[Judgement]) -> str:
    """Return how the generator was beside a failure of the platform."""
    if unwell:
        return f"; the generator fell short too: {unwell[0].sentence}"
    return f"; {short[0].sentence} while the generator itself was well" if short else ""


def _of_shortfall(stage: StageFacts, short: list[Judgement]) -> Bottleneck:
    """Return why a generator that was well fell short of a platform that answered in time."""
    by_pauses = _PAUSE_ECHO * stage.rps * stage.paused_seconds
    if stage.dropped or stage.late > by_pauses:
        return Bottleneck(
            "connections",
            f"{short[0].sentence} although the generator was well and the platform answered what it "
            "was sent in time: all connections were taken; allow rate x p99.9 x 2 of them",
        )
    pauses = f", in pauses of {stage.paused_seconds:.2g} s in all" if stage.late else ""
    return Bottleneck("generator", f"{short[0].sentence}{pauses}")


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

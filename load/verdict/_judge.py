"""The verdict of a load run: PASS, FAIL or INVALID, by stage and region, with reasons.

PASS: every objective is proved in every measured stage and region, by a generator that did what was
planned. FAIL: something is disproved, and the generator cannot be its cause. INVALID: anything else.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from gates.decide.counting.objective import Evidence, judge_target
from gates.decide.counting.statistics import Counts, events_to_prove
from gates.decide.judgement import Judgement, outcome_of
from gates.decide.outcome import Outcome
from load.verdict import _generator
from load.verdict._generator import EndpointFacts, LoadFacts, StageFacts
from settings.load import LoadObjective, LoadPolicy
from settings.objectives import Limit


class LoadResult(enum.StrEnum):
    """What a load run proves of the platform."""

    PASS = "PASS"  # noqa: S105 - a result, not a password
    FAIL = "FAIL"
    INVALID = "INVALID"
    """Nothing: the generator fell short, or there was too little to prove anything."""

    @property
    def exit_code(self) -> int:
        """Return the process exit code, in the words of the gate's: go, measured and bad, undecided."""
        return _EXIT_CODES[self]


_EXIT_CODES = {LoadResult.PASS: 0, LoadResult.FAIL: 10, LoadResult.INVALID: 20}
_RESULTS = {Outcome.PASS: LoadResult.PASS, Outcome.FAIL: LoadResult.FAIL}
"""Every other outcome is INVALID."""


@dataclasses.dataclass(frozen=True, slots=True)
class StageVerdict:
    """One measured stage in one region."""

    stage: StageFacts
    judgements: tuple[Judgement, ...]

    @property
    def result(self) -> LoadResult:
        """Return what the stage proves there."""
        return result_of(self.judgements)

    @property
    def asked(self) -> bool:
        """Return whether it was judged at all: a ramp that broke asks for no more."""
        return any(one.outcome is not Outcome.NOT_APPLICABLE for one in self.judgements)


@dataclasses.dataclass(frozen=True, slots=True)
class LoadVerdict:
    """What a run proves."""

    stages: tuple[StageVerdict, ...]
    run: tuple[Judgement, ...]
    """Of the workers and the run as a whole: they count in every region."""

    @property
    def result(self) -> LoadResult:
        """Return the worst region's result, of the stages that are required; INVALID without any."""
        return self._result_of(self.stages)

    @property
    def regions(self) -> Mapping[str, LoadResult]:
        """Return the result of each region on its own."""
        return {
            region: self._result_of(one for one in self.stages if one.stage.region == region)
            for region in sorted({stage.stage.region for stage in self.stages})
        }

    def _result_of(self, stages: Iterable[StageVerdict]) -> LoadResult:
        required = [one for stage in stages if stage.stage.required for one in stage.judgements]
        return result_of([*required, *self.run]) if required else LoadResult.INVALID


@dataclasses.dataclass(frozen=True, slots=True)
class _Aim:
    title: str
    target: Limit


def judge(facts: LoadFacts, policy: LoadPolicy) -> LoadVerdict:
    """Return the verdict of a whole run."""
    stages: list[StageVerdict] = []
    lost = fell_short = False
    for number in sorted({stage.number for stage in facts.stages}):
        of_number = [
            StageVerdict(
                stage,
                _judge_stage(
                    stage,
                    facts,
                    policy,
                    over=facts.ramp and (lost or (fell_short and not stage.required)),
                ),
            )
            for stage in sorted(facts.stages, key=lambda one: one.region)
            if stage.number == number
        ]
        bad = [one.stage for one in of_number if one.result is not LoadResult.PASS]
        fell_short = fell_short or bool(bad)
        # Nothing behind such a stage can make the run pass again.
        lost = lost or any(one.required for one in bad)
        stages.extend(of_number)
    return LoadVerdict(tuple(stages), _generator.judge_run(facts, policy.generator))


def result_of(judgements: Iterable[Judgement]) -> LoadResult:
    """Return what judgements amount to; INVALID when there are none, or none applies."""
    outcome = outcome_of(tuple(judgements))
    return LoadResult.INVALID if outcome is None else _RESULTS.get(outcome, LoadResult.INVALID)


def _judge_stage(
    stage: StageFacts, facts: LoadFacts, policy: LoadPolicy, *, over: bool
) -> tuple[Judgement, ...]:
    if stage.lasted_seconds is None:
        return (_never_began(stage, over=over),)
    generator = _generator.judge_stage(stage, facts, policy.generator)
    doubt = _Doubt.of(generator, facts)
    return (*generator, *_objectives(stage, policy.objectives, doubt))


def _never_began(stage: StageFacts, *, over: bool) -> Judgement:
    why = "the ramp ended before it" if over else "it never began"
    outcome = Outcome.NOT_APPLICABLE if over else Outcome.ERROR
    return Judgement(outcome, "measured", "stage", f"{why}: {stage.title or stage.number}")


@dataclasses.dataclass(frozen=True, slots=True)
class _Doubt:
    """Why what looks like the platform's failure may be the generator's."""

    unwell: str
    """Its own delays are in the latencies; empty if they are not."""
    short: str
    """It sent late or not everything, maybe because the platform held its connections."""
    wrong: str
    """The platform was asked for more than planned."""
    closed: bool
    """Callers waited for their answers, so a stall kept them from asking."""

    @classmethod
    def of(cls, generator: Iterable[Judgement], facts: LoadFacts) -> _Doubt:
        """Read it from what was judged of the generator."""
        bad = {one.rule: one.sentence for one in generator if one.outcome is not Outcome.PASS}
        throttled = min((one.name for one in facts.workers if one.throttled_periods), default="")
        unwell = [bad[rule] for rule in sorted(_generator.HEALTH) if rule in bad]
        if throttled:
            unwell.append(f"worker {throttled} was denied the processor")
        return cls(
            unwell=unwell[0] if unwell else "",
            short=next((bad[rule] for rule in sorted(_generator.KEEPING_UP & set(bad))), "")
            if facts.model == "open"
            else "",
            closed=facts.model == "closed",
            wrong=bad.get(_generator.TOO_MUCH, ""),
        )


def _objectives(
    stage: StageFacts, objectives: Iterable[LoadObjective], doubt: _Doubt
) -> Iterator[Judgement]:
    for objective in objectives:
        if objective.endpoint is None:
            yield _judge(objective, objective.title, stage.endpoints, stage, doubt)
            continue
        covered = [one for one in stage.endpoints if objective.covers(one.name)]
        if not covered:
            yield _nothing_covered(objective)
        for one in covered:
            yield _judge(objective, f"{objective.title}, {one.name}", (one,), stage, doubt)


def _nothing_covered(objective: LoadObjective) -> Judgement:
    return Judgement(
        Outcome.INCONCLUSIVE,
        "error budget",
        objective.title,
        f"{objective.title}: no endpoint of this run matches “{objective.endpoint}”",
        clears="requests to such an endpoint, or another pattern",
    )


def _judge(
    objective: LoadObjective,
    title: str,
    endpoints: tuple[EndpointFacts, ...],
    stage: StageFacts,
    doubt: _Doubt,
) -> Judgement:
    aim = _Aim(title, objective.target)
    evidence = Evidence(stage.lasted_seconds or 0.0, {}, "", {})
    judged = judge_target(aim, _counts(objective, endpoints), evidence)
    if judged.outcome is Outcome.PASS and doubt.closed:
        return dataclasses.replace(
            judged,
            outcome=Outcome.INCONCLUSIVE,
            sentence=f"{judged.sentence} of the requests that waiting callers sent: a closed loop proves no "
            "target, as nobody asks while the platform stalls",
            clears="a run at a rate (--rps)",
        )
    if judged.outcome is not Outcome.FAIL:
        return judged
    judged = dataclasses.replace(judged, means=None)
    why = _doubted(objective, endpoints, aim, doubt)
    if not why:
        return judged
    return dataclasses.replace(
        judged,
        outcome=Outcome.INCONCLUSIVE,
        sentence=f"{judged.sentence}; this may be the generator's own doing: {why}",
        clears="a run whose generator keeps up",
    )


def _counts(objective: LoadObjective, endpoints: tuple[EndpointFacts, ...]) -> Counts:
    total = sum(one.requests for one in endpoints)
    over = objective.target.over_seconds
    if over is None:
        return Counts(sum(one.failed for one in endpoints), total)
    return Counts(sum(one.slow[over] for one in endpoints), total)


def _doubted(
    objective: LoadObjective, endpoints: tuple[EndpointFacts, ...], aim: _Aim, doubt: _Doubt
) -> str:
    """Return why a disproved objective does not count as the platform's failure, or nothing.

    Errors stand when they are too many even without those that the generator can have caused.
    Latency stands when the generator was well and, if it fell short, when the time from sending alone
    disproves the objective: then it was not the wait for a connection.
    """
    if doubt.wrong:
        return doubt.wrong
    total = sum(one.requests for one in endpoints)
    over = objective.target.over_seconds
    if over is None:
        own = sum(one.own + (one.timeouts if doubt.unwell else 0) for one in endpoints)
        left = Counts(sum(one.failed for one in endpoints) - own, total - own)
        caused = (
            doubt.unwell or "no port, descriptor, route, address or trust, or a check that raised"
        )
        return "" if _disproves(aim, left) else caused
    if doubt.unwell:
        return doubt.unwell
    service = Counts(sum(one.slow_service[over] for one in endpoints), total)
    return "" if not doubt.short or _disproves(aim, service) else doubt.short


def _disproves(aim: _Aim, counts: Counts) -> bool:
    return judge_target(aim, counts, Evidence(0.0, {}, "", {})).outcome is Outcome.FAIL


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


def unprovable(events: float, objectives: Iterable[LoadObjective]) -> str | None:
    """Return why so many requests of a region can't prove the objectives, however good; None: they can."""
    needed = [
        (events_to_prove(0, one.target.budget), one.title)
        for one in objectives
        if one.endpoint is None
    ]
    most, title = max(needed, default=(0, ""))
    if most <= events:
        return None
    return (
        f"this run can prove nothing: it sends {events:,.0f} requests to a region, and “{title}” takes "
        f"{most:,} good ones; send faster or for longer"
    )

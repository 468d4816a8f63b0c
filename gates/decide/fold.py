"""The fold: from check results to one decision, region by region, the worst wins.

The only place that turns outcomes into a decision. Every required check must have run exactly once in
every region; what is missing or doubled holds the release as surely as what failed.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence

from gates.decide.catalogue import Row
from gates.decide.judgement import Judgement, outcome_of
from gates.decide.kept import Kept
from gates.decide.outcome import (
    Decision,
    Meaning,
    Outcome,
    mildest_meaning,
    worst_decision,
    worst_outcome,
)
from gates.decide.statements import WAIVABLE, Waiver

MISSING = "MISSING"
DOUBLED = "DOUBLED"
WAIVED = "WAIVED"


class Stage(enum.StrEnum):
    """Where the deployment stands: what a failure can still mean."""

    BEFORE = "before the deployment"
    NOT_SWITCHED = "deploying, nothing is live"
    LIVE = "carrying traffic"
    TAKEN_BACK = "rolled back"


@dataclasses.dataclass(frozen=True, slots=True)
class RegionResult:
    """What one check found in one region; a check that did not run there has no result."""

    check: str
    region: str
    judgements: tuple[Judgement, ...]

    @property
    def outcome(self) -> Outcome | None:
        """Return the worst of the judgements."""
        return outcome_of(self.judgements)


@dataclasses.dataclass(frozen=True, slots=True)
class Reason(Kept):
    """Why a region is not GO."""

    check: str | None
    """None: the run itself, not a check."""
    region: str | None
    outcome: str
    decision: Decision
    sentence: str
    owner: str | None
    judgement: Judgement | None


@dataclasses.dataclass(frozen=True, slots=True)
class Folded:
    """The decision and every reason for it."""

    decision: Decision
    by_region: Mapping[str, Decision]
    reasons: tuple[Reason, ...]
    advisories: tuple[Reason, ...]
    waived: tuple[Reason, ...] = ()
    """What is not good, and may pass: people signed for it."""


def fold(
    rows: Sequence[Row],
    regions: Sequence[str],
    results: Iterable[RegionResult],
    stages: Stage | Mapping[str, Stage],
    problems: Sequence[str] = (),
    waivers: Sequence[Waiver] = (),
) -> Folded:
    """Fold results against the manifest `rows`; `problems` are faults of the run itself.

    `stages` says what a failure can mean: one stage for all rows, or each check's own.

    GO in a region needs every row exactly once with PASS or NOT_APPLICABLE and at least one PASS.
    A waived row may have what its waiver was given for, and nothing worse; it is no PASS.
    A problem of the run holds every region. Results for unknown checks or regions hold as well:
    something ran that nobody asked for, so the manifest and the run disagree.
    """
    found: dict[tuple[str, str], list[RegionResult]] = collections.defaultdict(list)
    for result in results:
        found[result.check, result.region].append(result)
    reasons = [_run_problem(problem) for problem in problems]
    reasons += _strangers(found, {row.id for row in rows}, set(regions))
    advisories: list[Reason] = []
    passed: list[Reason] = []
    by_region = {}
    for region in regions:
        mine = [reason for row in rows for reason in _judge_row(row, region, found, stages)]
        counted = [_let_pass(reason, waivers) for reason in mine]
        folded = [reason for reason in counted if reason.decision is not Decision.GO]
        advisories += [reason for reason in mine if reason.decision is Decision.GO]
        passed += [one for one, was in zip(counted, mine, strict=True) if one is not was]
        if not folded and not _any_pass(rows, region, found):
            folded.append(_run_problem(f"no required check ran and passed in {region}", region))
        by_region[region] = worst_decision(
            [Decision.GO, *(reason.decision for reason in folded), *_shared(reasons)]
        )
        reasons += folded
    if not regions:
        reasons.append(_run_problem("there is no region to measure"))
    decision = worst_decision([Decision.GO, *(reason.decision for reason in reasons)])
    return Folded(
        decision, by_region, tuple(_worst_first(reasons)), tuple(advisories), tuple(passed)
    )


def decision_for(meaning: Meaning, stage: Stage) -> Decision:
    """Return what a required FAIL with this meaning decides at this stage."""
    if meaning is Meaning.ADVISORY:
        return Decision.GO
    if stage is Stage.BEFORE:
        return Decision.NO_GO
    if meaning is Meaning.HOLD or stage is Stage.TAKEN_BACK:
        # A rollback that is not complete is gone on with; there is no second one behind it.
        return Decision.HOLD
    return Decision.STOP if stage is Stage.NOT_SWITCHED else Decision.ROLLBACK


def _let_pass(reason: Reason, waivers: Sequence[Waiver]) -> Reason:
    """Return a reason as it counts: what stops or rolls back is never waived, nor what broke."""
    waived = any(
        one.check == reason.check
        and reason.outcome in WAIVABLE
        and worst_outcome([Outcome(reason.outcome), one.found]) is one.found
        for one in waivers
    )
    if not waived or reason.decision not in (Decision.HOLD, Decision.NO_GO):
        return reason
    return dataclasses.replace(reason, decision=Decision.GO)


def _judge_row(
    row: Row,
    region: str,
    found: Mapping[tuple[str, str], list[RegionResult]],
    stages: Stage | Mapping[str, Stage],
) -> list[Reason]:
    """Return why a row is not good in a region; a doubled check never hides what it measured."""
    stage = stages if isinstance(stages, Stage) else stages[row.id]
    results = found.get((row.id, region), [])
    ran = any(result.outcome is not None for result in results)
    times = len(results) if ran else 0
    did = f"ran {times} times" if ran else "ran and judged nothing" if results else "did not run"
    reasons = [] if times == 1 else [_not_once(row, region, times, did)]
    good = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    return reasons + [
        _reason(row, region, judgement, stage)
        for result in results
        for judgement in result.judgements
        if judgement.outcome not in good
    ]


def _reason(row: Row, region: str, judgement: Judgement, stage: Stage) -> Reason:
    if row.on_fail is Meaning.ADVISORY:
        decision = Decision.GO
    elif judgement.outcome is Outcome.FAIL:
        meaning = mildest_meaning(judgement.means or row.on_fail, row.on_fail)
        # Only the catalogue makes a check advisory; a check can't excuse itself.
        meaning = Meaning.HOLD if meaning is Meaning.ADVISORY else meaning
        decision = decision_for(meaning, stage)
    else:
        decision = Decision.HOLD
    outcome = judgement.outcome.value
    return Reason(
        row.id, region, outcome, decision, judgement.sentence, owner=row.owner, judgement=judgement
    )


def _not_once(row: Row, region: str, times: int, did: str) -> Reason:
    outcome = MISSING if times == 0 else DOUBLED
    decision = Decision.GO if row.on_fail is Meaning.ADVISORY else Decision.HOLD
    sentence = f"the check {did} in {region}; every required check runs exactly once"
    return Reason(row.id, region, outcome, decision, sentence, owner=row.owner, judgement=None)


def _strangers(
    found: Mapping[tuple[str, str], list[RegionResult]], checks: set[str], regions: set[str]
) -> list[Reason]:
    return [
        _run_problem(f"a result came for {check} in {region}, which this run did not ask for")
        for check, region in found
        if check not in checks or region not in regions
    ]


def _any_pass(
    rows: Sequence[Row], region: str, found: Mapping[tuple[str, str], list[RegionResult]]
) -> bool:
    return any(
        result.outcome is Outcome.PASS
        for row in rows
        if row.on_fail is not Meaning.ADVISORY
        for result in found.get((row.id, region), [])
    )


def _run_problem(sentence: str, region: str | None = None) -> Reason:
    return Reason(None, region, "RUN", Decision.HOLD, sentence, owner=None, judgement=None)


def _shared(reasons: Iterable[Reason]) -> list[Decision]:
    return [reason.decision for reason in reasons if reason.region is None]


def _worst_first(reasons: Iterable[Reason]) -> list[Reason]:
    order = list(Decision)
    return sorted(reasons, key=lambda reason: -order.index(reason.decision))

"""Folds a verdict's own checks again: what a report shows must follow from what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gates.decide.catalogue import Row
from gates.decide.fold import Folded, Reason, RegionResult, Stage, fold
from gates.decide.judgement import outcome_of
from gates.decide.outcome import Decision, Meaning, Outcome

if TYPE_CHECKING:
    from reports.verdict import CheckResult, Result, Verdict


def contradictions(verdict: Verdict) -> Iterator[str]:
    """Yield where a verdict says something else than its checks do when they are folded again.

    A run that was interrupted recommends nothing, whatever it had measured: its decision is HOLD.
    """
    for check in verdict.checks:
        for result in check.results.values():
            yield from _cell(check, result, verdict)
    again = _folded(verdict)
    for name, said, folded in (
        ("reasons", verdict.reasons, again.reasons),
        ("advisories", verdict.advisories, again.advisories),
    ):
        yield from _differing(name, said, folded)
    for region, decision in again.by_region.items():
        if verdict.regions[region] is not decision:
            yield f"it says {verdict.regions[region]} in {region}, its checks say {decision}"
    wanted = again.decision if verdict.complete else Decision.HOLD
    if verdict.decision is not wanted:
        yield f"it says {verdict.decision}, its checks say {wanted}"


def _folded(verdict: Verdict) -> Folded:
    own = [reason.sentence for reason in verdict.reasons if _is_of_the_run(reason)]
    rows = [_row(check) for check in verdict.checks]
    results = [one for check in verdict.checks for one in _results(check)]
    stages = {check.id: _stage(check, verdict) for check in verdict.checks}
    return fold(rows, tuple(verdict.regions), results, stages, own)


def _is_of_the_run(reason: Reason) -> bool:
    """Tell what the run itself brought; what a region lacks is found again by the fold."""
    return reason.check is None and reason.region is None


def _row(check: CheckResult) -> Row:
    return Row(
        id=check.id,
        phase=check.phase,
        when="",
        owner=check.owner,
        severity="",
        kind="",
        smoke=False,
        on_fail=Meaning(check.on_fail),
        applies_if="",
        invariant=False,
    )


def _stage(check: CheckResult, verdict: Verdict) -> Stage:
    """Return what a failure of the check could mean; of an older verdict, the worst that it could."""
    word = check.stage or verdict.stage
    return Stage(word) if word in list(Stage) else Stage.LIVE


def _results(check: CheckResult) -> Iterator[RegionResult]:
    for region, found in check.results.items():
        yield RegionResult(check.id, region, found.judgements)
        for _ in range(1, found.ran):
            yield RegionResult(check.id, region, ())


def _cell(check: CheckResult, result: Result, verdict: Verdict) -> Iterator[str]:
    where = f"{check.id} in {result.region}"
    found = outcome_of(result.judgements)
    if result.outcome != (None if found is None else found.value):
        yield f"{where} is {result.outcome}, its judgements say {found}"
    excused = any(one.outcome is Outcome.NOT_APPLICABLE for one in result.judgements)
    # Of a run that is held, the claim stands among its own reasons.
    if excused and check.not_applicable is None and verdict.decision is Decision.GO:
        yield f"{where} is NOT_APPLICABLE by no rule"


def _differing(name: str, said: Iterable[Reason], folded: Iterable[Reason]) -> Iterator[str]:
    first, second = {_key(one) for one in said}, {_key(one) for one in folded}
    for check, region, outcome, *_ in sorted(second - first, key=str):
        yield f"its {name} lack {check or 'the run'} {outcome} in {region or 'every region'}"
    for check, region, outcome, *_ in sorted(first - second, key=str):
        yield (
            f"its {name} hold {check or 'the run'} {outcome} in {region or 'every region'}, "
            "which its checks do not show"
        )


def _key(reason: Reason) -> tuple[str | None, str | None, str, Decision, str]:
    """Return what has to be the same; what is not a judgement's own is worded by the fold."""
    said = "" if reason.judgement is None else reason.judgement.sentence
    return reason.check, reason.region, reason.outcome, reason.decision, said

"""A verdict as it was written, read back: refused where it contradicts itself.

Every renderer is given what was read here, so that no report can show GO for a run that did not end in
one. Its own checks are folded again: what a report shows must follow from what was measured.
"""

from __future__ import annotations

import datetime as dt
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gates.decide.catalogue import Row
from gates.decide.fold import Folded, Reason, RegionResult, Stage, fold
from gates.decide.judgement import outcome_of
from gates.decide.kept import MalformedError
from gates.decide.outcome import Decision, Outcome
from gates.decide.plain_text import cleaned
from gates.decide.verdict import SCHEMA, STATES, CheckResult, Result, Verdict

_NAMED = os.environ.get("GATE_OUT") or "reports/out"
_CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
_INSIDE = __package__ != "reports" or pathlib.Path.cwd() == _CHECKOUT
OUT = _NAMED if _INSIDE else str(_CHECKOUT / _NAMED)
"""Where runs are kept: in the checkout, or of an installed gate where it is called; seen from there."""
MOST_CONTRADICTIONS = 3
"""A verdict of two hundred checks may hold hundreds; the first ones say what happened."""


class DamagedVerdictError(ValueError):
    """The record is not a verdict of this schema, or it contradicts itself; the text says where."""


def read(record: Mapping[str, Any]) -> Verdict:
    """Read a verdict's JSON; raises DamagedVerdictError."""
    if record.get("schema", SCHEMA) != SCHEMA:
        raise DamagedVerdictError(
            f"the verdict has schema {record['schema']!r}; this gate reads schema {SCHEMA}"
        )
    try:
        # Whoever could write the file could put anything into it, escape sequences too.
        verdict = Verdict.from_record(cleaned(record))
    except MalformedError as exc:
        raise DamagedVerdictError(f"the verdict is damaged: {exc}") from exc
    if verdict.state not in STATES:
        raise DamagedVerdictError(f"the verdict has the unknown state {verdict.state!r}")
    _must_be_consistent(verdict)
    return verdict


def _must_be_consistent(verdict: Verdict) -> None:
    decision = verdict.decision
    if verdict.complete and decision is None:
        raise DamagedVerdictError("the verdict contradicts itself: complete, and no decision")
    if decision is None:
        return
    if verdict.complete and verdict.exit_code != decision.exit_code:
        raise DamagedVerdictError(
            f"the verdict contradicts itself: {decision.value} with exit code {verdict.exit_code}"
        )
    found = tuple(_contradictions(verdict))
    if found:
        shown = "; ".join(found[:MOST_CONTRADICTIONS])
        raise DamagedVerdictError(f"the verdict contradicts itself: {shown}")


def _contradictions(verdict: Verdict) -> Iterator[str]:
    """Yield where a verdict says something else than its checks do when they are folded again.

    A run that was interrupted recommends nothing, whatever it had measured: its decision is HOLD.
    """
    for check in verdict.checks:
        for region, result in check.regions.items():
            yield from _cell(check, region, result, verdict)
    again = _folded(verdict)
    for name, said, folded in (
        ("reasons", verdict.reasons, again.reasons),
        ("advisories", verdict.advisories, again.advisories),
        ("waived results", verdict.waived, again.waived),
    ):
        yield from _differing(name, said, folded)
    yield from _beyond_people(verdict)
    for region, decision in again.by_region.items():
        if verdict.regions[region] is not decision:
            yield f"it says {verdict.regions[region]} in {region}, its checks say {decision}"
    wanted = again.decision if verdict.complete else Decision.HOLD
    if verdict.decision is not wanted:
        yield f"it says {verdict.decision}, its checks say {wanted}"


def _beyond_people(verdict: Verdict) -> Iterator[str]:
    """Yield what people can't have let pass or decided."""
    for waiver in verdict.waivers:
        if waiver.until <= dt.datetime.fromisoformat(verdict.started_at):
            yield f"the waiver of {waiver.check} had ended before it began"
    if verdict.overridden is not None and verdict.decision is not Decision.HOLD:
        yield f"it says {verdict.decision}, and only a HOLD is decided by people"


def _folded(verdict: Verdict) -> Folded:
    # What the run itself brought; what a region lacks is found again by the fold.
    own = [one.sentence for one in verdict.reasons if one.check is None and one.region is None]
    rows = [_row(check) for check in verdict.checks]
    results = [one for check in verdict.checks for one in _results(check)]
    stages = {check.id: _stage(check, verdict) for check in verdict.checks}
    return fold(rows, tuple(verdict.regions), results, stages, own, verdict.waivers)


def _row(check: CheckResult) -> Row:
    return Row(
        id=check.id,
        phase=check.phase,
        when="",
        owner=check.owner,
        severity=check.severity,
        smoke=False,
        on_fail=check.on_fail,
        applies_if="",
    )


def _stage(check: CheckResult, verdict: Verdict) -> Stage:
    """Return what a failure of the check could mean; of an older verdict, the worst that it could."""
    word = check.stage or verdict.stage
    return Stage(word) if word in list(Stage) else Stage.LIVE


def _results(check: CheckResult) -> Iterator[RegionResult]:
    for region, found in check.regions.items():
        yield RegionResult(check.id, region, found.judgements)
        for _ in range(1, found.ran):
            yield RegionResult(check.id, region, ())


def _cell(check: CheckResult, region: str, result: Result, verdict: Verdict) -> Iterator[str]:
    where = f"{check.id} in {region}"
    found = outcome_of(result.judgements)
    if result.outcome is not found:
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

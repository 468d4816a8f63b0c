"""A verdict as test cases: one for each row and region, one for the run itself."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator

from gates.decide.fold import Reason
from gates.decide.outcome import Decision, Meaning, Outcome
from gates.decide.verdict import CheckResult, Verdict
from reports import figures, words


class Status(enum.Enum):
    """What a test report can say of a case; nothing but a pass ever looks like one."""

    PASSED = "passed"
    FAILED = "failed"
    """Measured and bad."""
    BROKEN = "broken"
    """Not decided: ERROR, INCONCLUSIVE, a missing or doubled check, a run without a verdict."""
    SKIPPED = "skipped"
    """Not due by its rule, or advisory and not passed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One case, before a format writes it."""

    outcome: str
    status: Status
    message: str = ""
    """The worst finding."""
    text: str = ""
    """All findings with their facts."""


def of_check(verdict: Verdict, check: CheckResult, region: str) -> Case:
    """Return what a check found in a region."""
    outcome = verdict.cell(check, region)
    if outcome == Outcome.PASS.value:
        return Case(outcome, Status.PASSED)
    if outcome == Outcome.NOT_APPLICABLE.value:
        return Case(outcome, Status.SKIPPED, check.not_applicable or "not applicable here")
    message, text = _findings(verdict, check, region)
    if check.on_fail is Meaning.ADVISORY:
        message = f"advisory, shown and never counted: {outcome}: {message}"
        return Case(outcome, Status.SKIPPED, message, text)
    failed = outcome == Outcome.FAIL.value
    return Case(outcome, Status.FAILED if failed else Status.BROKEN, message, text)


def of_run(verdict: Verdict) -> Case:
    """Return the run itself: its decision, what it says, and what belongs to no check."""
    own = [reason.sentence for reason in verdict.reasons if reason.check is None]
    meaning = words.meaning(verdict)
    said = [*verdict.sentences, *own]
    text = "\n".join([meaning, *(f"Not asked: {one}" for one in words.not_asked(verdict)), *said])
    return Case(words.decision_word(verdict), _run_status(verdict), (said or [meaning])[0], text)


def _run_status(verdict: Verdict) -> Status:
    if verdict.is_go:
        return Status.PASSED
    undecided = not verdict.complete or verdict.decision in (None, Decision.HOLD)
    return Status.BROKEN if undecided else Status.FAILED


def _findings(verdict: Verdict, check: CheckResult, region: str) -> tuple[str, str]:
    """Return the worst finding, and all of them with their facts."""
    found = [
        reason
        for reason in (*verdict.reasons, *verdict.advisories)
        if (reason.check, reason.region) == (check.id, region)
    ]
    lines = [line for reason in found for line in _finding(reason)]
    # A run that was stopped before the fold has no reasons for what it did not measure.
    first = found[0].sentence if found else f"the check did not run in {region}"
    return first, "\n".join([*(lines or [first]), f"owner: {check.owner}"])


def _finding(reason: Reason) -> Iterator[str]:
    yield f"{reason.outcome}: {reason.sentence}"
    judgement = reason.judgement
    if judgement is not None:
        for fact in (*figures.facts(judgement), *figures.queries(judgement)):
            yield f"  {fact.label}: {fact.text}"

"""What is said of an API's document, and of the answers that it was held against."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.contract import Answers, Described, Finding
from settings.contract import Contract
from settings.delivery import AcceptedChange
from steps.kit.expect import expect, measured, nothing_to_judge, unable

_MOST_NAMED = 5
_SERVER_ERRORS = ("5", "none")
_TURNS = ("coverage", "fuzzing")
"""Phases that every pass has: without them hardly any value was tried."""
_BEFORE_ALL = frozenset({"no login needed", "status", "no content type", "content type", "headers"})
_IGNORED = frozenset({"servers"})
"""Where an API is served differs from region to region."""
FIXED = "the API or its document changed so that both say the same"


def valid(subject: str, described: Described) -> Judgement:
    """Judge whether a document is one that can be relied on; one that is not read is left open."""
    unfit = described.unfit
    if unfit is None:
        said = f"{subject} is valid and describes {len(described.operations)} operations"
        found = True if described.operations else None
        return expect(found, subject, said, "a document that describes the API's operations")
    good = False if unfit.invalid else None
    data = {"invalid": unfit.invalid}
    sentence = f"{subject}: {unfit.sentence}"
    return expect(good, subject, sentence, "a valid OpenAPI 3 document", rule="valid", data=data)


def as_released(subject: str, served: Any, released: Any, what: str) -> Judgement:
    """Judge whether two documents say the same, but for where the API is served."""
    place = next(differences(served, released), None)
    return expect(
        place is None,
        subject,
        f"{subject} is {what}"
        if place is None
        else f"{subject} is not {what}: they differ first at {place}",
        f"{what} served, or published as it is",
        **measured("same document", "other" if place else "same", "same"),
    )


def differences(served: Any, released: Any, place: str = "") -> Iterator[str]:
    """Yield the places at which two documents differ."""
    if isinstance(served, Mapping) and isinstance(released, Mapping):
        for name in sorted({*served, *released} - (_IGNORED if not place else frozenset())):
            below = f"{place}/{name}"
            if name not in served or name not in released:
                yield below[:160]
            else:
                yield from differences(served[name], released[name], below)
    elif served != released:
        yield place[:160] or "its root"


def named(finding: Finding, words: Mapping[str, str]) -> str:
    """Return what a broken promise is called, as a policy may name it."""
    said = words[finding.kind].format(detail=finding.detail, status=finding.status)
    return f"{finding.operation}: {said}"


def by_name(findings: Sequence[Finding], words: Mapping[str, str]) -> list[tuple[str, Finding]]:
    """Return the findings by name."""
    return [(named(one, words), one) for one in findings]


def kept(
    subject: str,
    answers: Answers,
    found: Sequence[tuple[str, Finding]],
    accepted: Collection[AcceptedChange],
    today: dt.date,
) -> Iterator[Judgement]:
    """Yield one judgement for each cause of broken promises, or that none was broken."""
    until = {one.change: one for one in accepted}
    for name, shown, finding in by_cause(found, until):
        yield _broken(shown, finding, until.get(name), today)
    if not found:
        said = f"{subject}: {len(answers.asked)} operations answer as it says"
        yield expect(True, subject, said, **measured("promises broken", 0, 0))


def by_cause(
    found: Sequence[tuple[str, Finding]], apart: Collection[str] = ()
) -> Iterator[tuple[str, str, Finding]]:
    """Yield for each cause a name, the name with the other operations, and its smallest request.

    One cause is one rule of a schema that operations share, or the same answer of what is before all of
    them, such as a gateway. Errors and what an operation takes or refuses are its own, as is what is named
    `apart`.
    """
    groups: dict[tuple[str, ...], list[tuple[str, Finding]]] = {}
    for name, one in found:
        of_all = one.shared if one.kind == "schema" else one.kind in _BEFORE_ALL
        alone = name in apart or not of_all
        key = (name,) if alone else (one.kind, one.detail, one.shared, str(one.status))
        groups.setdefault(key, []).append((name, one))
    for group in groups.values():
        (name, smallest), *others = sorted(group, key=lambda one: len(one[1].curl))
        yield name, _with_others(name, smallest, others), smallest


def _with_others(name: str, first: Finding, others: Sequence[tuple[str, Finding]]) -> str:
    if not others:
        return name
    named = ", ".join(one.operation for _, one in others[:_MOST_NAMED])
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    schema = f" of {first.shared}" if first.shared else ""
    return f"{name}{schema}; so do {named}{more}"


def _broken(
    name: str, finding: Finding, accepted: AcceptedChange | None, today: dt.date
) -> Judgement:
    data = {"curl": finding.curl, "phase": finding.phase, "times": finding.times}
    figures = measured(finding.kind, finding.detail or finding.status)
    if accepted is not None and today <= accepted.until:
        said = f"{name}; accepted by the policy until {accepted.until}: {accepted.reason}"
        return expect(True, finding.operation, said, **figures, data={**data, "remark": said})
    if not finding.again:
        said = f"{name}, and not when it was asked again: {finding.curl}"
        clears = f"{finding.operation} answering well every time"
        return expect(None, finding.operation, said, clears, **figures, data=data)
    ended = f"; its acceptance ended on {accepted.until}" if accepted else ""
    said = f"{name}{ended}: {finding.curl}"
    return expect(False, finding.operation, said, FIXED, **figures, data=data)


def unreachable(subject: str, answers: Answers) -> Judgement | None:
    """Return why a pass says nothing of the contract: the API did not answer; None where it did."""
    seen = [status for count in answers.statuses.values() for status in count]
    down = bool(seen) and all(status.startswith(_SERVER_ERRORS) for status in seen)
    if not down and answers.ended not in {"server_unavailable", "interrupted"}:
        return None
    why = "no operation answered anything but a server error" if down else "it stopped answering"
    sentence = f"{subject} can't be tested: {why}; that is an outage, not a broken contract"
    return expect(None, subject, sentence, "an API that answers", rule="available")


def undecided(answers: Answers) -> list[str]:
    """Return the operations that never succeeded: of what they answer then nothing is proved."""
    return [
        operation
        for operation in answers.asked
        if not any(status.startswith("2") for status in answers.statuses[operation])
    ]


def answered(subject: str, answers: Answers, section: Contract, least: float) -> Judgement:
    """Judge whether enough operations succeeded; those that never did are named."""
    asked, never = len(answers.asked), undecided(answers)
    if not asked:
        out = f"all {len(section.leave_out)} are left out" if section.leave_out else "it has none"
        return expect(None, subject, f"{subject}: no operation to ask, {out}", "one to be asked")
    share = 1 - len(never) / asked
    out_of_time = answers.ended == "max_time"
    without = [one for one in _TURNS if one not in answers.phases] if out_of_time else []
    said = f"{asked - len(never)} of {asked} operations succeeded"
    if never:
        said += f"; never, so nothing is proved of them: {_listed(never, answers)}"
    if out_of_time:
        said += f"; the budget of {section.budget:g} s ended it"
        said += f" before {' and '.join(without)} had a turn" if without else ""
    shown = [f"{one} ({reason})" for one, reason in section.leave_out.items()]
    said += f"; left out: {'; '.join(shown)}" if shown else ""
    return expect(
        (share >= least and not without) or None,
        subject,
        f"{subject}: {said}",
        "a larger contract.budget"
        if without
        else "values for their parameters in contract.values, or a reason in contract.leave_out",
        **measured("operations that succeeded", round(share, 4), least),
        data={"undecided": never, "left_out": list(section.leave_out)},
    )


def _listed(never: Sequence[str], answers: Answers) -> str:
    shown = [f"{one} ({_most(answers.statuses[one])})" for one in never[:_MOST_NAMED]]
    more = f" and {len(never) - len(shown)} more" if len(never) > len(shown) else ""
    return f"{', '.join(shown)}{more}"


def _most(statuses: Mapping[str, int]) -> str:
    """Return the status that came most often."""
    return max(statuses, key=lambda status: statuses[status]) if statuses else "never asked"


def not_asked(subject: str, answers: Answers) -> Iterator[Judgement]:
    """Yield what kept the gate from asking as it should: nothing of it is the API's fault."""
    if answers.refused:
        sentence = f"{subject}: {answers.refused} requests were stopped that a pass must not send"
        yield unable(subject, sentence, "a fixed gate", rule="own failure")
    if answers.errors:
        first = f"{subject}: not every operation could be asked: {'; '.join(answers.errors[:3])}"
        yield expect(None, subject, first, "a document by which each can be asked", rule="asked")


def of_operation(
    operation: str, answers: Answers, found: Sequence[tuple[str, Finding]]
) -> tuple[Outcome, str]:
    """Return what a pass says of one operation, and the sentence."""
    mine = [(name, one) for name, one in found if one.operation == operation]
    if mine:
        decided = any(one.again for _, one in mine)
        outcome = Outcome.FAIL if decided else Outcome.INCONCLUSIVE
        return outcome, "; ".join(f"{name} [{one.curl}]" for name, one in mine)
    if operation in undecided(answers):
        most = _most(answers.statuses[operation])
        return Outcome.INCONCLUSIVE, f"{operation}: never succeeded ({most}): nothing is proved"
    return Outcome.PASS, ""


def outage(judgement: Judgement, subject: str) -> Judgement:
    """Return an absence as what it is to a contract: undecided, and not broken."""
    sentence = f"{judgement.sentence.rstrip('.')}; so nothing can be said of the contract"
    return expect(None, subject, sentence, judgement.clears, rule=judgement.rule)


def unreadable(subject: str, why: str) -> Judgement:
    """Return the ERROR of a released document that the gate itself can't read."""
    return unable(subject, f"{subject} can't be compared: {why}", "that file in the repository")


def untested(subject: str, why: str) -> Judgement:
    """Return that nothing can be asked by a document; CT-DOC-1 says what is wrong with it."""
    sentence = f"{subject} can't be used. {why}"
    return expect(None, subject, sentence, "a document by which the API can be asked", rule="valid")


def nothing_compared(subject: str) -> Judgement:
    """Return that one region without a released document has nothing to be compared with."""
    return nothing_to_judge(subject, "contract.released names no document and there is one region")

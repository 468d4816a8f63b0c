"""A verdict as test cases (one for each row and region, one for the run itself), and as JUnit XML."""

from __future__ import annotations

import dataclasses
import enum
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from gates.decide.fold import WAIVED, Reason
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
    if outcome == WAIVED:
        return Case(outcome, Status.SKIPPED, f"{verdict.waiver(check.id)}: {message}", text)
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
    not_asked = (f"Not asked: {one}" for one in words.not_asked(verdict))
    text = "\n".join([meaning, *not_asked, *words.by_people(verdict), *said])
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
        for reason in (*verdict.reasons, *verdict.advisories, *verdict.waived)
        if (reason.check, reason.region) == (check.id, region)
    ]
    lines = [line for reason in found for line in _finding(reason)]
    # A run that was stopped before the fold has no reasons for what it did not measure.
    first = found[0].sentence if found else f"the check did not run in {region}"
    return first, "\n".join([*(lines or [first]), f"owner: {check.owner}"])


def _finding(reason: Reason) -> Iterator[str]:
    yield f"{reason.outcome}: {reason.sentence}"
    for fact in (*figures.facts(reason.judgement), *figures.queries(reason.judgement)):
        yield f"  {fact.label}: {fact.text}"


_ELEMENTS = {Status.FAILED: "failure", Status.BROKEN: "error", Status.SKIPPED: "skipped"}


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """A case with the name under which a build server lists it."""

    classname: str
    name: str
    seconds: float
    case: Case
    kind: str

    @property
    def element(self) -> str | None:
        """Return `failure`, `error` or `skipped`; None for a pass."""
        return _ELEMENTS.get(self.case.status)


def render(verdict: Verdict) -> str:
    """Return a verdict as JUnit XML.

    FAIL is a failure; ERROR, INCONCLUSIVE, a missing or doubled check is an error; NOT_APPLICABLE
    is skipped. What is not GO has at least one failure or error: a case "gate run" carries what
    belongs to no check.
    """
    suites = {f"{_gate(verdict)}.{region}": _cases(verdict, region) for region in _regions(verdict)}
    if trouble := _gate_run(verdict, suites):
        suites[f"{_gate(verdict)}.run"] = [trouble]
    return document(f"gate {words.gate_name(verdict)}", suites, verdict, {})


def document(
    name: str, suites: Mapping[str, list[Named]], verdict: Verdict, more: Mapping[str, str]
) -> str:
    """Return named suites of a run as JUnit XML; `more` are properties beside the run's own."""
    root = ET.Element("testsuites", name=name)
    _count(root, [case for cases in suites.values() for case in cases])
    for suite, cases in suites.items():
        root.append(_suite(verdict, suite, cases, more))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _regions(verdict: Verdict) -> tuple[str, ...]:
    return verdict.region_names() if verdict.checks else ()


def _cases(verdict: Verdict, region: str) -> list[Named]:
    return [_named(verdict, check, region) for check in verdict.checks]


def _named(verdict: Verdict, check: CheckResult, region: str) -> Named:
    case, name = of_check(verdict, check, region), f"{check.id} {check.name}"
    seconds = check.elapsed_seconds or 0.0
    return Named(f"{check.phase}.{region}", name, seconds, case, case.outcome)


def _gate_run(verdict: Verdict, suites: Mapping[str, list[Named]]) -> Named | None:
    """Return the case of the run itself, when something is wrong that belongs to no check."""
    own = any(reason.check is None for reason in verdict.reasons)
    red = any(case.element in ("failure", "error") for cases in suites.values() for case in cases)
    if verdict.complete and not own and (verdict.is_go or red):
        return None
    # Always an error: what was measured and bad stands in the suites of the regions.
    case = dataclasses.replace(of_run(verdict), status=Status.BROKEN)
    return Named(_gate(verdict), "gate run", verdict.elapsed_seconds or 0.0, case, verdict.state)


def _suite(verdict: Verdict, name: str, cases: list[Named], more: Mapping[str, str]) -> ET.Element:
    suite = ET.Element("testsuite", name=name)
    _count(suite, cases)
    suite.set("time", f"{verdict.elapsed_seconds or 0.0:.3f}")
    suite.set("timestamp", verdict.started_at)
    properties = ET.SubElement(suite, "properties")
    for key, value in {**_properties(verdict), **more}.items():
        ET.SubElement(properties, "property", name=key, value=value)
    for case in cases:
        suite.append(_element(case))
    return suite


def _properties(verdict: Verdict) -> dict[str, str]:
    return {
        "run": verdict.run,
        "release": verdict.release or "",
        "environment": verdict.environment,
        "state": verdict.state,
        "decision": words.decision_word(verdict),
        "not_asked": "; ".join(words.not_asked(verdict)),
        "exit_code": "" if verdict.exit_code is None else str(verdict.exit_code),
    }


def _element(case: Named) -> ET.Element:
    seconds = f"{case.seconds:.3f}"
    testcase = ET.Element("testcase", name=case.name, classname=case.classname, time=seconds)
    if case.element is not None:
        child = ET.SubElement(testcase, case.element, message=words.one_line(case.case.message))
        if case.element != "skipped":
            child.set("type", case.kind)
            child.text = case.case.text
    return testcase


def _count(element: ET.Element, cases: list[Named]) -> None:
    element.set("tests", str(len(cases)))
    for plural, name in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(plural, str(sum(1 for case in cases if case.element == name)))


def _gate(verdict: Verdict) -> str:
    return words.gate_name(verdict).replace(" ", "-")

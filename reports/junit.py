"""JUnit XML: one suite per region, one case per check; nothing but a pass ever looks like one."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Any

from gates.decide.fold import Reason
from gates.decide.outcome import Meaning, Outcome
from reports import figures, words
from reports.verdict import CheckResult, Verdict, read

_ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclasses.dataclass(frozen=True, slots=True)
class _Case:
    """One testcase before it is XML."""

    classname: str
    name: str
    seconds: float
    element: str | None = None
    """`failure`, `error` or `skipped`; None for a pass."""
    kind: str = ""
    message: str = ""
    text: str = ""


def render(record: Mapping[str, Any]) -> str:
    """Return a verdict as JUnit XML; raises DamagedVerdictError.

    FAIL is a failure; ERROR, INCONCLUSIVE, a missing or doubled check is an error; NOT_APPLICABLE
    is skipped. What is not GO has at least one failure or error: a case "gate run" carries what
    belongs to no check.
    """
    verdict = read(record)
    suites = {f"{_gate(verdict)}.{region}": _cases(verdict, region) for region in _regions(verdict)}
    if trouble := _gate_run(verdict, suites):
        suites[f"{_gate(verdict)}.run"] = [trouble]
    root = ET.Element("testsuites", name=_legal(f"gate {words.gate_name(verdict)}"))
    _count(root, [case for cases in suites.values() for case in cases])
    for name, cases in suites.items():
        root.append(_suite(verdict, name, cases))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _regions(verdict: Verdict) -> tuple[str, ...]:
    return verdict.region_names() if verdict.checks else ()


def _cases(verdict: Verdict, region: str) -> list[_Case]:
    return [_case(verdict, check, region) for check in verdict.checks]


def _case(verdict: Verdict, check: CheckResult, region: str) -> _Case:
    outcome = verdict.cell(check, region)
    case = _Case(
        classname=f"{check.phase}.{region}",
        name=f"{check.id} {check.title}",
        seconds=check.elapsed_seconds or 0.0,
        kind=outcome,
    )
    if outcome == Outcome.PASS.value:
        return case
    if outcome == Outcome.NOT_APPLICABLE.value:
        rule = check.not_applicable or "not applicable here"
        return dataclasses.replace(case, element="skipped", message=rule)
    message, text = _findings(verdict, check, region)
    if check.on_fail == Meaning.ADVISORY.value:
        message = f"advisory, shown and never counted: {outcome}: {message}"
        return dataclasses.replace(case, element="skipped", message=message)
    element = "failure" if outcome == Outcome.FAIL.value else "error"
    return dataclasses.replace(case, element=element, message=message, text=text)


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


def _gate_run(verdict: Verdict, suites: Mapping[str, list[_Case]]) -> _Case | None:
    """Return the case of the run itself, when something is wrong that belongs to no check."""
    own = [reason.sentence for reason in verdict.reasons if reason.check is None]
    red = any(case.element in ("failure", "error") for cases in suites.values() for case in cases)
    if verdict.complete and not own and (verdict.is_go or red):
        return None
    message = words.meaning(verdict)
    said = [message, *verdict.sentences, *own]
    return _Case(
        classname=_gate(verdict),
        name="gate run",
        seconds=verdict.elapsed_seconds or 0.0,
        element="error",
        kind=verdict.state,
        message=next(iter([*verdict.sentences, *own]), message),
        text="\n".join(said),
    )


def _suite(verdict: Verdict, name: str, cases: list[_Case]) -> ET.Element:
    suite = ET.Element("testsuite", name=_legal(name))
    _count(suite, cases)
    suite.set("time", f"{verdict.elapsed_seconds or 0.0:.3f}")
    suite.set("timestamp", _legal(verdict.started_at))
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(verdict).items():
        ET.SubElement(properties, "property", name=key, value=_legal(value))
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
        "exit_code": "" if verdict.exit_code is None else str(verdict.exit_code),
    }


def _element(case: _Case) -> ET.Element:
    seconds = f"{case.seconds:.3f}"
    testcase = ET.Element(
        "testcase", name=_legal(case.name), classname=_legal(case.classname), time=seconds
    )
    if case.element is not None:
        child = ET.SubElement(testcase, case.element, message=_legal(words.one_line(case.message)))
        if case.element != "skipped":
            child.set("type", _legal(case.kind))
            child.text = _legal(case.text)
    return testcase


def _count(element: ET.Element, cases: list[_Case]) -> None:
    element.set("tests", str(len(cases)))
    for plural, name in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(plural, str(sum(1 for case in cases if case.element == name)))


def _gate(verdict: Verdict) -> str:
    return words.gate_name(verdict).replace(" ", "-")


def _legal(text: str) -> str:
    """Drop what XML 1.0 can't hold."""
    return _ILLEGAL.sub("", text)

from __future__ import annotations

import collections
import dataclasses
import xml.etree.ElementTree as ET

import pytest

from gates.decide.judgement import equals
from gates.decide.outcome import Decision, Outcome
from gates.decide.verdict import Verdict
from reports import junit
from tests.reports import verdicts
from tests.tables import cases

ELEMENT = {"PASS": None, "NOT_APPLICABLE": "skipped", "FAIL": "failure"}


def parsed(verdict: Verdict) -> ET.Element:
    return ET.fromstring(junit.render(verdict))  # noqa: S314 - our own output


def element_of(case: ET.Element) -> str | None:
    return next((child.tag for child in case), None)


@pytest.mark.parametrize("name", verdicts.EVERY)
def test_whatever_is_not_go_has_a_failure_or_an_error(name: str) -> None:
    verdict = verdicts.EVERY[name]()
    root = parsed(verdict)
    red = root.findall(".//failure") + root.findall(".//error")
    assert bool(red) == (verdict.decision is not Decision.GO)


@pytest.mark.parametrize("name", verdicts.EVERY)
def test_the_counts_say_what_is_there(name: str) -> None:
    root = parsed(verdicts.EVERY[name]())
    for element in (root, *root.findall("testsuite")):
        cases = list(element.iter("testcase"))
        kinds = collections.Counter(element_of(case) for case in cases)
        told = {key: int(element.get(key, "-1")) for key in ("tests", "failures", "errors")}
        assert told == {
            "tests": len(cases),
            "failures": kinds["failure"],
            "errors": kinds["error"],
        }
        assert int(element.get("skipped", "-1")) == kinds["skipped"]


@pytest.mark.parametrize("name", [name for name in verdicts.EVERY if name != "advisory"])
def test_the_counts_are_those_of_the_verdict(name: str) -> None:
    verdict = verdicts.EVERY[name]()
    cases = [case for case in parsed(verdict).iter("testcase") if case.get("name") != "gate run"]
    expected: collections.Counter[str | None] = collections.Counter()
    for outcome, number in verdict.counts.items():
        expected[ELEMENT.get(outcome, "error")] += number
    assert collections.Counter(element_of(case) for case in cases) == expected


@cases(
    "name",
    {
        "a killed run": "incomplete",
        "a refused run": "refused",
        "a failed run": "failed",
        "an interrupted run": "interrupted",
    },
)
def test_a_run_without_a_verdict_is_an_error_of_the_run_itself(name: str) -> None:
    case = parsed(verdicts.EVERY[name]()).find(".//testcase[@name='gate run']")
    assert case is not None
    assert element_of(case) == "error"


def test_a_problem_of_the_run_is_an_error_although_every_check_passed() -> None:
    error = parsed(verdicts.held("the child ended with code 137")).find(
        ".//testcase[@name='gate run']/error"
    )
    assert error is not None
    assert error.get("message") == "the child ended with code 137"


def test_an_advisory_check_is_neither_a_pass_nor_a_failure() -> None:
    skipped = parsed(verdicts.advisory()).findall(".//testcase/skipped")
    assert any("advisory" in (item.get("message") or "") for item in skipped)


def test_a_check_that_ran_twice_is_an_error() -> None:
    doubled = verdicts.verdict_of(verdicts.passing(), twice=(("IV-HEALTH-1", "eu"),))
    error = parsed(doubled).find(".//testcase[@classname='post-deploy.eu']/error")
    assert error is not None
    assert error.get("type") == "DOUBLED"


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x08", "\x1b", "\ud800", "\ufffe", "]]>", "<b>", "&amp;", '"', "\n"],
    ids=lambda character: f"U+{ord(character[0]):04X}",
)
def test_a_sentence_may_hold_any_character(character: str) -> None:
    bad = dataclasses.replace(
        equals("status", 503, 200), sentence=f"before {character} after", outcome=Outcome.FAIL
    )
    failure = parsed(verdicts.failing(bad)).find(".//failure")
    assert failure is not None
    assert "before" in (failure.get("message") or "")
    assert "after" in (failure.text or "")

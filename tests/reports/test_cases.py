"""A verdict as test cases: no build server shows less than was asked, or a pass that is none."""

from __future__ import annotations

import collections
import dataclasses
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from gates.decide.judgement import equals
from gates.decide.outcome import Outcome
from gates.decide.verdict import Verdict
from reports import allure, junit
from tests.reports import verdicts
from tests.tables import cases

STATUS = {"PASS": "passed", "NOT_APPLICABLE": "skipped", "WAIVED": "skipped", "FAIL": "failed"}
SAID_BY = {"passed": "passed", "skipped": "skipped", "failure": "failed", "error": "broken"}
"""What an element of JUnit says, in Allure's words."""
THE_RUN = ("gate run", "The run itself")


class Case(NamedTuple):
    """A case as a build server reads it."""

    name: str
    status: str
    message: str
    text: str


def parsed(verdict: Verdict) -> ET.Element:
    return ET.fromstring(junit.render(verdict))  # noqa: S314 - our own output


def of_junit(verdict: Verdict) -> list[Case]:
    found = []
    for case in parsed(verdict).iter("testcase"):
        child = next(iter(case), ET.Element("passed"))
        said = child.get("message", ""), child.text or ""
        found.append(Case(case.get("name", ""), SAID_BY[child.tag], *said))
    return found


def results(verdict: Verdict) -> list[dict[str, Any]]:
    files = allure.render(verdict)
    return [json.loads(text) for name, text in files.items() if name.endswith("-result.json")]


def parameters(result: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in result["parameters"]}


def of_allure(verdict: Verdict) -> list[Case]:
    said = ((one, one.get("statusDetails", {})) for one in results(verdict))
    return [
        Case(one["name"], one["status"], why.get("message", ""), why.get("trace", ""))
        for one, why in said
    ]


Read = Callable[[Verdict], list[Case]]
both = cases("read", {"junit": of_junit, "allure": of_allure})
every = pytest.mark.parametrize("name", verdicts.EVERY)


@both
@every
def test_every_row_has_a_case_in_every_region_with_the_verdicts_outcome(
    read: Read, name: str
) -> None:
    verdict = verdicts.EVERY[name]()
    expected: collections.Counter[str] = collections.Counter()
    for outcome, number in verdict.counts.items():
        expected[STATUS.get(outcome, "broken")] += number
    if name == "advisory":  # shown, and neither a pass nor a failure
        expected["skipped"] += expected.pop("failed")
    assert (
        collections.Counter(
            case.status for case in read(verdict) if not case.name.startswith(THE_RUN)
        )
        == expected
    )


@both
@every
def test_only_a_go_has_neither_a_failure_nor_an_error(read: Read, name: str) -> None:
    verdict = verdicts.EVERY[name]()
    red = {"failed", "broken"} & {case.status for case in read(verdict)}
    assert bool(red) is not verdict.is_go


TWICE = (("IV-HEALTH-1", "eu"),)
CHILD = "the child ended with code 137"


@both
@cases(
    "verdict name status says",
    {
        **{
            f"the run itself: {name}": (verdicts.EVERY[name], THE_RUN, "broken", "")
            for name in ("incomplete", "refused", "failed", "interrupted")
        },
        "the run itself, although every check passed": (
            lambda: verdicts.held(CHILD),
            *(THE_RUN, "broken", CHILD),
        ),
        "a check that ran twice": (
            lambda: verdicts.verdict_of(verdicts.passing(), twice=TWICE),
            *("IV-HEALTH-1", "broken", "the check ran 2 times in eu"),
        ),
        "an advisory check": (verdicts.advisory, "IV-NOTE-1", "skipped", "advisory, shown"),
        "what was not measured before a run was stopped": (
            verdicts.interrupted,
            *("IV-HEALTH-1", "broken", "the check did not run in us; every required check runs"),
        ),
    },
)
def test_what_is_neither_good_nor_bad_is_named(
    read: Read, verdict: Callable[[], Verdict], name: str, status: str, says: str
) -> None:
    found = [one for one in read(verdict()) if one.name.startswith(name)]
    assert any(one.status == status and says in one.message + one.text for one in found)


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x08", "\x1b", "\ud800", "\ufffe", "]]>", "<b>", "&amp;", '"', "\n"],
    ids=lambda character: f"U+{ord(character[0]):04X}",
)
def test_a_sentence_may_hold_any_character(character: str) -> None:
    bad = dataclasses.replace(
        equals("status", 503, 200), sentence=f"before {character} after", outcome=Outcome.FAIL
    )
    (case,) = (one for one in of_junit(verdicts.failing(bad)) if one.status == "failed")
    assert "before" in case.message
    assert "after" in case.text


@every
def test_the_run_of_allure_says_why(name: str) -> None:
    verdict = verdicts.EVERY[name]()
    (run,) = (one for one in results(verdict) if one["name"].startswith(THE_RUN))
    steps = [step["name"] for step in run.get("steps", [])]
    assert (run["status"] == "passed") == verdict.is_go
    assert set(verdict.sentences) <= set(steps)
    assert all(any(one.sentence in step for step in steps) for one in verdict.reasons)


@cases(
    "other same",
    {
        "the same question is the same test": ({}, True),
        "asked again": ({"run": "20261124T011536Z-post-deploy-ffffff"}, True),
        "of another release": ({"release": "v1.3.0"}, True),
        "of another environment": ({"environment": "prod"}, False),
        "of another window": ({"window": "1h"}, False),
    },
)
def test_environment_region_and_window_tell_tests_of_allure_apart(
    other: dict[str, str], *, same: bool
) -> None:
    one = {result["historyId"] for result in results(verdicts.go())}
    two = {result["historyId"] for result in results(verdicts.changed(verdicts.go(), **other))}
    assert len(one) == len(results(verdicts.go()))
    assert (one == two) is same
    assert one & two == (one if same else set())


def test_a_result_of_allure_keeps_owner_severity_judgements_and_its_place_in_time() -> None:
    verdict = verdicts.rollback()
    assert set(allure.render(verdict)) == set(allure.render(verdicts.go()))
    late = [
        dataclasses.replace(one, finished_at=verdicts.AT, elapsed_seconds=2.0)
        for one in verdict.checks
    ]
    (errors,) = (
        one
        for one in results(verdicts.changed(verdict, checks=tuple(late)))
        if one["name"].startswith("IV-PERF-3") and parameters(one)["region"] == "eu"
    )
    labels = {label["name"]: label["value"] for label in errors["labels"]}
    assert (labels["owner"], labels["severity"]) == ("sre", "blocker")
    assert (errors["stop"], errors["stop"] - errors["start"]) == (1795396561250, 2000)
    assert [step["status"] for step in errors["steps"]] == ["failed", "failed"]
    assert any('status=~"5.."' in one["value"] for one in errors["steps"][0]["parameters"])
    assert parameters(errors) == {
        "environment": "local",
        "region": "eu",
        "window": "15m",
        "release": "v1.2.0",
        "a failure means": "rollback",
    }

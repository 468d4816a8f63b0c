from __future__ import annotations

import collections
import dataclasses
import json
from typing import Any

import pytest

from gates.decide.verdict import Verdict
from reports import allure
from tests.reports import verdicts
from tests.tables import cases

STATUS = {"PASS": "passed", "NOT_APPLICABLE": "skipped", "FAIL": "failed"}
THE_RUN = "The run itself"


def results(verdict: Verdict) -> list[dict[str, Any]]:
    return [json.loads(text) for text in allure.render(verdict).values()]


def of_checks(verdict: Verdict) -> list[dict[str, Any]]:
    return [result for result in results(verdict) if not result["name"].startswith(THE_RUN)]


def of_run(verdict: Verdict) -> dict[str, Any]:
    (found,) = (result for result in results(verdict) if result["name"].startswith(THE_RUN))
    return found


def parameters(result: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in result["parameters"]}


@pytest.mark.parametrize("name", [name for name in verdicts.EVERY if name != "advisory"])
def test_every_row_has_a_result_in_every_region_with_the_verdicts_outcome(name: str) -> None:
    verdict = verdicts.EVERY[name]()
    expected: collections.Counter[str] = collections.Counter()
    for outcome, number in verdict.counts.items():
        expected[STATUS.get(outcome, "broken")] += number
    assert collections.Counter(result["status"] for result in of_checks(verdict)) == expected


@pytest.mark.parametrize("name", verdicts.EVERY)
def test_only_a_go_looks_passed_and_the_run_says_why(name: str) -> None:
    verdict = verdicts.EVERY[name]()
    run = of_run(verdict)
    assert (run["status"] == "passed") == verdict.is_go
    steps = [step["name"] for step in run.get("steps", [])]
    for reason in verdict.reasons:
        assert any(reason.sentence in step for step in steps)
    assert set(verdict.sentences) <= set(steps)


def test_a_run_that_was_stopped_shows_what_it_did_not_measure() -> None:
    stopped = of_checks(verdicts.interrupted())
    broken = [result for result in stopped if result["status"] == "broken"]
    assert [result["statusDetails"]["message"] for result in broken] == [
        "the check did not run in us; every required check runs exactly once"
    ]
    assert of_run(verdicts.interrupted())["statusDetails"]["message"].startswith("HOLD: ")


def test_what_was_measured_and_bad_is_failed_and_what_was_not_decided_is_broken() -> None:
    assert of_run(verdicts.rollback())["status"] == "failed"
    assert of_run(verdicts.hold())["status"] == "broken"


def test_an_advisory_is_shown_and_not_counted_as_failed() -> None:
    statuses = {result["name"]: result["status"] for result in of_checks(verdicts.advisory())}
    assert statuses["IV-NOTE-1 IV-NOTE-1"] == "skipped"
    assert set(statuses.values()) == {"passed", "skipped"}


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
def test_environment_region_and_window_tell_tests_apart(
    other: dict[str, str], *, same: bool
) -> None:
    one = {result["historyId"] for result in results(verdicts.go())}
    two = {result["historyId"] for result in results(verdicts.changed(verdicts.go(), **other))}
    assert len(one) == len(results(verdicts.go()))
    assert (one == two) is same
    assert one & two == (one if same else set())
    shown = parameters(of_checks(verdicts.go())[0])
    assert shown == {"environment": "local", "region": "eu", "window": "15m", "release": "v1.2.0"}


def test_a_result_keeps_owner_severity_and_the_judgements_with_their_facts() -> None:
    (errors,) = (
        result
        for result in of_checks(verdicts.rollback())
        if result["name"].startswith("IV-PERF-3") and parameters(result)["region"] == "eu"
    )
    labels = {label["name"]: label["value"] for label in errors["labels"]}
    assert (labels["owner"], labels["severity"]) == ("sre", "blocker")
    assert errors["status"] == "failed"
    assert [step["status"] for step in errors["steps"]] == ["failed", "failed"]
    assert any('status=~"5.."' in one["value"] for one in errors["steps"][0]["parameters"])


def test_a_result_lies_where_its_check_lay_in_time() -> None:
    go = verdicts.go()
    check = dataclasses.replace(go.checks[0], finished_at=verdicts.AT, elapsed_seconds=2.0)
    first = of_checks(verdicts.changed(go, checks=(check, *go.checks[1:])))[0]
    assert first["stop"] - first["start"] == 2000
    assert first["stop"] == 1795396561250


def test_a_verdict_written_again_takes_the_place_of_its_results() -> None:
    assert set(allure.render(verdicts.go())) == set(allure.render(verdicts.rollback()))

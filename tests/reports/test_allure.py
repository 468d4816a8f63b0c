"""What Allure is told of a check: its sentences and what was judged in each, where it stands, who ran it."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from gates.decide.judgement import Judgement, equals
from gates.decide.verdict import Executor, Step, Verdict
from reports import allure
from tests.reports import verdicts
from tests.reports.test_cases import parameters, results
from tests.tables import cases

GOOD, BAD = equals("status", 200, 200), equals("version", "1.1.0", "1.2.0")
WHEN, THEN, AND = (
    ("When it is read", False),
    ("Then it answers", True),
    ("And it is the release", True),
)
SERVER = Executor(
    name="GitHub Actions",
    type="github",
    url="https://github.example/uh/gate",
    build="deploy #12",
    build_url="https://github.example/uh/gate/actions/runs/7",
    files="https://github.example/uh/gate/blob/416b122",
    policy="gates/policy",
)


RUNBOOK = "https://docs.example/map/#{id}"


def with_steps(steps: tuple[Step, ...], *judgements: Judgement) -> Verdict:
    """Return a verdict whose first check has these sentences, and in eu these judgements."""
    verdict = verdicts.verdict_of(
        verdicts.passing() | {("IV-HEALTH-1", "eu"): judgements} if judgements else {}
    )
    first, *others = verdict.checks
    known = dataclasses.replace(
        first, steps=steps, scenario="features/post_deploy/application_health.feature:5"
    )
    return verdicts.changed(verdict, checks=(known, *others), executor=SERVER)


def result_of(verdict: Verdict, check: str, region: str = "eu") -> dict[str, Any]:
    (found,) = (
        one
        for one in results(verdict)
        if one["fullName"] == f"gate.{check}" and parameters(one)["region"] == region
    )
    return found


def step(sentence: tuple[str, bool], judged: int | None) -> Step:
    return Step(*sentence, None if judged is None else {"eu": judged})


@cases(
    "steps judgements shown",
    {
        "each as it was judged": (
            (step(WHEN, 0), step(THEN, 1), step(AND, 1)),
            (GOOD, BAD),
            "passed passed(passed) failed(failed)",
        ),
        "a Then that judged nothing is not green": (
            (step(WHEN, 0), step(THEN, 0), step(AND, 1)),
            (GOOD,),
            "passed skipped passed(passed)",
        ),
        "one that broke off, and one that was not reached": (
            (step(WHEN, 0), Step(*THEN, {}), step(AND, None)),
            (GOOD, BAD),
            "passed failed(passed failed) skipped",
        ),
        "what no sentence judged comes last": (
            (step(WHEN, 0), step(THEN, 1)),
            (GOOD, BAD),
            "passed passed(passed) failed",
        ),
        "more than there is": ((step(THEN, 9),), (BAD,), "failed(failed)"),
        "no sentence known": ((), (GOOD, BAD), "passed failed"),
    },
)
def test_a_sentence_is_as_what_was_judged_in_it(
    steps: tuple[Step, ...], judgements: tuple[Judgement, ...], shown: str
) -> None:
    found = result_of(with_steps(steps, *judgements), "IV-HEALTH-1")["steps"]
    drawn = (
        one["status"]
        + (f"({' '.join(inner['status'] for inner in one['steps'])})" if "steps" in one else "")
        for one in found
    )
    assert " ".join(drawn) == shown


def test_a_result_says_where_it_comes_from_and_nothing_of_the_machine() -> None:
    verdict = verdicts.changed(with_steps((step(WHEN, 0),), BAD), runbook=RUNBOOK)
    found = result_of(verdict, "IV-HEALTH-1")
    labels = {one["name"]: one["value"] for one in found["labels"]}
    assert set(labels) == {
        *("epic", "feature", "owner", "severity", "parentSuite", "suite", "subSuite"),
    }
    assert (labels["epic"], labels["feature"]) == ("post-deploy", "application health")
    assert [one["url"].removeprefix(SERVER.files or "") for one in found["links"]] == [
        "https://docs.example/map/#IV-HEALTH-1",
        "/features/post_deploy/application_health.feature#L5",
        "/gates/policy",
    ]
    objective = result_of(verdict, "IV-PERF-1", "us")
    assert objective["links"][-1]["url"].endswith("/gates/policy/objectives.yaml")


def test_a_judgement_has_value_target_bound_margin_and_samples_by_themselves() -> None:
    (target, *_) = result_of(verdicts.rollback(), "IV-PERF-3")["steps"]
    said = {one["name"]: one["value"] for one in target["parameters"]}
    assert {name: said[name] for name in ("value", "target", "bound", "samples")} == {
        "value": "3.02 %",
        "target": "0.1 %",
        "bound": "at least 2.59 %",
        "samples": "4,004",
    }
    (target, *_) = result_of(verdicts.go(), "IV-PERF-3")["steps"]
    assert {one["name"]: one["value"] for one in target["parameters"]}[
        "bound"
    ] == "at most 0.0748 %"
    (slow, *_) = result_of(verdicts.rollback(), "IV-HEALTH-6", "us")["steps"]
    said = {one["name"]: one["value"] for one in slow["parameters"]}
    assert (said["value"], said["target"], said["margin"]) == ("61 ms", "50 ms", "-11 ms")


def read_properties(text: str) -> dict[str, str]:
    """Read Java's properties, as far as one line holds one of them."""
    pairs = (re.split(r"(?<!\\) = ", line, maxsplit=1) for line in text.splitlines())
    return {key: re.sub(r"\\(?!u)", "", value) for key, value in pairs}


def test_the_whole_says_what_was_decided_of_what_by_which_rules_and_where() -> None:
    odd = "pr=od: x\\y\nexit.code = 0"
    verdict = verdicts.changed(
        with_steps(()),
        environment=odd,
        digests={"policy": "ab12"},
        classification="Internal - Restricted",
    )
    files = allure.render(verdict)
    said = read_properties(files["environment.properties"])
    assert (said["decision"], said["exit.code"]) == ("HOLD", "20")
    assert said["environment"] == "pr=od: xy exit.code = 0"
    assert (said["policy.sha256"], said["classification"]) == ("ab12", "Internal - Restricted")
    assert json.loads(files["executor.json"])["buildUrl"] == SERVER.build_url


def test_each_red_has_its_category() -> None:
    rules = json.loads(allure.render(verdicts.go())["categories.json"])
    found: dict[str, set[str]] = {}
    for make in verdicts.EVERY.values():
        for one in results(make()):
            message = one.get("statusDetails", {}).get("message", "")
            name = next(
                (
                    rule["name"].partition(" (")[0]
                    for rule in rules
                    if one["status"] in rule["matchedStatuses"]
                    and re.fullmatch(rule["messageRegex"], message, re.DOTALL)
                ),
                "",
            )
            found.setdefault(name, set()).add(one["status"])
    assert found == {
        "": {"passed"},
        "Product defect": {"failed"},
        "Instrument": {"broken"},
        "Undecided": {"broken"},
        "Not asked": {"skipped"},
        "Waived": {"skipped"},
        "Advisory": {"skipped"},
    }

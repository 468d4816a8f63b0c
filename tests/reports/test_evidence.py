"""Evidence of tests: only what ran, passed, tested something and names its build is a pass."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide.judgement import equals
from gates.decide.outcome import Meaning, Outcome
from gates.decide.suite import Attachment, Finding, Kind, Suite, Tested, kind_of
from gates.decide.verdict import Verdict
from reports import evidence, writers
from steps.kit.evidence import Evidence
from tests.reports import verdicts
from tests.tables import cases

COMMIT, DIGEST = "5d54fb2c9e0a", f"sha256:{'a' * 64}"
READ = Tested(name="GET /v1/providers/{provider_id}", outcome=Outcome.PASS, seconds=0.25)
ROWS = (
    *verdicts.ROWS,
    verdicts.row("CT-READ-1", "api", Meaning.HOLD),
    verdicts.row("CT-FULL-1", "api", Meaning.HOLD),
)


def a_suite(check: str, **changes: Any) -> Suite:
    made = Suite(
        kind=Kind.CONTRACT,
        check=check,
        regions=verdicts.REGIONS,
        commit=COMMIT,
        artefacts={"api": DIGEST},
        tools={"schemathesis": "4.32.5"},
        tests=(READ,),
        counts={"requests": 20},
        facts={"seed": 7},
        findings=(),
        attachments=(),
    )
    return dataclasses.replace(made, **changes)


BOTH = (a_suite("CT-READ-1"), a_suite("CT-FULL-1"))


def verdict_of(*suites: Suite, bad: str | None = None, missing: str | None = None) -> Verdict:
    found = verdicts.passing()
    for check in ("CT-READ-1", "CT-FULL-1"):
        for region in verdicts.REGIONS:
            status = 500 if check == bad else 200
            found[check, region] = (equals("GET /v1/providers/{provider_id}", status, 200),)
    for region in verdicts.REGIONS if missing else ():
        del found[missing or "", region]
    return verdicts.changed(verdicts.verdict_of(found, rows=ROWS), suites=suites)


def document(verdict: Verdict) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(evidence.files(verdict)["contract-test.json"])
    return found


def test_what_passed_names_its_build_its_tools_and_what_it_counted() -> None:
    found = document(verdict_of(*BOTH))
    assert found == {
        "schema": 1,
        "kind": "contract-test",
        "release": "v1.2.0",
        "commit": COMMIT,
        "created_at": "2026-11-23T01:16:07.300+00:00",
        "result": "passed",
        "artefacts": [{"name": "api", "digest": DIGEST}],
        "facts": {
            "seed": 7,
            "environment": "local",
            "run": verdicts.RUN,
            "gate": "post-deploy",
            "asked": "15m",
            "regions": "eu, us",
        },
        "tools": {"schemathesis": "4.32.5"},
        "checks": {"CT-READ-1": "PASS", "CT-FULL-1": "PASS"},
        "counts": {
            "tests": 2,
            "passed": 2,
            "failed": 0,
            "undecided": 0,
            "not_run": 0,
            "requests": 40,
        },
        "findings": [],
    }
    read = Evidence.model_validate_json(json.dumps(found))
    assert read.digests() == {"api": DIGEST}


READ_ONLY, FULL = BOTH


@cases(
    "verdict result why",
    {
        "a check that failed": (
            lambda: verdict_of(*BOTH, bad="CT-FULL-1"),
            *("failed", "GET /v1/providers/{provider_id} is 500, wanted 200"),
        ),
        "a check that did not run": (
            lambda: verdict_of(READ_ONLY, missing="CT-FULL-1"),
            *("undecided", ""),
        ),
        "a check that handed nothing over": (
            lambda: verdict_of(READ_ONLY),
            *("undecided", "CT-FULL-1 passed in eu and names no test that it made"),
        ),
        "a check without a test": (
            lambda: verdict_of(READ_ONLY, a_suite("CT-FULL-1", tests=())),
            *("undecided", "CT-FULL-1 passed in us and names no test that it made"),
        ),
        "a check that passed although a test of it did not": (
            lambda: verdict_of(
                READ_ONLY,
                a_suite("CT-FULL-1", tests=(dataclasses.replace(READ, outcome=Outcome.ERROR),)),
            ),
            *("undecided", "CT-FULL-1 passed in eu and names a test that did not"),
        ),
        "one region that was not tested": (
            lambda: verdict_of(READ_ONLY, a_suite("CT-FULL-1", regions=("us",))),
            *("undecided", "CT-FULL-1 passed in eu and names no test that it made"),
        ),
        "no commit": (
            lambda: verdict_of(*(dataclasses.replace(one, commit=None) for one in BOTH)),
            *("undecided", "no commit named: what was tested can't be said"),
        ),
        "two commits": (
            lambda: verdict_of(READ_ONLY, a_suite("CT-FULL-1", commit="0123456789ab")),
            *("undecided", "several commits named: what was tested can't be said"),
        ),
        "no digest": (
            lambda: verdict_of(*(dataclasses.replace(one, artefacts={}) for one in BOTH)),
            *("undecided", "no build's digest named: what was tested can't be said"),
        ),
        "two builds": (
            lambda: verdict_of(
                READ_ONLY, a_suite("CT-FULL-1", artefacts={"api": f"sha256:{'b' * 64}"})
            ),
            *("undecided", "several builds named: what was tested can't be said"),
        ),
        "a run that was interrupted": (
            lambda: verdicts.changed(verdict_of(*BOTH, bad="CT-FULL-1"), state="interrupted"),
            *("undecided", "the run did not come to its end"),
        ),
    },
)
def test_what_is_no_proof_is_no_pass(verdict: Callable[[], Verdict], result: str, why: str) -> None:
    found = document(verdict())
    assert found["result"] == result
    assert not why or why in [one["sentence"] for one in found["findings"]]
    red = ET.fromstring(evidence.files(verdict())["contract-test.junit.xml"])  # noqa: S314 - our own
    assert int(red.attrib["tests"]) >= 4


def test_a_finding_of_a_check_is_said_once_with_its_rule_and_place() -> None:
    sentence = "GET /v1/providers/{provider_id} is 500, wanted 200"
    where = "GET /v1/providers/{provider_id}"
    own = Finding(rule="status", where=where, sentence=sentence)
    found = document(verdict_of(READ_ONLY, a_suite("CT-FULL-1", findings=(own,)), bad="CT-FULL-1"))
    assert found["findings"] == [
        {
            "rule": "status",
            "where": where,
            "sentence": sentence,
            "outcome": "FAIL",
            "link": "",
            "check": "CT-FULL-1",
            "regions": ["eu", "us"],
        }
    ]


def test_junit_lists_each_test_and_the_check_itself() -> None:
    bad = Tested(name="POST /v1/payments", outcome=Outcome.FAIL, sentence="500 is not documented")
    blind = Tested(name="GET /v1/features", outcome=Outcome.INCONCLUSIVE, sentence="no answer")
    suite = a_suite("CT-FULL-1", tests=(READ, bad, blind))
    text = evidence.files(verdict_of(READ_ONLY, suite, bad="CT-FULL-1"))["contract-test.junit.xml"]
    root = ET.fromstring(text)  # noqa: S314 - our own output
    assert {key: root.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "12",
        "failures": "4",
        "errors": "2",
    }
    suites = {one.get("name"): one for one in root.iter("testsuite")}
    names = [case.get("name") for case in suites["CT-FULL-1.eu"].iter("testcase")]
    assert names == ["CT-FULL-1 CT-FULL-1", READ.name, bad.name, blind.name]
    properties = {one.get("name"): one.get("value") for one in root.iter("property")}
    assert properties["commit"] == COMMIT
    assert properties["api"] == DIGEST


def test_a_run_without_such_a_check_writes_no_evidence_and_a_skipped_one_none() -> None:
    assert evidence.files(verdicts.go()) == {}
    skipped = tuple(
        dataclasses.replace(one, not_applicable="no contract") for one in verdict_of(*BOTH).checks
    )
    assert evidence.files(verdicts.changed(verdict_of(*BOTH), checks=skipped)) == {}


def test_a_picture_is_attached_to_its_check_in_allure(tmp_path: pathlib.Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "page.png").write_bytes(b"picture")
    named = [
        Attachment(name="the page", file=file, media_type="image/png")
        for file in ("evidence/page.png", "../outside.png")
    ]
    (tmp_path.parent / "outside.png").write_bytes(b"another's")
    suite = a_suite("CT-READ-1", regions=("eu",), attachments=tuple(named))
    writers.write_all(tmp_path, verdict_of(suite, FULL).record())
    results = [json.loads(one.read_text()) for one in tmp_path.glob("allure-results/*-result.json")]
    (result,) = (one for one in results if "image/png" in str(one.get("attachments")))
    assert result["name"].startswith("CT-READ-1")
    (copied,) = tmp_path.glob("allure-results/*.png")
    assert copied.read_bytes() == b"picture"
    assert result["attachments"][0] == {
        "name": "the page",
        "source": copied.name,
        "type": "image/png",
    }
    assert {one.name for one in (tmp_path / "evidence").iterdir()} == {
        *("page.png", "contract-test.json", "contract-test.junit.xml")
    }


def test_no_two_results_name_one_file_which_allure_would_show_in_one_alone(
    tmp_path: pathlib.Path,
) -> None:
    named = ("CT-READ-1 eu chromium", "CT-READ-1 us chromium", "of both")
    (tmp_path / "evidence").mkdir()
    for name in named:
        (tmp_path / "evidence" / f"{name}.png").write_bytes(name.encode())
    pictures = (
        Attachment(name=name, file=f"evidence/{name}.png", media_type="image/png") for name in named
    )
    suite = a_suite("CT-READ-1", regions=("eu", "us"), attachments=tuple(pictures))
    writers.write_all(tmp_path, verdict_of(suite, FULL).record())
    results = [json.loads(one.read_text()) for one in tmp_path.glob("allure-results/*-result.json")]
    shown = {
        one["name"].partition(":")[0]: [
            (tmp_path / "allure-results" / each["source"]).read_text()
            for each in one.get("attachments", ())
            if each["type"] == "image/png"
        ]
        for one in results
    }
    assert shown["CT-READ-1 eu"] == ["CT-READ-1 eu chromium", "of both"]
    assert shown["CT-READ-1 us"] == ["CT-READ-1 us chromium", "of both"]
    sources = [
        each["source"]
        for one in results
        for each in one.get("attachments", ())
        if each["type"] == "image/png"
    ]
    assert len(sources) == len(set(sources))


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        ("CT-READ-1", Kind.CONTRACT),
        ("CT-DIFF-1", None),
        ("BR-BOOK-1", Kind.BROWSER),
        ("A11Y-KEY-1", Kind.ACCESSIBILITY),
        ("WV-1", Kind.VITALS),
        ("IV-FLOW-1", None),
    ],
)
def test_a_check_belongs_to_a_kind_by_its_id(check: str, kind: Kind | None) -> None:
    assert kind_of(check) is kind

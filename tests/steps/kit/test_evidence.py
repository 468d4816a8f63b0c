from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from pydantic import ValidationError

from gates.decide.outcome import Outcome
from gates.decide.release import Release
from steps.kit.evidence_rules import AgeLimit, Evidence, judge_identity, judge_result

NOW = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
LIMIT = AgeLimit(now=NOW, max_seconds=3600)
DIGEST = "sha256:" + "a" * 64
VALID: dict[str, Any] = {
    "schema": 1,
    "kind": "image-build",
    "release": "v1.2.0",
    "commit": "0f9a1b2",
    "created_at": "2026-01-31T21:30:00+00:00",
    "result": "passed",
    "artefacts": [{"name": "api", "digest": DIGEST}],
}


def evidence(**changes: Any) -> Evidence:
    return Evidence.model_validate_json(json.dumps({**VALID, **changes}))


def outcomes(**changes: Any) -> dict[str, Outcome]:
    judged = judge_identity(
        "it", evidence(**changes), "image-build", Release.parse("1.2.0"), age=LIMIT
    )
    return {one.subject: one.outcome for one in judged}


def test_a_document_of_this_kind_and_release_is_believed() -> None:
    assert set(outcomes().values()) == {Outcome.PASS}


@pytest.mark.parametrize("told", ["v1.2.0", "1.2.0"])
def test_tag_and_number_are_one_release(told: str) -> None:
    assert outcomes(release=told)["it release"] is Outcome.PASS


@pytest.mark.parametrize(
    ("changes", "subject", "outcome", "says"),
    [
        pytest.param(
            {"release": "v1.1.0"}, "it release", Outcome.FAIL, "v1.1.0", id="another release"
        ),
        pytest.param(
            {"release": "latest"},
            "it release",
            Outcome.FAIL,
            "a text of 6 characters",
            id="no release at all",
        ),
        pytest.param(
            {"kind": "web-build"},
            "it kind",
            Outcome.FAIL,
            "wanted “image-build”",
            id="another kind",
        ),
        pytest.param(
            {"created_at": "2026-01-31T20:59:59+00:00"},
            "it age",
            Outcome.INCONCLUSIVE,
            "outdated",
            id="older than the limit",
        ),
        pytest.param(
            {"created_at": "2026-01-31T21:00:00+00:00"},
            "it age",
            Outcome.PASS,
            "1.0 h",
            id="as old as the limit",
        ),
        pytest.param(
            {"created_at": "2026-01-31T22:05:00+00:00"},
            "it age",
            Outcome.PASS,
            "0 min",
            id="clocks that differ",
        ),
        pytest.param(
            {"created_at": "2026-01-31T22:05:01+00:00"},
            "it age",
            Outcome.INCONCLUSIVE,
            "future",
            id="dated in the future",
        ),
    ],
)
def test_what_is_wrong_with_a_document_is_said(
    changes: dict[str, Any], subject: str, outcome: Outcome, says: str
) -> None:
    judged = judge_identity(
        "it", evidence(**changes), "image-build", Release.parse("1.2.0"), age=LIMIT
    )
    (one,) = [one for one in judged if one.subject == subject]
    assert one.outcome is outcome
    assert says in one.sentence


@pytest.mark.parametrize(
    ("result", "outcome"), [("passed", Outcome.PASS), ("failed", Outcome.FAIL)]
)
def test_only_a_build_that_passed_passes(result: str, outcome: Outcome) -> None:
    assert judge_result("it", evidence(result=result)).outcome is outcome


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"schema": 2}, id="another schema"),
        pytest.param({"result": "green"}, id="an unknown result"),
        pytest.param({"colour": "red"}, id="an unknown key"),
        pytest.param({"created_at": "2026-01-31T21:30:00"}, id="a time without zone"),
        pytest.param({"commit": "main"}, id="a branch for a commit"),
        pytest.param({"artefacts": [{"name": "api", "digest": "latest"}]}, id="a tag for a digest"),
        pytest.param({"release": ""}, id="an empty release"),
    ],
)
def test_another_form_is_no_evidence(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        evidence(**changes)


def test_digests_are_found_by_name() -> None:
    assert evidence().digests() == {"api": DIGEST}

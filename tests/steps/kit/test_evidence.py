from __future__ import annotations

import datetime as dt
import json
import pathlib
from typing import Any

import pytest
from pydantic import ValidationError

from gates.decide.release import Release
from steps.kit.evidence import AgeLimit, Evidence, judge_identity, judge_result, read_evidence
from steps.kit.platform import NotDescribedError
from tests.golden import Said
from tests.steps.platforms import NOWHERE, a_platform
from tests.tables import cases

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


@cases(
    "changes",
    {
        "of this kind and release": {},
        "by its number": {"release": "1.2.0"},
        "of another release": {"release": "v1.1.0"},
        "no release at all": {"release": "latest"},
        "of another kind": {"kind": "web-build"},
        "older than the limit": {"created_at": "2026-01-31T20:59:59+00:00"},
        "as old as the limit": {"created_at": "2026-01-31T21:00:00+00:00"},
        "clocks that differ": {"created_at": "2026-01-31T22:05:00+00:00"},
        "dated in the future": {"created_at": "2026-01-31T22:05:01+00:00"},
        "a build that failed": {"result": "failed"},
    },
)
def test_what_a_document_is_worth(changes: dict[str, Any], said: Said) -> None:
    found, release = evidence(**changes), Release.parse("1.2.0")
    judged = judge_identity("it", found, "image-build", release, age=LIMIT)
    said([*judged, judge_result("it", found)])


@cases(
    "content",
    {
        "none": None,
        "not JSON": "{",
        "an empty one": "{}",
        "more than is read": " " * 2_000_000,
        "of no form that is known": json.dumps({**VALID, "schema": 2, "colour": "red"}),
        "old": json.dumps(VALID),
        "sound": json.dumps({**VALID, "created_at": dt.datetime.now(dt.UTC).isoformat()}),
    },
)
def test_a_document_is_read_from_its_folder(
    content: str | None, tmp_path: pathlib.Path, said: Said
) -> None:
    platform = a_platform(tmp_path, {"eu": NOWHERE.format(9)}, evidence={"folder": "."})
    if content is not None:
        (tmp_path / "v1.2.0").mkdir()
        (tmp_path / "v1.2.0" / "image-build.json").write_text(content)
    found = read_evidence(platform, "image-build")
    but_age = [one for one in found.judgements if one.rule != "evidence age"]
    said([found.subject, found.digests, found.believable, *but_age])


def test_a_platform_without_a_place_for_evidence_says_so(tmp_path: pathlib.Path) -> None:
    platform = a_platform(tmp_path, {"eu": NOWHERE.format(9)})
    with pytest.raises(NotDescribedError, match=r"^the environment lacks the section evidence;"):
        read_evidence(platform, "image-build")


TWO = [{"name": "api", "digest": f"sha256:{number * 64}"} for number in "01"]


@cases(
    "changes",
    {
        "another schema": {"schema": 2},
        "an unknown result": {"result": "green"},
        "an unknown key": {"colour": "red"},
        "a time without zone": {"created_at": "2026-01-31T21:30:00"},
        "a branch for a commit": {"commit": "main"},
        "a tag for a digest": {"artefacts": [{"name": "api", "digest": "latest"}]},
        "two digests of one thing": {"artefacts": TWO},
        "an empty release": {"release": ""},
    },
)
def test_another_form_is_no_evidence(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        evidence(**changes)

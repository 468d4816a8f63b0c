"""What a check hands over for the evidence of the release, from the step to the file."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from gates.decide.suite import Kind, Suite, Tested
from gates.run.lines import read
from steps.kit.asked import Asked
from steps.kit.check import Check
from steps.kit.request import EVENTS
from steps.kit.suites import attach, hand_over
from tests.probes.servers import closed_port
from tests.steps.platforms import NOWHERE, a_platform, write_evidence
from tests.steps.scenarios import a_run
from tests.tables import cases

DIGEST = f"sha256:{'c' * 64}"
PASSED = Tested(name="GET /v1/providers", outcome=Outcome.PASS)
IMAGES = {"images": {"repositories": ["api"]}, "evidence": {"folder": "."}}


def handed(tmp_path: pathlib.Path, *tests: Tested, **sections: Any) -> Suite:
    """Return what lines.py reads of a suite that a check in two regions handed over."""
    regions = {name: NOWHERE.format(closed_port()) for name in ("eu", "us")}
    (tmp_path / "id").write_text("sentinel-of-nobody")
    platform = a_platform(
        tmp_path,
        regions,
        aws={
            "region": "us-east-1",
            "endpoint_url": NOWHERE.format(closed_port()),
            "access_key_id": "file:id",
            "secret_access_key": "file:id",
        },
        **sections,
    )
    with a_run(platform, tmp_path) as run:
        asked = Asked(platform, Check("CT-READ-1", platform.regions), platform.regions)
        picture = attach(run, "../a page", b"picture", "image/png", "png")
        hand_over(
            *(run, asked, Kind.CONTRACT),
            tests=tests or (PASSED,),
            tools={"schemathesis": "4.32.5"},
            attachments=(picture,),
        )
    lines = read(tmp_path / EVENTS)
    assert lines.problems == ()
    (suite,) = lines.suites
    return suite


def test_a_suite_names_the_build_that_was_tested(tmp_path: pathlib.Path) -> None:
    write_evidence(tmp_path, "image-build", {"api": DIGEST})
    suite = handed(tmp_path, **IMAGES)
    assert (suite.commit, suite.artefacts) == ("0f9a0f9", {"api": DIGEST})
    assert (suite.check, suite.regions, suite.tests) == ("CT-READ-1", ("eu", "us"), (PASSED,))
    assert [one.file for one in suite.attachments] == ["evidence/a-page.png"]
    assert (tmp_path / "evidence" / "a-page.png").read_bytes() == b"picture"


@cases(
    "build sections",
    {
        "no evidence of the build": (None, IMAGES),
        "evidence of another release": ({"release": "v1.1.0"}, IMAGES),
        "no images in the environment": ({}, {"evidence": {"folder": "."}}),
    },
)
def test_a_build_that_nothing_proves_is_not_named(
    tmp_path: pathlib.Path, build: dict[str, Any] | None, sections: dict[str, Any]
) -> None:
    if build is not None:
        write_evidence(tmp_path, "image-build", {"api": DIGEST}, **build)
    suite = handed(tmp_path, **sections)
    assert (suite.commit, suite.artefacts) == (None, {})


@pytest.mark.parametrize(
    ("sentence", "kept"),
    [
        ("a header was sentinel-of-nobody", "(left out: it held a secret)"),
        ("x" * 900, "x" * 500),
    ],
    ids=["one with a secret", "one without end"],
)
def test_a_text_that_evidence_may_not_show_is_not_kept(
    tmp_path: pathlib.Path, sentence: str, kept: str
) -> None:
    suite = handed(tmp_path, dataclasses.replace(PASSED, sentence=sentence))
    assert suite.tests[0].sentence == kept


def test_a_line_that_is_not_a_suite_is_a_problem_of_the_run(tmp_path: pathlib.Path) -> None:
    (tmp_path / EVENTS).write_text('{"event": "suite_finished", "kind": "contract-test"}\n')
    assert read(tmp_path / EVENTS).problems == (
        "line 1 of events.jsonl is not a result of a check",
    )

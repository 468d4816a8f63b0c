from __future__ import annotations

import json
import pathlib
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.decide.fold import Reason
from gates.decide.outcome import Decision, Outcome, worst_decision
from gates.load import Checks
from gates.run import verdict
from gates.run.join import NotJoinedError, join
from reports import explanation
from reports.verdict import read
from tests.gates.run.left import ASKED, a_run, ago

FAILED = [(Outcome.FAIL,)]


def test_two_green_regions_are_one_go_with_their_evidence(tmp_path: pathlib.Path) -> None:
    sources = [a_run(tmp_path, "eu"), a_run(tmp_path, "us")]
    joined = join(sources, tmp_path / "out")
    assert joined.is_go
    assert joined.regions == {"eu": "GO", "us": "GO"}
    assert [one.run for one in joined.joined] == [source.run for source in sources]
    assert all(len(one.sha256) == 64 for one in joined.joined)
    folder = tmp_path / "out" / joined.run
    assert read(json.loads((folder / "verdict.json").read_text())) == joined
    assert {path.name for path in folder.iterdir()} == {
        *("verdict.json", "junit.xml", "summary.md", "allure-results"),
    }
    assert "Joined from" in explanation.render(joined)


def test_the_worst_region_decides(tmp_path: pathlib.Path) -> None:
    joined = join([a_run(tmp_path, "eu"), a_run(tmp_path, "us", {"IV-HEALTH-1": FAILED})], tmp_path)
    assert joined.decision is Decision.ROLLBACK
    assert joined.regions == {"eu": "GO", "us": "ROLLBACK"}


DIFFERENCES: dict[str, tuple[dict[str, Any], str]] = {
    "another release": ({"release": "v1.1.0"}, "is of release v1.1.0"),
    "another environment": ({"environment": "staging"}, "is of environment staging"),
    "another window": ({"window": "1h"}, "is of window 1h"),
    "another policy": (
        {
            "digests": {
                "policy": "q",
                "catalogue": verdict.catalogue_digest(Checks()),
                "environment": "e",
            }
        },
        "made with another policy",
    ),
    "a run of yesterday": ({"started_at": ago(24 * 60)}, "it says nothing of us today"),
    "a run of tomorrow": ({"started_at": ago(-60)}, "it says nothing of us today"),
    "a run that was interrupted": ({"state": "interrupted"}, "did not end by itself"),
    "a run with a problem of its own": (
        {"reasons": (Reason(None, None, "RUN", Decision.HOLD, "the child died", None, None),)},
        "the child died",
    ),
}


@pytest.mark.parametrize(("changes", "says"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_runs_that_are_not_of_one_question_hold(
    tmp_path: pathlib.Path, changes: dict[str, Any], says: str
) -> None:
    joined = join([a_run(tmp_path, "eu"), a_run(tmp_path, "us", **changes)], tmp_path / "out")
    assert joined.decision is Decision.HOLD
    assert any(says in reason.sentence for reason in joined.reasons)


def test_a_missing_region_holds_and_is_named(tmp_path: pathlib.Path) -> None:
    joined = join([a_run(tmp_path, "eu")], tmp_path / "out")
    assert joined.decision is Decision.HOLD
    assert joined.regions["us"] == "HOLD"
    assert any("no run of us was given" in reason.sentence for reason in joined.reasons)


def test_a_region_given_twice_holds(tmp_path: pathlib.Path) -> None:
    eu, us = a_run(tmp_path, "eu"), a_run(tmp_path, "us")
    joined = join([eu, us, us], tmp_path / "out")
    assert joined.decision is Decision.HOLD
    assert any("us is in 2 runs" in reason.sentence for reason in joined.reasons)


def test_runs_of_another_catalogue_than_this_one_hold(tmp_path: pathlib.Path) -> None:
    older = {"policy": "p", "catalogue": "older", "environment": "e"}
    sources = [a_run(tmp_path, region, digests=older) for region in ("eu", "us")]
    joined = join(sources, tmp_path / "out")
    assert joined.decision is Decision.HOLD
    assert any("another catalogue" in reason.sentence for reason in joined.reasons)


def test_a_check_that_failed_and_then_passed_is_no_pass_in_the_joined_verdict(
    tmp_path: pathlib.Path,
) -> None:
    twice = {"IV-HEALTH-1": [(Outcome.FAIL,), (Outcome.PASS,)]}
    eu = a_run(tmp_path, "eu", twice)
    assert eu.verdict.decision is Decision.ROLLBACK
    joined = join([eu, a_run(tmp_path, "us")], tmp_path / "out")
    assert joined.decision is Decision.ROLLBACK
    assert {"FAIL", "DOUBLED"} <= {reason.outcome for reason in joined.reasons}


def test_a_check_that_excuses_itself_holds(tmp_path: pathlib.Path) -> None:
    eu = a_run(tmp_path, "eu", {"IV-HEALTH-1": [(Outcome.NOT_APPLICABLE,)]})
    joined = join([eu, a_run(tmp_path, "us")], tmp_path / "out")
    assert joined.decision is Decision.HOLD
    assert any("claims in eu that it does not apply" in one.sentence for one in joined.reasons)


def test_a_verdict_without_its_lines_is_not_joined(tmp_path: pathlib.Path) -> None:
    eu, us = a_run(tmp_path, "eu"), a_run(tmp_path, "us")
    (eu.folder / "events.jsonl").unlink()
    with pytest.raises(NotJoinedError, match="has no events"):
        join([eu, us], tmp_path / "out")


def test_a_joined_verdict_that_would_be_better_than_a_run_is_not_made(
    tmp_path: pathlib.Path,
) -> None:
    red = a_run(tmp_path, "us", decision=Decision.ROLLBACK, exit_code=10)
    with pytest.raises(NotJoinedError, match="said ROLLBACK of us"):
        join([a_run(tmp_path, "eu"), red], tmp_path / "out")


OUTCOMES = st.lists(st.sampled_from(Outcome), min_size=1, max_size=2).map(tuple)
FOUND = st.dictionaries(
    st.sampled_from([row.id for row in ASKED.required]), st.lists(OUTCOMES, max_size=3), max_size=4
)


@settings(max_examples=60, deadline=None)
@given(FOUND, FOUND)
def test_a_joined_verdict_is_never_better_than_its_worst_run(
    eu: dict[str, list[tuple[Outcome, ...]]], us: dict[str, list[tuple[Outcome, ...]]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sources = [a_run(folder, "eu", eu), a_run(folder, "us", us)]
        joined = join(sources, folder / "out").decision or Decision.HOLD
    said = [source.verdict.decision or Decision.HOLD for source in sources]
    assert worst_decision([joined, *said]) is joined
    assert (joined is Decision.GO) == (set(said) == {Decision.GO})

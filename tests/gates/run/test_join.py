from __future__ import annotations

import json
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.decide.fold import Reason
from gates.decide.outcome import Decision, Outcome, worst_decision
from gates.load import Checks
from gates.run import verdict
from gates.run.join import Joined, NotJoinedError, join
from reports import explanation
from reports.verdict import read
from tests.gates.run.left import ASKED, a_run, ago
from tests.tables import cases

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


DIGESTS = {"policy": "p", "catalogue": verdict.catalogue_digest(Checks()), "environment": "e"}
CHILD = (Reason(None, None, "RUN", Decision.HOLD, "the child died", None, None),)
EXCUSED = {"IV-HEALTH-1": [(Outcome.NOT_APPLICABLE,)]}


def eu_and(**changes: Any) -> Callable[[pathlib.Path], list[Joined]]:
    return lambda folder: [a_run(folder, "eu"), a_run(folder, "us", **changes)]


def of_an_older_catalogue(folder: pathlib.Path) -> list[Joined]:
    return [a_run(folder, one, digests=DIGESTS | {"catalogue": "older"}) for one in ("eu", "us")]


@cases(
    "left says",
    {
        "another release": (eu_and(release="v1.1.0"), "is of release v1.1.0"),
        "another environment": (eu_and(environment="staging"), "is of environment staging"),
        "another window": (eu_and(window="1h"), "is of window 1h"),
        "another policy": (eu_and(digests=DIGESTS | {"policy": "q"}), "made with another policy"),
        "a run of yesterday": (eu_and(started_at=ago(24 * 60)), "it says nothing of us today"),
        "a run of tomorrow": (eu_and(started_at=ago(-60)), "it says nothing of us today"),
        "a run that was interrupted": (eu_and(state="interrupted"), "did not end by itself"),
        "a run with a problem of its own": (eu_and(reasons=CHILD), "the child died"),
        "another catalogue than this one": (of_an_older_catalogue, "another catalogue"),
        "a missing region": (lambda folder: [a_run(folder, "eu")], "no run of us was given"),
        "a region given twice": (
            lambda folder: [a_run(folder, "eu"), *[a_run(folder, "us")] * 2],
            "us is in 2 runs",
        ),
        "a check that excuses itself": (
            lambda folder: [a_run(folder, "eu", EXCUSED), a_run(folder, "us")],
            "claims in eu that it does not apply",
        ),
    },
)
def test_runs_that_are_not_whole_or_not_of_one_question_hold(
    tmp_path: pathlib.Path, left: Callable[[pathlib.Path], list[Joined]], says: str
) -> None:
    joined = join(left(tmp_path), tmp_path / "out")
    assert joined.decision is Decision.HOLD
    assert any(says in reason.sentence for reason in joined.reasons)
    assert set(joined.regions) == {"eu", "us"}


def test_a_check_that_failed_and_then_passed_is_no_pass_in_the_joined_verdict(
    tmp_path: pathlib.Path,
) -> None:
    twice = {"IV-HEALTH-1": [(Outcome.FAIL,), (Outcome.PASS,)]}
    eu = a_run(tmp_path, "eu", twice)
    assert eu.verdict.decision is Decision.ROLLBACK
    joined = join([eu, a_run(tmp_path, "us")], tmp_path / "out")
    assert joined.decision is Decision.ROLLBACK
    assert {"FAIL", "DOUBLED"} <= {reason.outcome for reason in joined.reasons}


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

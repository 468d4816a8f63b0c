from __future__ import annotations

import datetime as dt
import json
import pathlib
from typing import Any

import pytest

from gates.decide.judgement import equals
from gates.decide.scope import PostDeploy
from gates.load import Checks, load_catalogue
from gates.run import verdict
from gates.run.join import Source, join
from reports import explanation
from reports.verdict import read

ROWS = PostDeploy("15m").scope(load_catalogue(), switched=True).rows


def _ago(minutes: float) -> str:
    return (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)).isoformat()


def cell(*, good: bool) -> dict[str, Any]:
    judgement = equals("status", 200 if good else 503, 200)
    return {
        "outcome": judgement.outcome.value,
        "judgements": [judgement.record()],
        "observations": [],
    }


def a_run(folder: pathlib.Path, region: str, *, red: str = "", **changes: Any) -> Source:
    """Return a run of one region as it lies on disk; `red` is the check that failed there."""
    record = {
        "schema": 1,
        "run": f"20260131T220000Z-post-deploy-{region}",
        "state": "complete",
        "decision": "ROLLBACK" if red else "GO",
        "exit_code": 10 if red else 0,
        "gate": "post-deploy",
        "window": "15m",
        "phase": None,
        "at": None,
        "follows": None,
        "environment": "prod",
        "release": "v1.2.0",
        "stage": "carrying traffic",
        "regions": {region: "ROLLBACK" if red else "GO"},
        "environment_regions": ["eu", "us"],
        "traffic_switched_at": "2026-01-31T22:00:00+00:00",
        "started_at": _ago(10),
        "digests": {
            "policy": "p",
            "catalogue": verdict.catalogue_digest(Checks()),
            "environment": "e",
        },
        "reasons": [],
        "checks": [
            {
                "id": row.id,
                "title": row.id,
                "phase": row.phase,
                "owner": row.owner,
                "severity": row.severity,
                "on_fail": row.on_fail.value,
                "not_applicable": None,
                "elapsed_seconds": 0.1,
                "regions": {region: cell(good=row.id != red)},
            }
            for row in ROWS
        ],
        **changes,
    }
    path = folder / region
    path.mkdir(exist_ok=True)
    (path / "verdict.json").write_text(json.dumps(record))
    return Source(path, record)


def test_two_green_regions_are_one_go_with_their_evidence(tmp_path: pathlib.Path) -> None:
    sources = [a_run(tmp_path, "eu"), a_run(tmp_path, "us")]
    joined = join(sources, tmp_path / "out")
    assert joined["decision"] == "GO"
    assert joined["regions"] == {"eu": "GO", "us": "GO"}
    assert [one["run"] for one in joined["joined"]] == [source.run for source in sources]
    assert all(len(one["sha256"]) == 64 for one in joined["joined"])
    folder = tmp_path / "out" / joined["run"]
    assert json.loads((folder / "verdict.json").read_text()) == joined
    written = {path.name for path in folder.iterdir()}
    assert written == {"verdict.json", "junit.xml", "summary.md", "allure-results"}
    assert "Joined from" in explanation.render(read(joined))


def test_the_worst_region_decides(tmp_path: pathlib.Path) -> None:
    joined = join([a_run(tmp_path, "eu"), a_run(tmp_path, "us", red="IV-HEALTH-1")], tmp_path)
    assert joined["decision"] == "ROLLBACK"
    assert joined["regions"] == {"eu": "GO", "us": "ROLLBACK"}


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
    "a run of yesterday": ({"started_at": _ago(24 * 60)}, "it says nothing of us today"),
    "a run of tomorrow": ({"started_at": _ago(-60)}, "it says nothing of us today"),
    "a run that was interrupted": ({"state": "interrupted"}, "did not end by itself"),
    "a run with a problem of its own": (
        {
            "reasons": [
                {
                    "check": None,
                    "region": None,
                    "outcome": "RUN",
                    "decision": "HOLD",
                    "sentence": "the child died",
                    "owner": None,
                    "judgement": None,
                }
            ]
        },
        "the child died",
    ),
}


@pytest.mark.parametrize(("changes", "says"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_runs_that_are_not_of_one_question_hold(
    tmp_path: pathlib.Path, changes: dict[str, Any], says: str
) -> None:
    joined = join([a_run(tmp_path, "eu"), a_run(tmp_path, "us", **changes)], tmp_path / "out")
    assert joined["decision"] == "HOLD"
    assert any(says in reason["sentence"] for reason in joined["reasons"])


def test_a_missing_region_holds_and_is_named(tmp_path: pathlib.Path) -> None:
    joined = join([a_run(tmp_path, "eu")], tmp_path / "out")
    assert joined["decision"] == "HOLD"
    assert joined["regions"]["us"] == "HOLD"
    assert any("no run of us was given" in reason["sentence"] for reason in joined["reasons"])


def test_a_region_given_twice_holds(tmp_path: pathlib.Path) -> None:
    eu, us = a_run(tmp_path, "eu"), a_run(tmp_path, "us")
    joined = join([eu, us, us], tmp_path / "out")
    assert joined["decision"] == "HOLD"
    assert any("us is in 2 runs" in reason["sentence"] for reason in joined["reasons"])


def test_runs_of_another_catalogue_than_this_one_hold(tmp_path: pathlib.Path) -> None:
    older = {"policy": "p", "catalogue": "older", "environment": "e"}
    sources = [a_run(tmp_path, region, digests=older) for region in ("eu", "us")]
    joined = join(sources, tmp_path / "out")
    assert joined["decision"] == "HOLD"
    assert any("another catalogue" in reason["sentence"] for reason in joined["reasons"])

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import io
import json
import pathlib
from typing import Any

import pytest

from environments import loader
from gates.cli import status
from gates.decide.fold import Stage
from gates.decide.judgement import equals
from gates.decide.outcome import Meaning
from gates.decide.verdict import Verdict
from gates.load import load_catalogue
from tests.gates.cli.evidence import leave, run_id
from tests.reports import verdicts

REGIONS = verdicts.REGIONS
NOW = dt.datetime(2026, 11, 23, 2, 15, tzinfo=dt.UTC)
FIRST_CHECK = next(row for row in load_catalogue() if row.phase == "deploy" and row.when == "2.1")


def phase_run(out: pathlib.Path, number: int, phase: str, **changes: Any) -> None:
    """Leave a run of a phase; a higher number is a later one."""
    started = f"2026-11-23T01:{number:02d}:36+00:00"
    asked: dict[str, Any] = {"gate": "phase", "phase": phase, "window": None, "started_at": started}
    leave(out, run_id(number, f"phase-{phase}"), **asked, **changes)


def stopped(region: str = "us") -> dict[str, Any]:
    """Return a run whose first check of 2.1 failed in one region."""
    red = dataclasses.replace(FIRST_CHECK, on_fail=Meaning.ROLLBACK)
    status = {one: 200 if one != region else 503 for one in REGIONS}
    found: verdicts.Found = {
        (red.id, one): (equals("status", status[one], 200),) for one in REGIONS
    }
    found |= {(verdicts.ROWS[0].id, one): (equals("status", 200, 200),) for one in REGIONS}
    rows = (red, verdicts.ROWS[0])
    return said_by(verdicts.verdict_of(found, stage=Stage.NOT_SWITCHED, rows=rows))


def said_by(verdict: Verdict) -> dict[str, Any]:
    """Return what a verdict says, without what it was asked and when."""
    asked = ("gate", "window", "phase", "run", "started_at")
    return {key: value for key, value in verdict.record().items() if key not in asked}


def shown(out: pathlib.Path, *arguments: str) -> str:
    parser = argparse.ArgumentParser()
    status.add_arguments(parser)
    stdout = io.StringIO()
    status.run(parser.parse_args(["--out", str(out), *arguments]), stdout, io.StringIO(), NOW)
    return stdout.getvalue()


def test_before_the_first_phase_no_phase_is_shown(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1))
    assert "phase 1" not in shown(tmp_path)


def test_a_phase_is_done_red_or_missing_with_its_owner_and_the_next_command(
    tmp_path: pathlib.Path,
) -> None:
    phase_run(tmp_path, 1, "1")
    phase_run(tmp_path, 2, "2", **stopped())
    lines = shown(tmp_path).splitlines()
    assert "  phase 1   done" in lines
    assert any(line.startswith("  phase 2   red: 2.1 STOP (owner: database") for line in lines), (
        lines
    )
    assert any(line.startswith("  phase 3   missing: 3.1, 3.2, 3.3 not asked") for line in lines)


def test_the_last_run_of_a_part_counts(tmp_path: pathlib.Path) -> None:
    phase_run(tmp_path, 1, "1")
    phase_run(tmp_path, 2, "2", **stopped())
    phase_run(tmp_path, 3, "2.1")
    said = shown(tmp_path)
    assert "  phase 2   done" in said.splitlines()
    assert said.rstrip().endswith("./harness gate phase 3 --env local --release v1.2.0")


def test_a_region_that_nobody_asked_is_missing(tmp_path: pathlib.Path) -> None:
    phase_run(tmp_path, 1, "1")
    phase_run(tmp_path, 2, "2", regions={"eu": "GO"})
    assert "phase 2   missing: 2.1, 2.2 not asked" in shown(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{"release": "v1.1.0"}, {"environment": "staging"}, said_by(verdicts.interrupted())],
    ids=["another release", "another environment", "an interrupted run"],
)
def test_what_is_no_complete_run_of_this_deployment_does_not_count(
    tmp_path: pathlib.Path, changes: dict[str, Any]
) -> None:
    phase_run(tmp_path, 1, "2", **changes)
    phase_run(tmp_path, 2, "1")
    assert "phase 2   missing" in shown(tmp_path, "--env", "local")


def test_json_has_the_phases(tmp_path: pathlib.Path) -> None:
    phase_run(tmp_path, 1, "1")
    found = json.loads(shown(tmp_path, "--output", "json"))["environments"]["local"]
    assert found["phases"][0] == {"number": 1, "state": "done", "said": "", "owners": []}
    assert found["next"].startswith("./harness gate phase 2 --env local")


WINDOWS = [{"opens": "Monday 00:00", "closes": "Monday 03:00"}]


@pytest.mark.parametrize(
    ("hour", "said"),
    [(2, "closes in 60 min"), (4, "closed; Monday 00:00 to Monday 03:00 UTC")],
)
def test_what_is_left_of_the_deployment_window_is_told(
    tmp_path: pathlib.Path, hour: int, said: str
) -> None:
    region = {"services": {"api": "http://127.0.0.1:9"}, "prometheus": "http://127.0.0.1:9"}
    path = tmp_path / "clinic.yaml"
    data = {
        "schema": 1,
        "name": "clinic",
        "owner": "team",
        "services": {"api": {}},
        "regions": {"eu": region},
        "deployment": {"windows": WINDOWS},
    }
    path.write_text(json.dumps(data))
    assert loader.find(str(path)).name == "clinic"
    now = dt.datetime(2026, 11, 23, hour, 0, tzinfo=dt.UTC)
    assert status.window_left(str(path), now) == said


def test_an_environment_without_a_window_or_a_file_has_none_to_tell_of() -> None:
    assert status.window_left("local", NOW) is None
    assert status.window_left("moon", NOW) is None

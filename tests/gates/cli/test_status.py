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
from gates.cli import runs, status
from gates.decide.fold import Stage
from gates.decide.judgement import equals
from gates.decide.outcome import Meaning
from gates.decide.verdict import Verdict
from gates.load import load_catalogue
from tests.gates.cli.evidence import leave, run_id
from tests.reports import verdicts
from tests.tables import cases

NOW = dt.datetime(2026, 11, 23, 2, 15, 36, 100_000, tzinfo=dt.UTC)
FIRST_CHECK = next(row for row in load_catalogue() if row.phase == "deploy" and row.when == "2.1")


def called(out: pathlib.Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    parser = argparse.ArgumentParser()
    status.add_arguments(parser)
    stdout, stderr = io.StringIO(), io.StringIO()
    parsed = parser.parse_args(["--out", str(out), *arguments])
    assert status.run(parsed, stdout, stderr, NOW) == code
    return stdout.getvalue(), stderr.getvalue()


@cases(
    "arguments said",
    {
        "anywhere": ([], "Nothing was ever run."),
        "on an environment": (["--env", "prod"], "Nothing was ever run on prod."),
    },
)
def test_it_says_when_nothing_was_ever_run(
    tmp_path: pathlib.Path, arguments: list[str], said: str
) -> None:
    leave(tmp_path, run_id(1, "pytest"))
    stdout, _ = called(tmp_path, *arguments, code=20)
    assert stdout.startswith(said)
    assert "./harness gate post-deploy --env" in stdout


def test_the_newest_run_of_each_environment_stands_with_its_age_and_decision(
    tmp_path: pathlib.Path,
) -> None:
    leave(tmp_path, run_id(1), verdicts.rollback())
    leave(tmp_path, run_id(2))
    leave(tmp_path, run_id(3), verdicts.hold(), environment="staging")
    stdout, _ = called(tmp_path)
    assert "local  GO  v1.2.0 on local, 1 h 00 min ago" in stdout
    assert "staging  HOLD  v1.2.0 on staging" in stdout
    assert "ROLLBACK" not in stdout


def test_what_was_refused_is_no_run(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1), verdicts.rollback())
    leave(tmp_path, run_id(2), verdicts.refused())
    leave(tmp_path, run_id(3), verdicts.refused(), environment="lokal")
    stdout, _ = called(tmp_path)
    assert stdout.startswith("local  ROLLBACK")
    assert "lokal" not in stdout
    assert runs.find(None, tmp_path).id == run_id(1)
    assert runs.find(run_id(2), tmp_path).id == run_id(2)


def test_an_environment_of_a_file_goes_by_its_name_and_commands_name_the_file(
    tmp_path: pathlib.Path,
) -> None:
    leave(tmp_path, run_id(1), environment="clinic", asked_as="/srv/clinic.yaml")
    stdout, _ = called(tmp_path)
    assert stdout.startswith("clinic  GO")
    assert "--env /srv/clinic.yaml --release" in stdout
    assert called(tmp_path, "--env", "clinic") == called(tmp_path, "--env", "/srv/clinic.yaml")


def test_one_environment_can_be_asked_for(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1))
    leave(tmp_path, run_id(2), environment="staging")
    stdout, _ = called(tmp_path, "--env", "local")
    assert "local  GO" in stdout
    assert "staging" not in stdout


@cases(
    "name lines",
    {
        "red checks with their owner": (
            "rollback",
            [
                "  red       IV-PERF-3 FAIL in eu: The error rate is under 0.1 % (owner: sre)",
                f"  next      ./harness gate explain {run_id(1)}",
            ],
        ),
        "missing checks with their owner": (
            "missing",
            [
                "  missing   IV-HEALTH-1 MISSING in us: The API answers its health check (owner: platform)"
            ],
        ),
        "the next window after GO": (
            "go",
            [
                "  next      ./harness gate post-deploy --env local --release v1.2.0 --window 1h",
            ],
        ),
        "what failed and the command again": (
            "failed",
            [
                "  said      The disk is full: reports/out could not be written; free some space.",
                "  next      ./harness gate post-deploy --env local --release v1.2.0 --window 15m",
            ],
        ),
        "a run that was killed": (
            "incomplete",
            ["  means     The gate was killed or is still running. No verdict is never GO."],
        ),
        "nothing after the last window": (
            "go of the last window",
            ["  next      nothing: the last window is through"],
        ),
    },
)
def test_it_says_what_is_red_and_what_comes_next(
    tmp_path: pathlib.Path, name: str, lines: list[str]
) -> None:
    verdict, _, last = name.partition(" ")
    window = {"window": "24h"} if last else {}
    leave(tmp_path, run_id(1), verdicts.EVERY[verdict](), **window)
    stdout, _ = called(tmp_path)
    assert [line for line in lines if line not in stdout.splitlines()] == []


def test_a_damaged_run_is_named_and_passed_over(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1))
    leave(tmp_path, run_id(2), schema=9)
    stdout, stderr = called(tmp_path)
    assert run_id(1) in stdout
    assert run_id(2) in stderr
    assert "schema 9" in stderr


def test_the_json_names_red_checks_and_the_next_command(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1), verdicts.rollback())
    stdout, _ = called(tmp_path, "--output", "json")
    standing = json.loads(stdout)["environments"]["local"]
    assert standing["decision"] == "ROLLBACK"
    assert standing["age_seconds"] == 3600.0
    assert standing["red"][0] == {
        "check": "IV-PERF-3",
        "title": "The error rate is under 0.1 %",
        "owner": "sre",
        "where": "FAIL in eu",
    }
    assert standing["next"] == f"./harness gate explain {run_id(1)}"


def test_a_long_list_of_what_is_wrong_is_cut_with_the_command_that_shows_all(
    tmp_path: pathlib.Path,
) -> None:
    wrong = [f"key {number} still says EDIT-ME." for number in range(50)]
    leave(tmp_path, run_id(1), verdicts.failed(), sentences=wrong)
    stdout, _ = called(tmp_path, "--env", "local")
    assert stdout.count("EDIT-ME") == 5
    assert f"  said      and 45 more: ./harness gate explain {run_id(1)}" in stdout


def phase_run(out: pathlib.Path, number: int, phase: str, **changes: Any) -> None:
    """Leave a run of a phase; a higher number is a later one."""
    started = f"2026-11-23T01:{number:02d}:36+00:00"
    asked: dict[str, Any] = {"gate": "phase", "phase": phase, "window": None, "started_at": started}
    leave(out, run_id(number, f"phase-{phase}"), **asked, **changes)


def stopped() -> dict[str, Any]:
    """Return a run whose first check of 2.1 failed in one region."""
    red = dataclasses.replace(FIRST_CHECK, on_fail=Meaning.ROLLBACK)
    rows = (red, verdicts.ROWS[0])
    well, ill = equals("status", 200, 200), equals("status", 503, 200)
    found: verdicts.Found = {(one.id, where): (well,) for one in rows for where in verdicts.REGIONS}
    found[red.id, "us"] = (ill,)
    return said_by(verdicts.verdict_of(found, stage=Stage.NOT_SWITCHED, rows=rows))


def said_by(verdict: Verdict) -> dict[str, Any]:
    """Return what a verdict says, without what it was asked and when."""
    asked = ("gate", "window", "phase", "run", "started_at")
    return {key: value for key, value in verdict.record().items() if key not in asked}


def test_before_the_first_phase_no_phase_is_shown(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1))
    assert "phase 1" not in called(tmp_path)[0]


def test_a_phase_is_done_red_or_missing_with_its_owner_and_the_next_command(
    tmp_path: pathlib.Path,
) -> None:
    phase_run(tmp_path, 1, "1")
    phase_run(tmp_path, 2, "2", **stopped())
    lines = called(tmp_path)[0].splitlines()
    assert "  phase 1   done" in lines
    assert any(line.startswith("  phase 2   red: 2.1 STOP (owner: database") for line in lines), (
        lines
    )
    assert any(line.startswith("  phase 3   missing: 3.1, 3.2, 3.3 not asked") for line in lines)


def test_the_last_run_of_a_part_counts(tmp_path: pathlib.Path) -> None:
    phase_run(tmp_path, 1, "1")
    phase_run(tmp_path, 2, "2", **stopped())
    phase_run(tmp_path, 3, "2.1")
    said = called(tmp_path)[0]
    assert "  phase 2   done" in said.splitlines()
    assert said.rstrip().endswith("./harness gate phase 3 --env local --release v1.2.0")


def test_a_region_that_nobody_asked_is_missing(tmp_path: pathlib.Path) -> None:
    phase_run(tmp_path, 1, "1")
    phase_run(tmp_path, 2, "2", regions={"eu": "GO"})
    assert "phase 2   missing: 2.1, 2.2 not asked" in called(tmp_path)[0]


@cases(
    "changes",
    {
        "another release": {"release": "v1.1.0"},
        "another environment": {"environment": "staging"},
        "an interrupted run": (said_by(verdicts.interrupted()),),
    },
)
def test_what_is_no_complete_run_of_this_deployment_does_not_count(
    tmp_path: pathlib.Path, changes: dict[str, Any]
) -> None:
    phase_run(tmp_path, 1, "2", **changes)
    phase_run(tmp_path, 2, "1")
    assert "phase 2   missing" in called(tmp_path, "--env", "local")[0]


def test_json_has_the_phases(tmp_path: pathlib.Path) -> None:
    phase_run(tmp_path, 1, "1")
    found = json.loads(called(tmp_path, "--output", "json")[0])["environments"]["local"]
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

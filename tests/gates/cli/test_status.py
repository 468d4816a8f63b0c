from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import pathlib

import pytest

from gates.cli import runs, status
from tests.gates.cli.evidence import leave, run_id
from tests.reports import verdicts

NOW = dt.datetime(2026, 11, 23, 2, 15, 36, 100_000, tzinfo=dt.UTC)


def called(out: pathlib.Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    parser = argparse.ArgumentParser()
    status.add_arguments(parser)
    stdout, stderr = io.StringIO(), io.StringIO()
    parsed = parser.parse_args(["--out", str(out), *arguments])
    assert status.run(parsed, stdout, stderr, NOW) == code
    return stdout.getvalue(), stderr.getvalue()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([], "Nothing was ever run.", id="anywhere"),
        pytest.param(["--env", "prod"], "Nothing was ever run on prod.", id="on an environment"),
    ],
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


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        pytest.param(
            "rollback",
            [
                "  red       IV-PERF-3 FAIL in eu: The error rate is under 0.1 % (owner: sre)",
                f"  next      ./harness gate explain {run_id(1)}",
            ],
            id="red checks with their owner",
        ),
        pytest.param(
            "missing",
            [
                "  missing   IV-HEALTH-1 MISSING in us: The API answers its health check (owner: platform)"
            ],
            id="missing checks with their owner",
        ),
        pytest.param(
            "go",
            [
                "  next      ./harness gate post-deploy --env local --release v1.2.0 --window 1h",
            ],
            id="the next window after GO",
        ),
        pytest.param(
            "failed",
            [
                "  said      The disk is full: reports/out could not be written; free some space.",
                "  next      ./harness gate post-deploy --env local --release v1.2.0 --window 15m",
            ],
            id="what failed and the command again",
        ),
        pytest.param(
            "incomplete",
            ["  means     The gate was killed or is still running. No verdict is never GO."],
            id="a run that was killed",
        ),
    ],
)
def test_it_says_what_is_red_and_what_comes_next(
    tmp_path: pathlib.Path, name: str, lines: list[str]
) -> None:
    leave(tmp_path, run_id(1), verdicts.EVERY[name]())

    stdout, _ = called(tmp_path)

    assert [line for line in lines if line not in stdout.splitlines()] == []


def test_after_the_last_window_nothing_is_left_to_do(tmp_path: pathlib.Path) -> None:
    leave(tmp_path, run_id(1), window="24h")

    stdout, _ = called(tmp_path)

    assert "nothing: the last window is through" in stdout


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

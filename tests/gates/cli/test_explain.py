from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

from gates.decide.outcome import Outcome
from tests.gates.cli.evidence import called, leave, run_id
from tests.gates.run import left
from tests.reports import verdicts
from tests.reports.test_events import TORN
from tests.tables import cases


@cases(
    "arguments run",
    {
        "the newest when none is named": ([], run_id(3)),
        "by its id": ([run_id(1)], run_id(1)),
        "by the beginning of its id": (["20261123T0101"], run_id(1)),
        "by its folder": (["elsewhere/copied-from-ci"], "copied-from-ci"),
        "by its verdict": (["elsewhere/copied-from-ci/verdict.json"], "copied-from-ci"),
    },
)
def test_a_run_is_found(tmp_path: pathlib.Path, arguments: list[str], run: str) -> None:
    for number in (1, 2, 3):
        leave(tmp_path, run_id(number))
    leave(tmp_path / "elsewhere", "copied-from-ci")
    leave(tmp_path, run_id(9, "pytest"))
    (tmp_path / run_id(8)).mkdir()
    asked = [str(tmp_path / one) if "/" in one else one for one in arguments]
    code, stdout, _ = called("explain", tmp_path, *asked)
    assert code == 0
    assert f"Run {run}," in stdout


@cases(
    "folder arguments",
    {
        "an ambiguous beginning": ("", ["20261123T01"]),
        "an unknown run": ("", ["nothing"]),
        "an empty name": ("", [""]),
        "an empty folder": ("empty", []),
        "no folder": ("missing", []),
    },
)
def test_an_unknown_run_is_wrong_usage_and_none_says_how_to_make_one(
    tmp_path: pathlib.Path, folder: str, arguments: list[str], said: Callable[..., None]
) -> None:
    leave(tmp_path, run_id(1))
    leave(tmp_path, run_id(2))
    (tmp_path / "empty").mkdir()
    said(called("explain", tmp_path / folder, *arguments), {str(tmp_path): "OUT"})


@cases(
    "content",
    {
        "an empty file": "",
        "half a file": '{"schema": 1, "run',
        "no object": "[]",
        "another schema": '{"schema": 9}',
        "zeros of a crashed disk": "\x00\x00",
        "a contradiction": json.dumps(verdicts.go().record() | {"exit_code": 10}),
        "nesting without end": "[" * 100_000,
    },
)
def test_a_damaged_verdict_is_our_failure_in_one_sentence(
    tmp_path: pathlib.Path, content: str, said: Callable[..., None]
) -> None:
    leave(tmp_path, run_id(1))
    (tmp_path / run_id(1) / "verdict.json").write_text(content, encoding="utf-8")
    said(called("explain", tmp_path), {str(tmp_path): "OUT"})


def test_explaining_a_rollback_is_no_verdict_itself_and_its_query_can_be_pasted(
    tmp_path: pathlib.Path,
) -> None:
    leave(tmp_path, run_id(1), verdicts.rollback())
    query = verdicts.rollback().record()["reasons"][0]["judgement"]["data"]["queries"]["bad"]
    code, stdout, _ = called("explain", tmp_path)
    assert code == 0
    assert stdout.startswith("ROLLBACK")
    assert query in [line.strip() for line in stdout.splitlines()]


def test_the_json_holds_reasons_as_data_and_of_a_killed_run_what_was_measured(
    tmp_path: pathlib.Path,
) -> None:
    leave(tmp_path, run_id(1), verdicts.rollback())
    code, stdout, _ = called("explain", tmp_path, "--output", "json")
    found: dict[str, Any] = json.loads(stdout)
    assert (code, found["decision"]) == (0, "ROLLBACK")
    wanted = verdicts.rollback().record()["reasons"]
    assert [{**one, "title": 0, "slowest": 0} for one in found["reasons"]] == [
        {**one, "title": 0, "slowest": 0} for one in wanted
    ]
    assert found["passed"] == ["IV-HEALTH-1", "IV-HEALTH-5", "IV-PERF-1"]
    leave(tmp_path, run_id(2), verdicts.incomplete(), events=TORN)
    code, stdout, _ = called("explain", tmp_path, "--output", "json")
    found = json.loads(stdout)
    assert (code, found["decision"]) == (0, "NO VERDICT")
    assert found["measured_until_then"]["running"] == "IV-PERF-3"
    assert len(found["measured_until_then"]["checks"]) == 4


def _left(folder: pathlib.Path) -> tuple[pathlib.Path, dict[str, Any]]:
    red = left.a_run(folder, "eu", {"IV-HEALTH-1": [(Outcome.FAIL,)]})
    green = left.a_run(folder / "another", "eu").verdict
    return red.folder, green.record() | {"run": red.run}


def test_a_run_as_the_gate_left_it_is_explained(tmp_path: pathlib.Path) -> None:
    folder, _ = _left(tmp_path)
    code, stdout, _ = called("explain", tmp_path, str(folder))
    assert code == 0
    assert stdout.startswith("ROLLBACK")


def test_runs_that_can_not_be_joined_are_wrong_usage_and_damaged_ones_our_failure(
    tmp_path: pathlib.Path,
) -> None:
    folder, _ = _left(tmp_path)
    record = json.loads((folder / "verdict.json").read_text())
    (folder / "events.jsonl").unlink()
    code, _, told = called("join", tmp_path, str(folder))
    assert (code, "has no events" in told) == (64, True)
    (folder / "verdict.json").write_text(json.dumps(record | {"checks": "all"}))
    assert called("join", tmp_path, str(folder))[0] == 70


def _green(record: dict[str, Any], _folder: pathlib.Path) -> None:
    """Leave a green verdict over red lines."""


def _without_the_check(record: dict[str, Any], _folder: pathlib.Path) -> None:
    record["checks"] = [one for one in record["checks"] if one["id"] != "IV-HEALTH-1"]
    record["counts"]["PASS"] -= 1


def _and_without_its_lines(record: dict[str, Any], folder: pathlib.Path) -> None:
    _without_the_check(record, folder)
    for name in ("events.jsonl", "manifest.json"):
        (folder / name).unlink()


def _excused(record: dict[str, Any], folder: pathlib.Path) -> None:
    _and_without_its_lines(record, folder)
    other = next(one for one in record["checks"] if one["id"] == "IV-FLOW-1")
    record["checks"] = [*record["checks"], other | {"id": "IV-HEALTH-1", "on_fail": "rollback"}]
    record["counts"]["NOT_APPLICABLE"] += 1


def _an_advisory_now(record: dict[str, Any], folder: pathlib.Path) -> None:
    (folder / "events.jsonl").unlink()
    next(one for one in record["checks"] if one["id"] == "IV-HEALTH-1")["on_fail"] = "advisory"


@cases(
    "change",
    {
        "green": _green,
        "a check is gone": _without_the_check,
        "a check is gone, with its lines": _and_without_its_lines,
        "a check is excused": _excused,
        "a check is an advisory now": _an_advisory_now,
    },
)
def test_a_go_that_its_run_did_not_leave_is_said_and_not_shown(
    tmp_path: pathlib.Path,
    change: Callable[[dict[str, Any], pathlib.Path], None],
    said: Callable[..., None],
) -> None:
    folder, green = _left(tmp_path)
    change(green, folder)
    (folder / "verdict.json").write_text(json.dumps(green))
    said(called("explain", tmp_path, str(folder)), {str(tmp_path): "OUT"})

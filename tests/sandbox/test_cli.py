"""The command line without a platform: usage, refusals, exit codes, the operator's baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import deployment
from sandbox.cli import main
from sandbox.core import SandboxError
from sandbox.core.state import StateDirectory
from tests.tables import cases

MISTAKES = {
    "no command": "",
    "an unknown command": "fly",
    "an owner that is not a number": "up --owner me",
    "no requests at all": "traffic --rps 0 --for 10",
    "a rate that is not a number": "traffic --rps nan --for 10",
    "traffic without an end": "traffic --rps 10",
    "a revert of nothing": "fault revert",
    "a revert of one and all": "fault revert redis-down --all",
}


@cases("line", MISTAKES)
def test_a_mistake_in_the_command_is_64(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 64
    assert capsys.readouterr().err.startswith("usage: sandbox")


LINES = {
    "status": 1,
    "status --environment": 1,
    "traffic --rps 1 --for 1": 70,
    "fault apply redis-down": 70,
    "fault revert --all": 70,
    "down": 0,
}


@cases("line code", {line: (line, code) for line, code in LINES.items()})
def test_without_a_platform_one_sentence_says_so(
    line: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--state", str(tmp_path), *line.split()]) == code
    is_not = "the platform is not running: `sandbox up` brings it up."
    sentence = is_not if code else "the platform was not running."
    assert capsys.readouterr() == ("", f"sandbox: {sentence}\n")


def test_a_state_directory_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--state", str(tmp_path / "file" / "state"), "up"]) == 70
    assert "cannot use the state directory" in capsys.readouterr().err


def test_faults_are_listed_without_a_platform(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--state", str(tmp_path), "fault", "list"]) == 0
    assert "errors-3-percent" in capsys.readouterr().out


def test_a_baseline_that_is_there_is_kept(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    folder = state.gate / "local" / "v1.2.0" / "baseline"
    folder.mkdir(parents=True)
    (folder / "20260131T220000Z-baseline-abc123.json").write_text("{}")
    assert not deployment.take_baseline(state)


def test_where_the_gate_can_take_no_baseline_phase_1_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"phase 1 does not begin: gate: .*environment\.yaml"):
        deployment.take_baseline(StateDirectory(tmp_path))

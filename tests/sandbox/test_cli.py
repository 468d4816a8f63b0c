"""The command line without a platform: usage, refusals, exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["fly"], id="an unknown command"),
        pytest.param(["up", "--owner", "me"], id="an owner that is not a number"),
        pytest.param(["traffic", "--rps", "0", "--for", "10"], id="no requests at all"),
        pytest.param(["traffic", "--rps", "nan", "--for", "10"], id="a rate that is not a number"),
        pytest.param(["traffic", "--rps", "10"], id="traffic without an end"),
        pytest.param(["fault", "revert"], id="a revert of nothing"),
        pytest.param(["fault", "revert", "redis-down", "--all"], id="a revert of one and all"),
    ],
)
def test_a_mistake_in_the_command_is_64(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 64
    assert capsys.readouterr().err.startswith("usage: sandbox")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["status"], 1, id="status"),
        pytest.param(["status", "--environment"], 1, id="status of the environment file"),
        pytest.param(["traffic", "--rps", "1", "--for", "1"], 70, id="traffic"),
        pytest.param(["fault", "apply", "redis-down"], 70, id="a fault"),
        pytest.param(["fault", "revert", "--all"], 70, id="a revert"),
    ],
)
def test_without_a_platform_one_sentence_says_so(
    arguments: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--state", str(tmp_path), *arguments]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "sandbox: the platform is not running: `sandbox up` brings it up.\n"


def test_down_without_a_platform_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--state", str(tmp_path), "down"]) == 0
    assert capsys.readouterr().err == "sandbox: the platform was not running.\n"


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

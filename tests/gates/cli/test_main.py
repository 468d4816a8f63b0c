"""How every command ends, whatever happens to it."""

from __future__ import annotations

import io
import pathlib
from typing import NoReturn

import pytest

from gates.cli import main as module
from tests.tables import cases


def called(*arguments: str) -> tuple[int, str]:
    stderr = io.StringIO()
    return module.main(arguments, io.StringIO(), stderr), stderr.getvalue()


def breaks(monkeypatch: pytest.MonkeyPatch, exc: BaseException) -> None:
    """Let the command's module break while it is loaded, as a Ctrl-C or a damaged package does."""

    def load(_command: str) -> NoReturn:
        raise exc

    monkeypatch.setattr(module, "module_of", load)


def test_ctrl_c_while_a_command_is_loaded_is_a_hold_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaks(monkeypatch, KeyboardInterrupt())
    assert called("phase", "1", "--env", "local") == (
        20,
        "gate: interrupted; nothing was decided.\n",
    )


def test_a_command_that_cannot_be_loaded_is_70_and_never_1(monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch, ImportError("no module"))
    code, said = called("phase", "1", "--env", "local")
    assert code == 70
    assert said.count("\n") == 1
    assert "our own failure, no verdict: ImportError" in said


def test_a_failure_of_the_system_names_a_file_only_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaks(monkeypatch, OSError(27, "File too large"))
    assert "OSError: File too large. Run again" in called("phase", "1", "--env", "local")[1]
    breaks(monkeypatch, OSError(28, "No space left on device", "verdict.json"))
    assert "No space left on device (verdict.json)" in called("phase", "1", "--env", "local")[1]


NO_VERDICT = {
    "no command at all": ((), "required: COMMAND"),
    "an empty command": (("",), "invalid choice"),
    "an unknown command": (("deploy",), "invalid choice: 'deploy'"),
    "no environment": (("post-deploy",), "--env"),
    "an unknown flag": (("post-deploy", "--env", "local", "--fast"), "--fast"),
    "an unknown window": (("post-deploy", "--env", "local", "--window", "2h"), "2h"),
    "no run to explain": (("explain", ""), "there is no run"),
    "no run to join": (("join", ""), "there is no run"),
    "an empty environment": (("status", "--env", ""), "no environment of that name"),
    "an environment that there is not": (("status", "--env", "moon"), "“moon”"),
    "a baseline's release": (("baseline", "--env", "local", "--release", "latest"), "latest"),
    "the doctor's release": (("doctor", "--env", "local", "--release", ""), "is not a release"),
}


@cases("arguments says", NO_VERDICT)
def test_what_was_not_asked_is_64_at_once_and_starts_no_platform(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SANDBOX_STATE", str(tmp_path / "state"))
    code, said = called(*arguments)
    told = said + capsys.readouterr().err
    assert (code, says in told, "Traceback" in told) == (64, True, False), told
    assert not (tmp_path / "state").exists()

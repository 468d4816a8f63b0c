"""How every command ends, whatever happens to it."""

from __future__ import annotations

import io
from typing import NoReturn

import pytest

from gates.cli import main as module


def called(*arguments: str) -> tuple[int, str]:
    stderr = io.StringIO()
    return module.main(arguments, io.StringIO(), stderr), stderr.getvalue()


def breaks(monkeypatch: pytest.MonkeyPatch, exc: BaseException) -> None:
    """Let the command's module break while it is loaded, as a Ctrl-C or a damaged package does."""

    def load(_command: str) -> NoReturn:
        raise exc

    monkeypatch.setattr(module, "_module", load)


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

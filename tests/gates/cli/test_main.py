"""How every command ends, whatever happens to it."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Callable
from typing import NoReturn

import pytest

from gates.cli import main as module
from tests.tables import cases


def called(*arguments: str) -> tuple[int, str]:
    stderr = io.StringIO()
    return module.main(arguments, io.StringIO(), stderr), stderr.getvalue()


@cases(
    "exc",
    {
        "Ctrl-C is a hold": KeyboardInterrupt(),
        "a damaged package": ImportError("no module"),
        "a failure of the system": OSError(27, "File too large"),
        "and of a file": OSError(28, "No space left on device", "verdict.json"),
    },
)
def test_a_command_that_cannot_be_loaded_is_one_sentence_and_never_code_1(
    monkeypatch: pytest.MonkeyPatch, exc: BaseException, said: Callable[..., None]
) -> None:
    """As a Ctrl-C or a damaged package breaks it while its module is loaded."""

    def load(_command: str) -> NoReturn:
        raise exc

    monkeypatch.setattr(module, "module_of", load)
    said(called("phase", "1", "--env", "local"))


@cases(
    "arguments says",
    {
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
    },
)
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

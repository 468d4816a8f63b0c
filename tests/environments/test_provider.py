"""Environments that commands provide, with small scripts for commands."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import time

import pytest

from environments.provider import Patience, ProviderError, environment, program, provided
from environments.yaml_file import ConfigurationError
from settings.environment import LocalFile
from tests.environments.files import VALID
from tests.tables import cases

PATIENT = Patience(notice=5, up=5, down=5)
HASTY = Patience(up=0.3, down=0.3)
TALKATIVE = Patience(notice=0, up=5, down=5)
HANGING = "exec sleep 30"


@dataclasses.dataclass
class Commands:
    """Two scripts that note their calls; by default everything works."""

    folder: pathlib.Path

    def __post_init__(self) -> None:
        (self.folder / "environment.yaml").write_text(VALID, encoding="utf-8")
        self.script("up", f"echo starting; echo {self.folder}/environment.yaml")
        self.script("down", "exit 0")

    def script(self, name: str, body: str) -> None:
        """Write a command."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $@" >>{self.folder}/calls\n{body}\n')
        path.chmod(0o755)

    def file(self) -> LocalFile:
        """Return the file that names them."""
        commands = {name: [str(self.folder / name)] for name in ("up", "down")}
        commands["up"] += ["--owner", "{pid}"]
        return LocalFile.model_validate({"schema": 1, "name": "clinic", "provider": commands})

    def calls(self) -> list[str]:
        """Return the calls so far."""
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def commands(tmp_path: pathlib.Path) -> Commands:
    return Commands(tmp_path)


def test_the_platform_is_wanted_for_the_length_of_the_block(commands: Commands) -> None:
    """What is quick is not worth a word."""
    with provided(commands.file(), pytest.fail, PATIENT) as path:
        assert path == commands.folder / "environment.yaml"
        assert commands.calls() == [f"up --owner {os.getpid()}"]
    assert commands.calls()[1:] == ["down "]


def test_what_takes_long_is_told(commands: Commands) -> None:
    told: list[str] = []
    with provided(commands.file(), told.append, TALKATIVE):
        pass
    assert told == ["bringing the clinic platform up", "taking the clinic platform down"]


def test_it_is_taken_down_after_a_failure_inside(commands: Commands) -> None:
    with pytest.raises(LookupError), provided(commands.file(), print, PATIENT):
        raise LookupError
    assert commands.calls()[-1] == "down "


@cases(
    "up says",
    {
        "its last words": (
            "echo first >&2; echo no disk left >&2; exit 3",
            "failed with code 3: no disk left",
        ),
        "silence": ("exit 1", "failed with code 1: it said nothing"),
        "no path": ("exit 0", "succeeded but printed no path of an environment file"),
        "hanging": (HANGING, "did not end in 0.3 s"),
        "what may not be run": (None, "cannot be started: Permission denied"),
    },
)
def test_a_failing_command_is_quoted(commands: Commands, up: str | None, says: str) -> None:
    if up is None:
        (commands.folder / "up").chmod(0o644)
    else:
        commands.script("up", up)
    began = time.monotonic()
    with pytest.raises(ProviderError) as caught:  # noqa: SIM117 - the manager itself is meant to raise
        with provided(commands.file(), print, HASTY if up == HANGING else PATIENT):
            pytest.fail("nothing was provided")
    told = str(caught.value).replace(str(commands.folder), "…")
    assert told == f"“…/up --owner {{pid}}” {says}"
    assert time.monotonic() - began < 20
    assert commands.calls()[-1] == "down "


def test_a_failing_down_is_told_and_hides_no_result(commands: Commands) -> None:
    commands.script("down", "echo stuck >&2; exit 4")
    told: list[str] = []
    with provided(commands.file(), told.append, PATIENT):
        pass
    assert told[-1].endswith("down” failed with code 4: stuck; take it down by hand")


def test_a_command_that_does_not_exist(commands: Commands) -> None:
    (commands.folder / "up").unlink()
    with (
        pytest.raises(ConfigurationError, match=r"is not installed; run \./harness setup"),
        provided(commands.file(), print, PATIENT),
    ):
        pytest.fail("nothing was provided")


def test_console_scripts_are_found_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert program("sandbox").endswith("/sandbox")


@pytest.mark.usefixtures("secrets")
def test_a_file_given_by_path_needs_no_commands(commands: Commands) -> None:
    with environment("local", commands.folder / "environment.yaml", pytest.fail) as loaded:
        assert loaded.settings.name == "clinic"


def test_an_unedited_environment_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ConfigurationError, match="still says EDIT-ME"), environment("prod"):
        pytest.fail("nothing was provided")

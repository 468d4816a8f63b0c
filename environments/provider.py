"""Environments that do not stand permanently: reuse a running one, or bring one up and take it down."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from environments.loader import Loaded, checks_of, find, load_file, path_of
from environments.yaml_file import ConfigurationError
from gates.decide.outcome import EXIT_CONFIGURATION
from settings.environment import LocalFile

_POLL_SECONDS = 0.1


def _never() -> bool:
    return False


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long the provider's commands may take, in seconds."""

    notice: float = 1.0
    """After so long it is told what is waited for."""
    up: float = 600.0
    """The first `up` on a fresh machine downloads Redis and Prometheus."""
    down: float = 60.0
    interrupted: Callable[[], bool] = _never
    """Whether somebody asked to stop: then `up` is waited for no longer."""


class ProviderError(Exception):
    """The environment could not be brought up: our own failure, with the command's last words."""


@contextlib.contextmanager
def environment(
    name: str,
    file: pathlib.Path | None = None,
    tell: Callable[[str], None] = print,
    patience: Patience = Patience(),
) -> Iterator[Loaded]:
    """Yield a named environment, brought up for the length of the block where that is needed.

    A running one is reused, and stays up for whoever else wants it. `file` skips the search:
    somebody else provides it.
    Raises ConfigurationError for what the files say and ProviderError for commands that fail.
    """
    if file is not None:
        yield load_file(file)
        return
    described = find(name)
    if not isinstance(described, LocalFile):
        yield load_file(path_of(name))
        return
    with provided(_placed(described, path_of(name).parent), tell, patience) as path:
        loaded = load_file(path)
        yield dataclasses.replace(loaded, checks=checks_of(name) or loaded.checks)


def _placed(described: LocalFile, folder: pathlib.Path) -> LocalFile:
    """Return the file with `{folder}` of its commands filled in."""
    filled = {
        key: tuple(part.replace("{folder}", str(folder)) for part in command)
        for key, command in (("up", described.provider.up), ("down", described.provider.down))
    }
    return described.model_copy(update={"provider": described.provider.model_copy(update=filled)})


@contextlib.contextmanager
def provided(
    described: LocalFile, tell: Callable[[str], None], patience: Patience
) -> Iterator[pathlib.Path]:
    """Yield the file of the environment that commands provide; raises ProviderError.

    What takes long is told; so is a failing `down`, which is not raised: by then the block has its
    result.
    """
    name, provider = described.name, described.provider
    bringing = _Wait(
        patience.notice,
        patience.up,
        lambda: tell(f"bringing the {name} platform up"),
        patience.interrupted,
    )
    taking = _Wait(patience.notice, patience.down, lambda: tell(f"taking the {name} platform down"))
    try:
        # Asked of a running one too: whoever brought it up must not take it down under this run.
        yield _file(provider.up, _run(provider.up, bringing))
    finally:
        try:
            _run(provider.down, taking)
        except ProviderError as exc:
            tell(f"{exc}; take it down by hand")


@dataclasses.dataclass(frozen=True, slots=True)
class _Wait:
    """How long to wait for a command, and what to do when it turns out to be slow."""

    notice_seconds: float
    timeout_seconds: float
    slow: Callable[[], None]
    interrupted: Callable[[], bool] = _never

    def output(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        """Return what a process wrote until its end; raises TimeoutExpired, also when interrupted."""
        began, told, waited = time.monotonic(), False, 0.0
        while True:
            due = self.timeout_seconds if told else self.notice_seconds
            try:
                return process.communicate(timeout=max(0.0, min(_POLL_SECONDS, due - waited)))
            except subprocess.TimeoutExpired:
                waited = time.monotonic() - began
                if waited >= self.timeout_seconds or self.interrupted():
                    raise
                if not told and waited >= self.notice_seconds:
                    told = True
                    self.slow()


def _file(command: Sequence[str], output: str) -> pathlib.Path:
    """Return the path that a command printed last."""
    lines = output.strip().splitlines()
    if not lines:
        raise ProviderError(
            f"“{' '.join(command)}” succeeded but printed no path of an environment file"
        )
    return pathlib.Path(lines[-1])


def _run(command: Sequence[str], wait: _Wait) -> str:
    """Return what a command printed; raises ProviderError, and ConfigurationError if there is none."""
    arguments = [part.replace("{pid}", str(os.getpid())) for part in command]
    arguments[0] = program(arguments[0])
    shown = f"“{' '.join(command)}”"
    try:
        code, printed, said = _finished(arguments, wait)
    except subprocess.TimeoutExpired as exc:
        raise ProviderError(f"{shown} did not end in {wait.timeout_seconds:g} s") from exc
    except OSError as exc:
        raise ProviderError(f"{shown} cannot be started: {exc.strerror}") from exc
    if code != 0:
        words = (said.strip().splitlines() or ["it said nothing"])[-1]
        if code == EXIT_CONFIGURATION:
            raise ConfigurationError(f"{shown}: {words}")
        raise ProviderError(f"{shown} failed with code {code}: {words}")
    return printed


def _finished(arguments: Sequence[str], wait: _Wait) -> tuple[int, str, str]:
    """Run a command to its end and return its code, output and errors; nothing of it stays behind."""
    with subprocess.Popen(  # noqa: S603 - the command stands in the environment's own file
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            printed, said = wait.output(process)
        except BaseException:
            process.kill()
            raise
    return process.returncode, printed, said


def program(name: str) -> str:
    """Return the path of a console script: beside this Python first, so that no PATH is needed."""
    beside = pathlib.Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ConfigurationError(f"the command “{name}” is not installed; run ./harness setup.")
    return found

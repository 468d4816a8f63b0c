"""Environments that do not stand permanently: reuse a running one, or bring one up and take it down."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from environments.loader import Loaded, find, load_file, path_of
from environments.settings import LocalFile, Provider
from environments.yaml_file import ConfigurationError


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long the provider's commands may take, in seconds."""

    status: float = 30.0
    up: float = 600.0
    """The first `up` on a fresh machine downloads Redis and Prometheus."""
    down: float = 60.0


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
    with provided(described, tell, patience) as path:
        yield load_file(path)


@contextlib.contextmanager
def provided(
    described: LocalFile, tell: Callable[[str], None], patience: Patience
) -> Iterator[pathlib.Path]:
    """Yield the file of the environment that commands provide; raises ProviderError.

    A failing `down` is told and not raised: by then the block has its result.
    """
    provider = described.provider
    running = _running(provider, patience.status) is not None
    if not running:
        tell(f"bringing the {described.name} platform up")
    try:
        # Asked of a running one too: whoever brought it up must not take it down under this run.
        yield _up(provider, patience.up)
    finally:
        if not running:
            tell(f"taking the {described.name} platform down, if nobody else uses it")
        try:
            _run(provider.down, patience.down)
        except ProviderError as exc:
            tell(f"{exc}; take it down by hand")


def _running(provider: Provider, timeout_seconds: float) -> pathlib.Path | None:
    try:
        return _file(provider.status, _run(provider.status, timeout_seconds))
    except _RefusedError:
        return None


def _up(provider: Provider, timeout_seconds: float) -> pathlib.Path:
    return _file(provider.up, _run(provider.up, timeout_seconds))


class _RefusedError(ProviderError):
    """The command ended with another code than 0."""


def _file(command: Sequence[str], output: str) -> pathlib.Path:
    """Return the path that a command printed last."""
    lines = output.strip().splitlines()
    if not lines:
        raise ProviderError(
            f"“{' '.join(command)}” succeeded but printed no path of an environment file"
        )
    return pathlib.Path(lines[-1])


def _run(command: Sequence[str], timeout_seconds: float) -> str:
    """Return what a command printed; raises ProviderError, and ConfigurationError if there is none."""
    arguments = [part.replace("{pid}", str(os.getpid())) for part in command]
    arguments[0] = program(arguments[0])
    shown = f"“{' '.join(command)}”"
    try:
        done = subprocess.run(  # noqa: S603 - the command stands in the environment's own file
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ProviderError(f"{shown} did not end in {timeout_seconds:g} s") from exc
    except OSError as exc:
        raise ProviderError(f"{shown} cannot be started: {exc.strerror}") from exc
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise _RefusedError(f"{shown} failed with code {done.returncode}: {words}")
    return done.stdout


def program(name: str) -> str:
    """Return the path of a console script: beside this Python first, so that no PATH is needed."""
    beside = pathlib.Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ConfigurationError(f"the command “{name}” is not installed; run ./harness setup.")
    return found

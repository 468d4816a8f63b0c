"""Environments that do not stand permanently: reuse a running one, or bring one up and take it down."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from environments.loader import Loaded, find, load_file, path_of
from environments.settings import LocalFile, Provider
from environments.yaml_file import ConfigurationError

UP_TIMEOUT_SECONDS = 600.0
"""The first `up` on a fresh machine downloads Redis and Prometheus."""


class ProviderError(Exception):
    """The environment could not be brought up: our own failure, with the command's last words."""


@contextlib.contextmanager
def environment(
    name: str, file: pathlib.Path | None = None, tell: Callable[[str], None] = print
) -> Iterator[Loaded]:
    """Yield a named environment, brought up for the length of the block where that is needed.

    A running one is reused and left running. `file` skips the search: somebody else provides it.
    Raises ConfigurationError for what the files say and ProviderError for commands that fail.
    """
    if file is not None:
        yield load_file(file)
        return
    described = find(name)
    if not isinstance(described, LocalFile):
        yield load_file(path_of(name))
        return
    provider = described.provider
    running = _running(provider)
    if running is not None:
        yield load_file(running)
        return
    tell(f"bringing the {name} platform up")
    try:
        yield load_file(_up(provider))
    finally:
        tell(f"taking the {name} platform down")
        _run(provider.down, timeout_seconds=60.0)


def _running(provider: Provider) -> pathlib.Path | None:
    done = _run(provider.status, timeout_seconds=30.0)
    return pathlib.Path(done.stdout.strip()) if done.returncode == 0 else None


def _up(provider: Provider) -> pathlib.Path:
    done = _run(provider.up, timeout_seconds=UP_TIMEOUT_SECONDS)
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ProviderError(f"“{' '.join(provider.up)}” failed: {words}")
    return pathlib.Path(done.stdout.strip().splitlines()[-1])


def _run(command: Sequence[str], *, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    arguments = [part.replace("{pid}", str(os.getpid())) for part in command]
    arguments[0] = program(arguments[0])
    try:
        return subprocess.run(  # noqa: S603 - the command stands in the environment's own file
            arguments, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise ProviderError(
            f"“{' '.join(command)}” did not end in {timeout_seconds:.0f} s"
        ) from exc


def program(name: str) -> str:
    """Return the path of a console script: beside this Python first, so that no PATH is needed."""
    beside = pathlib.Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ConfigurationError(f"the command “{name}” is not installed; run ./harness setup.")
    return found

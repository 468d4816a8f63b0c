"""The git repository that the releases come from, the same to the last commit on every machine."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from sandbox.core import SandboxError
from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.systems.data.migrations import prisma_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

BRANCH = "main"
_RELEASED_AT = {PREVIOUS: 1_750_200_000, RELEASE: 1_769_700_000}
"""Seconds since 1970: with a fixed time the commits have the same ids everywhere."""
_AUTHOR = "Release manager <release@unifiedhealth.example>"
_COMMAND_SECONDS = 20


def make(folder: Path, besides: Callable[[str], Mapping[str, bytes]] = lambda _: {}) -> None:
    """Make the repository with its branch and tags and check it out; raises SandboxError.

    `besides` returns the files that a version ships besides its migrations.
    """
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    stream = b"".join(
        _commit(version, {**prisma_files(version), **besides(version)})
        for version in (PREVIOUS, RELEASE)
    )
    _git(folder, "fast-import", "--quiet", stream=stream)
    _git(folder, "reset", "--quiet", "--hard")


def _commit(version: str, files: Mapping[str, bytes]) -> bytes:
    when = f"{_AUTHOR} {_RELEASED_AT[version]} +0000"
    message = f"Release {version}"
    head = (
        f"commit refs/heads/{BRANCH}\ncommitter {when}\ndata {len(message)}\n{message}\ndeleteall\n"
    )
    tag = (
        f"tag v{version}\nfrom refs/heads/{BRANCH}\ntagger {when}\ndata {len(message)}\n{message}\n"
    )
    body = b"".join(_file(path, data) for path, data in sorted(files.items()))
    return head.encode() + body + b"\n" + tag.encode()


def _file(path: str, data: bytes) -> bytes:
    return f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"


def commit(folder: Path, version: str) -> str:
    """Return the commit that a version is tagged at; raises SandboxError."""
    return _git(folder, "rev-parse", f"refs/tags/v{version}^{{commit}}").decode().strip()


def _git(folder: Path, *arguments: str, stream: bytes = b"") -> bytes:
    # The settings of whoever starts the platform (hooks, signing) have no say here.
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            ("git", "-C", str(folder), *arguments),  # noqa: S607 - the PATH's own git
            input=stream,
            env={**os.environ, **quiet},
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise SandboxError(f"git can't make the release repository {folder}: {exc}.") from exc
    return done.stdout

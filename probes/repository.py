"""The release repository: the files of one tag, read by git itself and never from a working tree.

A folder is read in place; anything else that git can clone is cloned, as little as possible of it.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Mapping
from typing import Final

from probes.observation import Deadline, Failure, FailureKind, Observation, PhaseClock, observed

MAX_FILES: Final = 5_000
MAX_BYTES: Final = 64 * 1024 * 1024
_ADDRESS: Final = re.compile(r"[a-z+]+://|[^/]+@[^/]+:")
_QUIET: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "file:https:ssh",
    "LC_ALL": "C",
}
_ELSEWHERE: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
)
"""By these git reads another repository than the one that is named."""


@dataclasses.dataclass(frozen=True, slots=True)
class RepositoryTarget:
    """A repository, a tag in it, and a folder below it."""

    repository: str
    tag: str
    folder: str

    @property
    def address(self) -> str:
        """Return the target as reports show it."""
        return f"{self.repository} {self.tag}:{self.folder}"


@dataclasses.dataclass(frozen=True, slots=True)
class TaggedFiles:
    """The files of a folder at a tag."""

    commit: str
    files: Mapping[str, bytes] = dataclasses.field(repr=False)
    """By path below the repository."""

    def facts(self) -> Mapping[str, object]:
        """Return the commit and the paths."""
        return {"commit": self.commit, "files": sorted(self.files)}


class _GitError(Exception):
    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def tagged_files(target: RepositoryTarget, *, deadline: Deadline) -> Observation[TaggedFiles]:
    """Return the files of the folder at the tag, byte for byte as they were committed."""

    def measured(clock: PhaseClock) -> TaggedFiles:
        clock.enter("git")
        return _read(target, deadline)

    def explain(exc: Exception) -> Failure | None:
        if not isinstance(exc, _GitError):
            return None
        return Failure(exc.kind, f"{target.repository}: {exc}.")

    return observed("git", target.address, measured, explain, phases=["git"])


def _read(target: RepositoryTarget, deadline: Deadline) -> TaggedFiles:
    if not _ADDRESS.match(target.repository):
        return _files(pathlib.Path(target.repository), target, deadline)
    with tempfile.TemporaryDirectory(prefix="release-gate-") as folder:
        place = pathlib.Path(folder) / "clone"
        only = ("--quiet", "--bare", "--depth=1", f"--branch={target.tag}")
        problem = f"can't be cloned at {target.tag}; check the address and this machine's access"
        _git(("clone", *only, "--", target.repository, str(place)), deadline, problem)
        return _files(place, target, deadline)


def _files(place: pathlib.Path, target: RepositoryTarget, deadline: Deadline) -> TaggedFiles:
    here = ("-C", str(place))
    problem = f"has no tag {target.tag}, or is not a git repository that this user may read"
    name = f"refs/tags/{target.tag}^{{commit}}"
    commit = _git((*here, "rev-parse", "--verify", "--quiet", name), deadline, problem)
    listing = ("ls-tree", "-r", "-z", commit.decode().strip(), "--", f"{target.folder}/")
    entries = _git((*here, *listing), deadline, "can't be listed").split(b"\0")[:-1]
    if len(entries) > MAX_FILES:
        raise _GitError(FailureKind.TOO_LARGE, f"holds more than {MAX_FILES} files there")
    found = [entry.decode("utf-8", "replace").partition("\t") for entry in entries]
    objects = [meta.split()[2] for meta, _, _ in found]
    contents = _contents(here, objects, deadline)
    paths = [path for _, _, path in found]
    return TaggedFiles(commit.decode().strip(), dict(zip(paths, contents, strict=True)))


def _contents(here: tuple[str, ...], objects: list[str], deadline: Deadline) -> list[bytes]:
    asked = "".join(f"{name}\n" for name in objects).encode()
    stream = _git((*here, "cat-file", "--batch"), deadline, "can't be read", asked)
    contents = []
    place = 0
    for _ in objects:
        # Each answer is a line `object type size`, the bytes, and a line end.
        head, _, _ = stream[place : place + 200].partition(b"\n")
        size, begin = int(head.split()[2]), place + len(head) + 1
        contents.append(stream[begin : begin + size])
        place = begin + size + 1
    return contents


def _git(arguments: tuple[str, ...], deadline: Deadline, problem: str, asked: bytes = b"") -> bytes:
    if deadline.remaining_seconds() <= 0:
        raise _GitError(FailureKind.TIMEOUT, "gave no complete answer before the deadline")
    try:
        done = subprocess.run(  # noqa: S603 - arguments are the environment's, no shell reads them
            ("git", *arguments),  # noqa: S607 - the PATH's own git
            input=asked,
            env={name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
            | _QUIET,
            capture_output=True,
            timeout=deadline.remaining_seconds(),
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise _GitError(FailureKind.TIMEOUT, "gave no complete answer before the deadline") from exc
    except OSError as exc:
        raise _GitError(FailureKind.OUR_FAULT, "git can't be run here; install it") from exc
    if done.returncode != 0:
        raise _GitError(FailureKind.QUERY_REJECTED, problem)
    if len(done.stdout) > MAX_BYTES:
        raise _GitError(FailureKind.TOO_LARGE, "holds more there than the gate reads")
    return done.stdout

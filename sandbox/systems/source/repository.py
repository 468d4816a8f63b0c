"""The git repository that the releases come from, the same to the last commit on every machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import CHECKOUT, SandboxError
from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.systems.data.migrations import prisma_files
from sandbox.systems.delivery.builds import web_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BRANCH = "main"
OPENAPI = "docs/openapi.json"
PACKAGES = {
    "unified-health": "",
    "@unified-health/api": "services/api/",
    "@unified-health/web": "web/",
}
"""Package → its folder; the first one is the root of the workspaces."""
_RELEASED_AT = {PREVIOUS: 1_750_200_000, RELEASE: 1_769_700_000}
"""Seconds since 1970: with a fixed time the commits have the same ids everywhere."""
_DATE = f"{_RELEASED_AT[RELEASE]} +0000"
_AUTHOR = "Release manager <release@unifiedhealth.example>"
_TREE = Path(__file__).parent / "tree"
_COMMAND_SECONDS = 20


def make(folder: Path, besides: Callable[[str], Mapping[str, bytes]] = lambda _: {}) -> None:
    """Make the repository with its branches and tags and check it out; raises SandboxError.

    `besides` returns the files that a version ships besides those that it always has.
    """
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    title = "Source of an appointment (#41)"
    feature = _commit(title, {**_files(RELEASE, PREVIOUS), **besides(RELEASE)}, RELEASE)
    old, new = (_release(one, besides(one)) for one in (PREVIOUS, RELEASE))
    stream = [old, feature, new]
    git(folder, "fast-import", "--quiet", stream=b"".join(stream))
    git(folder, "reset", "--quiet", "--hard")


def commit(folder: Path, version: str, before: int = 0) -> str:
    """Return the commit that a version is tagged at, or one so many before; raises SandboxError."""
    name = f"refs/tags/v{version}^{{commit}}~{before}"
    return git(folder, "rev-parse", "--verify", name).decode().strip()


def _files(version: str, named: str) -> Mapping[str, bytes]:
    """Return the files of a version, in which packages and changelog still name the one before, or it."""
    changelog = (_TREE / "CHANGELOG.md").read_text(encoding="utf-8")
    if named != RELEASE:
        changelog = re.sub(r"## \[1\.2\.0\].*?(?=## )", "", changelog, flags=re.DOTALL)
    served = CHECKOUT / "contract" / "openapi" / f"v{version}.json"
    return {
        **prisma_files(version),
        **web_files(version),
        **_packages(named),
        "CHANGELOG.md": changelog.encode(),
        "docs/draft.md": (_TREE / "draft.md").read_bytes(),
        OPENAPI: served.read_bytes(),
    }


def _packages(version: str) -> Mapping[str, bytes]:
    files = {
        f"{folder}package.json": {"name": name, "version": version, "private": True}
        for name, folder in PACKAGES.items()
    }
    root = files["package.json"] | {"workspaces": ["services/*", "web"]}
    locked = {folder.rstrip("/"): files[f"{folder}package.json"] for folder in PACKAGES.values()}
    lock = {"name": root["name"], "version": version, "lockfileVersion": 3, "packages": locked}
    old = {"name": "@unified-health/example", "version": PREVIOUS}
    all_files = files | {
        "package.json": root,
        "package-lock.json": lock,
        "examples/client/package.json": old,
    }
    return {path: json.dumps(one, indent=2).encode() for path, one in all_files.items()}


def _release(version: str, besides: Mapping[str, bytes]) -> bytes:
    message = f"Release {version}"
    head = f"tag v{version}\nfrom refs/heads/{BRANCH}\ntagger {_when(version)}\n"
    branch = f"reset refs/heads/release/v{version}\nfrom refs/heads/{BRANCH}\n\n"
    tag = f"{head}data {len(message)}\n{message}\n"
    files = {**_files(version, version), **besides}
    return _commit(message, files, version) + (tag + branch).encode()


def _commit(message: str, files: Mapping[str, bytes], version: str) -> bytes:
    head = (
        f"commit refs/heads/{BRANCH}\ncommitter {_when(version)}\n"
        f"data {len(message)}\n{message}\ndeleteall\n"
    )
    body = b"".join(_file(path, data) for path, data in sorted(files.items()))
    return head.encode() + body + b"\n"


def _when(version: str) -> str:
    return f"{_AUTHOR} {_RELEASED_AT[version]} +0000"


def _file(path: str, data: bytes) -> bytes:
    return f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"


def git(folder: Path, *arguments: str, stream: bytes = b"") -> bytes:
    """Run git in the repository; raises SandboxError."""
    # The settings of whoever starts the platform (hooks, signing) have no say here.
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    name, _, address = _AUTHOR.rstrip(">").partition(" <")
    people = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", address), ("DATE", _DATE))
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            ("git", "-C", str(folder), *arguments),  # noqa: S607 - the PATH's own git
            input=stream,
            env={**os.environ, **quiet, **people},
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise SandboxError(f"git can't do {arguments[0]} in {folder}: {exc}.") from exc
    return done.stdout

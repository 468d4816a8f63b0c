"""How faults break where a release comes from: the repository's branches and tags, what is read of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.core.layout import RELEASE
from sandbox.core.state import write_private
from sandbox.systems.source.repository import git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.core.breakage import Breakage

_TAGGED = f"refs/tags/v{RELEASE}"


async def refs(it: Breakage, changed: Mapping[str, str | None]) -> None:
    """Have references lead elsewhere: to what git calls so, to a commit after the release (+), or be gone."""
    folder = it.layout.release_repository
    for name, target in changed.items():
        before = _object(folder, name)
        it.undo(git, folder, "update-ref", *((name, before) if before else ("-d", name)))
        if target is None:
            git(folder, "update-ref", "-d", name)
        else:
            git(
                folder,
                "update-ref",
                name,
                _late(folder) if target == "+" else _named(folder, target),
            )


def _object(folder: Path, name: str) -> str:
    return git(folder, "for-each-ref", "--format=%(objectname)", name).decode().strip()


def _named(folder: Path, name: str) -> str:
    return git(folder, "rev-parse", "--verify", name).decode().strip()


def _late(folder: Path) -> str:
    made = (f"{_TAGGED}^{{tree}}", "-p", f"{_TAGGED}^{{commit}}", "-m", "Too late")
    return git(folder, "commit-tree", *made).decode().strip()


async def source_described(it: Breakage, named: Mapping[str, Any]) -> None:
    """Have the next environment file describe the source otherwise, beside what other faults say of it."""
    file = it.layout.source
    before = json.loads(file.read_bytes()) if file.exists() else {}
    it.undo(file.unlink, missing_ok=True)
    write_private(file, json.dumps({**before, **named}))


KINDS = (refs, source_described)

"""Ways to break what the pipelines left: a file that says something else, and how it is listed."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from sandbox.core import SandboxError
from sandbox.systems.proofs import staging
from sandbox.systems.proofs.files import LIST, folder, listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.breakage import Breakage


async def proof(
    it: Breakage,
    file: str,
    replace: Mapping[str, str] | None = None,
    share: float = 1.0,
    listing: Mapping[str, Any] | None = None,
) -> None:
    """Have a file of the pipelines say something else, or less of it; it is listed as it is then.

    `listing` is what its entry in the list says instead; nothing is listed of a file of no share.
    """
    text = it.aside(folder(it.layout.evidence) / file).read_text(encoding="utf-8")
    for old, new in (replace or {}).items():
        if old not in text:
            raise SandboxError(f"{file} has no {old!r} for a fault to replace.")
        text = text.replace(old, new)
    _list(it, file, text[: round(len(text) * share)], listing or {})


async def staging_failed(it: Breakage, file: str, check: str) -> None:
    """Have a check fail in one of staging's runs of the gate."""
    it.aside(folder(it.layout.evidence) / file)
    runs = staging.runs(dt.datetime.now(dt.UTC), failed=check)
    _list(it, file, json.dumps(runs[file]), {})


def _list(it: Breakage, file: str, text: str, listing: Mapping[str, Any]) -> None:
    """Lay a file down and list it."""
    place = folder(it.layout.evidence)
    whole = json.loads(it.aside(place / LIST).read_text(encoding="utf-8"))
    (entry,) = (one for one in whole["files"] if one["file"] == file)
    others = [one for one in whole["files"] if one["file"] != file]
    anew = listed(file, text.encode(), entry["commit"], entry["made_at"])
    entries = [*others, {**anew, **listing}] if text else others
    (place / file).write_text(text)
    (place / LIST).write_text(json.dumps({**whole, "files": entries}))


KINDS = (proof, staging_failed)

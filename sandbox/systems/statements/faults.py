"""Ways in which what people signed does not count, or is not there."""

from __future__ import annotations

import base64
import datetime as dt
import json
import shutil
from typing import TYPE_CHECKING, Any

from environments.store import Folder, Store, digest_of
from sandbox.core.state import write_private
from sandbox.systems.statements import people
from steps.kit.statements import chain_of, receive

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.core.breakage import Breakage


async def unsigned(it: Breakage, by: str) -> None:
    """Have somebody's signatures never received; those of all others were."""
    it.go_live()
    kept, subject = _folder(it), people.subject_of(it.layout)
    chain = chain_of(Store(Folder(it.layout.state.gate)), subject)
    for file in sorted(kept.glob("*.json")):
        record = json.loads(file.read_bytes())["record"]
        payload = json.loads(base64.b64decode(record["envelope"]["payload"]))
        if payload["predicate"]["person"] != by:
            receive(chain, record["envelope"], record["approvers"])


async def key_revoked(it: Breakage, of: str) -> None:
    """Have somebody's key revoked from before they signed on."""
    file, approvers = it.layout.approvers, it.layout.approvers.read_text()
    it.undo(write_private, file, approvers)
    held: dict[str, Any] = json.loads(approvers)
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    held["people"][of]["keys"][0]["revoked_from"] = since.isoformat()
    write_private(file, json.dumps(held))


async def statement_edited(it: Breakage, number: int) -> None:
    """Write another wording into a received envelope, and make its record's digest fit."""
    kept = _folder(it)
    for file in sorted(kept.glob("*.json")):
        held = json.loads(file.read_bytes())
        if file.stem == f"{number:06d}":
            held["record"]["envelope"]["payload"] += "IA=="
            held["sha256"] = digest_of(held["record"])
        write_private(kept.with_name("statements") / file.name, json.dumps(held))


def _folder(it: Breakage) -> Path:
    """Put the receipts aside, with an empty folder in their place; return where they lie."""
    folder = it.layout.state.gate / "local" / "v1.2.0" / "statements"
    kept = it.aside(folder)
    it.undo(shutil.rmtree, folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return kept


KINDS = (unsigned, key_revoked, statement_edited)

"""Ways to break the time of a deployment, its contacts and its records."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from sandbox.core.state import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.breakage import Breakage


async def window_closes(it: Breakage, minutes: int) -> None:
    """Have the deployment window close soon; it opened an hour later, a week before."""
    closes = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    opens = closes + dt.timedelta(hours=1)
    window = {"opens": f"{opens:%A %H:%M}", "closes": f"{closes:%A %H:%M}"}
    it.undo(it.layout.deployment_window.unlink, missing_ok=True)
    write_private(it.layout.deployment_window, json.dumps(window))


async def contacts(it: Breakage, named: Mapping[str, Any]) -> None:
    """Have the next environment file name other contacts."""
    it.undo(it.layout.contacts.unlink, missing_ok=True)
    write_private(it.layout.contacts, json.dumps(named))


async def history_forged(it: Breakage) -> None:
    """Write a run into the history by hand."""
    file = it.layout.state.gate / "local" / "v1.2.0" / "history" / "forged.json"
    it.undo(file.unlink, missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"sha256": "0", "record": {"decision": "GO"}}', encoding="utf-8")


async def baseline_hidden(it: Breakage) -> None:
    """Put every baseline aside, with the history that names them."""
    for name in ("baseline", "history"):
        for folder in it.layout.state.gate.glob(f"*/*/{name}"):
            it.aside(folder)


KINDS = (window_closes, contacts, history_forged, baseline_hidden)

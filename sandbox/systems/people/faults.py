"""Faults of the deployment itself: its time and its history."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.core.layout import Layout
    from sandbox.faults.actions import Action
    from sandbox.faults.holds import Holds


@dataclass(frozen=True, slots=True)
class WindowClosing:
    """The deployment window closes soon; the environment file is written anew after every fault."""

    minutes: int

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Say when; it opened an hour later, a week before."""
        closes = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=self.minutes)
        opens = closes + dt.timedelta(hours=1)
        window = {"opens": f"{opens:%A %H:%M}", "closes": f"{closes:%A %H:%M}"}
        file = holds.platform.layout.deployment_window
        file.write_text(json.dumps(window), encoding="utf-8")

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Let it be open again."""
        holds.platform.layout.deployment_window.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class HistoryDamaged:
    """Somebody wrote a run into the history by hand."""

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Write it."""
        file = _forged(holds.platform.layout)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"sha256": "0", "record": {"decision": "GO"}}', encoding="utf-8")

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Remove it."""
        _forged(holds.platform.layout).unlink(missing_ok=True)


def _forged(layout: Layout) -> Path:
    return layout.state.gate / "local" / "v1.2.0" / "history" / "forged.json"


FAULTS: dict[str, Action] = {
    "window-closes-soon": WindowClosing(minutes=30),
    "history-damaged": HistoryDamaged(),
}

"""When one may deploy to the local platform: always, until a fault lets the window close."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

ALWAYS = {"opens": "Monday 00:00", "closes": "Monday 00:00"}


def part(layout: Layout) -> dict[str, Any]:
    """Return the section of the environment file."""
    file = layout.deployment_window
    window = json.loads(file.read_text(encoding="utf-8")) if file.exists() else ALWAYS
    return {"deployment": {"windows": [window]}}

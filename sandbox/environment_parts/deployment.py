"""When one may deploy to the local platform: always, until a fault lets the window close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.layout import Layout

ALWAYS = {"opens": "Monday 00:00", "closes": "Monday 00:00"}


def part(layout: Layout) -> dict[str, Any]:
    """Return the section of the environment file."""
    closes = layout.window_closes
    window = ALWAYS
    if closes.exists():
        window = {"opens": "Monday 00:00", "closes": closes.read_text(encoding="utf-8")}
    return {"deployment": {"windows": [window]}}

"""The state of the gate: it goes with the platform, for the next platform is a new deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.core.layout import Layout


def part(layout: Layout) -> dict[str, Any]:
    """Return the section of the environment file."""
    return {"state": {"url": str(layout.state.gate)}}

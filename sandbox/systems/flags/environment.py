"""The sections `flags` and `audit`: what the flags are meant to be, and where their changes are logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.app.flags import CHANGED
from sandbox.app.routes.synthetic import LISTED
from sandbox.systems.flags import feature_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.layout import Layout


def part(layout: Layout) -> dict[str, Any]:
    """Return both sections."""
    return {
        "flags": {
            "always": _state(feature_flags.ALWAYS),
            "states": {name: _state(state) for name, state in feature_flags.STATES.items()},
            "temporary": [*feature_flags.TEMPORARY],
        },
        "audit": {
            "address": layout.url("gate-audit"),
            "token": f"file:{layout.secret_file('audit-read')}",
            "flag_change": CHANGED,
            "trial": {
                "service": "api",
                "path": "/v1/synthetic/records?tag={id}",
                "token": f"file:{layout.secret_file('synthetic')}",
                "action": LISTED,
            },
        },
    }


def _state(flags: Mapping[str, tuple[bool, int]]) -> dict[str, Any]:
    return {
        flag: {"enabled": enabled, "percentage": percentage}
        for flag, (enabled, percentage) in flags.items()
    }

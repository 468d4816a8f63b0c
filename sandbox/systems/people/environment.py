"""When one may deploy, who is there, and where the gate keeps its records of the deployment."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.core.layout import Layout

ALWAYS = {"opens": "Monday 00:00", "closes": "Monday 00:00"}
_ROLES = {
    "Release Manager": ("Robin Release", "+49 30 5550101"),
    "DevOps Lead": ("Dana Deploy", "+49 30 5550102"),
    "QA Lead": ("Quinn Quality", "+49 30 5550103"),
    "Security Lead": ("Sam Secure", "+49 30 5550104"),
    "Database Admin": ("Drew Database", "+1 555 0105 222"),
    "On-Call Engineer": ("On-Call Rotation", "+1 555 0106 222"),
    "VP Engineering": ("Vic President", "+1 555 0107 222"),
}


def part(layout: Layout) -> dict[str, Any]:
    """Return the sections; a fault lets the window close, or names other contacts."""
    return {
        "deployment": {"windows": [_bent(layout.deployment_window) or ALWAYS]},
        "people": _people(layout),
        # The state goes with the platform, for the next platform is a new deployment.
        "state": {"url": str(layout.state.gate)},
    }


def _people(layout: Layout) -> dict[str, Any]:
    begins = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return {
        "window": {
            "begins": begins.isoformat(),
            "ends": (begins + dt.timedelta(hours=4)).isoformat(),
        },
        "pagerduty": {
            "url": layout.url("gate-pagerduty"),
            "token": f"file:{layout.secret_file('pagerduty-gate')}",
            "schedules": ["PRIMARY"],
            "services": ["PLATFORM"],
        },
        "slack": {
            "url": f"{layout.url('gate-slack')}/api",
            "token": f"file:{layout.secret_file('slack-gate')}",
            "channels": ["deployments", "incidents"],
        },
        "roles": list(_ROLES),
        "contacts": {
            **{role: {"name": name, "phone": phone} for role, (name, phone) in _ROLES.items()},
            **_bent(layout.contacts),
        },
    }


def _bent(file: Path) -> dict[str, Any]:
    """Return what a fault says instead; nothing while there is none."""
    return dict(json.loads(file.read_bytes())) if file.exists() else {}

"""What watches the platform, and the people behind it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from sandbox.core.layout import RELEASE
from sandbox.systems.monitoring.deployment import DASHBOARDS, shipped_rules
from sandbox.systems.monitoring.monitoring_servers import JOBS, RECEIVERS

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

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
    """Return the sections monitoring and people."""
    return {
        "monitoring": {
            "rules": str(shipped_rules(RELEASE)),
            "jobs": {"api": 2},
            "shared_jobs": dict.fromkeys(JOBS, 1),
            "alertmanager": {"url": layout.url("gate-alertmanager"), "receivers": RECEIVERS},
            "grafana": {
                "url": layout.url("gate-grafana"),
                "token": f"file:{layout.secret_file('grafana-gate')}",
                "dashboards": DASHBOARDS,
            },
        },
        "people": _people(layout),
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
            **_others(layout),
        },
    }


def _others(layout: Layout) -> dict[str, Any]:
    """Return the contacts that a fault has changed."""
    if not layout.contacts.exists():
        return {}
    return dict(json.loads(layout.contacts.read_text(encoding="utf-8")))

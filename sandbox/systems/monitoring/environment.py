"""The section `monitoring`: what watches the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.layout import RELEASE
from sandbox.systems.monitoring.deployment import DASHBOARDS, shipped_rules
from sandbox.systems.monitoring.monitoring_servers import JOBS, RECEIVERS

if TYPE_CHECKING:
    from sandbox.core.layout import Layout


def part(layout: Layout) -> dict[str, Any]:
    """Return the section."""
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
    }

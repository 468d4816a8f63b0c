"""Phase 7: alert rules and dashboards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core.layout import RELEASE
from sandbox.core.state import write_private
from sandbox.systems import standin_servers
from sandbox.systems.monitoring import prometheus_server

if TYPE_CHECKING:
    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform

_FOLDER = Path(__file__).resolve().parent
_REQUESTS = 'sum by (region) (rate(http_requests_total{job="api"}[5m]))'
_LATENCY = (
    "histogram_quantile(0.95, "
    'sum by (region, le) (increase(http_request_duration_seconds_bucket{job="api"}[5m])))'
)
AFTER = {
    "API Overview": {"Requests": _REQUESTS, "95th percentile": _LATENCY},
    "Kubernetes Overview": {"CPU": 'sum(node_load1{job="node"})', "API processes": "count(up)"},
    "Database Metrics": {
        "Connections": "sum(pg_stat_activity_count)",
        "Redis memory": "redis_memory_used_bytes",
    },
}
BEFORE = {title: dict(list(panels.items())[:1]) for title, panels in AFTER.items()}
"""The previous release had the first panel of each."""
PHASE = 7
DASHBOARDS = {title: list(panels) for title, panels in AFTER.items()}


def shipped_rules(version: str) -> Path:
    """Return the file of alert rules that a version ships."""
    return _FOLDER / f"alert-rules-{version}.yaml"


def write_rules(layout: Layout, version: str) -> None:
    """Put a version's rules where Prometheus reads them; it does so when it is told to reload."""
    text = shipped_rules(version).read_text(encoding="utf-8")
    write_private(prometheus_server.rules_file(layout), text)


async def watch_before(platform: Platform) -> None:
    """Tell Grafana what the previous release had; its rules were there from the start."""
    await standin_servers.tell(platform.layout, "grafana", dashboards=BEFORE)


async def apply_rules(platform: Platform) -> None:
    """Apply the release's alert rules."""
    write_rules(platform.layout, RELEASE)
    await prometheus_server.reload(platform.layout)


async def load_dashboards(platform: Platform) -> None:
    """Load the release's dashboards."""
    await standin_servers.tell(platform.layout, "grafana", dashboards=AFTER)

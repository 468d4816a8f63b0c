"""Phase 7: alert rules and dashboards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sandbox.core.layout import HOST, JOB, PREVIOUS, RELEASE
from sandbox.core.state import write_private
from sandbox.systems import standin_servers
from sandbox.systems.monitoring import servers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.breakage import Breakage
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


def shipped_rules(version: str) -> Path:
    """Return the file of alert rules that a version ships."""
    return _FOLDER / f"alert-rules-{version}.yaml"


def write_rules(layout: Layout, version: str) -> None:
    """Put a version's rules where Prometheus reads them; it does so when it is told to reload."""
    text = shipped_rules(version).read_text(encoding="utf-8")
    write_private(servers.rules_file(layout), text)


async def watch_before(platform: Platform) -> None:
    """Tell Grafana what the previous release had; its rules were there from the start."""
    await standin_servers.tell(platform.layout, "grafana", dashboards=BEFORE)


async def apply_rules(platform: Platform) -> None:
    """Apply the release's alert rules."""
    write_rules(platform.layout, RELEASE)
    await servers.reload(platform.layout, "prometheus")


async def load_dashboards(platform: Platform) -> None:
    """Load the release's dashboards."""
    await standin_servers.tell(platform.layout, "grafana", dashboards=AFTER)


_MISSED_SECONDS = 6.0
_GAP_SECONDS = 8.0
"""Longer than three scrapes of an exporter: a step of the look-back without any."""
_LOOK_BACK_SECONDS = 21.0
"""After so long nobody sees a gap any more: the floor of the look-back, and one scrape."""
_SCRAPE_SECONDS = 20.0


async def rules(it: Breakage, version: str = RELEASE, old: str = "", new: str = "") -> None:
    """Have Prometheus load other alert rules than the release ships."""

    async def load_the_right_ones() -> None:
        deployed = it.platform.progress.done == PHASE
        write_rules(it.layout, RELEASE if deployed else PREVIOUS)
        await servers.reload(it.layout, "prometheus")

    it.undo(load_the_right_ones)
    text = shipped_rules(version).read_text(encoding="utf-8")
    write_private(servers.rules_file(it.layout), text.replace(old, new))
    await servers.reload(it.layout, "prometheus")


async def exporter_down(it: Breakage, process: str, job: str) -> None:
    """Stop an exporter for so long that Prometheus has noticed and its series have a gap."""

    async def told(function: str, seconds: float, value: int) -> None:
        query = f'{function}(up{{job="{job}"}}[{seconds:.0f}s])'
        await it.platform.told_by_prometheus(query, value, 2 * seconds)

    it.undo(told, "min_over_time", _LOOK_BACK_SECONDS + _GAP_SECONDS, 1)
    await it.stop([process])
    await told("max_over_time", _GAP_SECONDS, 0)


async def receivers(it: Breakage, by_severity: Mapping[str, str]) -> None:
    """Have Alertmanager send each severity elsewhere."""
    it.undo(servers.configure, it.layout, servers.RECEIVERS)
    await servers.configure(it.layout, dict(by_severity))


async def alerted(it: Breakage, labels: Mapping[str, str]) -> None:
    """Have an alert fire at Alertmanager once the release is live."""
    it.go_live()
    it.undo(servers.alert, it.layout, labels, firing=False)
    await servers.alert(it.layout, labels, firing=True)


async def everything_silenced(it: Breakage) -> None:
    """Silence every alert, as before a maintenance, and forget it."""
    it.undo(servers.end_silences, it.layout, it.name)
    await servers.silence(it.layout, it.name)


async def scrapes_missed(it: Breakage) -> None:
    """Break the API's metrics for some seconds; that is over, the gap is not."""
    it.undo(asyncio.sleep, _LOOK_BACK_SECONDS)
    await it.switches({"metrics_broken": True})
    await asyncio.sleep(_MISSED_SECONDS)
    await it.switches({})
    await it.platform.settle()


async def dashboards(it: Breakage, which: Literal["without the last", "before"]) -> None:
    """Have Grafana show fewer dashboards than the release's, or those before it."""
    some = dict(list(AFTER.items())[:-1])
    shown = BEFORE if which == "before" else some
    await it.bend("grafana", {"dashboards": shown})


async def also_scraped(
    it: Breakage, server: str, region: str, labels: Mapping[str, str] | None = None
) -> None:
    """Have Prometheus scrape a server as if it were another pod of the released API in a region."""

    async def scrape(*more: tuple[str, dict[str, str]]) -> None:
        servers.add_targets(it.layout, more)
        targets = len(it.platform.running_apis) + len(more)
        await it.platform.told_by_prometheus(f'count(up{{job="{JOB}"}})', targets, _SCRAPE_SECONDS)

    it.undo(scrape)
    own = {"region": region, "version": RELEASE, **(labels or {})}
    await scrape((f"{HOST}:{it.layout.ports[server]}", own))


KINDS = (
    *(rules, exporter_down, receivers, everything_silenced, scrapes_missed, dashboards),
    *(also_scraped, alerted),
)

"""Ways to break what watches the platform."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from sandbox.core.layout import HOST, JOB, PREVIOUS, RELEASE
from sandbox.core.state import write_private
from sandbox.systems.monitoring import deployment, monitoring_servers, prometheus_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.breakage import Breakage

_MISSED_SECONDS = 6.0
_GAP_SECONDS = 8.0
"""Longer than three scrapes of an exporter: a step of the look-back without any."""
_LOOK_BACK_SECONDS = 21.0
"""After so long nobody sees a gap any more: the floor of the look-back, and one scrape."""
_SCRAPE_SECONDS = 20.0


async def rules(it: Breakage, version: str = RELEASE, old: str = "", new: str = "") -> None:
    """Have Prometheus load other alert rules than the release ships."""

    async def load_the_right_ones() -> None:
        deployed = it.platform.progress.done == deployment.PHASE
        deployment.write_rules(it.layout, RELEASE if deployed else PREVIOUS)
        await prometheus_server.reload(it.layout)

    it.undo(load_the_right_ones)
    text = deployment.shipped_rules(version).read_text(encoding="utf-8")
    write_private(prometheus_server.rules_file(it.layout), text.replace(old, new))
    await prometheus_server.reload(it.layout)


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
    it.undo(monitoring_servers.configure, it.layout, monitoring_servers.RECEIVERS)
    await monitoring_servers.configure(it.layout, dict(by_severity))


async def everything_silenced(it: Breakage) -> None:
    """Silence every alert, as before a maintenance, and forget it."""
    it.undo(monitoring_servers.end_silences, it.layout, it.name)
    await monitoring_servers.silence(it.layout, it.name)


async def scrapes_missed(it: Breakage) -> None:
    """Break the API's metrics for some seconds; that is over, the gap is not."""
    it.undo(asyncio.sleep, _LOOK_BACK_SECONDS)
    await it.switches({"metrics_broken": True})
    await asyncio.sleep(_MISSED_SECONDS)
    await it.switches({})
    await it.platform.settle()


async def dashboards(it: Breakage, which: Literal["without the last", "before"]) -> None:
    """Have Grafana show fewer dashboards than the release's, or those before it."""
    some = dict(list(deployment.AFTER.items())[:-1])
    shown = deployment.BEFORE if which == "before" else some
    await it.bend("grafana", {"dashboards": shown})


async def also_scraped(
    it: Breakage, server: str, region: str, labels: Mapping[str, str] | None = None
) -> None:
    """Have Prometheus scrape a server as if it were another pod of the released API in a region."""

    async def scrape(*more: tuple[str, dict[str, str]]) -> None:
        prometheus_server.add_targets(it.layout, more)
        targets = len(it.platform.running_apis) + len(more)
        await it.platform.told_by_prometheus(f'count(up{{job="{JOB}"}})', targets, _SCRAPE_SECONDS)

    it.undo(scrape)
    own = {"region": region, "version": RELEASE, **(labels or {})}
    await scrape((f"{HOST}:{it.layout.ports[server]}", own))


KINDS = (
    *(rules, exporter_down, receivers, everything_silenced, scrapes_missed, dashboards),
    also_scraped,
)

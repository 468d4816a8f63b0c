"""Phases 1.3, 3.2, 3.3 and 5.1: what the clusters run and where their traffic goes.

The release gets a Deployment of its own beside the old one, so that the Service has ready endpoints all
the time; the runbook's single Deployment would have none between 3.2 and 3.3 (docs/runbook-errata.md).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from typing import TYPE_CHECKING, Any

from sandbox.core.layout import (
    JOB,
    NORMAL_REPLICAS,
    PREVIOUS,
    PREVIOUS_APIS,
    REGIONS,
    RELEASE,
    RELEASED_APIS,
    TEMPORARY_REPLICAS,
    edge_name,
)
from sandbox.core.readiness import together
from sandbox.systems import standin_servers
from sandbox.systems.cluster.state import APP, CONFIG_BEFORE, CONFIG_WANTED, SIZE_BYTES
from sandbox.systems.delivery.builds import image_digest
from sandbox.systems.monitoring import servers as monitoring_servers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.breakage import Breakage
    from sandbox.core.platform import Platform


async def scale_up(platform: Platform) -> None:
    """Double the capacity of what is live."""
    await _tell(platform, replicas={PREVIOUS: TEMPORARY_REPLICAS})
    platform.spread_over(TEMPORARY_REPLICAS)


async def roll_out(platform: Platform) -> None:
    """Start the release's processes beside the old ones and let Prometheus scrape them."""
    await together(*(platform.start_process(name) for name in RELEASED_APIS))
    platform.progress.rolled_out = True
    monitoring_servers.write_targets(platform.layout, platform.running_apis)
    await _tell(
        platform,
        replicas={PREVIOUS: TEMPORARY_REPLICAS, RELEASE: TEMPORARY_REPLICAS},
        digests={RELEASE: image_digest(APP, RELEASE)},
    )


async def switch_traffic(platform: Platform) -> None:
    """Lead each region's edge to the release."""
    platform.progress.switched = True
    await _tell(platform, selector=RELEASE)
    for region in REGIONS:
        await platform.set_link(edge_name(region))
    platform.note_release()


async def configure(platform: Platform) -> None:
    """Apply the release's ConfigMap and restart its pods, so that they read it."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    await _tell(platform, config=CONFIG_WANTED, config_changed_at=now)
    await _tell(platform, restarted_at={RELEASE: now})


async def return_to_normal(platform: Platform) -> None:
    """Take the added capacity away again; the old version's Deployment stays, without pods."""
    platform.spread_over(NORMAL_REPLICAS)
    await _tell(platform, replicas={PREVIOUS: 0, RELEASE: NORMAL_REPLICAS})


async def configure_back(platform: Platform) -> None:
    """Apply the ConfigMap of the version before."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    await _tell(platform, config=CONFIG_BEFORE, config_changed_at=now)


async def roll_back(platform: Platform) -> None:
    """Start the old version's pods again, and lead each region's edge to them."""
    platform.progress.switched = False
    platform.switchboard.live = PREVIOUS_APIS
    await _tell(platform, replicas={PREVIOUS: NORMAL_REPLICAS, RELEASE: NORMAL_REPLICAS})
    await _tell(platform, selector=PREVIOUS)
    for region in REGIONS:
        await platform.set_link(edge_name(region))


async def remove_release(platform: Platform) -> None:
    """End the release's processes and pods; its Deployment stays, without pods."""
    platform.progress.rolled_out = False
    monitoring_servers.write_targets(platform.layout, platform.running_apis)
    await together(*(platform.stop_process(name) for name in RELEASED_APIS))
    await _tell(platform, replicas={PREVIOUS: NORMAL_REPLICAS, RELEASE: 0})


async def stop_app(platform: Platform) -> None:
    """Take every pod of the app away, and wait until Prometheus has noticed."""
    await _tell(platform, replicas={PREVIOUS: 0, RELEASE: 0})
    await together(*(platform.stop_process(name) for name in platform.running_apis))
    await platform.told_by_prometheus(f'sum(up{{job="{JOB}"}})', 0, _NOTICED_SECONDS)


async def start_again(platform: Platform) -> None:
    """Start the old version alone, with as many pods as before, and lead the traffic to it."""
    progress = platform.progress
    progress.rolled_out = progress.switched = False
    platform.switchboard.live = PREVIOUS_APIS
    monitoring_servers.write_targets(platform.layout, platform.running_apis)
    await together(*(platform.start_process(name) for name in PREVIOUS_APIS))
    await _tell(platform, replicas={PREVIOUS: NORMAL_REPLICAS, RELEASE: 0}, selector=PREVIOUS)
    for region in REGIONS:
        await platform.set_link(edge_name(region))


async def _tell(platform: Platform, **facts: Any) -> None:
    layout = platform.layout
    await together(
        *(standin_servers.tell(layout, f"kubernetes-{region}", **facts) for region in REGIONS)
    )


_SCRAPED_SECONDS = 2.0
_NOTICED_SECONDS = 10.0


async def clusters(it: Breakage, values: Mapping[str, Any]) -> None:
    """Have both clusters show other facts; the edges follow the release's replicas."""
    if replicas := values.get("replicas", {}).get(RELEASE):
        it.undo(it.platform.spread_over, NORMAL_REPLICAS)
        it.platform.spread_over(replicas)
    for region in REGIONS:
        await it.bend(f"kubernetes-{region}", values)


async def one_cluster(it: Breakage, values: Mapping[str, Any]) -> None:
    """Have the first region's cluster show other facts."""
    await it.bend(f"kubernetes-{REGIONS[0]}", values)


async def volume_filled(it: Breakage, share: float) -> None:
    """Fill the volume of the backups with something else; a sparse file costs nothing."""
    file = it.layout.backups / "somebodys-copy.img"

    async def remove() -> None:
        file.unlink(missing_ok=True)
        await asyncio.sleep(_SCRAPED_SECONDS)

    it.undo(remove)
    file.touch()
    os.truncate(file, int(SIZE_BYTES * share))
    await asyncio.sleep(_SCRAPED_SECONDS)


KINDS = (clusters, one_cluster, volume_filled)

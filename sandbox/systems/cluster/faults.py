"""Ways to break the clusters; most are facts that their stand-ins show instead of the deployment's."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from sandbox.core.layout import NORMAL_REPLICAS, REGIONS, RELEASE
from sandbox.systems.cluster.volumes import SIZE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.breakage import Breakage

_SCRAPED_SECONDS = 2.0


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

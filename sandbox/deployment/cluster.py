"""Phases 1.3, 3.2, 3.3 and 5.1: what the cluster runs and where its traffic goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.layout import REGIONS, RELEASED_APIS, edge_name
from sandbox.together import together

if TYPE_CHECKING:
    from sandbox.parts import Platform


async def roll_out(platform: Platform) -> None:
    """Start the release's processes beside the old ones and let Prometheus scrape them."""
    await together(*(platform.start_process(name) for name in RELEASED_APIS))
    platform.note_targets()


async def switch_traffic(platform: Platform) -> None:
    """Lead each region's edge to the release."""
    platform.switched = True
    for region in REGIONS:
        await platform.set_link(edge_name(region))
    platform.note_release()

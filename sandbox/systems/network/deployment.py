"""Phase 6.1: the zone is changed in Route 53, and its servers say what Route 53 holds."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sandbox.systems import standin_servers
from sandbox.systems.network.hosted_zone import Operator
from sandbox.systems.network.zone import AFTER, BEFORE, SERIAL_AFTER, TTL_SECONDS

if TYPE_CHECKING:
    from sandbox.core.platform import Platform


async def update_zone(platform: Platform) -> None:
    """Publish the release's records under the next serial; caches learn of it after a moment."""
    layout = platform.layout
    operator = Operator(
        layout.url("aws"),
        layout.passwords["aws-operator-id"],
        layout.passwords["aws-operator"],
    )
    held = await asyncio.to_thread(operator.publish, AFTER, TTL_SECONDS)
    await standin_servers.tell(
        layout,
        "names",
        records=held,
        previous=BEFORE,
        serial=SERIAL_AFTER,
        changed_at=time.time(),
    )

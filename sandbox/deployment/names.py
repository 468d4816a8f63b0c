"""Phase 6.1: the zone is updated; caches learn of it after a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sandbox import standin_servers
from sandbox.zone import AFTER, BEFORE, SERIAL_AFTER

if TYPE_CHECKING:
    from sandbox.parts import Platform


async def update_zone(platform: Platform) -> None:
    """Publish the release's records under the next serial."""
    await standin_servers.tell(
        platform.layout,
        "names",
        records=AFTER,
        previous=BEFORE,
        serial=SERIAL_AFTER,
        changed_at=time.time(),
    )

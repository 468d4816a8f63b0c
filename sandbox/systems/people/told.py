"""What people are told of a rollback: the status page and the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core.layout import RELEASE
from sandbox.systems import standin_servers
from sandbox.systems.people.standins import DEPLOYMENTS, INCIDENTS

if TYPE_CHECKING:
    from sandbox.core.platform import Platform


async def tell(platform: Platform) -> None:
    """Update the status page, and post in both channels."""
    layout = platform.layout
    said = {
        DEPLOYMENTS: (f"Rollback of v{RELEASE} is done.", f"Features of v{RELEASE} are off."),
        INCIDENTS: (f"Incident: v{RELEASE} was rolled back, we watch it.",),
    }
    await standin_servers.tell(layout, "slack", just_posted=said)
    await standin_servers.tell(layout, "statuspage", rolled_back="monitoring")

"""What people are told of a rollback: the status page, the channels, and the assessment that is signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from environments.store import Folder, Store
from sandbox.core.layout import RELEASE
from sandbox.systems import standin_servers
from sandbox.systems.people.standins import DEPLOYMENTS, INCIDENTS
from sandbox.systems.statements import people

if TYPE_CHECKING:
    from sandbox.core.platform import Platform

_SIGNED = {
    "RB-FLAG-2",
    "RB-DB-7",
    *(f"RB-{when}-{n}" for when in ("DAY", "WEEK") for n in range(1, 6)),
}
"""What people assess, and what they owe within a day and a week: here they are quick."""


async def tell(platform: Platform) -> None:
    """Update the status page, post in both channels, and have all signed that is owed."""
    layout = platform.layout
    said = {
        DEPLOYMENTS: (f"Rollback of v{RELEASE} is done.", f"Features of v{RELEASE} are off."),
        INCIDENTS: (f"Incident: v{RELEASE} was rolled back, we watch it.",),
    }
    await standin_servers.tell(layout, "slack", just_posted=said)
    await standin_servers.tell(layout, "statuspage", rolled_back="monitoring")
    store, folder = Store(Folder(layout.state.gate)), layout.approvers.parent
    people.sign_everything(folder, store, people.subject_of(layout), only=_SIGNED)

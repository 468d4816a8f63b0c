"""The platform's way back from its release, by each of the runbook's methods, carried out for real.

Each step is a function of the platform in its system's area; it may be repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core import SandboxError
from sandbox.deployment import LAST_PHASE
from sandbox.systems.cluster import deployment as cluster
from sandbox.systems.data import restore
from sandbox.systems.flags import feature_flags as flags
from sandbox.systems.network import zone as names
from sandbox.systems.people import told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.core.platform import Platform
    from sandbox.deployment import Step

_FLAGS: Step = ("turn the release's features off", flags.turn_off)
_CONFIGURATION: Step = ("put the configuration back", cluster.configure_back)
METHODS: Mapping[str, tuple[Step, ...]] = {
    "flags": (_FLAGS,),
    "kubernetes": (
        _FLAGS,
        _CONFIGURATION,
        ("start v1.1.0 again and lead the traffic back", cluster.roll_back),
        ("take the release's pods away", cluster.remove_release),
    ),
    "dns": (("put the DNS records back", names.revert_zone),),
    "database": (
        _FLAGS,
        ("stop the application", cluster.stop_app),
        ("restore the backup and put it in the place of the live database", restore.restore_backup),
        _CONFIGURATION,
        ("start v1.1.0 again, alone", cluster.start_again),
    ),
}
"""What each method does, in the order of `gate rollback plan`: old code never meets new flags."""


async def carry_out(platform: Platform, method: str, say: Callable[[str], None]) -> None:
    """Roll the finished release back; raises SandboxError for one that is not, and when a step fails."""
    if platform.progress.done != LAST_PHASE:
        raise SandboxError("there is nothing to roll back yet: `sandbox deploy N` goes on.")
    platform.progress.taken_back = True
    for name, step in METHODS[method]:
        say(name)
        await step(platform)
    platform.note_release()
    say("tell the users and the stakeholders")
    await told.tell(platform)

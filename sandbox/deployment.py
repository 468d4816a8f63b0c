"""The platform's own deployment: the runbook's seven phases, carried out for real, step by step.

Each step is a function of the platform in its system's area; it may be the first time that it runs or a
repetition after a fault.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import SandboxError
from sandbox.core.layout import RELEASE
from sandbox.systems.cluster import deployment as cluster
from sandbox.systems.data import backups, migrations
from sandbox.systems.delivery import deployment as delivery
from sandbox.systems.flags import feature_flags as flags
from sandbox.systems.monitoring import deployment as monitoring
from sandbox.systems.network import zone as names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sandbox.core.platform import Platform
    from sandbox.core.state import StateDirectory

    Step = tuple[str, Callable[[Platform], Awaitable[None]]]

STEPS: Mapping[int, tuple[Step, ...]] = {
    1: (
        ("1.1 back the database up", backups.back_up),
        ("1.2 set feature flags to their safe state", flags.make_safe),
        ("1.3 scale services up", cluster.scale_up),
    ),
    2: (("2.1 run the migrations", migrations.migrate),),
    3: (
        ("3.1 build and push the images", delivery.push_images),
        ("3.2 roll out the release", cluster.roll_out),
        ("3.3 switch the traffic", cluster.switch_traffic),
    ),
    4: (("4.1 build and upload the web application", delivery.upload_web),),
    5: (
        ("5.1 update the configuration", cluster.configure),
        ("5.2 enable new features for some users", flags.enable_for_some),
    ),
    6: (("6.1 update the DNS records", names.update_zone),),
    7: (
        ("7.1 apply the alert rules", monitoring.apply_rules),
        ("7.2 load the dashboards", monitoring.load_dashboards),
        ("return to the normal capacity", cluster.return_to_normal),
    ),
}
"""What each phase does, by the runbook's numbers."""
LAST_PHASE = max(STEPS)
_BASELINE_SECONDS = 120.0


async def carry_out(platform: Platform, phase: int, say: Callable[[str], None]) -> None:
    """Carry out the next phase; raises SandboxError for any other, and when a step fails."""
    progress = platform.progress
    if phase != progress.done + 1:
        finished = progress.done == LAST_PHASE
        there = "it is finished" if finished else f"next is phase {progress.done + 1}"
        raise SandboxError(f"phase {phase} can't be carried out now: {there}.")
    for name, step in STEPS[phase]:
        say(f"phase {name}")
        await step(platform)
    progress.done = phase


async def finish(platform: Platform, say: Callable[[str], None]) -> None:
    """Carry out every phase that is left; raises SandboxError."""
    while platform.progress.done < LAST_PHASE:
        await carry_out(platform, platform.progress.done + 1, say)


def take_baseline(state: StateDirectory) -> bool:
    """Have the gate take a baseline where there is none; False where there is. Raises SandboxError.

    It is the countdown's last task: without one nothing that phase 2 did to the data could be told, and
    no phase would end in GO.
    """
    if any(state.gate.glob(f"*/v{RELEASE}/baseline/*.json")):
        return False
    arguments = ("baseline", "--env", str(state.environment), "--release", f"v{RELEASE}")
    done = subprocess.run(  # noqa: S603 - the gate of this checkout
        [Path(sys.executable).with_name("gate"), *arguments],
        capture_output=True,
        text=True,
        timeout=_BASELINE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SandboxError(
            f"the gate could not take the baseline, so phase 1 does not begin: {done.stderr.strip()}"
        )
    return True

"""What each phase of the runbook does to the platform, step by step.

Each step is a function of the platform in a module of its own subject; it may be the first time that
it runs or a repetition after a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.systems.cluster import deployment as cluster
from sandbox.systems.data import deployment as database
from sandbox.systems.delivery import deployment as delivery
from sandbox.systems.flags import deployment as flags
from sandbox.systems.monitoring import deployment as monitoring
from sandbox.systems.network import deployment as names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sandbox.parts import Platform


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a phase."""

    name: str
    """As the runbook numbers it."""
    carry_out: Callable[[Platform], Awaitable[None]]


STEPS: Mapping[int, tuple[Step, ...]] = {
    1: (
        Step("1.1 back the database up", database.back_up),
        Step("1.2 set feature flags to their safe state", flags.make_safe),
        Step("1.3 scale services up", cluster.scale_up),
    ),
    2: (Step("2.1 run the migrations", database.migrate),),
    3: (
        Step("3.1 build and push the images", delivery.push_images),
        Step("3.2 roll out the release", cluster.roll_out),
        Step("3.3 switch the traffic", cluster.switch_traffic),
    ),
    4: (Step("4.1 build and upload the web application", delivery.upload_web),),
    5: (
        Step("5.1 update the configuration", cluster.configure),
        Step("5.2 enable new features for some users", flags.enable_for_some),
    ),
    6: (Step("6.1 update the DNS records", names.update_zone),),
    7: (
        Step("7.1 apply the alert rules", monitoring.apply_rules),
        Step("7.2 load the dashboards", monitoring.load_dashboards),
        Step("return to the normal capacity", cluster.return_to_normal),
    ),
}

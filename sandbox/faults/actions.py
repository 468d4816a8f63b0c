"""How each fault breaks the platform and mends it again: values, one for each name in the catalogue.

The real thing is preferred: servers are stopped, links cut, roles expired. The rest are switches of the
reference API. Every revert may be repeated and undoes a half-applied fault too.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from psycopg import sql

from sandbox.layout import PREVIOUS, REGIONS, RELEASED_APIS, api_name, edge_name
from sandbox.postgres import GATE, script
from sandbox.state import write_private
from sandbox.switchboard import put
from sandbox.together import together

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.faults.holds import Holds

_GATE_ROLE = sql.Identifier(GATE)
_LIVE_SECONDS = 3.0
"""Behind the scrapes that the gate leaves out after a traffic switch."""
_OUT_OF_BAND = ("gate-prometheus", "gate-postgres", "gate-redis", "gate-outside")


class Action(Protocol):
    """What a fault does to the platform behind `holds`."""

    async def apply(self, holds: Holds, fault: str) -> None:
        """Break it; raises SandboxError."""

    async def revert(self, holds: Holds, fault: str) -> None:
        """Mend it, however much of it was broken; raises SandboxError."""


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches of every process of the released API."""

    values: Mapping[str, Any]

    async def apply(self, holds: Holds, fault: str) -> None:
        """Press them."""
        await holds.switches(fault, self.values)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Let go of them."""
        await holds.switches(fault, None)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Processes that are really stopped."""

    processes: tuple[str, ...]

    async def apply(self, holds: Holds, fault: str) -> None:
        """Stop them."""
        await together(*(holds.stopped(fault, name, hold=True) for name in self.processes))

    async def revert(self, holds: Holds, fault: str) -> None:
        """Start them."""
        await together(*(holds.stopped(fault, name, hold=False) for name in self.processes))


@dataclass(frozen=True, slots=True)
class LinksChanged:
    """Links that refuse, swallow, delay or lead elsewhere."""

    links: tuple[str, ...]
    changes: Mapping[str, Any]

    async def apply(self, holds: Holds, fault: str) -> None:
        """Change them."""
        for link in self.links:
            await holds.link(fault, link, self.changes)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Let them lead where they should again."""
        for link in self.links:
            await holds.link(fault, link, None)


@dataclass(frozen=True, slots=True)
class Ordered:
    """Orders to the primary by its superuser, and what takes them back."""

    broken: sql.Composed
    mended: sql.Composed

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Give the order."""
        await holds.platform.postgres.as_superuser(self.broken)

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Take it back."""
        await holds.platform.postgres.as_superuser(self.mended)


@dataclass(frozen=True, slots=True)
class Scripted:
    """A script on the database by its owner, and the one that takes it back."""

    broken: str
    mended: str

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Run the script."""
        await holds.platform.postgres.as_owner(script(self.broken))

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Run the other one."""
        await holds.platform.postgres.as_owner(script(self.mended))


@dataclass(frozen=True, slots=True)
class TrafficCapped:
    """The load generator sends no more than so many requests a second in each region."""

    requests_per_second: float

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Set the limit."""
        limit = json.dumps({"rps": self.requests_per_second})
        write_private(holds.platform.layout.traffic_cap, limit)

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Lift it."""
        holds.platform.layout.traffic_cap.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Restarted:
    """Processes that go down and come back while the release is live: nothing is left to mend."""

    processes: tuple[str, ...]

    async def apply(self, holds: Holds, fault: str) -> None:
        """Stop and start them, some seconds after the traffic switch."""
        await asyncio.sleep(_LIVE_SECONDS)
        for process in self.processes:
            await holds.stopped(fault, process, hold=True)
            await holds.stopped(fault, process, hold=False)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Make sure that they run."""
        for process in self.processes:
            await holds.stopped(fault, process, hold=False)


@dataclass(frozen=True, slots=True)
class PressedAgain:
    """Switches that act in the moment in which they are pressed, pressed again and again."""

    every_seconds: float
    values: Mapping[str, Any] = field(default_factory=dict)

    async def apply(self, holds: Holds, fault: str) -> None:
        """Begin to press them."""
        platform = holds.platform
        holds.again(fault, lambda: platform.press_switches(**self.values), self.every_seconds)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Press them no more."""
        holds.no_more(fault)


@dataclass(frozen=True, slots=True)
class VendorDown:
    """One vendor that answers 503."""

    vendor: str

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Take it out of order."""
        await put(holds.platform.layout, "vendors", "/_sandbox/down", {"vendor": self.vendor})

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Put it in order again."""
        await put(holds.platform.layout, "vendors", "/_sandbox/down", {"vendor": None})


@dataclass(frozen=True, slots=True)
class StandInBent:
    """A stand-in that shows other facts than the deployment's."""

    name: str
    values: Mapping[str, Any]

    async def apply(self, holds: Holds, fault: str) -> None:
        """Lay the values over its facts."""
        order = {"fault": fault, "values": dict(self.values)}
        await put(holds.platform.layout, self.name, "/_sandbox/fault", order)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Take them off again."""
        order = {"fault": fault, "values": None}
        await put(holds.platform.layout, self.name, "/_sandbox/fault", order)


ACTIONS: dict[str, Action] = {
    "api-down-eu": Stopped((RELEASED_APIS[0],)),
    "api-down-everywhere": Stopped(RELEASED_APIS),
    "errors-0.3-percent": Switches({"error_every": 333}),
    "errors-3-percent": Switches({"error_every": 33}),
    "latency-over-target": Switches({"slow_every": 10, "slow_seconds": 0.3}),
    "latency-over-rollback-limit": Switches({"slow_every": 10, "slow_seconds": 0.7}),
    "latency-p99-only": Switches({"slow_every": 50, "slow_seconds": 0.7}),
    "postgres-down": Stopped(("postgres-primary",)),
    "standby-down": Stopped(("postgres-standby",)),
    "slow-query": Scripted("slow_overview.sql", "normal_overview.sql"),
    "redis-down": Stopped(("redis",)),
    "redis-slow": LinksChanged(("redis-api",), {"latency_seconds": 0.025}),
    "wrong-version": Switches({"reported_version": "1.1.9"}),
    "old-version-in-one-region": LinksChanged(
        (edge_name(REGIONS[0]),), {"target": api_name(REGIONS[0], PREVIOUS)}
    ),
    "registration-broken": Switches({"registration_broken": True}),
    "login-broken": Switches({"login_broken": True}),
    "booking-writes-nothing": Switches({"booking_writes_nothing": True}),
    "payment-declined": Switches({"payment_declined": True}),
    "video-refused": Switches({"video_refused": True}),
    "vendor-down": VendorDown("stripe"),
    "html-instead-of-json": Switches({"html_health": True}),
    "response-too-large": Switches({"large_health_megabytes": 64}),
    "health-slow": Switches({"health_db_extra_ms": 60.0}),
    "external-endpoint-incomplete": Switches({"external_missing": "twilio"}),
    "expired-credential": Ordered(
        sql.SQL("ALTER ROLE {} VALID UNTIL '2020-01-01'").format(_GATE_ROLE),
        sql.SQL("ALTER ROLE {} VALID UNTIL 'infinity'").format(_GATE_ROLE),
    ),
    "gate-can-write": Ordered(
        sql.SQL("GRANT UPDATE ON appointments TO {}").format(_GATE_ROLE),
        sql.SQL("REVOKE UPDATE ON appointments FROM {}").format(_GATE_ROLE),
    ),
    "gate-without-network": LinksChanged(
        (*map(edge_name, REGIONS), *_OUT_OF_BAND), {"mode": "refuse"}
    ),
    "prometheus-down": Stopped(("prometheus",)),
    "prometheus-slow": LinksChanged(("gate-prometheus",), {"latency_seconds": 60.0}),
    "prometheus-restarted": Restarted(("prometheus",)),
    "scrape-broken": Switches({"metrics_broken": True}),
    "metric-renamed": Switches({"metric_renamed": True}),
    "empty-histogram": Switches({"histogram_empty": True}),
    "other-bucket-bounds": Switches({"other_bucket_bounds": True}),
    "too-little-traffic": TrafficCapped(1.0),
    "counter-reset": PressedAgain(7.0, {"reset_counters": True}),
}

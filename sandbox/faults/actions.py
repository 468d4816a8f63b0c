"""The ways in which a fault breaks the platform and mends it again; the faults are values of these.

The real thing is preferred: servers are stopped, links cut, roles expired. The rest are switches of the
reference API. Every revert may be repeated and undoes a half-applied fault too.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from psycopg import sql

from sandbox.core.layout import APIS, HOST, RELEASED_APIS
from sandbox.core.state import write_private
from sandbox.core.switchboard import put
from sandbox.core.together import together
from sandbox.systems.data.postgres import script
from sandbox.systems.flags import feature_flags
from sandbox.systems.monitoring.prometheus_server import JOB, add_targets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.faults.holds import Holds

VERSION = APIS[RELEASED_APIS[0]][1]
_LIVE_SECONDS = 3.0
"""Behind the scrapes that the gate leaves out after a traffic switch."""


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
class RedisOrdered:
    """An order to Redis by an administrator, and what takes it back."""

    broken: tuple[str, ...]
    mended: tuple[str, ...]

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Give the order."""
        await feature_flags.order(holds.platform.layout, *self.broken)

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Take it back."""
        await feature_flags.order(holds.platform.layout, *self.mended)


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
class TrafficEnds:
    """The load generator sends nothing any more from so many seconds after the traffic switch."""

    after_seconds: float

    async def apply(self, holds: Holds, fault: str) -> None:
        """Let it send until then."""

        async def end() -> None:
            await TrafficCapped(0.0).apply(holds, fault)

        holds.again(fault, end, self.after_seconds)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Let it send again."""
        holds.no_more(fault)
        await TrafficCapped(0.0).revert(holds, fault)


@dataclass(frozen=True, slots=True)
class AlsoScraped:
    """A server that Prometheus scrapes as if it were another pod of the released API in one region."""

    server: str
    region: str
    labels: Mapping[str, str] = field(default_factory=dict)

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Have it scraped, and wait until it is."""
        layout = holds.platform.layout
        address = f"{HOST}:{layout.ports[self.server]}"
        labels = {"region": self.region, "version": VERSION, **self.labels}
        add_targets(layout, [(address, labels)])
        await self._scraped(holds, len(holds.platform.running_apis) + 1)

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Have it scraped no more."""
        add_targets(holds.platform.layout, ())
        await self._scraped(holds, len(holds.platform.running_apis))

    async def _scraped(self, holds: Holds, targets: int) -> None:
        await holds.platform.told_by_prometheus(f'count(up{{job="{JOB}"}})', targets, 20.0)


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

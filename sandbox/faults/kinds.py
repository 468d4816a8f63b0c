"""The ways in which a fault breaks the platform, by the names that `does` in a faults.yaml uses.

The real thing is preferred: servers are stopped, links cut, roles expired. The rest are switches of the
reference API. A way is a function of the breakage: it notes what fixes a step before it takes it. One
parameter beside the breakage gets all that stands behind its name; several get theirs by name.
"""

from __future__ import annotations

import asyncio
import fnmatch
import functools
import inspect
import json
from typing import TYPE_CHECKING, Any

from sandbox.core.state import write_private
from sandbox.core.switchboard import put
from sandbox.systems.cluster import faults as cluster
from sandbox.systems.data import faults as data
from sandbox.systems.delivery import faults as delivery
from sandbox.systems.flags import faults as flags
from sandbox.systems.monitoring import faults as monitoring
from sandbox.systems.people import faults as people

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from sandbox.core.breakage import Breakage

    Kind = Callable[..., Awaitable[None]]

_LIVE_SECONDS = 3.0
"""Behind the scrapes that the gate leaves out after a traffic switch."""


async def switches(it: Breakage, values: Mapping[str, Any]) -> None:
    """Press switches of every process of the released API."""
    await it.switches(values)


async def stopped(it: Breakage, processes: list[str]) -> None:
    """Stop processes for real."""
    await it.stop(processes)


async def restarted(it: Breakage, processes: list[str]) -> None:
    """Stop and start processes, some seconds after the traffic switch."""
    it.go_live()
    await asyncio.sleep(_LIVE_SECONDS)
    await it.stop(processes)
    await it.start(processes)


async def links(it: Breakage, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Have links, by their names, delay, lead elsewhere or keep to one replica."""
    for name, changed in changes.items():
        await it.link(name, **changed)


async def refused(it: Breakage, patterns: Iterable[str]) -> None:
    """Have the links refuse whose name fits one of the patterns."""
    for name in it.platform.links:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            await it.link(name, mode="refuse")


async def pressed_again(it: Breakage, every_seconds: float, values: Mapping[str, Any]) -> None:
    """Press switches that act in the moment in which they are pressed, again and again."""
    it.again(lambda: it.platform.press_switches(**values), every_seconds)


async def traffic_capped(it: Breakage, requests_per_second: float) -> None:
    """Have the load generator send no more than so many requests a second in each region."""
    it.undo(it.layout.traffic_cap.unlink, missing_ok=True)
    await _cap(it, requests_per_second)


async def traffic_ends(it: Breakage, after_seconds: float) -> None:
    """Have the load generator send nothing any more from so many seconds after the traffic switch."""
    it.undo(it.layout.traffic_cap.unlink, missing_ok=True)
    it.again(lambda: _cap(it, 0.0), after_seconds)


async def _cap(it: Breakage, requests_per_second: float) -> None:
    write_private(it.layout.traffic_cap, json.dumps({"rps": requests_per_second}))


async def vendor_down(it: Breakage, vendor: str) -> None:
    """Have one external service answer 503."""
    it.undo(put, it.layout, "vendors", "/_sandbox/down", {"vendor": None})
    await put(it.layout, "vendors", "/_sandbox/down", {"vendor": vendor})


async def bent(it: Breakage, states: Mapping[str, Mapping[str, Any]]) -> None:
    """Have stand-ins, by their names, show other facts than the deployment's."""
    for name, values in states.items():
        await it.bend(name, values)


_GENERAL: tuple[Kind, ...] = (
    *(switches, stopped, restarted, links, refused, pressed_again),
    *(traffic_capped, traffic_ends, vendor_down, bent),
)
KINDS: Mapping[str, Kind] = {
    kind.__name__: kind
    for area in (data, delivery, people, flags, cluster, monitoring)
    for kind in area.KINDS
} | {kind.__name__: kind for kind in _GENERAL}


def bound(does: Mapping[str, Any], it: Breakage | None) -> list[Callable[[], Awaitable[None]]]:
    """Return the steps of a fault; raises KeyError or TypeError for what is not a step."""
    return [_bound(KINDS[name], it, given) for name, given in does.items()]


def _bound(kind: Kind, it: Breakage | None, given: Any) -> Callable[[], Awaitable[None]]:
    signature = inspect.signature(kind)
    whole = len(signature.parameters) == 2  # noqa: PLR2004 - the breakage and one more
    arguments = signature.bind(it, given) if whole else signature.bind(it, **given)
    return functools.partial(kind, *arguments.args, **arguments.kwargs)

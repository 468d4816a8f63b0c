"""Which faults are applied now: applied and reverted by name, each at most once."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import fnmatch
import functools
import inspect
import itertools
import json
from typing import TYPE_CHECKING, Any

from sandbox.core import SandboxError, UnknownNameError
from sandbox.core.breakage import Breakage, Holds
from sandbox.core.state import write_private
from sandbox.faults import catalogue
from sandbox.systems.cluster import deployment as cluster
from sandbox.systems.data import faults as data
from sandbox.systems.delivery import deployment as delivery
from sandbox.systems.flags import feature_flags as flags
from sandbox.systems.monitoring import deployment as monitoring
from sandbox.systems.proofs import faults as proofs
from sandbox.systems.source import faults as source
from sandbox.systems.statements import faults as statements

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from sandbox.core.platform import Platform

    Kind = Callable[..., Awaitable[None]]

_ASK_WHO_SIGNED = ("post-deploy-1h", "post-deploy-24h", "post-rollback", "post-restore")
"""Gates that ask what is signed after a release, and the one before them; signing takes its time."""
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


async def links_in_turn(
    it: Breakage, every_seconds: float, changes: Iterable[Mapping[str, Mapping[str, Any]]]
) -> None:
    """Change links now in one way and now in another, each for some seconds."""
    turns = itertools.cycle(changes)

    async def change() -> None:
        await links(it, next(turns))

    await change()
    it.again(change, every_seconds)


async def refused(it: Breakage, patterns: Iterable[str]) -> None:
    """Have the links refuse whose name fits one of the patterns."""
    for name in it.platform.links:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            await it.link(name, mode="refuse")


async def pressed_again(it: Breakage, every_seconds: float, values: Mapping[str, Any]) -> None:
    """Press switches that act in the moment in which they are pressed, again and again."""
    it.again(lambda: it.platform.press_switches(**values), every_seconds)


async def in_turn(
    it: Breakage,
    every_seconds: float,
    values: Iterable[Mapping[str, Any]],
    *,
    round_and_round: bool = False,
) -> None:
    """Press one set of switches after another, each for some seconds; the last stays, or it begins anew."""
    turns = itertools.cycle(values) if round_and_round else iter(values)

    async def press() -> None:
        now = next(turns, None)
        if now is not None:
            await it.switches(now)

    await press()
    it.again(press, every_seconds)


async def traffic_capped(it: Breakage, requests_per_second: float) -> None:
    """Have the load generator send no more than so many requests a second in each region."""
    it.undo(it.layout.traffic_cap.unlink, missing_ok=True)
    await _cap(it, requests_per_second)


async def users_capped(it: Breakage, rate: float) -> None:
    """Have no more than so many users a second come to each region."""
    it.undo(it.layout.users_cap.unlink, missing_ok=True)
    write_private(it.layout.users_cap, json.dumps({"rate": rate}))


async def traffic_ends(it: Breakage, after_seconds: float) -> None:
    """Have the load generator send nothing any more from so many seconds after the traffic switch."""
    it.undo(it.layout.traffic_cap.unlink, missing_ok=True)
    it.again(lambda: _cap(it, 0.0), after_seconds)


async def _cap(it: Breakage, requests_per_second: float) -> None:
    write_private(it.layout.traffic_cap, json.dumps({"rps": requests_per_second}))


async def bent(it: Breakage, states: Mapping[str, Mapping[str, Any]]) -> None:
    """Have stand-ins, by their names, show other facts than the deployment's."""
    for name, values in states.items():
        await it.bend(name, values)


async def window_closes(it: Breakage, minutes: int) -> None:
    """Have the deployment window close soon; it opens again two days later, as it did a week before."""
    closes = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    opens = closes + dt.timedelta(days=2)
    window = {"opens": f"{opens:%A %H:%M}", "closes": f"{closes:%A %H:%M}"}
    it.undo(it.layout.deployment_window.unlink, missing_ok=True)
    write_private(it.layout.deployment_window, json.dumps(window))


async def contacts(it: Breakage, named: Mapping[str, Any]) -> None:
    """Have the next environment file name other contacts."""
    it.undo(it.layout.contacts.unlink, missing_ok=True)
    write_private(it.layout.contacts, json.dumps(named))


async def complaints(it: Breakage, count: int) -> None:
    """Have so many users, and a synthetic one, complain about what is critical once the release is live."""
    it.go_live()
    # Every fault that is applied after this one is a release that went live later still.
    at = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)).isoformat()
    tags = ["critical-functionality"]
    synthetic = {"at": at, "tags": [*tags, "synthetic-tenant"]}
    await it.bend("support", {"new": [synthetic, *([{"at": at, "tags": tags}] * count)]})


async def history_forged(it: Breakage) -> None:
    """Write a run into the history by hand."""
    file = it.layout.state.gate / "local" / "v1.2.0" / "history" / "forged.json"
    it.undo(file.unlink, missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"sha256": "0", "record": {"decision": "GO"}}', encoding="utf-8")


async def baseline_hidden(it: Breakage) -> None:
    """Put every baseline aside, with the history that names them."""
    for name in ("baseline", "history"):
        for folder in it.layout.state.gate.glob(f"*/*/{name}"):
            it.aside(folder)


_GENERAL: tuple[Kind, ...] = (
    *(switches, stopped, restarted, links, links_in_turn, refused, pressed_again, in_turn),
    *(traffic_capped, traffic_ends, users_capped, bent),
    *(window_closes, contacts, complaints, history_forged, baseline_hidden),
)
KINDS: Mapping[str, Kind] = {
    kind.__name__: kind
    for area in (data, delivery, flags, cluster, monitoring, proofs, source, statements)
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


class Book:
    """The applied faults of one running platform; a fresh platform has none."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._holds = Holds(platform)
        self._applied: dict[str, Breakage] = {}

    @property
    def applied(self) -> list[str]:
        """Their names, the first one first."""
        return list(self._applied)

    async def apply(self, name: str) -> bool:
        """Apply a fault; False when it was applied already.

        Raises SandboxError with the fault reverted, or still noted when even that is impossible now.
        """
        fault = _known(name)
        if name in self._applied:
            return False
        it = self._applied[name] = Breakage(name, self._holds)
        try:
            with self._signing(fault):
                for step in bound(fault.does, it):
                    await step()
                if not it.went_live:
                    self._platform.note_release()
        except SandboxError:
            with contextlib.suppress(SandboxError):
                await self.revert(name)
            raise
        return True

    @contextlib.contextmanager
    def _signing(self, fault: catalogue.Fault) -> Iterator[None]:
        """Let people sign only where a fault's gate asks for it."""
        self._platform.progress.signed = fault.gate in _ASK_WHO_SIGNED
        try:
            yield
        finally:
            self._platform.progress.signed = True

    async def revert(self, name: str) -> bool:
        """Revert a fault; False when it was not applied; raises SandboxError, and may be repeated.

        With the last fault gone it waits until the platform is whole again.
        """
        fault = _known(name)
        if name not in self._applied:
            return False
        with self._signing(fault):
            await self._applied[name].end()
            del self._applied[name]
            if not self._applied:
                await self._platform.settle()
            self._platform.note_release()
        return True

    async def revert_all(self) -> list[str]:
        """Revert every applied fault, the last one first; raises SandboxError."""
        reverted = self.applied[::-1]
        for name in reverted:
            await self.revert(name)
        return reverted


def _known(name: str) -> catalogue.Fault:
    for fault in catalogue.load():
        if fault.name == name:
            return fault
    raise UnknownNameError(f"there is no fault {name!r}: `sandbox fault list` names them.")

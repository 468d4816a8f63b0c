"""The processes and links of one platform: started, stopped and changed one at a time. Knows no system."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.core import UnknownNameError, processes
from sandbox.core.child import Child
from sandbox.core.layout import (
    APIS,
    EDGES_BEFORE,
    HOST,
    JOB,
    LINKS,
    PREVIOUS_APIS,
    REGIONS,
    RELEASED_APIS,
    edge_name,
)
from sandbox.core.links import Link
from sandbox.core.readiness import answers_http, prometheus_says, put, together, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from sandbox.core.layout import Layout


class Switchboard:
    """Several faults may hold switches at once; each API process is told all of them together."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.live = RELEASED_APIS
        """The processes that faults happen to."""
        self._held: dict[str, Mapping[str, Any]] = {}

    def hold(self, owner: str, switches: Mapping[str, Any] | None) -> None:
        """Hold switches in the name of `owner`; None lets go of them."""
        self._held.pop(owner, None)
        if switches is not None:
            self._held[owner] = switches

    async def press(self, name: str, **once: Any) -> None:
        """Put the held switches in force in one process (`once` only now); raises SandboxError."""
        held = self._held.values() if name in self.live else ()
        union = {key: value for switches in held for key, value in switches.items()}
        await put(self._layout, name, "/_sandbox/faults", union | once)


_SETTLES_SECONDS = 20.0


@dataclass(slots=True)
class Progress:
    """How far the release is deployed."""

    pending: bool
    """The release waits: each phase is carried out by hand. Otherwise all are at the start."""
    done: int = 0
    """Phases carried out: 0 is before the release, 7 is finished."""
    rolled_out: bool = field(init=False)
    """Whether the release's processes are meant to run; so from the start where nobody waits."""
    taken_back: bool = False
    """Whether the release was rolled back."""
    switched: bool = field(init=False)
    """Whether the edges lead to the release."""
    signed: bool = True
    """Whether people sign at once what counts only since the release went live, or was taken back."""

    def __post_init__(self) -> None:
        self.rolled_out = self.switched = not self.pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the systems want to do when something happens to the platform."""

    write_environment: Callable[[Layout, dt.datetime | None, dt.datetime | None], None]
    """Writes the environment file of what went live then, and was rolled back then; None: not yet."""
    sign_afterwards: Callable[[Layout, bool], None]
    """Has people sign what counts only since then; the flag tells whether it was rolled back."""
    started: Mapping[str, Callable[[Platform], Awaitable[None]]] = field(default_factory=dict)
    """What a process needs each time after it was started, by its name."""


class Platform:
    """All processes and links of one platform."""

    def __init__(
        self, layout: Layout, children: Iterable[Child], hooks: Hooks, *, pending: bool = False
    ) -> None:
        self.layout = layout
        self.progress = Progress(pending)
        self.switchboard = Switchboard(layout)
        self.children = {child.command.name: child for child in children}
        self.links = {name: Link(name) for name in LINKS}
        self._hooks = hooks
        self._switched_at: dt.datetime | None = None
        self._serving = False

    async def open_links(self) -> None:
        """Begin to lead every link where it should; raises OSError."""
        for name, link in self.links.items():
            link.target = self._address(self._leads_to(name))
            await link.start(self.layout.ports[name])

    def serve_at_once(self) -> None:
        """From now on every process goes before what measures it, later ones too."""
        self._serving = True
        known = [child.identity for child in self.children.values()]
        processes.serve_at_once(identity.pid for identity in known if identity)

    async def settle(self) -> None:
        """Wait until everything has found everything else again; raises SandboxError."""
        await together(*(wait_for(*question, _SETTLES_SECONDS) for question in self._questions()))

    def _questions(self) -> Iterator[tuple[str, Callable[[], Awaitable[bool]]]]:
        for name in self.running_apis:
            for path in ("/health/db", "/health/redis", "/health/external"):
                yield (
                    f"{name} answering {path} with 200",
                    answers_http(self.layout.ports[name], path),
                )
        count = len(self.running_apis)
        query = f'sum(up{{job="{JOB}"}})'
        scraped = prometheus_says(self.layout.ports["prometheus"], query, count)
        yield f"Prometheus scraping {count} API processes", scraped

    @property
    def running_apis(self) -> tuple[str, ...]:
        """The API processes that are meant to run now."""
        return tuple(APIS) if self.progress.rolled_out else PREVIOUS_APIS

    async def stop(self) -> None:
        """Stop everything; the data go with it."""
        for link in self.links.values():
            await link.stop()
        await asyncio.gather(*(child.stop(3.0) for child in self.children.values()))

    def note_release(self) -> None:
        """Write the environment file: what is live now went live now, or was led back to now."""
        now = dt.datetime.now(dt.UTC)
        # What is signed bears milliseconds, and must not look older.
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        back = self.progress.taken_back
        if not back:
            self._switched_at = now if self.progress.switched else None
        self._hooks.write_environment(self.layout, self._switched_at, now if back else None)
        if self.progress.signed and self._switched_at is not None:
            self._hooks.sign_afterwards(self.layout, back)

    async def stop_process(self, name: str) -> None:
        """Stop one process; raises UnknownNameError."""
        await self._child(name).stop()

    async def start_process(self, name: str) -> None:
        """Start one process, with the switches that it should have; raises SandboxError."""
        await self._child(name).start()
        if self._serving:
            self.serve_at_once()
        if name in APIS:
            await self.switchboard.press(name)
        if name in self._hooks.started:
            await self._hooks.started[name](self)

    async def told_by_prometheus(self, query: str, value: int, timeout_seconds: float) -> None:
        """Wait until Prometheus answers a query with a number; raises SandboxError."""
        told = prometheus_says(self.layout.ports["prometheus"], query, value)
        await wait_for(f"Prometheus answering {value} to {query}", told, timeout_seconds)

    def spread_over(self, replicas: int) -> None:
        """Let each region's edge spread new connections over so many replicas of the live version."""
        for region in REGIONS:
            self.links[edge_name(region)].replicas = replicas

    async def set_link(self, name: str, **changes: Any) -> None:
        """Change the mode or latency of a link, or the server behind it; raises UnknownNameError."""
        if name not in self.links:
            raise UnknownNameError(f"there is no link {name!r}: {', '.join(self.links)}.")
        whole: dict[str, Any] = {
            "target": self._leads_to(name),
            "mode": "open",
            "latency_seconds": 0.0,
            "sticky": False,
        }
        wanted = whole | changes
        await self.links[name].set(**(wanted | {"target": self._address(wanted["target"])}))

    async def press_switches(self, **once: Any) -> None:
        """Put the held switches in force in every running process of what is live."""
        for name in self.switchboard.live:
            if self.children[name].running:
                await self.switchboard.press(name, **once)

    def status(self) -> dict[str, Any]:
        """Return processes, links and addresses for people."""
        addresses = ("edge-eu", "edge-us", "gate-prometheus", "vendors")
        return {
            "processes": [self._process_status(child) for child in self.children.values()],
            "links": [self._link_status(link) for link in self.links.values()],
            "urls": {name: self.layout.url(name) for name in addresses},
            "environment": str(self.layout.state.environment),
        }

    def _process_status(self, child: Child) -> dict[str, Any]:
        identity = child.identity
        name = child.command.name
        return {
            "name": name,
            "state": "running" if identity else f"ended ({child.return_code})",
            "pid": identity.pid if identity else None,
            "port": self.layout.ports.get(name),
            "version": child.command.version,
            "log": str(child.command.log),
        }

    def _link_status(self, link: Link) -> dict[str, Any]:
        names = {port: name for name, port in self.layout.ports.items()}
        return {
            "name": link.name,
            "port": self.layout.ports[link.name],
            "target": names[link.target[1]] if link.target else None,
            "mode": link.mode,
            "latency_ms": round(link.latency_seconds * 1000),
        }

    def _child(self, name: str) -> Child:
        try:
            return self.children[name]
        except KeyError:
            known = ", ".join(self.children)
            raise UnknownNameError(f"there is no process {name!r}: {known}.") from None

    def _leads_to(self, link: str) -> str:
        """Return the server behind a link while nothing is wrong."""
        return LINKS[link] if self.progress.switched else EDGES_BEFORE.get(link, LINKS[link])

    def _address(self, server: str) -> tuple[str, int]:
        return (HOST, self.layout.ports[server])

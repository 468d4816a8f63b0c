"""One platform at work: every process and link of a layout, started together, changed one at a time."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import environment_file
from sandbox.core import lease, priority
from sandbox.core.child import Child
from sandbox.core.errors import UnknownNameError
from sandbox.core.layout import (
    APIS,
    EDGES_BEFORE,
    HOST,
    LINKS,
    PREVIOUS,
    PREVIOUS_APIS,
    REGIONS,
    RELEASED_APIS,
    edge_name,
)
from sandbox.core.links import Link
from sandbox.core.readiness import answers_http, prometheus_says, wait_for
from sandbox.core.switchboard import Switchboard
from sandbox.core.together import together
from sandbox.deployment.deployment import LAST_PHASE, Deployment
from sandbox.systems import standin_servers
from sandbox.systems.cluster.state import NORMAL_REPLICAS
from sandbox.systems.data import backups, migrations, redis_server, release_repository
from sandbox.systems.data.postgres import Postgres, script
from sandbox.systems.delivery import aws_server
from sandbox.systems.flags import feature_flags
from sandbox.systems.monitoring import deployment as monitoring
from sandbox.systems.monitoring import monitoring_servers, prometheus_server
from sandbox.systems.service import reference_api

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from sandbox.core.binaries import Binary, MonitoringBinaries
    from sandbox.core.forks import Forks
    from sandbox.core.layout import Layout

_SETTLES_SECONDS = 20.0
_WARM_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Programs:
    """The servers' programs, found before anything is started."""

    postgres: Path
    redis: Binary
    prometheus: Binary
    monitoring: MonitoringBinaries


class Platform:
    """All processes and links of one platform."""

    def __init__(
        self, layout: Layout, programs: Programs, forker: Forks, *, pending: bool = False
    ) -> None:
        self.layout = layout
        self.deployment = Deployment(self, pending=pending)
        self.switched = not pending
        """Whether the edges lead to the release."""
        self.postgres = Postgres(layout, programs.postgres)
        self.switchboard = Switchboard(layout)
        others = [
            redis_server.command(layout, programs.redis),
            prometheus_server.command(layout, programs.prometheus),
            reference_api.vendors_command(layout),
            *reference_api.api_commands(layout),
            reference_api.traffic_command(layout),
            standin_servers.command(layout),
            aws_server.command(layout),
            *monitoring_servers.commands(layout, programs.monitoring),
        ]
        databases = [self.postgres.primary, self.postgres.standby]
        servers = [Child(command, forker) for command in others]
        self.children = {child.command.name: child for child in (*databases, *servers)}
        self._versions = {
            "redis": f"{programs.redis.version} ({programs.redis.source})",
            "prometheus": f"{programs.prometheus.version} ({programs.prometheus.source})",
        }
        self.links = {name: Link(name) for name in LINKS}
        self.spread_over(NORMAL_REPLICAS)
        self._up = False

    async def start(self, say: Callable[[str], None]) -> None:
        """Start everything and write the environment file; raises SandboxError."""
        say("starting PostgreSQL, Redis, Prometheus and the API in two regions")
        for name, link in self.links.items():
            link.target = self._address(self._leads_to(name))
            await link.start(self.layout.ports[name])
        self.note_targets()
        monitoring.write_previous_rules(self.layout)
        later = {"postgres-primary", "postgres-standby", *(set(APIS) - set(self.running_apis))}
        await together(
            self._start_databases(say),
            asyncio.to_thread(release_repository.make, self.layout.release_repository),
            *(child.start() for name, child in self.children.items() if name not in later),
        )
        await feature_flags.lay_down(self)
        await self.settle()
        await monitoring.watch_before(self)
        if not self.deployment.pending:
            await self.deployment.finish(say)
        self._up = True
        self._serve_at_once()
        say("warming the API up")
        await self._warm_up()
        self.note_release()

    def _serve_at_once(self) -> None:
        known = [child.identity for child in self.children.values()]
        priority.serve_at_once(identity.pid for identity in known if identity)

    async def _warm_up(self) -> None:
        """Let some traffic through before anybody measures: a first request opens pools and plans.

        A release that has just started is cold too, but its first seconds are not what is asked for.
        """
        rate = environment_file.LEASE_REQUESTS_PER_SECOND
        lease.grant(self.layout.runtime, rate, _WARM_SECONDS)
        await asyncio.sleep(_WARM_SECONDS)

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
        query = f'sum(up{{job="{prometheus_server.JOB}"}})'
        scraped = prometheus_says(self.layout.ports["prometheus"], query, count)
        yield f"Prometheus scraping {count} API processes", scraped

    @property
    def running_apis(self) -> tuple[str, ...]:
        """The API processes that are meant to run now."""
        return tuple(APIS) if self.deployment.rolled_out else PREVIOUS_APIS

    async def _start_databases(self, say: Callable[[str], None]) -> None:
        await self.postgres.start_primary()
        await together(self.postgres.start_standby(), self._seed(say))

    async def _seed(self, say: Callable[[str], None]) -> None:
        say("seeding patients, providers and appointments")
        await migrations.deploy_release(self, PREVIOUS)
        await self.postgres.create_gate_role()
        await self.postgres.as_owner(script("audit.sql"))
        await self.postgres.as_owner(script("seed.sql"))
        if self.deployment.pending:
            await backups.make_history(self)

    async def stop(self) -> None:
        """Stop everything; the data go with it."""
        for link in self.links.values():
            await link.stop()
        await asyncio.gather(*(child.stop(3.0) for child in self.children.values()))

    def note_release(self) -> None:
        """Write the environment file: what is live now went live now."""
        environment_file.write(self.layout, dt.datetime.now(dt.UTC) if self.switched else None)

    def note_targets(self) -> None:
        """Tell Prometheus which API processes are meant to run."""
        prometheus_server.write_targets(self.layout, self.running_apis)

    async def stop_process(self, name: str) -> None:
        """Stop one process; raises UnknownNameError."""
        await self._child(name).stop()

    async def start_process(self, name: str) -> None:
        """Start one process, with the switches that it should have; raises SandboxError."""
        await self._child(name).start()
        if self._up:
            self._serve_at_once()
        if name in APIS:
            await self.switchboard.press(name)
        if name == "redis":
            # It keeps nothing on disk. A real one would, and has no say in what the flags are.
            await feature_flags.lay_down(self)

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
        """Put the held switches in force in every running process of the released API."""
        for name in RELEASED_APIS:
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
            "deployment": f"{self.deployment.done} of {LAST_PHASE} phases carried out",
        }

    def _process_status(self, child: Child) -> dict[str, Any]:
        identity = child.identity
        name = child.command.name
        return {
            "name": name,
            "state": "running" if identity else f"ended ({child.return_code})",
            "pid": identity.pid if identity else None,
            "port": self.layout.ports.get(name),
            "version": self._versions.get(name, ""),
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
        return LINKS[link] if self.switched else EDGES_BEFORE.get(link, LINKS[link])

    def _address(self, server: str) -> tuple[str, int]:
        return (HOST, self.layout.ports[server])

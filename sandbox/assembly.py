"""The whole platform: every system's processes, brought up in the order in which they need each other."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import deployment, environment_file
from sandbox.core import binaries, lease
from sandbox.core.child import Child
from sandbox.core.layout import APIS, NORMAL_REPLICAS, PREVIOUS
from sandbox.core.platform import Hooks, Platform
from sandbox.core.readiness import together
from sandbox.systems import standin_servers
from sandbox.systems.data import backups, migrations, postgres, redis_server, release_repository
from sandbox.systems.delivery import deployment as delivery
from sandbox.systems.flags import feature_flags
from sandbox.systems.monitoring import deployment as monitoring
from sandbox.systems.monitoring import monitoring_servers, prometheus_server
from sandbox.systems.service import reference_api
from sandbox.systems.service.environment import LEASE_REQUESTS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.core.binaries import Binary, MonitoringBinaries
    from sandbox.core.layout import Layout

_WARM_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Programs:
    """The servers' programs, found before anything is started."""

    redis: Binary
    prometheus: Binary
    monitoring: MonitoringBinaries


def find_programs(say: Callable[[str], None]) -> Programs:
    """Find all programs at once: on first use some of them are fetched. Raises SandboxError."""
    with ThreadPoolExecutor() as pool:
        redis = pool.submit(binaries.find_redis, say)
        prometheus = pool.submit(binaries.find_prometheus, say)
        monitors = pool.submit(binaries.find_monitoring, say)
        postgres.programs()
        return Programs(redis.result(), prometheus.result(), monitors.result())


def make(layout: Layout, programs: Programs, *, pending: bool) -> Platform:
    """Write every server's configuration and return the platform, of which nothing runs yet."""
    commands = [
        *postgres.commands(layout),
        redis_server.command(layout, programs.redis),
        prometheus_server.command(layout, programs.prometheus),
        reference_api.vendors_command(layout),
        *reference_api.api_commands(layout),
        reference_api.traffic_command(layout),
        standin_servers.command(layout),
        delivery.command(layout),
        *monitoring_servers.commands(layout, programs.monitoring),
    ]
    children = [Child(command) for command in commands]
    # Redis keeps nothing on disk. A real one would, and has no say in what the flags are.
    hooks = Hooks(
        write_environment=environment_file.write, started={"redis": feature_flags.lay_down}
    )
    platform = Platform(layout, children, hooks, pending=pending)
    platform.spread_over(NORMAL_REPLICAS)
    return platform


async def start(platform: Platform, say: Callable[[str], None]) -> None:
    """Start everything and write the environment file; raises SandboxError."""
    say("starting PostgreSQL, Redis, Prometheus and the API in two regions")
    layout = platform.layout
    await platform.open_links()
    prometheus_server.write_targets(layout, platform.running_apis)
    monitoring.write_rules(layout, PREVIOUS)
    later = {
        *("postgres-primary", "postgres-standby"),
        *(set(APIS) - set(platform.running_apis)),
    }
    await together(
        _start_databases(platform, say),
        asyncio.to_thread(release_repository.make, layout.release_repository),
        *(child.start() for name, child in platform.children.items() if name not in later),
    )
    await feature_flags.lay_down(platform)
    await platform.settle()
    await monitoring.watch_before(platform)
    if not platform.progress.pending:
        await deployment.finish(platform, say)
    platform.serve_at_once()
    say("warming the API up")
    await _warm_up(layout)
    platform.note_release()


async def _start_databases(platform: Platform, say: Callable[[str], None]) -> None:
    await postgres.start_primary(platform)
    await together(postgres.start_standby(platform), _seed(platform, say))


async def _seed(platform: Platform, say: Callable[[str], None]) -> None:
    say("seeding patients, providers and appointments")
    layout = platform.layout
    await migrations.deploy_release(layout, PREVIOUS)
    await postgres.create_gate_role(layout)
    await postgres.as_owner(layout, postgres.script("audit.sql"))
    await postgres.as_owner(layout, postgres.script("seed.sql"))
    if platform.progress.pending:
        await backups.make_history(platform)


async def _warm_up(layout: Layout) -> None:
    """Let some traffic through before anybody measures: a first request opens pools and plans.

    A release that has just started is cold too, but its first seconds are not what is asked for.
    """
    lease.grant(layout.runtime, LEASE_REQUESTS_PER_SECOND, _WARM_SECONDS)
    await asyncio.sleep(_WARM_SECONDS)

"""The whole platform: every system's processes, brought up in the order in which they need each other."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from reports.texts import as_json, drawn
from sandbox import deployment
from sandbox.core import CHECKOUT, PACKAGE, binaries, browser, layout, state
from sandbox.core.child import PYTHON, Child, Command
from sandbox.core.layout import (
    APIS,
    DATABASE,
    HOST,
    NORMAL_REPLICAS,
    PREVIOUS,
    REGIONS,
    RELEASE,
    SYNTHETIC_DOMAIN,
    TEMPORARY_REPLICAS,
    edge_name,
    replica_host,
)
from sandbox.core.platform import Hooks, Platform
from sandbox.core.readiness import answers_http, together
from sandbox.core.state import write_private
from sandbox.systems import standin_servers
from sandbox.systems.cluster import logs
from sandbox.systems.cluster import state as cluster
from sandbox.systems.data import backups, migrations, postgres, redis_server
from sandbox.systems.delivery import deployment as delivery
from sandbox.systems.delivery.aws import state as aws
from sandbox.systems.delivery.builds import REPOSITORIES
from sandbox.systems.flags import feature_flags
from sandbox.systems.monitoring import deployment as monitoring
from sandbox.systems.monitoring import servers as monitoring_servers
from sandbox.systems.network import zone
from sandbox.systems.proofs import files as proofs
from sandbox.systems.source import release_file, repository
from sandbox.systems.source import standins as source
from sandbox.systems.statements import people
from settings.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.core.binaries import Binary, MonitoringBinaries
    from sandbox.core.layout import Layout

_WARM_SECONDS = 2.0
SYNTHETIC_PROVIDER = "synthetic-provider"


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
        pool.submit(browser.find, say)
        postgres.programs()
        return Programs(redis.result(), prometheus.result(), monitors.result())


def make(layout: Layout, programs: Programs, *, pending: bool) -> Platform:
    """Write every server's configuration and return the platform, of which nothing runs yet."""
    commands = [
        *postgres.commands(layout),
        redis_server.command(layout, programs.redis),
        monitoring_servers.command(layout, programs.prometheus),
        *_api_commands(layout),
        _traffic_command(layout),
        standin_servers.command(layout),
        delivery.command(layout),
        *monitoring_servers.commands(layout, programs.monitoring),
    ]
    children = [Child(command) for command in commands]
    # Redis keeps nothing on disk. A real one would, and has no say in what the flags are.
    hooks = Hooks(
        write_environment=write,
        sign_afterwards=people.sign_afterwards,
        started={"redis": feature_flags.lay_down},
    )
    platform = Platform(layout, children, hooks, pending=pending)
    platform.spread_over(NORMAL_REPLICAS)
    return platform


async def start(platform: Platform, say: Callable[[str], None]) -> None:
    """Start everything and write the environment file; raises SandboxError."""
    say("starting PostgreSQL, Redis, Prometheus and the API in two regions")
    layout = platform.layout
    await platform.open_links()
    monitoring_servers.write_targets(layout, platform.running_apis)
    monitoring.write_rules(layout, PREVIOUS)
    later = {*("postgres-primary", "postgres-standby"), *(set(APIS) - set(platform.running_apis))}
    await together(
        _start_databases(platform, say),
        asyncio.to_thread(_describe_release, layout),
        *(child.start() for name, child in platform.children.items() if name not in later),
    )
    await feature_flags.lay_down(platform)
    await _tell_forge(layout)
    await platform.settle()
    await monitoring.watch_before(platform)
    if not platform.progress.pending:
        await deployment.finish(platform, say)
    platform.serve_at_once()
    say("warming the API up")
    await _warm_up(layout)
    platform.note_release()


def _describe_release(layout: Layout) -> None:
    """Make the repository that the release comes from, say which commit it is, prove and sign it."""
    repository.make(layout.release_repository)
    release_file.write(layout)
    proofs.write(layout)
    people.lay_down(layout)


async def _tell_forge(layout: Layout) -> None:
    merged = repository.commit(layout.release_repository, RELEASE, before=1)
    await standin_servers.tell(layout, "forge", commit=layout.release_commit, merged=merged)


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
    state.grant_lease(layout.runtime, LEASE_REQUESTS_PER_SECOND, _WARM_SECONDS)
    await asyncio.sleep(_WARM_SECONDS)


_TEMPLATE = Path(__file__).with_name("environment.yaml.j2")
_Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
LEASE_REQUESTS_PER_SECOND = 180


def write(
    here: layout.Layout, switched_at: dt.datetime | None, rolled_back_at: dt.datetime | None
) -> None:
    """Write the file, whole or not at all; a fault is a release that went live at `switched_at`."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    text = drawn(
        _TEMPLATE,
        as_json,
        **_same_everywhere(),
        here=here,
        url=here.url,
        secret=lambda name: f"file:{here.secret_file(name)}",
        bent=_bent,
        browser=browser.path(),
        switched_at=switched_at and switched_at.isoformat(),
        rolled_back_at=rolled_back_at and rolled_back_at.isoformat(),
        now=now.isoformat(),
        far_day=f"{now + dt.timedelta(days=180):%b %-d}",
        in_four_hours=(now + dt.timedelta(hours=4)).isoformat(),
    )
    Environment.model_validate(yaml.load(text, _Loader))  # noqa: S506 - one of the safe ones
    write_private(here.state.environment, text)


@functools.cache
def _same_everywhere() -> dict[str, Any]:
    """Return what the template shows of every platform."""
    platform = {
        "release": layout.RELEASE,
        "previous": layout.PREVIOUS,
        "regions": layout.REGIONS,
        "host": layout.HOST,
        "job": layout.JOB,
        "database": layout.DATABASE,
        "synthetic_domain": layout.SYNTHETIC_DOMAIN,
        "synthetic_provider": SYNTHETIC_PROVIDER,
        "replicas": {"normal": layout.NORMAL_REPLICAS, "temporary": layout.TEMPORARY_REPLICAS},
        "lease_requests_per_second": LEASE_REQUESTS_PER_SECOND,
        "python": sys.executable,
        "checkout": CHECKOUT,
    }
    systems = {
        "aws": aws,
        "cluster": cluster,
        "data": {"LOG": migrations.LOG, "RESTORE_TEST": backups.RESTORE_TEST},
        "flags": feature_flags,
        "logs": logs,
        "monitoring": monitoring,
        "source": source,
        "receivers": monitoring_servers.RECEIVERS,
        "repositories": REPOSITORIES,
        "people": people,
        "volume": cluster,
        "zone": zone,
    }
    return platform | systems


def _bent(file: Path) -> dict[str, Any]:
    """Return what a fault says instead; nothing while there is none."""
    return dict(json.loads(file.read_bytes())) if file.exists() else {}


def _api_commands(layout: Layout) -> list[Command]:
    """Write one configuration for each API process and return how each is started."""
    return [_api_command(layout, name) for name in APIS]


def _api_command(layout: Layout, name: str) -> Command:
    settings = layout.runtime / f"{name}.json"
    write_private(settings, json.dumps(_api_settings(layout, name)))
    return Command(
        name=name,
        argv=(sys.executable, "-m", f"{PACKAGE}.app", str(settings)),
        log=layout.log(name),
        environment=PYTHON,
        ready=answers_http(layout.ports[name], "/health"),
        ready_means="it answers /health",
    )


def _api_settings(layout: Layout, name: str) -> dict[str, object]:
    region, version = APIS[name]
    login = {
        "host": HOST,
        "name": DATABASE,
        "user": postgres.OWNER,
        "password": layout.passwords["postgres-api"],
    }
    return {
        "region": region,
        "version": version,
        "port": layout.ports[name],
        "hosts": [replica_host(number) for number in range(TEMPORARY_REPLICAS)],
        "database": {**login, "port": layout.ports["postgres-api"]},
        "redis": {
            "host": HOST,
            "port": layout.ports["redis-api"],
            "password": layout.passwords["redis-api"],
        },
        "vendors_url": layout.url("vendors"),
        "admin_token": layout.passwords["api-admin"],
        "synthetic": {"email_domain": SYNTHETIC_DOMAIN, "token": layout.passwords["synthetic"]},
    }


def _traffic_command(layout: Layout) -> Command:
    """Write the load generator's configuration and return how it is started."""
    settings = layout.runtime / "traffic.json"
    edges = {region: f"{HOST}:{layout.ports[edge_name(region)]}" for region in REGIONS}
    told = {"regions": edges, "lease_file": str(layout.lease)}
    write_private(settings, json.dumps({**told, "token": layout.passwords["synthetic"]}))
    argv = (sys.executable, "-m", f"{PACKAGE}.systems.service.traffic", str(settings))
    return Command(name="traffic", argv=argv, log=layout.log("traffic"), environment=PYTHON)

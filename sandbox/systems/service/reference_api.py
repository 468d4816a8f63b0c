"""How the reference API and the load generator are started."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from sandbox.core.child import PYTHON, Command
from sandbox.core.layout import (
    APIS,
    DATABASE,
    HOST,
    REGIONS,
    SYNTHETIC_DOMAIN,
    TEMPORARY_REPLICAS,
    edge_name,
    replica_host,
)
from sandbox.core.readiness import answers_http
from sandbox.core.state import write_private
from sandbox.systems.data.postgres import OWNER

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

SYNTHETIC_PROVIDER = "synthetic-provider"


def api_commands(layout: Layout) -> list[Command]:
    """Write one configuration for each API process and return how each is started."""
    return [_api_command(layout, name) for name in APIS]


def _api_command(layout: Layout, name: str) -> Command:
    settings = layout.runtime / f"{name}.json"
    write_private(settings, json.dumps(_api_settings(layout, name)))
    return Command(
        name=name,
        argv=(sys.executable, "-m", "sandbox.app", str(settings)),
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
        "user": OWNER,
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


def traffic_command(layout: Layout) -> Command:
    """Write the load generator's configuration and return how it is started."""
    settings = layout.runtime / "traffic.json"
    edges = {region: f"{HOST}:{layout.ports[edge_name(region)]}" for region in REGIONS}
    write_private(
        settings,
        json.dumps(
            {
                "regions": edges,
                "lease_file": str(layout.lease),
                "token": layout.passwords["synthetic"],
                "rate_cap": None,
            }
        ),
    )
    return Command(
        name="traffic",
        argv=(sys.executable, "-m", "sandbox.systems.service.traffic", str(settings)),
        log=layout.log("traffic"),
        environment=PYTHON,
    )

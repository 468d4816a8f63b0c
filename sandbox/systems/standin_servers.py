"""How the stand-ins are started, and how a phase of the deployment tells them its facts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from sandbox.core import CHECKOUT, PACKAGE
from sandbox.core.child import PYTHON, Command
from sandbox.core.layout import DATABASE, HOST, NAME_SERVERS, REGIONS, STANDINS, certificates_name
from sandbox.core.readiness import answers_http, put
from sandbox.core.state import write_private
from sandbox.systems.data.postgres import OWNER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.layout import Layout

RBAC = CHECKOUT / "deploy" / "kubernetes" / "rbac.yaml"


def _settings(layout: Layout) -> Mapping[str, dict[str, Any]]:
    """Return what a stand-in has to know at its start, by its name."""
    passwords, ports = layout.passwords, layout.ports
    cluster = {
        "volume": str(layout.backups),
        "rbac": str(RBAC),
        "token": passwords["kubernetes-gate"],
    }
    database = {
        "host": HOST,
        "port": ports["postgres-primary"],
        "dbname": DATABASE,
        "user": OWNER,
        "password": passwords["postgres-api"],
    }
    return {
        "audit": {"token": passwords["audit-read"], "database": database},
        "calendar": {"token": passwords["calendar-gate"]},
        "certificates": {
            "tls": {region: ports[certificates_name(region)] for region in (*REGIONS, "old")},
            "ca_file": str(layout.authority),
        },
        "kubernetes-eu": {**cluster, "number": 1},
        "kubernetes-us": {**cluster, "number": 2},
        "grafana": {"token": passwords["grafana-gate"], "prometheus": layout.url("prometheus")},
        "pagerduty": {"token": passwords["pagerduty-gate"]},
        "support": {"token": passwords["support-gate"]},
        "slack": {"token": passwords["slack-gate"]},
        "forge": {"token": passwords["forge-gate"]},
        "jira": {"token": passwords["jira-gate"]},
        "names": {"dns": {name: ports[name] for name in NAME_SERVERS}},
    }


def command(layout: Layout) -> Command:
    """Write the configuration of all stand-ins and return how they are started."""
    settings = layout.runtime / "standins.json"
    own = _settings(layout)
    servers = {name: {"port": layout.ports[name], **own.get(name, {})} for name in STANDINS}
    configuration = {"admin_token": layout.passwords["api-admin"], "servers": servers}
    write_private(settings, json.dumps(configuration))
    return Command(
        name="standins",
        argv=(sys.executable, "-m", f"{PACKAGE}.systems", str(settings)),
        log=layout.log("standins"),
        environment=PYTHON,
        ready=answers_http(layout.ports[STANDINS[-1]], "/_sandbox/ready"),
        ready_means=f"{STANDINS[-1]} answers /_sandbox/ready",
    )


async def tell(layout: Layout, name: str, **facts: Any) -> None:
    """Change facts of a stand-in for good; raises SandboxError."""
    await put(layout, name, "/_sandbox/state", facts)

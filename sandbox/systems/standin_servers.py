"""How the stand-ins are started, and how a phase of the deployment tells them its facts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from sandbox.core import CHECKOUT
from sandbox.core.child import PYTHON, Command
from sandbox.core.layout import DATABASE, HOST, NAME_SERVERS, REGIONS, STANDINS, certificates_name
from sandbox.core.readiness import answers_http, put
from sandbox.core.state import write_private
from sandbox.systems.data.postgres import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.core.layout import Layout

RBAC = CHECKOUT / "deploy" / "kubernetes" / "rbac.yaml"


def _cluster(number: int) -> Callable[[Layout], dict[str, Any]]:
    return lambda layout: {
        "number": number,
        "volume": str(layout.backups),
        "rbac": str(RBAC),
        "token": layout.passwords["kubernetes-gate"],
    }


def _names(layout: Layout) -> dict[str, Any]:
    return {"dns": {name: layout.ports[name] for name in NAME_SERVERS}}


def _certificates(layout: Layout) -> dict[str, Any]:
    ports = {region: layout.ports[certificates_name(region)] for region in (*REGIONS, "old")}
    return {"tls": ports, "ca_file": str(layout.authority)}


def _audit(layout: Layout) -> dict[str, Any]:
    return {
        "token": layout.passwords["audit-read"],
        "database": {
            "host": HOST,
            "port": layout.ports["postgres-primary"],
            "dbname": DATABASE,
            "user": OWNER,
            "password": layout.passwords["postgres-api"],
        },
    }


_SETTINGS: Mapping[str, Callable[[Layout], dict[str, Any]]] = {
    "audit": _audit,
    "certificates": _certificates,
    "kubernetes-eu": _cluster(1),
    "kubernetes-us": _cluster(2),
    "grafana": lambda layout: {
        "token": layout.passwords["grafana-gate"],
        "prometheus": layout.url("prometheus"),
    },
    "pagerduty": lambda layout: {"token": layout.passwords["pagerduty-gate"]},
    "slack": lambda layout: {"token": layout.passwords["slack-gate"]},
    "names": _names,
}
"""What a stand-in has to know at its start, by its name."""


def command(layout: Layout) -> Command:
    """Write the configuration of all stand-ins and return how they are started."""
    settings = layout.runtime / "standins.json"
    servers = {name: {"port": layout.ports[name], **_settings(layout, name)} for name in STANDINS}
    configuration = {"admin_token": layout.passwords["api-admin"], "servers": servers}
    write_private(settings, json.dumps(configuration))
    return Command(
        name="standins",
        argv=(sys.executable, "-m", "sandbox.systems", str(settings)),
        log=layout.log("standins"),
        environment=PYTHON,
        ready=answers_http(layout.ports[STANDINS[-1]], "/_sandbox/ready"),
        ready_means=f"{STANDINS[-1]} answers /_sandbox/ready",
    )


def _settings(layout: Layout, name: str) -> dict[str, Any]:
    make = _SETTINGS.get(name)
    return {} if make is None else make(layout)


async def tell(layout: Layout, name: str, **facts: Any) -> None:
    """Change facts of a stand-in for good; raises SandboxError."""
    await put(layout, name, "/_sandbox/state", facts)

"""The stand-ins of DNS and TLS on free ports, and platforms that describe them."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr
from starlette.testclient import TestClient

from sandbox.core.layout import AUTHORITATIVE, RESOLVERS
from sandbox.systems.network import standins
from sandbox.systems.network.zone import AFTER, HOSTS, SERIAL_AFTER, ZONE, described
from settings.network import DnsPolicy
from steps.kit.platform import Platform
from tests.probes.servers import closed_ports
from tests.steps.platforms import a_platform, a_policy

REGIONS = {"eu": "http://127.0.0.1:9", "us": "http://127.0.0.2:9"}
_ADMIN = {"X-Sandbox-Token": "admin"}


@dataclasses.dataclass(frozen=True, slots=True)
class StandIn:
    """A stand-in at work: its ports by name, and a way to bend it."""

    ports: dict[str, int]
    client: TestClient

    def bend(self, **values: Any) -> None:
        order = {"fault": "test", "values": values}
        answer = self.client.put("/_sandbox/fault", json=order, headers=_ADMIN)
        assert answer.status_code == 200, answer.text


@contextlib.contextmanager
def name_servers() -> Iterator[StandIn]:
    """Serve the zone after its update."""
    servers = (*AUTHORITATIVE, *RESOLVERS)
    ports = dict(zip(servers, closed_ports(len(servers)), strict=True))
    with TestClient(standins.names(SecretStr("admin"), {"dns": ports})) as client:
        told = client.put(
            "/_sandbox/state", json={"records": AFTER, "serial": SERIAL_AFTER}, headers=_ADMIN
        )
        assert told.status_code == 200
        yield StandIn(ports, client)


@contextlib.contextmanager
def tls_ports(folder: pathlib.Path) -> Iterator[StandIn]:
    """Terminate TLS for both regions, and on a port that agrees on TLS 1.1 alone."""
    ports = dict(zip(("eu", "us", "old"), closed_ports(3), strict=True))
    settings = {"tls": ports, "ca_file": str(folder / "authority.pem")}
    with TestClient(standins.certificates(SecretStr("admin"), settings)) as client:
        yield StandIn(ports, client)


def dns_platform(folder: pathlib.Path, standin: StandIn, **changes: Any) -> Platform:
    """Return a platform with this zone, whose changes have half a second to be known."""

    def servers(of: tuple[str, ...]) -> list[dict[str, Any]]:
        return [{"name": one, "host": "127.0.0.1", "port": standin.ports[one]} for one in of]

    section = {
        "zone": ZONE,
        "authoritative": servers(AUTHORITATIVE),
        "resolvers": servers(RESOLVERS),
        "records": described(),
        **changes,
    }
    dns = DnsPolicy.model_validate({"propagation": "1s"})
    policy = a_policy(call="800ms").model_copy(update={"dns": dns})
    return a_platform(folder, REGIONS, policy=policy, dns=section)


def tls_platform(folder: pathlib.Path, standin: StandIn, **ports: int) -> Platform:
    """Return a platform whose regions terminate TLS here."""
    leads_to = {region: standin.ports[region] for region in REGIONS} | ports
    section = {
        "hosts": list(HOSTS),
        "addresses": {region: [f"127.0.0.1:{port}"] for region, port in leads_to.items()},
        "ca_file": str(folder / "authority.pem"),
    }
    return a_platform(folder, REGIONS, certificates=section)

"""What one platform consists of, as names, ports, passwords and paths: decided once at `up`."""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import SandboxError
from sandbox.core.state import LEASE_FILE, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sandbox.core.state import StateDirectory

HOST = "127.0.0.1"
REGIONS = ("eu", "us")
RELEASE, PREVIOUS = "1.2.0", "1.1.0"
VERSIONS = (RELEASE, PREVIOUS)
DATABASE = "unified_health"
JOB = "api"
"""Under which Prometheus scrapes the API's processes."""
SYNTHETIC_DOMAIN = "synthetic.example.org"


def api_name(region: str, version: str) -> str:
    """Return the process name of one version of the API in one region."""
    return f"api-{region}-v{version}"


def replica_host(number: int) -> str:
    """Return the address of a region's replica of the API, from 0 on; all of them are one process.

    The process listens on each, so that an edge can choose among them; the first one is HOST.
    """
    return f"127.0.0.{number + 1}"


NORMAL_REPLICAS, TEMPORARY_REPLICAS = 3, 6
"""Of the API in each region: always, and while a release is deployed."""


def edge_name(region: str) -> str:
    """Return the name of the link that is the public address of a region."""
    return f"edge-{region}"


def certificates_name(region: str) -> str:
    """Return the name of the port where a region terminates TLS."""
    return f"certificates-{region}"


APIS = {api_name(region, version): (region, version) for region in REGIONS for version in VERSIONS}
RELEASED_APIS = tuple(api_name(region, RELEASE) for region in REGIONS)
PREVIOUS_APIS = tuple(api_name(region, PREVIOUS) for region in REGIONS)
STANDINS = (
    *(
        "audit",
        "calendar",
        "certificates",
        "fhir",
        "grafana",
        "kubernetes-eu",
        "kubernetes-us",
        "names",
    ),
    *("pagerduty", "slack", "vendors"),
    *("audit", "certificates", "fhir", "forge", "grafana", "jira", "kubernetes-eu"),
    *(
        "kubernetes-us",
        "names",
        "pagerduty",
        "slack",
        "staging",
        "statuspage",
        "support",
        "vendors",
    ),
)
"""The stand-ins of `sandbox.systems.__main__`; the gate reaches each over the link `gate-NAME`."""
AUTHORITATIVE = ("ns1", "ns2")
RESOLVERS = ("resolver-1", "resolver-2")
NAME_SERVERS = (*AUTHORITATIVE, *RESOLVERS)
"""Ports of the stand-in `names`; datagrams have no link, so the gate asks them directly."""
WEB_EDGES = {f"web-{region}": region for region in REGIONS}
"""The edges that serve the web site, in the process of AWS."""
AWS_SERVERS = ("aws", *WEB_EDGES)
MONITORING_SERVERS = ("alertmanager", "node-exporter", "postgres-exporter", "redis-exporter")
SERVERS = (
    *("postgres-primary", "postgres-standby", "redis", "prometheus"),
    *APIS,
    *STANDINS,
    *NAME_SERVERS,
    *map(certificates_name, (*REGIONS, "old")),
    *AWS_SERVERS,
    *MONITORING_SERVERS,
)
LINKS = {
    **{edge_name(region): api_name(region, RELEASE) for region in REGIONS},
    "redis-api": "redis",
    "postgres-api": "postgres-primary",
    "gate-prometheus": "prometheus",
    "gate-postgres": "postgres-primary",
    "gate-redis": "redis",
    **{f"gate-{name}": name for name in STANDINS},
    "gate-fhir-us": "fhir",
    **{f"gate-{name}": name for name in map(certificates_name, REGIONS)},
    "gate-aws": "aws",
    "gate-alertmanager": "alertmanager",
    **{f"cdn-{region}": name for name, region in WEB_EDGES.items()},
}
"""Each link and the server behind it while nothing is wrong."""
EDGES_BEFORE = {edge_name(region): api_name(region, PREVIOUS) for region in REGIONS}
"""Where the edges lead before the release has the traffic."""

PASSWORDS = (
    *("postgres-superuser", "postgres-api", "postgres-replication", "postgres-gate"),
    *("postgres-exporter", "redis-api", "redis-gate", "api-admin", "audit-read"),
    *("kubernetes-gate", "grafana-gate", "pagerduty-gate", "slack-gate", "synthetic"),
    *("calendar-gate", "support-gate"),
    *("forge-gate", "jira-gate"),
    *("aws-gate", "aws-gate-id", "aws-operator", "aws-operator-id"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """One platform: everything that writers of configuration need to know."""

    state: StateDirectory
    runtime: Path
    ports: Mapping[str, int]
    passwords: Mapping[str, str]

    @property
    def logs(self) -> Path:
        """One log per process; they outlive the platform, for an error sentence may name one."""
        return self.state.path / "logs"

    @property
    def control(self) -> Path:
        """The unix socket on which the supervisor takes orders."""
        return self.runtime / "control"

    @property
    def lease(self) -> Path:
        """The lease that lets the load generator send."""
        return self.runtime / LEASE_FILE

    @property
    def contacts(self) -> Path:
        """Contacts of the environment file that a fault wants to be others."""
        return self.runtime / "contacts.json"

    @property
    def traffic_cap(self) -> Path:
        """A limit on the load generator, while a fault wants one."""
        return self.runtime / "traffic-cap.json"

    @property
    def users_cap(self) -> Path:
        """A limit on the users, while a fault wants one."""
        return self.runtime / "users-cap.json"

    @property
    def release_repository(self) -> Path:
        """The git repository that the releases come from."""
        return self.state.path / "release"

    @property
    def release_file(self) -> Path:
        """What the release is; where the environment file's own folder has it."""
        return self.state.path / "releases" / f"v{RELEASE}" / "release.yaml"

    @property
    def approvers(self) -> Path:
        """Who may sign for the release; beside it, each one's key."""
        return self.state.path / "people" / "approvers.yaml"

    @property
    def release_commit(self) -> str:
        """The commit that is released."""
        return str(json.loads(self.release_file.read_bytes())["commit"])

    @property
    def source(self) -> Path:
        """What a fault wants the environment file to say of the source instead."""
        return self.runtime / "source.json"

    @property
    def evidence(self) -> Path:
        """What the deployment's own tools leave for the gate: logs and results."""
        return self.state.path / "evidence"

    @property
    def backups(self) -> Path:
        """Where the database's backups are put first."""
        return self.state.path / "backups"

    @property
    def backups_apart(self) -> Path:
        """Where each of them is copied to."""
        return self.state.path / "backups-apart"

    @property
    def authority(self) -> Path:
        """Where the authority that signs the local hosts' certificates is told."""
        return self.state.path / "authority.pem"

    @property
    def pg_restore(self) -> Path:
        """A link to the program; where the gate finds it."""
        return self.state.path / "pg_restore"

    @property
    def deployment_window(self) -> Path:
        """The deployment window, while a fault says when it closes."""
        return self.runtime / "deployment-window.json"

    def log(self, name: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{name}.log"

    def secret_file(self, name: str) -> Path:
        """Return the file that holds one password."""
        return self.state.secrets / name

    def url(self, name: str) -> str:
        """Return the http address of a server or link."""
        return f"http://{HOST}:{self.ports[name]}"


def create(state: StateDirectory, runtime: Path, ports: Mapping[str, int]) -> Layout:
    """Decide passwords, write each to its own private file, and make the folders."""
    layout = Layout(
        state=state,
        runtime=runtime,
        ports=ports,
        passwords={name: secrets.token_urlsafe(24) for name in PASSWORDS},
    )
    shutil.rmtree(layout.logs, ignore_errors=True)
    layout.logs.mkdir(mode=0o700)
    state.secrets.mkdir(mode=0o700, exist_ok=True)
    layout.evidence.mkdir(mode=0o700, exist_ok=True)
    for name, password in layout.passwords.items():
        write_private(layout.secret_file(name), password)
    return layout


_BLOCK_SIZE = 96
_LOWEST, _HIGHEST = 15_000, 32_000
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


@contextlib.contextmanager
def reserved(names: Sequence[str]) -> Iterator[Mapping[str, int]]:
    """Hold one free loopback port for each name; raises SandboxError when there is no room."""
    starts = list(range(_LOWEST, _top() - _BLOCK_SIZE, _BLOCK_SIZE))
    random.shuffle(starts)
    for start in starts:
        guard = _guard(start)
        if guard is None:
            continue
        with guard:
            free = [port for port in range(start, start + _BLOCK_SIZE) if _is_free(port)]
            if len(free) >= len(names):
                yield dict(zip(names, free, strict=False))
                return
    raise SandboxError(
        f"no {len(names)} free ports between {_LOWEST} and {_top()} on 127.0.0.1: "
        "end other platforms (`sandbox down`) or programs that listen there."
    )


def _top() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return max(
            _LOWEST + 50 * _BLOCK_SIZE, min(_HIGHEST, int(_RANGE_FILE.read_text().split()[0]))
        )
    return _HIGHEST


def _guard(start: int) -> socket.socket | None:
    guard = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        guard.bind(f"\0health-gate-ports-{start}")
    except OSError:
        guard.close()
        return None
    return guard


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

"""Alertmanager and the exporters: how they are started, and what Prometheus has to know of them."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import yaml

from sandbox.core.child import Command
from sandbox.core.errors import SandboxError
from sandbox.core.layout import HOST, REGIONS
from sandbox.core.readiness import answers_http, exchange
from sandbox.core.state import write_private
from sandbox.systems.data.postgres import EXPORTER

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.core.binaries import Binary, MonitoringBinaries
    from sandbox.core.layout import Layout

RECEIVERS = {"critical": "on-call", "warning": "deployments-channel"}
JOBS = ("node", "postgres", "redis", "alertmanager")
KUBELETS, METRICS_PATH = "kubelet", "/kubelet/metrics"
_INTERVAL = "2s"


def commands(layout: Layout, found: MonitoringBinaries) -> list[Command]:
    """Write their configurations and return how they are started."""
    passwords = {f"redis://{HOST}:{layout.ports['redis']}": layout.passwords["redis-api"]}
    write_private(_redis_passwords(layout), json.dumps(passwords))
    write_alertmanager(layout, RECEIVERS)
    return [
        _server(
            layout,
            "alertmanager",
            found.alertmanager,
            f"--config.file={_alertmanager_file(layout)}",
            f"--storage.path={layout.runtime / 'alertmanager'}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ),
        _server(
            layout,
            "node-exporter",
            found.node_exporter,
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in ("cpu", "filesystem", "loadavg", "meminfo")),
            "--log.level=warn",
        ),
        _server(
            layout,
            "postgres-exporter",
            found.postgres_exporter,
            "--log.level=warn",
            DATA_SOURCE_URI=f"{HOST}:{layout.ports['postgres-primary']}/postgres?sslmode=disable",
            DATA_SOURCE_USER=EXPORTER,
            DATA_SOURCE_PASS_FILE=str(layout.secret_file("postgres-exporter")),
        ),
        _server(
            layout,
            "redis-exporter",
            found.redis_exporter,
            f"--redis.addr=redis://{HOST}:{layout.ports['redis']}",
            f"--redis.password-file={_redis_passwords(layout)}",
        ),
    ]


def scrape_configs(layout: Layout) -> list[dict[str, Any]]:
    """Return Prometheus's jobs for them."""
    servers = ("node-exporter", "postgres-exporter", "redis-exporter", "alertmanager")
    return [
        {
            "job_name": job,
            "scrape_interval": _INTERVAL,
            "static_configs": [{"targets": [f"{HOST}:{layout.ports[server]}"]}],
        }
        for job, server in zip(JOBS, servers, strict=True)
    ] + [_kubelets(layout)]


def _kubelets(layout: Layout) -> dict[str, Any]:
    """Return the job of the clusters' kubelets, which know their volumes."""
    targets = [
        {
            "targets": [f"{HOST}:{layout.ports[f'kubernetes-{region}']}"],
            "labels": {"region": region},
        }
        for region in REGIONS
    ]
    return {
        "job_name": KUBELETS,
        "metrics_path": METRICS_PATH,
        "scrape_interval": "1s",
        "scrape_timeout": "900ms",
        "static_configs": targets,
    }


def alerting(layout: Layout) -> dict[str, Any]:
    """Return where Prometheus sends alerts."""
    address = f"{HOST}:{layout.ports['alertmanager']}"
    return {"alertmanagers": [{"static_configs": [{"targets": [address]}]}]}


def write_alertmanager(layout: Layout, receivers: dict[str, str]) -> None:
    """Write Alertmanager's configuration: severity → receiver; a name with “-muted” notifies nobody."""
    hook = [{"url": f"{layout.url('vendors')}/alerts"}]
    names = sorted({*receivers.values(), "default"})
    routes = [
        {"receiver": name, "matchers": [f'severity="{severity}"']}
        for severity, name in receivers.items()
    ]
    document = {
        "route": {"receiver": "default", "routes": routes, "group_wait": "1s"},
        "receivers": [
            {"name": name, **({} if name.endswith("-muted") else {"webhook_configs": hook})}
            for name in names
        ],
    }
    write_private(_alertmanager_file(layout), yaml.safe_dump(document, sort_keys=False))


async def configure(layout: Layout, receivers: dict[str, str]) -> None:
    """Have Alertmanager send each severity to its receiver; raises SandboxError."""
    write_alertmanager(layout, receivers)
    await reload(layout, "alertmanager")


async def reload(layout: Layout, server: str) -> None:
    """Have Prometheus or Alertmanager read its files again; raises SandboxError."""
    request = f"POST /-/reload HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    status = await exchange(layout.ports[server], request.encode())
    if not status.startswith(b"HTTP/1.1 2"):
        raise SandboxError(f"{server} did not reload: see {layout.log(server)}.")


async def silence(layout: Layout, author: str) -> None:
    """Have Alertmanager keep every alert quiet for a day; raises SandboxError."""
    now = dt.datetime.now(dt.UTC)
    everything = {"name": "alertname", "value": ".+", "isRegex": True, "isEqual": True}
    order = {
        "matchers": [everything],
        "startsAt": now.isoformat(),
        "endsAt": (now + dt.timedelta(days=1)).isoformat(),
        "createdBy": author,
        "comment": "a fault",
    }
    await _alertmanager(layout, "POST", "/api/v2/silences", json.dumps(order).encode())


async def end_silences(layout: Layout, author: str) -> None:
    """Have Alertmanager forget the silences of an author; raises SandboxError."""
    for one in json.loads(await _alertmanager(layout, "GET", "/api/v2/silences")):
        if one["createdBy"] == author and one["status"]["state"] != "expired":
            await _alertmanager(layout, "DELETE", f"/api/v2/silence/{one['id']}")


async def _alertmanager(layout: Layout, method: str, path: str, body: bytes = b"") -> bytes:
    """Ask Alertmanager and return the answer's body; HTTP 1.0 has no chunks to put together."""
    head = (
        f"{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    request = f"{head}\r\n\r\n".encode() + body
    answer = await exchange(layout.ports["alertmanager"], request, whole=True)
    status, _, content = answer.partition(b"\r\n\r\n")
    if b" 200 " not in status.partition(b"\r\n")[0]:
        raise SandboxError(
            f"Alertmanager refused {method} {path}: see {layout.log('alertmanager')}."
        )
    return content


def _alertmanager_file(layout: Layout) -> Path:
    return layout.runtime / "alertmanager.yml"


def _redis_passwords(layout: Layout) -> Path:
    return layout.runtime / "redis-exporter.json"


def _server(
    layout: Layout, name: str, binary: Binary, *arguments: str, **environment: str
) -> Command:
    port = layout.ports[name]
    return Command(
        name=name,
        argv=(binary.path, f"--web.listen-address={HOST}:{port}", *arguments),
        log=layout.log(name),
        folder=binary.folder,
        environment={**binary.environment, **environment, "GOMAXPROCS": "1"},
        ready=answers_http(port, "/metrics"),
        ready_means="it answers /metrics",
    )

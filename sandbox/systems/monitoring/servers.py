"""Prometheus, Alertmanager and the exporters: how they are configured and started, and what they are told."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

from reports.texts import as_json, drawn
from sandbox.core import SandboxError
from sandbox.core.child import Command
from sandbox.core.layout import APIS, HOST, JOB, REGIONS
from sandbox.core.readiness import answers_http, exchange
from sandbox.core.state import write_private
from sandbox.systems.data.postgres import EXPORTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.core.binaries import Binary, MonitoringBinaries
    from sandbox.core.layout import Layout

_FOLDER = Path(__file__).resolve().parent
RECEIVERS = {"critical": "on-call", "warning": "deployments-channel"}
METRICS_PATH = "/kubelet/metrics"
_SCRAPED = {
    "node": "node-exporter",
    "postgres": "postgres-exporter",
    "redis": "redis-exporter",
    "alertmanager": "alertmanager",
}
"""Job → server."""


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
            *("--cluster.listen-address=", "--log.level=warn"),
        ),
        _server(
            layout,
            "node-exporter",
            found.node_exporter,
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in ("cpu", "filesystem", "loadavg", "meminfo")),
            "--web.disable-exporter-metrics",
            "--log.level=warn",
        ),
        _server(
            layout,
            "postgres-exporter",
            found.postgres_exporter,
            "--disable-settings-metrics",
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
            "--redis-only-metrics",
        ),
    ]


def write_alertmanager(layout: Layout, receivers: Mapping[str, str]) -> None:
    """Write Alertmanager's configuration: severity → receiver; a name with “-muted” notifies nobody."""
    hook = f"{layout.url('vendors')}/alerts"
    text = drawn(_FOLDER / "alertmanager.yaml.j2", as_json, receivers=receivers, hook=hook)
    write_private(_alertmanager_file(layout), text)


async def configure(layout: Layout, receivers: Mapping[str, str]) -> None:
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


async def alert(layout: Layout, labels: Mapping[str, str], *, firing: bool) -> None:
    """Have an alert fire at Alertmanager for an hour, or end it; raises SandboxError."""
    now = dt.datetime.now(dt.UTC)
    ends = now + dt.timedelta(hours=1) if firing else now
    order = [{"labels": dict(labels), "endsAt": ends.isoformat()}]
    await _alertmanager(layout, "POST", "/api/v2/alerts", json.dumps(order).encode())


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


def command(layout: Layout, binary: Binary) -> Command:
    """Write the server's configuration and return how it is started."""
    port = layout.ports["prometheus"]
    settings = layout.runtime / "prometheus.yml"
    write_private(settings, _settings(layout))
    add_targets(layout, ())
    return Command(
        name="prometheus",
        argv=(
            binary.path,
            f"--config.file={settings}",
            f"--storage.tsdb.path={layout.runtime / 'prometheus'}",
            f"--web.listen-address={HOST}:{port}",
            *("--storage.tsdb.retention.time=6h", "--web.enable-lifecycle", "--query.timeout=10s"),
            *("--rules.alert.resend-delay=2s", "--log.level=warn"),
        ),
        log=layout.log("prometheus"),
        # Its collector would otherwise take both cores in turns, and run at every few scrapes.
        environment={**binary.environment, "GOMAXPROCS": "1", "GOGC": "400"},
        ready=answers_http(port, "/-/ready"),
        ready_means="it answers /-/ready",
    )


def write_targets(layout: Layout, names: Iterable[str]) -> None:
    """Name the API processes that are meant to run; Prometheus notices by itself."""
    targets = [
        {
            "targets": [f"{HOST}:{layout.ports[name]}"],
            "labels": {"region": APIS[name][0], "version": APIS[name][1]},
        }
        for name in names
    ]
    write_private(_targets(layout), json.dumps(targets))


def add_targets(layout: Layout, more: Iterable[tuple[str, dict[str, str]]]) -> None:
    """Scrape these addresses too, each with its labels, as if they were API processes; none: no more."""
    targets = [{"targets": [address], "labels": labels} for address, labels in more]
    write_private(_more_targets(layout), json.dumps(targets))


def rules_file(layout: Layout) -> Path:
    """Return the file from which the alert rules are read."""
    return layout.runtime / "prometheus-rules.yml"


def _targets(layout: Layout) -> Path:
    return layout.runtime / "prometheus-api-targets.json"


def _more_targets(layout: Layout) -> Path:
    return layout.runtime / "prometheus-more-targets.json"


def _settings(layout: Layout) -> str:
    return drawn(
        _FOLDER / "prometheus.yaml.j2",
        as_json,
        job=JOB,
        target_files=[_targets(layout), _more_targets(layout)],
        servers=_SCRAPED,
        address=lambda server: f"{HOST}:{layout.ports[server]}",
        kubelet_path=METRICS_PATH,
        regions=REGIONS,
        rules=rules_file(layout),
    )

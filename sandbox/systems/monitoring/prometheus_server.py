"""Prometheus for one platform: scrapes every API process itself, each second."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from sandbox.core.child import Command
from sandbox.core.layout import APIS, HOST, JOB
from sandbox.core.readiness import answers_http
from sandbox.core.state import write_private
from sandbox.systems.monitoring import monitoring_servers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sandbox.core.binaries import Binary
    from sandbox.core.layout import Layout

SCRAPE_INTERVAL = "1s"


def command(layout: Layout, binary: Binary) -> Command:
    """Write the server's configuration and return how it is started."""
    port = layout.ports["prometheus"]
    settings = layout.runtime / "prometheus.yml"
    write_private(settings, yaml.safe_dump(_settings(layout), sort_keys=False))
    add_targets(layout, ())
    return Command(
        name="prometheus",
        argv=(
            binary.path,
            f"--config.file={settings}",
            f"--storage.tsdb.path={layout.runtime / 'prometheus'}",
            "--storage.tsdb.retention.time=6h",
            f"--web.listen-address={HOST}:{port}",
            "--web.enable-lifecycle",
            "--query.timeout=10s",
            "--rules.alert.resend-delay=2s",
            "--log.level=warn",
        ),
        log=layout.log("prometheus"),
        # Its collector would otherwise take both cores in turns.
        environment={**binary.environment, "GOMAXPROCS": "1"},
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


async def reload(layout: Layout) -> None:
    """Have the rules read again; raises SandboxError."""
    await monitoring_servers.reload(layout, "prometheus")


def _targets(layout: Layout) -> Path:
    return layout.runtime / "prometheus-api-targets.json"


def _more_targets(layout: Layout) -> Path:
    return layout.runtime / "prometheus-more-targets.json"


def _settings(layout: Layout) -> dict[str, object]:
    files = [str(_targets(layout)), str(_more_targets(layout))]
    discovered = [{"files": files, "refresh_interval": "5s"}]
    return {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": "900ms"},
        "scrape_configs": [
            {"job_name": JOB, "file_sd_configs": discovered},
            *monitoring_servers.scrape_configs(layout),
        ],
        "alerting": monitoring_servers.alerting(layout),
        "rule_files": [str(rules_file(layout))],
    }

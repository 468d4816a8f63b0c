"""What watches the platform: alert rules, Alertmanager, jobs, dashboards, disks; how fresh it must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from settings.sections import (
    HttpUrl,
    Location,
    MetricName,
    Seconds,
    SecretReference,
    Section,
    Share,
    Targets,
    Text,
)

_AnHour = Annotated[Seconds, Field(gt=0, le=3600)]


class Alertmanager(Section):
    """Where alerts go."""

    url: HttpUrl
    """Its address as the gate reaches it."""
    receivers: dict[str, Text] = Field(min_length=1)
    """Severity, as alerts carry it in the label `severity` → the receiver that it must reach."""
    watchdog: Text = "Watchdog"
    """An alert that always fires: while it arrives, the way from Prometheus to here is whole."""


class Grafana(Section):
    """Where people look."""

    url: HttpUrl
    """Its address as the gate reaches it."""
    token: SecretReference
    """Of a service account with the role Viewer."""
    dashboards: dict[Text, tuple[Text, ...]] = Field(min_length=1)
    """Title, exactly → titles of the panels that the release expects on it."""


class Monitoring(Section):
    """Monitoring as the release expects it; Prometheus itself is described by its own section."""

    rules: Location
    """The file of alert rules that the release ships, in Prometheus's own format."""
    jobs: dict[Text, Targets] = Field(default_factory=dict)
    """Scrape job → how many targets it has in each region, all of them up."""
    pod_jobs: tuple[Text, ...] = ()
    """Scrape jobs with one target for each ready pod of the app; needs the section kubernetes."""
    shared_jobs: dict[Text, Targets] = Field(default_factory=dict)
    """Scrape job of what the regions share → how many targets it has."""
    alertmanager: Alertmanager
    """The one that Prometheus sends its alerts to."""
    grafana: Grafana
    """The one with the release's dashboards."""
    ca_file: str | None = None
    """File of the authority that signs their certificates, where it is not a public one."""

    def _refusals(self) -> Iterator[str]:
        if not self.jobs and not self.pod_jobs:
            yield "monitoring needs jobs or pod_jobs: without one nothing is scraped"


class MonitoringPolicy(Section):
    """How fresh alert rules are, and how long no gap may be seen."""

    settle_for: _AnHour = 120.0
    """Rules, targets and dashboards that were just applied get this time; time_scale divides it."""
    evaluated_within: _AnHour = 120.0
    """An alert rule that was not evaluated for longer watches nothing."""
    gap_look_back: Annotated[Seconds, Field(ge=60, le=86_400)] = 900.0
    """Phase 7.2 looks that far back for gaps; time_scale divides it."""


class FileSystems(Section):
    """File systems of one kind, in each region: the nodes' own, the database's volumes, backups."""

    available: MetricName
    """Gauge of the bytes that are left, such as node_filesystem_avail_bytes or
    kubelet_volume_stats_available_bytes."""
    size: MetricName
    """Gauge of all bytes, with the same labels; such as node_filesystem_size_bytes or
    kubelet_volume_stats_capacity_bytes."""
    labels: dict[str, str] = Field(min_length=1)
    """What selects them, such as mountpoint: "/"; the region's labels are added."""
    at_least: Targets
    """How many of them each region has at least: one that nobody measures may be full."""


class StoragePolicy(Section):
    """Free space on the file systems that the environment names."""

    min_free: Annotated[Share, Field(ge=0.01, lt=1)] = 0.15
    """The least share of each that must be free."""

"""What watches the platform: alert rules, Alertmanager, dashboards, disks, the first hour's figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from settings.cluster import PodLogs
from settings.objectives import BoundedLookBack, Metric
from settings.sections import (
    CheckId,
    HttpUrl,
    Location,
    MetricName,
    Name,
    Seconds,
    SecretReference,
    Section,
    Share,
    Targets,
    Text,
    compiled,
    parse_duration,
    parse_share,
)

_AnHour = Annotated[Seconds, Field(gt=0, le=3600)]


class Growth(Section):
    """How many more there may be than before."""

    ratio: Annotated[float, Field(ge=1.1, le=100, allow_inf_nan=False)]
    """So many times as many, proved with 95 % confidence, are too many."""
    tolerated: Annotated[int, Field(ge=0, le=100_000)]
    """So many an hour are never too many; time_scale shortens the hour."""


class Program(Section):
    """A program by its pods."""

    labels: dict[str, str] = Field(min_length=1)
    """What its pods have, in `kubernetes.namespace`."""
    container: Text
    """Its own container in them."""
    log_group: Text | None = None
    """Of CloudWatch Logs, in the account of the section aws. Left out: its pods are asked, which forget what
    was rotated away."""
    log_pattern: str = ""
    """CloudWatch's filter pattern, where the group has other programs' lines too, such as
    { $.kubernetes.container_name = "api" }."""

    def _refusals(self) -> Iterator[str]:
        if self.log_pattern and self.log_group is None:
            yield "log_pattern filters a log group; name log_group too"


class Logs(Section):
    """The logs that are reviewed after a deployment: counted by level, event and signature."""

    app: Program
    """The API."""
    audit: Program
    """What writes the audit log."""
    security: Program
    """What watches for attacks."""
    aws_regions: dict[Name, Text] = Field(default_factory=dict)
    """Of log groups: this environment's region → AWS's, such as us: us-east-1. Left out: aws.region."""
    lines: PodLogs = PodLogs()
    """How a level is told, in all of them; `tail_lines` is not used."""
    message_field: Text = "msg"
    """Of lines that are JSON objects: the field that holds the message."""
    event_field: Text = "event"
    """And the one that names what happened."""
    alerts: tuple[Text, ...] = Field(min_length=1)
    """Events of the security monitor that are alerts; its lines of an error level are, too."""
    failed_logins: tuple[Text, ...] = Field(min_length=1)
    """Events of the security monitor of which each is a failed sign-in."""
    words: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z_-]{1,40}$")], ...] = ()
    """Words of error messages, beside everybody's own, that reports may show and errors are told apart by."""

    def _refusals(self) -> Iterator[str]:
        both = sorted({*self.alerts} & {*self.failed_logins})
        if both:
            yield f"“{both[0]}” is an alert and a failed sign-in; each event is one of them"
        if len({tuple(sorted(one.labels.items())) for one in self.programs.values()}) < len(
            self.programs
        ):
            yield "two programs have the same labels: one of them would be read twice and the other never"

    @property
    def programs(self) -> dict[str, Program]:
        """Return them by name."""
        return {"app": self.app, "audit": self.audit, "security": self.security}


_CRITICAL = ("fatal", "critical", "crit", "panic", "alert", "emerg", "severe", "60")


class LogsPolicy(Section):
    """What logs must be to be believed, and when there is more in them than before."""

    covered: Annotated[Seconds, Field(gt=0, le=3600)] = 600.0
    """So long ago they begin at the latest; time_scale divides it, and the two below."""
    silent: Annotated[Seconds, Field(gt=0, le=3600)] = 600.0
    """A program that says nothing for longer is not listened to any more."""
    max_unreadable: Annotated[Share, Field(le=0.5)] = 0.05
    """The share of lines whose level nobody knows."""
    critical: tuple[Text, ...] = Field(min_length=1, default=_CRITICAL)
    """Levels of which one line is too many, known before or not, in small letters."""
    known_errors: Growth = Growth(ratio=2.0, tolerated=10)
    """Of each error that was there before."""
    failed_logins: Growth = Growth(ratio=3.0, tolerated=20)
    """More of them are a spike."""


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


class Security(Section):
    """What says that the platform is attacked with success; whatever it is, a person can declare it too."""

    alerts: tuple[Annotated[dict[str, Text], Field(min_length=1)], ...] = ()
    """Labels of alerts in Alertmanager, such as category: security; an alert with all of one is meant.
    Needs the section monitoring."""
    events: tuple[Text, ...] = ()
    """Actions of the audit log, such as security.breach, that are written for nothing else. Needs the section
    audit."""

    def _refusals(self) -> Iterator[str]:
        if not self.alerts and not self.events:
            yield "security needs alerts or events: without one no attack is ever seen"


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


LABELS, RANGE = "$labels", "$range"


class Figure(Section):
    """A figure of each region that Prometheus holds, such as how much of the CPUs is in use."""

    query: Text
    """PromQL. `$labels` becomes the region's labels, such as region="eu"; `$range` five minutes in this
    environment's time. With several series the worst of them counts."""
    at_least: Targets = 1
    """How many series each region has at least: what one that is missing would say is not known."""

    def _refusals(self) -> Iterator[str]:
        if LABELS not in self.query:
            yield (
                f"the query lacks {LABELS}, so every region would be measured by the series of all; write "
                f"metric{{{LABELS}}}"
            )


class Events(Metric):
    """Events that are counted in each region, such as bookings; the gate's own left out by their labels."""

    failed: dict[str, Text] = Field(default_factory=dict, max_length=1)
    """The label that tells failed ones, and the regular expression of its values."""

    def _refusals(self) -> Iterator[str]:
        if self.status_label is not None:
            yield "status_label belongs to metrics; events name their failed ones by failed"
        for pattern in self.failed.values():
            compiled(pattern, f"failed: “{pattern}” is not a regular expression")


class Stability(Section):
    """What the first hour after the traffic switch is measured by."""

    figures: dict[Name, Figure] = Field(default_factory=dict)
    """By the names that gates/policy/stability.yaml has for them."""
    events: dict[Name, Events] = Field(default_factory=dict)
    """By the names that gates/policy/stability.yaml has for them."""


def parse_amount(value: object) -> object:
    """Turn `70%` into 0.7 and `10ms` into 0.01; a number stays one."""
    if not isinstance(value, str):
        return value
    return parse_share(value) if value.endswith("%") else parse_duration(value)


Amount = Annotated[float, BeforeValidator(parse_amount), Field(allow_inf_nan=False)]


class FigureLimit(Section):
    """What one figure has to keep to."""

    check: CheckId
    """Its row of the catalogue; one check may have several figures."""
    title: Text
    """What reports call it."""
    figure: Name
    """Key under `stability.figures` of the environment."""
    unit: Text = ""
    """Shown behind its values; of "%" the values are shares."""
    worse: Literal["higher", "lower"] = "higher"
    """Which way is bad."""
    limit: Amount | None = None
    """What its five-minute values must stay on the good side of, each of them."""
    change: Share | None = Field(default=None, gt=0, le=1)
    """By so much of the baseline's value its median may be worse."""
    slack: Amount = Field(default=0.0, ge=0, le=60)
    """A change that is smaller than this is none, however small the baseline's value was."""

    def _refusals(self) -> Iterator[str]:
        if self.limit is None and self.change is None:
            yield "neither limit nor change: it could never fail; add one"
        if self.unit == "%" and self.limit is not None and not 0 < self.limit < 1:
            yield f"limit {self.limit:.0%} is never reached by a share; choose one between 0% and 100%"
        if self.change == 1 and self.worse == "lower":
            yield "change 100% can never fail where lower is worse: nothing lies below zero; lower it"


class EventsLimit(Section):
    """What events have to go on doing."""

    check: CheckId
    """Its row of the catalogue; one check may have several kinds of events."""
    title: Text
    """What reports call them."""
    events: Name
    """Key under `stability.events` of the environment."""
    keeps: Share = Field(ge=0.1, lt=1)
    """So much of the baseline's rate there must be at least; failed ones are not counted."""
    failed: Share | None = Field(default=None, gt=0, le=0.5)
    """So many of them may fail."""
    failed_rise: float | None = Field(default=None, ge=1, le=10)
    """More may not fail than so many times the baseline's share, however few these are; needs failed."""

    def _refusals(self) -> Iterator[str]:
        if self.failed_rise is not None and self.failed is None:
            yield "failed_rise needs failed: the share that is few enough while nothing is proved"


class StabilityPolicy(Section):
    """gates/policy/stability.yaml: the figures and events of the first hour."""

    look_back: BoundedLookBack = 900.0
    """The range that is read, now and for the baseline; none of it lies before the traffic switch."""
    longest_query: BoundedLookBack = 300.0
    """A statement or transaction that runs for longer is a finding; time_scale divides it."""
    max_lag: Annotated[Seconds, Field(gt=0, le=60)] = 1.0
    """Within that time every standby has replayed what was written; in real time."""
    figures: tuple[FigureLimit, ...] = ()
    """What a figure keeps to, by the name that the environment gives it."""
    events: tuple[EventsLimit, ...] = ()
    """What events keep to, by the name that the environment gives them."""

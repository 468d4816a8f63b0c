"""What Prometheus alerts on and scrapes, as loaded; and what Alertmanager makes of its alerts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import yaml

from probes import api
from probes.formats import seconds_of
from probes.http import HttpTarget
from probes.observation import EVERYTHING, Deadline, Observation, Shown
from probes.prometheus import PrometheusTarget
from probes.prometheus.answers import read_data


@dataclasses.dataclass(frozen=True, slots=True)
class AlertRule:
    """An alerting rule as Prometheus has loaded it."""

    name: str
    expression: str
    """As Prometheus writes it."""
    for_seconds: float
    labels: Mapping[str, str]
    health: str
    """`ok`, `err` or `unknown` (not evaluated yet)."""
    state: str
    """`inactive`, `pending` or `firing`."""
    evaluated_at: dt.datetime | None
    interval_seconds: float
    """How often its group is evaluated; 0 where the server does not tell."""


@dataclasses.dataclass(frozen=True, slots=True)
class AlertRules:
    """All alerting rules of a Prometheus."""

    rules: tuple[AlertRule, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many there are and which are not well."""
        unwell = sorted({rule.name for rule in self.rules if rule.health != "ok"})
        return {"rules": len(self.rules), "not ok": unwell}


@dataclasses.dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """One target that Prometheus scrapes."""

    job: str
    labels: Mapping[str, str]
    up: bool
    interval_seconds: float | None = None
    """Between two scrapes of it; None where the server does not tell."""


@dataclasses.dataclass(frozen=True, slots=True)
class ScrapeTargets:
    """All targets of a Prometheus."""

    targets: tuple[ScrapeTarget, ...]

    def facts(self) -> Mapping[str, object]:
        """Return how many there are, and how many of each job are down."""
        down: dict[str, int] = {}
        for target in self.targets:
            if not target.up:
                down[target.job] = down.get(target.job, 0) + 1
        return {"targets": len(self.targets), "down": down}


@dataclasses.dataclass(frozen=True, slots=True)
class Formatted(Shown):
    """An expression as this Prometheus would write it."""

    KEPT = ()  # the rules' own facts say enough

    expression: str


@dataclasses.dataclass(frozen=True, slots=True)
class SeriesSeen(Shown):
    """How many series there were."""

    KEPT = EVERYTHING

    series: int
    whole: bool
    """Without warnings: a partial answer may lack some."""


def rules(target: PrometheusTarget, *, deadline: Deadline) -> Observation[AlertRules]:
    """Read all alerting rules."""
    return api.read(
        target.http(), "/api/v1/rules?type=alert", _rules, probe="prometheus", deadline=deadline
    )


def targets(target: PrometheusTarget, *, deadline: Deadline) -> Observation[ScrapeTargets]:
    """Read all active targets."""
    path = "/api/v1/targets?state=active"
    return api.read(target.http(), path, _targets, probe="prometheus", deadline=deadline)


def formatted(
    target: PrometheusTarget, expression: str, *, deadline: Deadline
) -> Observation[Formatted]:
    """Ask how the server writes an expression, so that two spellings of one can be compared."""
    path = f"/api/v1/format_query?{urlencode({'query': expression})}"
    return api.read(target.http(), path, _formatted, probe="prometheus", deadline=deadline)


def scraped_ever(
    target: PrometheusTarget,
    selector: str,
    *,
    begins: dt.datetime,
    ends: dt.datetime,
    deadline: Deadline,
) -> Observation[SeriesSeen]:
    """Read whether a selector matched any series in a time, however long: the index alone is asked."""
    asked = {
        "match[]": selector,
        "start": f"{begins.timestamp():.3f}",
        "end": f"{ends.timestamp():.3f}",
    }
    path = f"/api/v1/series?{urlencode(asked)}"
    return api.read(target.http(), path, _series, probe="prometheus", deadline=deadline)


def _series(body: object) -> SeriesSeen:
    answer = api.mapping(body, "the answer")
    if answer.get("status") != "success":
        raise api.UnusableAnswerError("The answer does not say status=success.")
    remarks = api.sequence(answer.get("warnings", []), "warnings")
    return SeriesSeen(len(api.sequence(answer.get("data"), "data")), whole=not remarks)


def _rules(body: object) -> AlertRules:
    groups = api.mappings(read_data(body).get("groups"), "groups", "a group")
    return AlertRules(tuple(rule for group in groups for rule in _rules_of(group)))


def _rules_of(group: Mapping[str, object]) -> Iterator[AlertRule]:
    interval = group.get("interval")
    for rule in api.mappings(group.get("rules"), "rules", "a rule"):
        duration = rule.get("duration")
        if isinstance(duration, bool) or not isinstance(duration, int | float):
            raise api.UnusableAnswerError("A rule's duration is not a number.")
        yield AlertRule(
            name=api.text(rule.get("name"), "a rule's name"),
            expression=api.text(rule.get("query"), "a rule's query"),
            for_seconds=float(duration),
            labels=_labels(rule.get("labels")),
            health=api.text(rule.get("health"), "a rule's health"),
            state=api.text(rule.get("state"), "a rule's state"),
            evaluated_at=_evaluated(rule.get("lastEvaluation")),
            interval_seconds=float(interval) if isinstance(interval, int | float) else 0.0,
        )


def _evaluated(value: object) -> dt.datetime | None:
    at = api.time(value, "lastEvaluation")
    # Go's zero time: never evaluated.
    return at if at.year > 1 else None


def _targets(body: object) -> ScrapeTargets:
    active = api.mappings(read_data(body).get("activeTargets"), "activeTargets", "a target")
    return ScrapeTargets(tuple(map(_target, active)))


def _target(target: Mapping[str, object]) -> ScrapeTarget:
    labels = _labels(target.get("labels"))
    try:
        interval = seconds_of(target.get("scrapeInterval"))
    except ValueError:
        interval = None
    return ScrapeTarget(labels.get("job", ""), labels, target.get("health") == "up", interval)


def _labels(value: object) -> dict[str, str]:
    labels = api.mapping(value, "labels")
    return {name: api.text(text, "a label") for name, text in labels.items()}


def _formatted(body: object) -> Formatted:
    answer = api.mapping(body, "the answer")
    return Formatted(api.text(answer.get("data"), "data"))


@dataclasses.dataclass(frozen=True, slots=True)
class Configuration(Shown):
    """The configuration in force; addresses and secrets in it never leave this object."""

    KEPT = ("receivers",)

    route: Mapping[str, Any] = dataclasses.field(repr=False)
    """The tree of routes, as Alertmanager's own file writes it."""
    receivers: Mapping[str, int]
    """Receiver → how many integrations it has; one without any swallows what it gets."""


@dataclasses.dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts with some labels that fire now."""

    heard: tuple[Mapping[str, str], ...]
    """Labels of each that somebody may hear."""
    since: tuple[dt.datetime, ...]
    """When each of these began to fire."""
    quiet: int
    """Those that are silenced or inhibited."""

    def facts(self) -> Mapping[str, object]:
        """Return their numbers."""
        return {"alerts": len(self.heard), "silenced or inhibited": self.quiet}


def configuration(target: HttpTarget, *, deadline: Deadline) -> Observation[Configuration]:
    """Read the configuration in force."""
    path = "/api/v2/status"
    return api.read(target, path, _configuration, probe="alertmanager", deadline=deadline)


def alerts(
    target: HttpTarget, labels: Mapping[str, str], *, deadline: Deadline
) -> Observation[Alerts]:
    """Count the firing alerts with all of some labels: those heard, and those that are kept quiet."""
    matchers = [("filter", f"{name}={json.dumps(value)}") for name, value in labels.items()]
    path = f"/api/v2/alerts?{urlencode([('active', 'true'), *matchers])}"
    return api.read(target, path, _alerts, probe="alertmanager", deadline=deadline)


def _alerts(body: object) -> Alerts:
    found = api.mappings(body, "the list of alerts", "an alert")
    heard = [one for one in found if not _quiet(one)]
    labels = [api.mapping(one.get("labels"), "an alert's labels") for one in heard]
    texts = ({name: str(value) for name, value in one.items()} for one in labels)
    since = tuple(api.time(one.get("startsAt"), "startsAt") for one in heard)
    return Alerts(tuple(texts), since, len(found) - len(heard))


def _quiet(alert: Mapping[str, object]) -> bool:
    status = api.mapping(alert.get("status"), "an alert's status")
    return bool(status.get("silencedBy") or status.get("inhibitedBy"))


def _configuration(body: object) -> Configuration:
    config = api.mapping(api.mapping(body, "the status").get("config"), "config")
    original = api.text(config.get("original"), "config.original")
    try:
        parsed = yaml.safe_load(original)
    except yaml.YAMLError:
        raise api.UnusableAnswerError("config.original is not YAML.") from None
    whole = api.mapping(parsed, "config.original")
    route = api.mapping(whole.get("route"), "config.original.route")
    return Configuration(dict(route), dict(_receivers(whole.get("receivers"))))


def _receivers(value: object) -> Iterator[tuple[str, int]]:
    for receiver in api.mappings(value, "receivers", "a receiver"):
        integrations = [
            one
            for name, configs in receiver.items()
            if name.endswith("_configs") and isinstance(configs, list)
            for one in configs
        ]
        yield api.text(receiver.get("name"), "a receiver's name"), len(integrations)

"""Alertmanager: the configuration that it runs, and the alerts that it holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import yaml

from probes import api
from probes.http import HttpTarget
from probes.observation import Deadline, Observation, Shown


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
    """Alerts of one name that fire now."""

    heard: tuple[Mapping[str, str], ...]
    """Labels of each that somebody may hear."""
    quiet: int
    """Those that are silenced or inhibited."""

    def facts(self) -> Mapping[str, object]:
        """Return their numbers."""
        return {"alerts": len(self.heard), "silenced or inhibited": self.quiet}


def configuration(target: HttpTarget, *, deadline: Deadline) -> Observation[Configuration]:
    """Read the configuration in force."""
    path = "/api/v2/status"
    return api.read(target, path, _configuration, probe="alertmanager", deadline=deadline)


def alerts(target: HttpTarget, name: str, *, deadline: Deadline) -> Observation[Alerts]:
    """Count the firing alerts of one name: those that are heard, and those that are kept quiet."""
    path = f"/api/v2/alerts?{urlencode({'active': 'true', 'filter': f'alertname={name}'})}"
    return api.read(target, path, _alerts, probe="alertmanager", deadline=deadline)


def _alerts(body: object) -> Alerts:
    found = [api.mapping(one, "an alert") for one in api.sequence(body, "the list of alerts")]
    heard = [one for one in found if not _quiet(one)]
    labels = [api.mapping(one.get("labels"), "an alert's labels") for one in heard]
    texts = ({name: str(value) for name, value in one.items()} for one in labels)
    return Alerts(tuple(texts), len(found) - len(heard))


def _quiet(alert: Mapping[str, object]) -> bool:
    status = api.mapping(alert.get("status"), "an alert's status")
    return bool(status.get("silencedBy") or status.get("inhibitedBy"))


def _configuration(body: object) -> Configuration:
    config = api.mapping(api.mapping(body, "the status").get("config"), "config")
    original = api.text(config.get("original"), "config.original")
    try:
        parsed = yaml.safe_load(original)
    except yaml.YAMLError:
        raise api.UnusableAnswerError("config.original is no YAML.") from None
    whole = api.mapping(parsed, "config.original")
    route = api.mapping(whole.get("route"), "config.original.route")
    return Configuration(dict(route), dict(_receivers(whole.get("receivers"))))


def _receivers(value: object) -> Iterator[tuple[str, int]]:
    for entry in api.sequence(value, "receivers"):
        receiver = api.mapping(entry, "a receiver")
        integrations = [
            one
            for name, configs in receiver.items()
            if name.endswith("_configs") and isinstance(configs, list)
            for one in configs
        ]
        yield api.text(receiver.get("name"), "a receiver's name"), len(integrations)

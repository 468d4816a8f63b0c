"""How the gate reaches what watches the platform, and the people behind it: one home for every login."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import SecretStr

import probes
from probes.http import HttpTarget
from settings.monitoring import Monitoring
from settings.people import People
from steps.kit.expect import need
from steps.kit.platform import Platform


def monitoring_of(platform: Platform) -> Monitoring:
    """Return what the environment says of monitoring; raises NotDescribedError."""
    return need(platform.environment.settings.monitoring, "the section monitoring")


def people_of(platform: Platform) -> People:
    """Return what the environment says of people; raises NotDescribedError."""
    return need(platform.environment.settings.people, "the section people")


def alertmanager(platform: Platform) -> HttpTarget:
    """Return Alertmanager."""
    section = monitoring_of(platform)
    return HttpTarget(section.alertmanager.url, section.ca_file)


def grafana(platform: Platform) -> HttpTarget:
    """Return Grafana with the gate's token."""
    section = monitoring_of(platform)
    token = platform.environment.secret(section.grafana.token)
    bearer = SecretStr(f"Bearer {token.get_secret_value()}")
    return HttpTarget(section.grafana.url, section.ca_file, {"Authorization": bearer})


def through_grafana(platform: Platform, datasource: str) -> probes.prometheus.PrometheusTarget:
    """Return a data source of Grafana's as its panels ask it."""
    section = monitoring_of(platform)
    token = platform.environment.secret(section.grafana.token)
    proxy = f"{section.grafana.url}/api/datasources/proxy/uid/{quote(datasource, safe='')}"
    return probes.prometheus.PrometheusTarget(proxy, token, section.ca_file)


def pagerduty(platform: Platform) -> HttpTarget:
    """Return PagerDuty with the gate's key."""
    section = people_of(platform)
    token = platform.environment.secret(section.pagerduty.token)
    return probes.pagerduty.target(section.pagerduty.url, token, section.ca_file)


def slack(platform: Platform) -> HttpTarget:
    """Return Slack with the app's token."""
    section = people_of(platform)
    token = platform.environment.secret(section.slack.token)
    return probes.slack.target(section.slack.url, token, section.ca_file)

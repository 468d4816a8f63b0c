"""How the gate reaches what watches the platform, and the people behind it: one home for every login."""

from __future__ import annotations

from urllib.parse import quote

import probes
from probes.http import HttpTarget
from settings.monitoring import Monitoring
from settings.people import People
from steps.kit.platform import NotDescribedError, Platform


def alertmanager(platform: Platform) -> HttpTarget:
    """Return Alertmanager; raises NotDescribedError, as all of these."""
    section = platform.section(Monitoring)
    return HttpTarget(section.alertmanager.url, section.ca_file)


def grafana(platform: Platform) -> HttpTarget:
    """Return Grafana with the gate's token."""
    section = platform.section(Monitoring)
    return HttpTarget(section.grafana.url, section.ca_file, platform.bearer(section.grafana.token))


def through_grafana(platform: Platform, datasource: str) -> probes.prometheus.PrometheusTarget:
    """Return a data source of Grafana's as its panels ask it."""
    section = platform.section(Monitoring)
    token = platform.environment.secret(section.grafana.token)
    proxy = f"{section.grafana.url}/api/datasources/proxy/uid/{quote(datasource, safe='')}"
    return probes.prometheus.PrometheusTarget(proxy, token, section.ca_file)


def pagerduty(platform: Platform) -> HttpTarget:
    """Return PagerDuty with the gate's key."""
    section = platform.section(People)
    token = platform.environment.secret(section.pagerduty.token)
    return probes.pagerduty.target(section.pagerduty.url, token, section.ca_file)


def slack(platform: Platform) -> HttpTarget:
    """Return Slack with the app's token."""
    section = platform.section(People)
    token = platform.environment.secret(section.slack.token)
    return probes.slack.target(section.slack.url, token, section.ca_file)


def mail(platform: Platform) -> probes.mail.MailTarget:
    """Return the mailbox of notices with the gate's login."""
    section = platform.section(People)
    if section.mail is None:
        raise NotDescribedError("the environment lacks people.mail; add it")
    mailbox, password = section.mail, platform.environment.secret(section.mail.password)
    return probes.mail.MailTarget(
        *(mailbox.host, mailbox.port, mailbox.user, password, mailbox.folder, section.ca_file)
    )

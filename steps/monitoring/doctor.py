"""The doctor on monitoring: Alertmanager, Grafana and the release's alert rules can be read."""

from __future__ import annotations

from collections.abc import Iterator

import probes
from settings.monitoring import Monitoring
from steps.kit.findings import Finding, Keys, Subject, System, examination
from steps.monitoring import watchers

_VIEWER = "give its service account the role Viewer and no other permission"
_MOST_SHOWN = 6
_ALERTMANAGER = Keys("monitoring.alertmanager.url", "monitoring.ca_file")
_GRAFANA = Keys("monitoring.grafana.url", "monitoring.ca_file", "monitoring.grafana.token")


def examine_monitoring(subject: Subject, section: Monitoring) -> list[Finding]:
    """Read the configuration of Alertmanager, look for each dashboard, and open the file of rules."""
    return [
        *_alertmanager(System(subject, "Alertmanager", None, _ALERTMANAGER), section),
        *_dashboards(System(subject, "Grafana", None, _GRAFANA), section),
        *_rules(System(subject, "alert rules"), section),
    ]


@examination
def _alertmanager(system: System, section: Monitoring) -> Iterator[Finding]:
    target, deadline = watchers.alertmanager(system.subject.platform), system.subject.deadline()
    there = system.read(probes.alerting.configuration(target, deadline=deadline)).receivers
    unknown = sorted(set(section.alertmanager.receivers.values()) - set(there))
    words = f"has no receiver {', '.join(unknown)}; there is: {', '.join(sorted(there)) or 'none'}"
    key = "monitoring.alertmanager.receivers"
    fix = system.subject.key(key, "the receivers that there are")
    yield system.warn(words, fix) if unknown else system.ok(f"has its {len(there)} receivers")


@examination
def _dashboards(system: System, section: Monitoring) -> Iterator[Finding]:
    target, call = watchers.grafana(system.subject.platform), system.subject.deadline
    fix = system.subject.key("monitoring.grafana.dashboards", "its title, exactly")
    for title in section.grafana.dashboards:
        # One that does not answer answers for no other title either.
        found = system.read(probes.grafana.find(target, title, deadline=call()))
        there, missing = f"the dashboard “{title}” is there", f"no dashboard is called “{title}”"
        yield system.ok(there) if found.uids else system.warn(missing, fix)
    yield _rights(system, probes.grafana.rights(target, deadline=call()).value)


def _rights(system: System, rights: probes.grafana.Rights | None) -> Finding:
    if rights is None:
        return system.not_proved("the token", _VIEWER)
    if not rights.excess:
        return system.ok("the token can only read")
    shown, more = ", ".join(rights.excess[:_MOST_SHOWN]), len(rights.excess) - _MOST_SHOWN
    words = f"the token may do more than read: {shown}{f' and {more} more' if more > 0 else ''}"
    return system.warn(words, _VIEWER)


@examination
def _rules(system: System, section: Monitoring) -> Iterator[Finding]:
    key, file = "monitoring.rules", "the file of alert rules that the release ships"
    fix, deadline = system.subject.key(key, file), system.subject.deadline()
    seen = probes.files.content(section.rules, deadline=deadline)
    system.read(seen, lambda failure: system.bad(failure.detail, fix))
    yield system.ok("the release's file of alert rules can be read")

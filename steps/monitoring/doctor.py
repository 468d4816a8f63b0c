"""The doctor on monitoring: Alertmanager, Grafana and the release's alert rules can be read."""

from __future__ import annotations

from collections.abc import Iterator

import probes
from settings.monitoring import Monitoring
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, not_proved, unreachable
from steps.monitoring import watchers

_VIEWER = "give its service account the role Viewer and no other permission"
_MOST_SHOWN = 6
_ALERTMANAGER, _GRAFANA, _RULES = "Alertmanager", "Grafana", "alert rules"


def examine_monitoring(subject: Subject, section: Monitoring) -> list[Finding]:
    """Read the configuration of Alertmanager, look for each dashboard, and open the file of rules."""
    return [
        _alertmanager(subject, section),
        *_dashboards(subject, section),
        _rules(subject, section),
    ]


def _alertmanager(subject: Subject, section: Monitoring) -> Finding:
    target = watchers.alertmanager(subject.platform)
    observed = probes.alerting.configuration(target, deadline=subject.deadline())
    if observed.value is None:
        keys = Keys("monitoring.alertmanager.url", "monitoring.ca_file", "")
        return unreachable(subject, _ALERTMANAGER, None, failure_of(observed), keys)
    unknown = sorted(set(section.alertmanager.receivers.values()) - set(observed.value.receivers))
    if unknown:
        there = ", ".join(sorted(observed.value.receivers)) or "none"
        words = f"has no receiver {', '.join(unknown)}; there is: {there}"
        fixes = subject.key("monitoring.alertmanager.receivers", "the receivers that there are")
        return Finding(_ALERTMANAGER, None, Level.WARN, words, (fixes,))
    return Finding(
        _ALERTMANAGER, None, Level.OK, f"has its {len(observed.value.receivers)} receivers"
    )


def _dashboards(subject: Subject, section: Monitoring) -> Iterator[Finding]:
    target = watchers.grafana(subject.platform)
    keys = Keys("monitoring.grafana.url", "monitoring.ca_file", "monitoring.grafana.token")
    for title in section.grafana.dashboards:
        found = probes.grafana.find(target, title, deadline=subject.deadline())
        if found.value is None:
            # One that does not answer answers for no other title either.
            yield unreachable(subject, _GRAFANA, None, failure_of(found), keys)
            return
        if found.value.uids:
            yield Finding(_GRAFANA, None, Level.OK, f"the dashboard “{title}” is there")
        else:
            words = f"no dashboard is called “{title}”"
            fixes = subject.key("monitoring.grafana.dashboards", "its title, exactly")
            yield Finding(_GRAFANA, None, Level.WARN, words, (fixes,))
    yield _rights(probes.grafana.rights(target, deadline=subject.deadline()).value)


def _rights(rights: probes.grafana.Rights | None) -> Finding:
    if rights is None:
        return not_proved(_GRAFANA, "the token", _VIEWER)
    if not rights.excess:
        return Finding(_GRAFANA, None, Level.OK, "the token can only read")
    shown = ", ".join(rights.excess[:_MOST_SHOWN])
    more = len(rights.excess) - _MOST_SHOWN
    words = f"the token may do more than read: {shown}{f' and {more} more' if more > 0 else ''}"
    return Finding(_GRAFANA, None, Level.WARN, words, (_VIEWER,))


def _rules(subject: Subject, section: Monitoring) -> Finding:
    observed = probes.files.content(section.rules, deadline=subject.deadline())
    if observed.value is None:
        fixes = subject.key("monitoring.rules", "the file of alert rules that the release ships")
        detail = failure_of(observed).detail
        return Finding(_RULES, None, Level.BAD, detail, (fixes,))
    return Finding(_RULES, None, Level.OK, "the release's file of alert rules can be read")

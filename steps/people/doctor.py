"""The doctor on the people behind a deployment: PagerDuty and Slack take the gate's tokens."""

from __future__ import annotations

from collections.abc import Iterator

import probes
from settings.people import People
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, not_proved, unreachable
from steps.monitoring import watchers

_PAGERDUTY, _SLACK = "PagerDuty", "Slack"
_READ_ONLY = "its access level under Integrations, API Access Keys, must be Read-only"


def examine_people(subject: Subject, section: People) -> list[Finding]:
    """Read every schedule and the first channels; who is on call is the checks' business."""
    found = list(_schedules(subject, section))
    if any(one.level is Level.OK for one in found):
        # PagerDuty notifies nobody what a key may do, except by refusing to write.
        found.append(not_proved(_PAGERDUTY, "the key", _READ_ONLY))
    return [*found, _channels(subject)]


def _schedules(subject: Subject, section: People) -> Iterator[Finding]:
    rota = section.pagerduty
    target = watchers.pagerduty(subject.platform)
    keys = Keys("people.pagerduty.url", "people.ca_file", "people.pagerduty.token")
    for schedule in rota.schedules:
        observed = probes.pagerduty.on_call(
            target,
            schedule,
            section.window.begins,
            section.window.ends,
            deadline=subject.deadline(),
        )
        if observed.value is None:
            yield unreachable(subject, _PAGERDUTY, None, failure_of(observed), keys)
        else:
            yield Finding(_PAGERDUTY, None, Level.OK, f"the schedule {schedule} can be read")


def _channels(subject: Subject) -> Finding:
    observed = probes.slack.channels(
        watchers.slack(subject.platform), "", deadline=subject.deadline()
    )
    if observed.value is None:
        keys = Keys("people.slack.url", "people.ca_file", "people.slack.token")
        return unreachable(subject, _SLACK, None, failure_of(observed), keys)
    return Finding(_SLACK, None, Level.OK, "the app's token lists channels")

"""The doctor on people: PagerDuty, Slack, the mailbox and calendars take the gate's logins."""

from __future__ import annotations

from collections.abc import Iterator

import probes
from probes.http import HttpTarget
from probes.observation import utc_now
from settings.people import Calendar, People, StatusPage, SupportDesk
from steps.kit.findings import Finding, Keys, Level, Subject, System, examination
from steps.monitoring import watchers
from steps.people import people, windows

_PAGERDUTY = Keys("people.pagerduty.url", "people.ca_file", "people.pagerduty.token")
_SLACK = Keys("people.slack.url", "people.ca_file", "people.slack.token")
_MAIL = Keys("people.mail.host", "people.ca_file", "people.mail.password")
_READ_ONLY = "its access level under Integrations, API Access Keys, must be Read-only"


@examination
def examine_people(subject: Subject, section: People) -> Iterator[Finding]:
    """Read every schedule and the first channels; who is on call is the checks' business."""
    rota, call = System(subject, "PagerDuty", None, _PAGERDUTY), subject.deadline
    found = list(_schedules(rota, section))
    yield from found
    if any(one.level is Level.OK for one in found):
        # PagerDuty notifies nobody what a key may do, except by refusing to write.
        yield rota.not_proved("the key", _READ_ONLY)
    slack = System(subject, "Slack", None, _SLACK)
    slack.read(probes.slack.channels(watchers.slack(subject.platform), "", deadline=call()))
    yield slack.ok("the app's token lists channels")
    if section.mail is not None:
        server, now = System(subject, "the mail server", None, _MAIL), utc_now()
        server.read(probes.mail.arrived(watchers.mail(subject.platform), now, deadline=call()))
        yield server.ok("the mailbox can be read")


@examination
def examine_status_page(subject: Subject, section: StatusPage) -> Iterator[Finding]:
    """Read the incidents; what they say is the checks' business."""
    keys = Keys("status_page.url", "status_page.ca_file")
    page = System(subject, "the status page", None, keys)
    target = HttpTarget(section.url, section.ca_file)
    page.read(probes.statuspage.incidents(target, deadline=subject.deadline()))
    yield page.ok("its incidents can be read")


def _schedules(rota: System, section: People) -> Iterator[Finding]:
    target, window = watchers.pagerduty(rota.subject.platform), section.window
    for schedule in section.pagerduty.schedules:
        seen = probes.pagerduty.on_call(
            target, schedule, window.begins, window.ends, deadline=rota.subject.deadline()
        )
        readable = rota.ok(f"the schedule {schedule} can be read")
        yield readable if seen.failure is None else rota.unread(seen.failure)


@examination
def examine_support(subject: Subject, section: SupportDesk) -> Iterator[Finding]:
    """Search for tickets; a tag that none ever carried may be mistyped."""
    desk = System(
        subject, "the support desk", None, Keys("support.url", "support.ca_file", "support.token")
    )
    now = utc_now()
    wanted = probes.zendesk.Wanted(section.critical, section.synthetic, now, now)
    server = people.support_desk(subject.platform, section)
    found = desk.read(probes.zendesk.tickets(server, wanted, deadline=subject.deadline()))
    yield desk.ok("the token searches tickets")
    for tag in found.unused:
        fix = subject.key(
            "support.critical", "a tag as tickets carry it; a ticket of a trial shows it"
        )
        yield desk.warn(f"no ticket ever carried the tag {tag}", fix)


@examination
def examine_calendars(subject: Subject, section: Calendar) -> Iterator[Finding]:
    """Read every calendar; whether it is kept, and what it holds, is the checks' business."""
    now = utc_now()
    for name in section.feeds:
        feed = f"calendar.feeds.{name}"
        server = System(
            subject,
            f"the calendar {name}",
            None,
            Keys(f"{feed}.url", "calendar.ca_file", f"{feed}.token"),
        )
        where = windows.source(subject.platform, name)
        server.read(probes.calendar.between(where, now, now, now, deadline=subject.deadline()))
        yield server.ok("it can be read")

"""What is said of the people behind a deployment: rota, channels, services and contacts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence

import probes
from gates.decide.judgement import Judgement
from gates.decide.windows import Span, moment
from settings.people import CalendarPolicy, Contact, DeploymentWindow
from steps.kit.expect import age, expect, measured

_PLACEHOLDER = re.compile(
    r"\b(TBD|TBA|EDIT-ME|X{2,})\b|\?{2,}|^TODO\b|^(N/?A|NONE|X|[-.?])$", re.IGNORECASE
)
"""Na and Foxx are names of people too."""
_PHONE = re.compile(r"\+[1-9][0-9 ()/-]{6,20}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_NOBODYS_DOMAIN = re.compile(
    r"@(.*\.)?(example\.(com|net|org)|example|invalid|test)$", re.IGNORECASE
)
"""Set aside for documents and tests (RFC 2606): nobody can be reached there."""
_FIRST_LOOK = dt.timedelta(days=8)
"""A deployment is checked from a week before on; a window that is further away is a mistyped one."""
_MOST_NAMED = 3
_OVER = ("monitoring", "resolved", "postmortem")
"""Statuspage's words for an incident that is believed to be over."""
_WELL = ("active", "warning", "critical")
"""PagerDuty's words for a service that takes incidents; two of them say that it has some now."""


def of_another_deployment(window: DeploymentWindow, now: dt.datetime) -> Judgement | None:
    """Return what a window that is over, or too far away, leaves open; None for this deployment's."""
    over = window.ends <= now
    if not over and window.begins <= now + _FIRST_LOOK:
        return None
    at = window.ends if over else window.begins
    sentence = (
        f"people.window of the environment {'ended' if over else 'begins'} at "
        f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC, so it is not this deployment's: who is on call "
        "then says nothing"
    )
    return expect(None, "on call", sentence, "people.window with the times of this deployment")


def told_users(
    incidents: Iterable[probes.statuspage.Incident],
    says: Sequence[str],
    rolled_back_at: dt.datetime | None,
) -> Judgement:
    """Judge that an incident is watched or over, by an update since the rollback that says so."""
    subject = "the status page"
    if rolled_back_at is None:
        sentence = f"{subject}: it is not known when the rollback was carried out"
        return expect(None, subject, sentence, "--switched-at, or traffic.rolled_back_at")
    since = f"{moment(rolled_back_at)} UTC"
    wanted = " and ".join(f"“{one}”" for one in says)
    open_status = ""
    for one in incidents:
        new = [each.text for each in one.updates if each.at >= rolled_back_at]
        text = " ".join((one.name, *new)).casefold()
        if new and all(word.casefold() in text for word in says):
            if one.status in _OVER:
                sentence = f"{subject}: an incident is {one.status}, updated since {since}"
                return expect(True, subject, sentence, rule="status page")
            open_status = f"the incident is still “{one.status}” there"
    why = open_status or f"no incident was updated since {since} with {wanted}"
    clears = f"the incident updated there: {wanted}, monitoring or resolved"
    return expect(False, subject, f"{subject}: {why}", clears, rule="status page")


def covered(
    schedule: str, shifts: Sequence[probes.pagerduty.Shift], since: dt.datetime, until: dt.datetime
) -> Judgement:
    """Judge that a schedule has somebody all the time between two moments."""
    reached = since
    for shift in sorted(shifts, key=lambda one: one.begins or since):
        if (shift.begins or since) > reached:
            break
        reached = max(reached, shift.ends or until)
    sentence = (
        f"schedule {schedule}: somebody is on call until {reached:%Y-%m-%d %H:%M} UTC, "
        f"wanted from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} without a gap"
    )
    clears = f"somebody on {schedule} from {reached:%Y-%m-%d %H:%M} UTC on"
    return expect(reached >= until, f"schedule {schedule}", sentence, clears, rule="on call")


def channel_open(name: str, *, writable: bool | None) -> Judgement:
    """Judge that the app can write into a channel; None: there is no such channel."""
    wrong = "is not there" if writable is None else "is closed, or the app is not a member"
    subject = f"Slack channel {name}"
    sentence = f"Slack channel #{name} {'is open to the app' if writable else wrong}"
    clears = f"the app as a member of an open #{name}"
    return expect(writable is True, subject, sentence, clears, rule="channel open")


def takes_incidents(service: str, found: probes.pagerduty.Service, people: int | None) -> Judgement:
    """Judge a service; how many people it reaches is None where that could not be read."""
    on = found.status in _WELL
    wrong = f"is {found.status}" if not on else "has no escalation policy"
    if on and found.escalation_policy:
        wrong = "takes incidents, but its escalation policy has nobody on call now"
    good = on and bool(found.escalation_policy) and people != 0
    subject = f"PagerDuty service {service}"
    sentence = f"PagerDuty service {service} {'takes incidents' if good else wrong}"
    clears = f"{service} enabled, with an escalation policy that has somebody on call"
    return expect(good, subject, sentence, clears, rule="takes incidents")


def reachable(role: str, contact: Contact | None) -> Judgement:
    """Judge that a role has a person with a way to reach them, and no placeholder."""
    wrong = ", ".join(_wrong(contact))
    sentence = f"{role}: {wrong or 'a person is named, with a way to reach them'}"
    clears = f"people.contacts.{role} with a person and a telephone number"
    return expect(not wrong, role, sentence, clears, rule="contact")


def _wrong(contact: Contact | None) -> Iterator[str]:
    if contact is None:
        yield "nobody is named"
        return
    name = contact.name.strip()
    if not name or _PLACEHOLDER.search(name):
        yield "the name is a placeholder"
    if not (contact.phone or contact.email):
        yield "there is no way to reach them"
    if contact.phone and not _PHONE.fullmatch(contact.phone):
        yield "the telephone number is a placeholder or not international"
    if _NOBODYS_DOMAIN.search(contact.email):
        yield "the e-mail address is a placeholder"
    elif contact.email and not _EMAIL.fullmatch(contact.email):
        yield "the e-mail address is none"


def complained(found: probes.zendesk.Tickets, limit: int) -> Judgement:
    """Judge the complaints since the switch; few of them say nothing of a desk that would not show more."""
    count = len(found.written)
    sentence = f"{count:,} complaints about critical functionality since the traffic switch"
    sentence += f", {limit} may come"
    good: bool | None = count <= limit
    if good and found.unused:
        good, clears = None, "a ticket with each of support.critical, such as one of a trial"
        sentence += f"; but no ticket ever carried the tag {', '.join(found.unused)}"
    elif good and not found.alive:
        good, clears = None, "a support desk that gets tickets, or a higher support.alive_within"
        sentence += "; but the desk gets no tickets at all any more"
    else:
        clears = "the complaints looked into, and the release fixed or rolled back"
    return expect(
        good, "complaints", sentence, clears, **measured("complaints", count, limit, "tickets")
    )


def free(subject: str, busy: Iterable[Span], planned: Span) -> Judgement:
    """Judge that nothing of what forbids a deployment shares a moment with it."""
    met = [one for one in busy if one.meets(planned)]
    named = "; ".join(map(str, met[:_MOST_NAMED])) + ("; …" if met[_MOST_NAMED:] else "")
    found = f"lies in it: {named}" if met else "lies in it"
    sentence = f"{subject}: {'' if met else 'nothing '}{found} ({planned})"
    clears = f"a start after {moment(max(one.ends for one in met))} UTC" if met else ""
    return expect(not met, subject, sentence, clears, rule="blackout")


def believed(
    subject: str,
    written_at: dt.datetime | None,
    entries: Sequence[Span],
    planned: Span,
    policy: CalendarPolicy,
    now: dt.datetime,
) -> Judgement:
    """Judge that a calendar is kept: written to lately, and with an entry after the deployment."""
    old = None if written_at is None else (now - written_at).total_seconds()
    wrong = []
    if old is None:
        wrong.append("does not say when it was last written to")
    elif old > policy.max_age:
        wrong.append(
            f"was last written to {age(old)} ago, at most {age(policy.max_age)} are allowed"
        )
    if not any(one.ends > planned.ends for one in entries):
        ahead = age(policy.known_ahead)
        wrong.append(
            f"has no entry in the {ahead} after the deployment, so it knows of nothing there"
        )
    kept = (
        ""
        if old is None
        else f"was written to {age(max(old, 0))} ago and reaches beyond the deployment"
    )
    sentence = f"{subject} {' and '.join(wrong) or kept}"
    clears = "a calendar that somebody keeps, with the entries of the year ahead"
    return expect(None if wrong else True, subject, sentence, clears, rule="calendar")


def no_incident(service: str, status: str, urgent: int) -> Judgement:
    """Judge that no urgent incident of a service is open; one that takes none shows nothing (H24-2)."""
    subject, on = f"incidents of {service}", status not in ("maintenance", "disabled")
    off = "" if on else f"; it is {status}, so none would be opened"
    sentence = f"{subject}: {urgent or 'no'} urgent one{'s' * (urgent > 1)} open{off}"
    good, figures = False if urgent else on or None, measured("incidents", urgent, 0, "incidents")
    return expect(good, subject, sentence, "every incident resolved", **figures)

"""Whom the deployment can call on: rota, channels, contacts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from probes.observation import Observation, utc_now
from settings.people import Contact, DeploymentWindow
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform
from steps.monitoring import watchers

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
"""A deployment is looked at from a week before on; a window that is further away is a mistyped one."""
_MOST_PAGES = 50
_WELL = ("active", "warning", "critical")
"""PagerDuty's words for a service that takes incidents; two of them say that it has some now."""


class Backing:
    """The people behind one deployment as one check looks at them; shared by all regions."""

    def __init__(self, platform: Platform, check: Check) -> None:
        self._platform = platform
        self._check = check
        self._section = watchers.people_of(platform)

    def somebody_on_call(self) -> None:
        """Judge that every schedule has somebody in the window and through the day after."""
        after = dt.timedelta(seconds=self._platform.policy.people.on_call_after)
        since, until = self._section.window.begins, self._section.window.ends + after
        now = utc_now()
        if self._section.window.ends <= now or since > now + _FIRST_LOOK:
            self._check.judge_everywhere(_another_window(self._section.window, now))
            return
        for schedule in self._section.pagerduty.schedules:
            shifts = self._shifts(schedule, since, until)
            if shifts is not None:
                self._check.judge_everywhere(_covered(schedule, shifts, since, until))

    def services_take_incidents(self) -> None:
        """Judge that PagerDuty's services of the platform are on and lead to somebody."""
        for service in self._section.pagerduty.services:
            observed = probes.pagerduty.service(
                watchers.pagerduty(self._platform),
                service,
                deadline=self._platform.call_deadline(),
            )
            self._note("PagerDuty", observed)
            if observed.value is not None:
                self._judge_service(service, observed.value)

    def channels_open(self) -> None:
        """Judge that every channel is there, open, and the app a member."""
        writable = self._channels()
        if writable is None:
            return
        for name in self._section.slack.channels:
            there = name in writable
            state = "is not there" if not there else "is closed, or the app is no member"
            good = writable.get(name, False)
            self._check.judge_everywhere(
                expect(
                    good=good,
                    rule="channel open",
                    subject=f"Slack channel {name}",
                    sentence=f"Slack channel #{name} {'is open to the app' if good else state}",
                    clears=f"the app as a member of an open #{name}",
                )
            )

    def contacts_named(self) -> None:
        """Judge that each role has a person and a way to reach them, no placeholder (CONTACT-1)."""
        for role in self._section.roles:
            wrong = ", ".join(_wrong(self._section.contacts.get(role)))
            self._check.judge_everywhere(
                expect(
                    good=not wrong,
                    rule="contact",
                    subject=role,
                    sentence=f"{role}: {wrong or 'a person is named, with a way to reach them'}",
                    clears=f"people.contacts.{role} with a person and a telephone number",
                )
            )

    def _shifts(
        self, schedule: str, since: dt.datetime, until: dt.datetime
    ) -> Sequence[probes.pagerduty.Shift] | None:
        """Read all pages of a schedule's shifts; None when they can't be read, which is judged then."""
        target = watchers.pagerduty(self._platform)
        shifts: list[probes.pagerduty.Shift] = []
        offset = 0
        for _ in range(_MOST_PAGES):
            observed = probes.pagerduty.on_call(
                target,
                schedule,
                since,
                until,
                offset=offset,
                deadline=self._platform.call_deadline(),
            )
            self._note("PagerDuty", observed)
            if observed.value is None:
                return None
            shifts += observed.value.shifts
            if observed.value.more_from is None:
                return shifts
            offset = observed.value.more_from
        sentence = (
            f"schedule {schedule} has more pages of shifts than the {_MOST_PAGES} that were read"
        )
        self._check.judge_everywhere(expect(None, f"schedule {schedule}", sentence, "fewer shifts"))
        return None

    def _judge_service(self, service: str, found: probes.pagerduty.Service) -> None:
        """Judge that a service is on, and that its escalation policy leads to somebody now."""
        people = None
        if found.escalation_policy:
            answering = probes.pagerduty.answering(
                watchers.pagerduty(self._platform),
                found.escalation_policy,
                deadline=self._platform.call_deadline(),
            )
            self._note("PagerDuty", answering)
            people = answering.value.people if answering.value else None
        self._check.judge_everywhere(_takes_incidents(service, found, people))

    def _channels(self) -> dict[str, bool] | None:
        """Read pages of channels until all are found; None when they can't be read, which is judged then."""
        target = watchers.slack(self._platform)
        writable: dict[str, bool] = {}
        page = ""
        for _ in range(_MOST_PAGES):
            observed = probes.slack.channels(target, page, deadline=self._platform.call_deadline())
            self._note("Slack", observed)
            if observed.value is None:
                return None
            writable |= observed.value.writable
            page = observed.value.next_page
            if not page or set(self._section.slack.channels) <= set(writable):
                return writable
        sentence = f"Slack has more pages of channels than the {_MOST_PAGES} that were read"
        found = "the named channels among those that the app can see"
        self._check.judge_everywhere(expect(None, "Slack channels", sentence, found))
        return None

    def _note(self, subject: str, observed: Observation[Any]) -> None:
        self._check.observe_everywhere(observed)
        if observed.value is None:
            failure = failures.failure_of(observed)
            self._check.judge_everywhere(failures.instrument_error(subject, failure))


def _another_window(window: DeploymentWindow, now: dt.datetime) -> Judgement:
    over = window.ends <= now
    at = window.ends if over else window.begins
    return expect(
        None,
        "on call",
        f"people.window of the environment {'ended' if over else 'begins'} at "
        f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC, so it is not this deployment's: who is on call "
        "then says nothing",
        "people.window with the times of this deployment",
    )


def _covered(
    schedule: str,
    shifts: Sequence[probes.pagerduty.Shift],
    since: dt.datetime,
    until: dt.datetime,
) -> Judgement:
    reached = since
    for shift in sorted(shifts, key=lambda one: one.begins or since):
        if (shift.begins or since) > reached:
            break
        reached = max(reached, shift.ends or until)
    good = reached >= until
    return expect(
        good=good,
        rule="on call",
        subject=f"schedule {schedule}",
        sentence=f"schedule {schedule}: somebody is on call until {reached:%Y-%m-%d %H:%M} UTC, "
        f"wanted from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} without a gap",
        clears=f"somebody on {schedule} from {reached:%Y-%m-%d %H:%M} UTC on",
    )


def _takes_incidents(
    service: str, found: probes.pagerduty.Service, people: int | None
) -> Judgement:
    """Judge a service; how many people it reaches is None where that could not be read."""
    on = found.status in _WELL
    wrong = f"is {found.status}" if not on else "has no escalation policy"
    if on and found.escalation_policy:
        wrong = "takes incidents, but its escalation policy has nobody on call now"
    good = on and bool(found.escalation_policy) and people != 0
    return expect(
        good=good,
        rule="takes incidents",
        subject=f"PagerDuty service {service}",
        sentence=f"PagerDuty service {service} {'takes incidents' if good else wrong}",
        clears=f"{service} enabled, with an escalation policy that has somebody on call",
    )


def _wrong(contact: Contact | None) -> Iterator[str]:
    if contact is None:
        yield "nobody is named"
        return
    name = contact.name.strip()
    if not name or _PLACEHOLDER.search(name):
        yield "the name is a placeholder"
    ways = [way for way in (contact.phone, contact.email) if way]
    if not ways:
        yield "there is no way to reach them"
    if contact.phone and not _PHONE.fullmatch(contact.phone):
        yield "the telephone number is a placeholder or not international"
    if _NOBODYS_DOMAIN.search(contact.email):
        yield "the e-mail address is a placeholder"
    elif contact.email and not _EMAIL.fullmatch(contact.email):
        yield "the e-mail address is none"

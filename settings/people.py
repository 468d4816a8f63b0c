"""Whom a deployment can call on and who hears of a verdict; when one may deploy; the phases of the plan."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import zoneinfo
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from settings.sections import CheckId, HttpUrl, Name, Port, Seconds, SecretReference, Section, Text

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LAST_PHASE = 7
MOST_COMPLAINTS = 100
"""No more are read of a desk at once, so no limit may be higher."""
Planned = Annotated[Seconds, Field(gt=0, le=86_400)]
_MOMENT = re.compile(rf"({'|'.join(DAYS)}) ([01][0-9]|2[0-3]):([0-5][0-9])")


class PagerDuty(Section):
    """The rota, and the services that incidents of this platform go to."""

    url: HttpUrl = "https://api.pagerduty.com"
    """Its REST API."""
    token: SecretReference
    """A read-only API key."""
    schedules: tuple[Text, ...] = Field(min_length=1)
    """Ids of the schedules that somebody must be on, at the first level, all the time."""
    services: tuple[Text, ...] = Field(min_length=1)
    """Ids of the services that must take incidents."""


class Mailed(Section):
    """A message by which an item of the countdown is done: whoever sends it has no other box to tick."""

    says: tuple[Text, ...] = Field(min_length=1)
    """What stands in the message, all of it, in any case; {release} is its tag, such as v1.2.0."""
    within: Annotated[Seconds, Field(gt=0, le=1_814_400)]
    """How old it may be; posted for the deployment before, it would say nothing of this one."""

    def _refusals(self) -> Iterator[str]:
        if not any("{release}" in one for one in self.says):
            yield "says must hold {release}, or the notice of another release would do"


class Notice(Mailed):
    """Such a message in a channel."""

    channel: Text
    """Its name, without #."""
    channel_id: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$")]
    """As at the end of the channel's link."""


class Mail(Section):
    """A mailbox that gets what is sent to everybody, read over IMAP with TLS."""

    host: Text
    """Of the IMAP server."""
    port: Port = 993
    """Where it speaks TLS from the first byte on."""
    user: Text
    """The gate's login."""
    password: SecretReference
    """Of that login."""
    folder: Text = "INBOX"
    """Where the messages lie; it is opened read-only, and subjects alone are read."""
    notices: dict[CheckId, Mailed] = Field(min_length=1)
    """By check, such as T7-CODE-7: found by the words of its subject."""


class Slack(Section):
    """The channels of a deployment."""

    url: HttpUrl = "https://slack.com/api"
    """Its Web API."""
    token: SecretReference
    """Of the app that posts the release's news, with the scopes channels:read and groups:read."""
    channels: tuple[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,80}$")], ...] = Field(min_length=1)
    """By name, without #; each must be open and the app a member."""
    notices: dict[CheckId, Notice] = Field(default_factory=dict)
    """By check, such as T2H-TASK-8: found in a channel; what does not stand here is signed. Needs the scope
    channels:history, or groups:history for a private channel."""


class Contact(Section):
    """Who fills a role."""

    name: str
    """A person, or On-Call Rotation."""
    phone: str = ""
    """International, such as +49 30 1234567."""
    email: str = ""
    """Where phone is empty, an address that is read at night."""


class DeploymentWindow(Section):
    """When the deployment happens."""

    begins: dt.datetime
    """With time zone."""
    ends: dt.datetime
    """With time zone."""

    def _refusals(self) -> Iterator[str]:
        if self.begins.tzinfo is None or self.ends.tzinfo is None:
            yield "begins and ends need a time zone, such as 2026-01-31T22:00:00Z"
        if self.ends <= self.begins:
            yield "ends must lie behind begins"


class People(Section):
    """Whom a deployment can call on."""

    window: DeploymentWindow
    """Somebody must be on call in it and through the day after."""
    pagerduty: PagerDuty
    """The rota."""
    slack: Slack
    """The channels."""
    mail: Mail | None = None
    """The mailbox, where notices are sent by mail."""
    roles: tuple[Text, ...] = Field(min_length=1)
    """Every role that must have a person."""
    contacts: dict[str, Contact]
    """Role → who fills it."""
    ca_file: str | None = None
    """File of the authority that signs the services' certificates, where it is not a public one."""

    def _refusals(self) -> Iterator[str]:
        mailed = self.mail.notices if self.mail is not None else {}
        if twice := sorted(self.slack.notices.keys() & mailed.keys()):
            yield f"slack.notices and mail.notices both have {twice[0]}; keep one"


class StatusPage(Section):
    """What users are told, over Statuspage's public API; other pages that speak it will do."""

    url: HttpUrl
    """Its public address; /api/v2/incidents.json below it is read, without a login."""
    says: tuple[Text, ...] = Field(min_length=1)
    """What an incident's name and its updates since the rollback hold, all of it, in any case."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""


Tag = Annotated[str, Field(pattern=r"^[^\s:\"'()*<>-][^\s:\"'()*<>]{0,79}$")]


class SupportDesk(Section):
    """Where users complain, and which of their tickets are about critical functionality."""

    kind: Literal["zendesk"] = "zendesk"
    """Whose search API it speaks."""
    url: HttpUrl
    """Its address, such as https://unifiedhealth.zendesk.com."""
    user: Text
    """The agent whose token it is; one that may only read tickets."""
    token: SecretReference
    """An API token."""
    critical: tuple[Tag, ...]
    """Tags of complaints about critical functionality: a ticket with any of them is one."""
    synthetic: tuple[Tag, ...] = ()
    """Tags of what synthetic tenants write; such tickets are left out."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""

    def _refusals(self) -> Iterator[str]:
        if not self.critical:
            yield "critical names no tag, so no complaint would ever be seen"
        both = sorted(set(self.critical) & set(self.synthetic))
        if both:
            yield f"{both[0]} is both critical and synthetic: such a complaint would never be seen"


class SupportPolicy(Section):
    """How many complaints about critical functionality a release may bring, and when the desk is believed."""

    first_hour: Annotated[int, Field(ge=0, le=MOST_COMPLAINTS)] = 0
    """So many at most since the traffic switch, in the first hour."""
    first_day: Annotated[int, Field(ge=0, le=MOST_COMPLAINTS)] = 10
    """So many at most since the traffic switch, on the day after."""
    alive_within: Annotated[Seconds, Field(ge=3600, le=2_678_400)] = 604_800.0
    """Somebody wrote any ticket no longer ago: a desk into which nothing comes says nothing."""


class PeoplePolicy(Section):
    """How long somebody has to be on call."""

    on_call_after: Annotated[Seconds, Field(ge=3600)] = 86_400.0
    """Behind the deployment window: the day after."""
    baseline_max_age: Annotated[Seconds, Field(gt=0, le=86_400)] = 14_400.0
    """The traffic baseline of the day is no older."""


def parse_moment(text: str) -> dt.timedelta:
    """Turn `Saturday 22:00` into the time since the week began; raises ValueError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"“{text}” is not a time of the week; write it like Saturday 22:00, in UTC"
        )
    return dt.timedelta(days=DAYS.index(match[1]), hours=int(match[2]), minutes=int(match[3]))


def parse_day(text: str) -> tuple[int, int]:
    """Turn `Dec 24` into month and day; raises ValueError. Feb 29 is a day of leap years."""
    month, _, day = text.partition(" ")
    with contextlib.suppress(ValueError):
        day_of_leap_year = dt.date(2024, MONTHS.index(month) + 1, int(day))
        return day_of_leap_year.month, day_of_leap_year.day
    raise ValueError(f"“{text}” is not a day of the year; write it like Dec 24")


def _day(value: str) -> str:
    parse_day(value)
    return value


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"“{value}” is not a time zone; write one such as Europe/Berlin") from None
    return value


DayOfYear = Annotated[str, AfterValidator(_day)]


def _moment(value: str) -> str:
    parse_moment(value)
    return value


Moment = Annotated[str, AfterValidator(_moment)]


class Window(Section):
    """A part of each week, in UTC."""

    opens: Moment
    """Such as Saturday 22:00."""
    closes: Moment
    """Such as Sunday 06:00; the same as `opens` means the whole week."""


class Blackout(Section):
    """Days of each year on which nobody deploys, in UTC."""

    name: Text
    """What they are, such as Christmas."""
    first: DayOfYear
    """Such as Dec 24."""
    last: DayOfYear
    """Such as Dec 26: this day too."""


class Feed(Section):
    """A calendar whose entries are times in which nobody deploys, read as iCalendar (RFC 5545)."""

    url: HttpUrl
    """Its address; where all of it is a secret, as a calendar's private address is, its server's."""
    path: SecretReference | None = None
    """The secret rest of the address."""
    token: SecretReference | None = None
    """A bearer token."""
    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    """Of its all-day entries, and of times that name no zone, such as Europe/Berlin."""


class Calendar(Section):
    """When nobody deploys: days of each year, and what other people's calendars hold."""

    blackouts: tuple[Blackout, ...] = ()
    """The same days every year."""
    feeds: dict[Name, Feed] = Field(min_length=1)
    """By name, such as filing-periods and audits; every entry that is not cancelled counts."""
    ca_file: str | None = None
    """File of the authority that signs the servers' certificates, where it is not a public one."""


class CalendarPolicy(Section):
    """When a calendar is believed."""

    max_age: Annotated[Seconds, Field(ge=86_400, le=31_622_400)] = 7_948_800.0
    """Somebody wrote an entry, or the server the file, no longer ago."""
    known_ahead: Annotated[Seconds, Field(ge=86_400, le=63_244_800)] = 34_560_000.0
    """It holds an entry between the deployment and so long after it: one that has ended knows of nothing."""


class Deployment(Section):
    """When the deployment has to be through."""

    windows: tuple[Window, ...] = Field(min_length=1)
    """What is left of the deployment, and a rollback, must fit into one of them."""


class PlannedPhase(Section):
    """One phase of the runbook."""

    title: str = Field(min_length=1)
    """As the runbook calls it."""
    planned: Planned
    """How long it takes, by the runbook."""
    undo: str = ""
    """What undoes it while nothing is live; from the traffic switch on a rollback is a rollback."""


class SignOffPolicy(Section):
    """What is on every page that people sign or pass on."""

    classification: str | None = Field(None, min_length=1, max_length=80)
    """Who may read it, such as Internal - Restricted."""
    runbook: str | None = Field(None, pattern=r"^https?://[^\s{}]+\{id\}[^\s{}]*$", max_length=500)
    """Where an item of the runbook is described, with {id} for its id; every check is linked there."""


class DeploymentPolicy(Section):
    """The runbook's phases in order, and its ways back."""

    phases: tuple[PlannedPhase, ...]
    """One for each phase of the runbook."""
    validation: Planned
    """How long the live release is validated before anybody goes home."""
    hotfix: tuple[CheckId, ...] = ()
    """Items of the countdown that a hotfix does within a day of its start; none that nobody may waive."""
    rollback: dict[str, Planned] = Field(min_length=1)
    """By method; the longest has to fit before the deployment window closes."""

    def _refusals(self) -> Iterator[str]:
        if len(self.phases) != LAST_PHASE:
            yield f"phases has {len(self.phases)} entries; the runbook has {LAST_PHASE}"

    def planned(self, numbers: Iterable[int]) -> dt.timedelta:
        """Return how long phases take, by their numbers."""
        return dt.timedelta(seconds=sum(self.phases[number - 1].planned for number in numbers))

    def undo(self, number: int) -> tuple[str, ...]:
        """Return what undoes a phase and those before it, the last one first."""
        return tuple(
            f"To undo phase {n}, {self.phases[n - 1].title.lower()}: {self.phases[n - 1].undo}"
            for n in range(number, 0, -1)
            if self.phases[n - 1].undo
        )


Kind = Literal["slack", "teams", "pagerduty", "webhook"]
Word = Literal["GO", "HOLD", "NO_GO", "STOP", "ROLLBACK", "NO VERDICT"]
_NEEDED = {"slack": ("url",), "teams": ("url",), "pagerduty": ("key",), "webhook": ("url", "key")}


class Receiver(Section):
    """One place that verdicts are sent to."""

    kind: Kind
    """Slack's incoming webhook, a workflow of Teams, PagerDuty's Events API v2, or a webhook of your own."""
    url: SecretReference | None = None
    """Where it listens; a secret, as whoever knows it can write there. PagerDuty has one address for all."""
    key: SecretReference | None = None
    """PagerDuty: the integration's routing key. A webhook: what signs the message (Standard Webhooks)."""
    decisions: tuple[Word, ...] = ()
    """The decisions that it wants to know of; none named: all. A GO resolves PagerDuty's incident, so name
    that too."""

    def _refusals(self) -> Iterator[str]:
        for key in _NEEDED[self.kind]:
            if getattr(self, key) is None:
                yield f"{key} is missing; a receiver of kind {self.kind} needs it"


class Notify(Section):
    """What `gate notify` sends, and to whom."""

    link: Text | None = None
    """Where people find the run's evidence; `{run}` becomes the run's id."""
    receivers: dict[Name, Receiver] = Field(min_length=1)
    """By name."""

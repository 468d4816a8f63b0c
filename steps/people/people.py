"""Whom a deployment can call on, and what users complain about at the support desk."""

from __future__ import annotations

import contextlib
import datetime as dt
from functools import partial

import probes
from gates.decide.judgement import Judgement
from probes import http
from probes.observation import Failure, Observation, utc_now
from settings.people import People, StatusPage, SupportDesk
from steps.kit.asked import Asked, Unread
from steps.kit.expect import expect, need, since_unknown
from steps.kit.failures import instrument_error
from steps.kit.platform import Platform
from steps.kit.sentence import described, then
from steps.monitoring import watchers
from steps.people import rules

_MOST_PAGES = 50


described("the people behind the deployment are looked up", People, "people")
described("the status page is read", StatusPage, "status_page")
described("the support desk is read", SupportDesk, "desk")


@then("it tells of the incident, updated since the rollback")
def page_tells(asked: Asked, status_page: StatusPage) -> None:
    target = http.HttpTarget(status_page.url, status_page.ca_file)
    found = asked.read(
        "the status page",
        lambda: probes.statuspage.incidents(target, deadline=asked.platform.call_deadline()),
    )
    asked.judge(rules.told_users(found.incidents, status_page.says, asked.platform.switched_at))


@then("somebody is on call in the deployment window and through the day after")
def somebody_on_call(asked: Asked, people: People) -> None:
    since = people.window.begins
    until = people.window.ends + dt.timedelta(seconds=asked.platform.policy.people.on_call_after)
    another = rules.of_another_deployment(people.window, utc_now())
    if another is not None:
        asked.judge(another)
        return

    def judge(schedule: str) -> None:
        shifts = _shifts(asked, schedule, since, until)
        asked.judge(rules.covered(schedule, shifts, since, until))

    asked.each(people.pagerduty.schedules, judge)


@then("the Slack channels are open and the PagerDuty services take incidents")
def incidents_reach_people(asked: Asked, people: People) -> None:
    def channels(names: tuple[str, ...]) -> None:
        there = _channels(asked, names)
        asked.judge(*(rules.channel_open(name, writable=there.get(name)) for name in names))

    asked.each((people.slack.channels,), channels)
    asked.each(people.pagerduty.services, lambda name: judge_service(asked, name))


@then("every role has a person and a way to reach them")
def every_role_has_a_person(asked: Asked, people: People) -> None:
    asked.judge(*(rules.reachable(role, people.contacts.get(role)) for role in people.roles))


@then("no incident that calls somebody is open at the platform's services")
def no_open_incident(asked: Asked, people: People) -> None:
    target, call = watchers.pagerduty(asked.platform), asked.platform.call_deadline

    def judge(service: str) -> None:
        # The service first: of one that there is not, PagerDuty lists no incident either.
        status = _service(asked, service).status
        ask_open = partial(probes.pagerduty.open_incidents, target, service, deadline=call())
        found = asked.read(f"incidents of {service}", ask_open, _pagerduty_error)
        asked.judge(rules.no_incident(service, status, found.open))

    asked.each(people.pagerduty.services, judge)


def _pagerduty_error(_: str, failure: Failure) -> Judgement:
    return instrument_error("PagerDuty", failure)


def _service(asked: Asked, service: str) -> probes.pagerduty.Service:
    """Return a service; raises Unread."""
    target, deadline = watchers.pagerduty(asked.platform), asked.platform.call_deadline()
    ask = partial(probes.pagerduty.service, target, service, deadline=deadline)
    return asked.read(f"service {service}", ask, _pagerduty_error)


def _shifts(
    asked: Asked, schedule: str, since: dt.datetime, until: dt.datetime
) -> list[probes.pagerduty.Shift]:
    """Return all pages of a schedule's shifts; raises Unread."""
    target = watchers.pagerduty(asked.platform)
    shifts: list[probes.pagerduty.Shift] = []
    offset = 0
    for _ in range(_MOST_PAGES):
        ask = partial(
            probes.pagerduty.on_call,
            target,
            schedule,
            since,
            until,
            offset=offset,
            deadline=asked.platform.call_deadline(),
        )
        page = asked.read(f"shifts of {schedule} from {offset}", ask, _pagerduty_error)
        shifts += page.shifts
        if page.more_from is None:
            return shifts
        offset = page.more_from
    sentence = f"schedule {schedule} has more pages of shifts than the {_MOST_PAGES} that were read"
    asked.judge(expect(None, f"schedule {schedule}", sentence, "fewer shifts"))
    raise Unread(schedule)


def _channels(asked: Asked, wanted: tuple[str, ...]) -> dict[str, bool]:
    """Return the channels of as many pages as name all wanted ones; raises Unread."""
    target = watchers.slack(asked.platform)
    writable: dict[str, bool] = {}
    page = ""
    for number in range(_MOST_PAGES):
        ask = partial(probes.slack.channels, target, page, deadline=asked.platform.call_deadline())
        found = asked.read(f"channels {number}", ask, lambda _, why: instrument_error("Slack", why))
        writable |= found.writable
        page = found.next_page
        if not page or set(wanted) <= set(writable):
            return writable
    sentence = f"Slack has more pages of channels than the {_MOST_PAGES} that were read"
    clears = "the named channels among those that the app can see"
    asked.judge(expect(None, "Slack channels", sentence, clears))
    raise Unread("Slack channels")


def judge_service(asked: Asked, service: str) -> None:
    """Judge that a service is on, and that its escalation policy leads to somebody now."""
    target, call = watchers.pagerduty(asked.platform), asked.platform.call_deadline
    found = _service(asked, service)
    people, policy = None, found.escalation_policy
    if policy:
        with contextlib.suppress(Unread):
            people = asked.read(
                f"who answers for {policy}",
                lambda: probes.pagerduty.answering(target, policy, deadline=call()),
                _pagerduty_error,
            ).people
    asked.judge(rules.takes_incidents(service, found, people))


# --- complaints since the traffic switch: XV-USER-4, H24-3 and TRIG-6


@then("it has no more complaints about critical functionality than the first hour may bring")
def of_the_first_hour(asked: Asked, desk: SupportDesk) -> None:
    _judge_complaints(asked, desk, asked.platform.policy.support.first_hour)


@then("it has no more complaints about critical functionality than the first day may bring")
def of_the_first_day(asked: Asked, desk: SupportDesk) -> None:
    _judge_complaints(asked, desk, asked.platform.policy.support.first_day)


def _judge_complaints(asked: Asked, desk: SupportDesk, limit: int) -> None:
    if asked.platform.switched_at is None:
        asked.judge(since_unknown("complaints"))
        return
    found = asked.read(
        "complaints",
        lambda: complaints(asked.platform, desk),
        lambda _, why: instrument_error("the support desk", why),
    )
    asked.judge(rules.complained(found, limit))


def complaints(platform: Platform, desk: SupportDesk) -> Observation[probes.zendesk.Tickets]:
    """Read the complaints since the traffic switch; raises NotDescribedError where nobody knows it."""
    since = need(platform.switched_at, "traffic.switched_at (or --switched-at)")
    within = dt.timedelta(seconds=platform.policy.support.alive_within)
    wanted = probes.zendesk.Wanted(desk.critical, desk.synthetic, since, utc_now() - within)
    return probes.zendesk.tickets(
        support_desk(platform, desk), wanted, deadline=platform.call_deadline()
    )


def support_desk(platform: Platform, desk: SupportDesk) -> http.HttpTarget:
    """Return the desk with the gate's token."""
    token = platform.environment.secret(desk.token)
    return probes.zendesk.target(desk.url, desk.user, token, desk.ca_file)

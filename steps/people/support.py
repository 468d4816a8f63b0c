"""What users complain about at the support desk since the traffic switch: XV-USER-4, H24-3 and TRIG-6."""

from __future__ import annotations

import datetime as dt

import probes
from probes.observation import Observation, utc_now
from settings.people import SupportDesk
from steps.kit.asked import Asked
from steps.kit.expect import need, since_unknown
from steps.kit.failures import instrument_error
from steps.kit.platform import Platform
from steps.kit.sentence import described, then
from steps.people import rules

described("the support desk is read", SupportDesk, "desk")


@then("it has no more complaints about critical functionality than the first hour may bring")
def of_the_first_hour(asked: Asked, desk: SupportDesk) -> None:
    _judge(asked, desk, asked.platform.policy.support.first_hour)


@then("it has no more complaints about critical functionality than the first day may bring")
def of_the_first_day(asked: Asked, desk: SupportDesk) -> None:
    _judge(asked, desk, asked.platform.policy.support.first_day)


def _judge(asked: Asked, desk: SupportDesk, limit: int) -> None:
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
    return probes.zendesk.tickets(server(platform, desk), wanted, deadline=platform.call_deadline())


def server(platform: Platform, desk: SupportDesk) -> probes.http.HttpTarget:
    """Return the desk with the gate's token."""
    token = platform.environment.secret(desk.token)
    return probes.zendesk.target(desk.url, desk.user, token, desk.ca_file)

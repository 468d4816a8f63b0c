"""PagerDuty's REST API (on call, services), Slack's Web API (channels), and a calendar (iCalendar)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pydantic import Field
from starlette.responses import Response

from sandbox.core.standins import Facts, Login, State

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.applications import Starlette
    from starlette.requests import Request

_REFUSED = {"error": {"message": "Account not found", "code": 2001}}
_POLICY = "ESCALATE"
_GONE = {"error": {"message": "Not Found", "code": 2100}}


class PagerDutyState(State):
    """The rota and the services."""

    schedules: tuple[str, ...] = ("PRIMARY",)
    hours_without: tuple[float, float] | None = None
    """Hours behind the asked beginning between which nobody is on call."""
    services: dict[str, str] = Field(default_factory=lambda: {"PLATFORM": "active"})
    escalates: bool = True
    """Whether the services' escalation policy has somebody on call now."""
    page: int = 100
    """The most entries of one answer."""


def pagerduty(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application; `settings` hold the gate's key."""
    facts = Facts(PagerDutyState(), admin_token)

    async def on_calls(request: Request) -> Any:
        asked = request.query_params
        if _POLICY in asked.getlist("escalation_policy_ids[]"):
            now = dt.datetime.now(dt.UTC)
            reached = [_shift("PRIMARY", now, now + dt.timedelta(hours=1))]
            return _rota_page(reached if facts.now.escalates else [], 0, facts.now.page)
        shifts = [
            shift
            for schedule in asked.getlist("schedule_ids[]")
            if schedule in facts.now.schedules
            for shift in _shifts(facts.now, schedule, asked["since"], asked["until"])
        ]
        return _rota_page(shifts, int(asked.get("offset", 0)), facts.now.page)

    async def service(request: Request) -> Any:
        name = request.path_params["service"]
        if name not in facts.now.services:
            return _GONE, 404
        policy = {"id": _POLICY, "type": "escalation_policy_reference"}
        status = facts.now.services[name]
        found = {"id": name, "type": "service", "status": status, "escalation_policy": policy}
        return {"service": found}

    login = Login(f"Token token={settings['token']}", _REFUSED)
    return facts.app({"GET /oncalls": on_calls, "GET /services/{service}": service}, login)


def _rota_page(shifts: list[dict[str, Any]], offset: int, most: int) -> dict[str, Any]:
    more = offset + most < len(shifts)
    return {
        "oncalls": shifts[offset : offset + most],
        "limit": most,
        "offset": offset,
        "more": more,
    }


def _shifts(state: PagerDutyState, schedule: str, since: str, until: str) -> list[dict[str, Any]]:
    """Return 12-hour shifts from `since` to `until`, without those of the hours that nobody has."""
    begins, end = dt.datetime.fromisoformat(since), dt.datetime.fromisoformat(until)
    shifts, at = [], begins
    while at < end:
        following = min(at + dt.timedelta(hours=12), end)
        hours = (at - begins).total_seconds() / 3600
        gap = state.hours_without
        if gap is None or not gap[0] <= hours < gap[1]:
            shifts.append(_shift(schedule, at, following))
        at = following
    return shifts


def _shift(schedule: str, at: dt.datetime, until: dt.datetime) -> dict[str, Any]:
    return {
        "escalation_level": 1,
        "user": {"id": "ENGINEER", "type": "user_reference"},
        "schedule": {"id": schedule, "type": "schedule_reference"},
        "start": at.isoformat(),
        "end": until.isoformat(),
    }


DEPLOYMENTS = "C2"
"""The id of the channel of deployments."""
_POSTED: tuple[str, ...] = (
    "Deployment notice for v1.2.0: what changes, for whom, and when.",
    "Is everybody ready?",
    "Deployment announcement: v1.2.0 goes out tonight.",
)
_PAGE = 2
"""Small, so that every reader has to turn pages."""


class SlackState(State):
    """The channels."""

    channels: tuple[str, ...] = ("general", "random", "deployments", "incidents")
    archived: tuple[str, ...] = ()
    without_app: tuple[str, ...] = ("random",)
    posted: dict[str, tuple[str, ...]] = Field(default_factory=lambda: {DEPLOYMENTS: _POSTED})
    """By the channel's id, one an hour ago, the next an hour earlier, …"""


def slack(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application, which gives channels a page at a time; `settings` hold the app's token."""
    facts = Facts(SlackState(), admin_token)

    async def channels(request: Request) -> Any:
        # Slack takes arguments in the address or in the body; its own client uses the body.
        sent = dict(parse_qsl((await request.body()).decode()))
        cursor = request.query_params.get("cursor") or sent.get("cursor", "")
        begins = int(cursor or 0)
        ends = begins + _PAGE
        found = [
            {
                "id": f"C{number}",
                "name": name,
                "is_channel": True,
                "is_archived": name in facts.now.archived,
                "is_member": name not in facts.now.without_app,
            }
            for number, name in enumerate(facts.now.channels)
        ]
        following = {"next_cursor": str(ends) if ends < len(found) else ""}
        return {"ok": True, "channels": found[begins:ends], "response_metadata": following}

    async def history(request: Request) -> Any:
        asked = request.query_params
        if asked["channel"] not in facts.now.posted:
            return {"ok": False, "error": "channel_not_found"}
        now = dt.datetime.now(dt.UTC).timestamp()
        found = [
            {"type": "message", "user": "U1", "ts": f"{now - 3600 * hours:.6f}", "text": text}
            for hours, text in enumerate(facts.now.posted[asked["channel"]], start=1)
            if now - 3600 * hours >= float(asked["oldest"])
        ]
        begins = int(asked.get("cursor") or 0)
        more = str(begins + _PAGE) if begins + _PAGE < len(found) else ""
        page = found[begins : begins + _PAGE]
        return {"ok": True, "messages": page, "response_metadata": {"next_cursor": more}}

    refusal = {"ok": False, "error": "invalid_auth"}
    login = Login(f"Bearer {settings['token']}", refusal, 200)
    asked = {
        "GET,POST /api/conversations.list": channels,
        "GET /api/conversations.history": history,
    }
    return facts.app(asked, login)


class CalendarState(State):
    """The calendar of filing periods and audits, in days from now."""

    audit_in_days: float = 30.0
    """When the next audit begins, of four days."""
    written_days_ago: float = 1.0
    cut_at: int | None = None
    """Whether, and where, the file breaks off."""
    more: str = ""
    """Further entries, as they stand in the file."""


def calendar(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application, which serves one file; `settings` hold the gate's token."""
    facts = Facts(CalendarState(), admin_token)

    async def audits(_: Request) -> Response:
        text = _calendar(facts.now, dt.datetime.now(dt.UTC))
        return Response(text[: facts.now.cut_at], media_type="text/calendar; charset=utf-8")

    login = Login(f"Bearer {settings['token']}", {"error": "unauthorized"})
    return facts.app({"GET /audits.ics": audits}, login)


def _calendar(state: CalendarState, now: dt.datetime) -> str:
    """Return a filing period of each quarter, an audit, and one of today that was cancelled."""
    written = f"{now - dt.timedelta(days=state.written_days_ago):%Y%m%dT%H%M%SZ}"
    audit = now + dt.timedelta(days=state.audit_in_days)
    quarter = now + dt.timedelta(days=45)
    entries = {
        "filing": (
            f"DTSTART;VALUE=DATE:{quarter:%Y%m%d}",
            f"DTEND;VALUE=DATE:{quarter + dt.timedelta(days=3):%Y%m%d}",
            "RRULE:FREQ=YEARLY",
            "SUMMARY:Regulatory filing period",
        ),
        "audit": (
            f"DTSTART;TZID=Europe/Berlin:{audit:%Y%m%dT%H%M%S}",
            "DURATION:P4D",
            "SUMMARY:Audit of the processor",
        ),
        "cancelled": (
            f"DTSTART;VALUE=DATE:{now:%Y%m%d}",
            "STATUS:CANCELLED",
            "SUMMARY:Audit that was called off",
        ),
    }
    events = [
        line
        for uid, lines in entries.items()
        for line in ("BEGIN:VEVENT", f"UID:{uid}", f"DTSTAMP:{written}", *lines, "END:VEVENT")
    ]
    head, end = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//sandbox//audits//EN"), "END:VCALENDAR"
    return "\r\n".join([*head, *events, *state.more.splitlines(), end, ""])

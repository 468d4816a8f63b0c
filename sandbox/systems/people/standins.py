"""PagerDuty's REST API (on call, services), Slack's Web API (channels), a calendar, and a status page."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
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
    incidents: tuple[dict[str, str], ...] = ()
    """Status and urgency of each; `service` where it is another one's."""


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

    async def incidents(request: Request) -> Any:
        asked = request.query_params
        found = [
            {"id": f"Q{number}", "type": "incident", **one}
            for number, one in enumerate(facts.now.incidents)
            if one["status"] in asked.getlist("statuses[]")
            and one["urgency"] in asked.getlist("urgencies[]")
            and one.get("service", "PLATFORM") in asked.getlist("service_ids[]")
        ]
        return {"incidents": found, "limit": 100, "offset": 0, "more": False}

    login = Login(f"Token token={settings['token']}", _REFUSED)
    asked = {
        "GET /oncalls": on_calls,
        "GET /services/{service}": service,
        "GET /incidents": incidents,
    }
    return facts.app(asked, login)


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
INCIDENTS = "C3"
"""The id of the channel of incidents."""
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
    posted: dict[str, tuple[str, ...]] = Field(
        default_factory=lambda: {DEPLOYMENTS: _POSTED, INCIDENTS: ()}
    )
    """By the channel's id, one an hour ago, the next an hour earlier, …"""
    just_posted: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By the channel's id, a second ago each."""


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
        found = _posted(facts.now, asked["channel"], float(asked["oldest"]))
        if found is None:
            return {"ok": False, "error": "channel_not_found"}
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


def _posted(state: SlackState, channel: str, oldest: float) -> list[dict[str, Any]] | None:
    """Return a channel's messages since a time, the newest first; None where there is no such channel."""
    if channel not in {**state.posted, **state.just_posted}:
        return None
    now = dt.datetime.now(dt.UTC).timestamp()
    ago = [
        *((1, text) for text in state.just_posted.get(channel, ())),
        *(
            (3600 * hours, text)
            for hours, text in enumerate(state.posted.get(channel, ()), start=1)
        ),
    ]
    return [
        {"type": "message", "user": "U1", "ts": f"{now - seconds:.6f}", "text": text}
        for seconds, text in ago
        if now - seconds >= oldest
    ]


class StatusPageState(State):
    """The incidents: one of long ago, and after a rollback the one that it ended."""

    rolled_back: Literal["", "investigating", "monitoring", "resolved"] = ""
    """What the incident of the rollback is; empty while there is none."""
    says: str = "The change was rolled back; we watch the platform."
    updated_hours_ago: float = 0.0


def status_page(admin_token: SecretStr, _settings: Mapping[str, Any]) -> Starlette:
    """Return the application, which needs no login."""
    facts = Facts(StatusPageState(), admin_token)

    async def incidents(_: Request) -> Any:
        now, state = dt.datetime.now(dt.UTC), facts.now
        found = [_incident("Slow logins", "resolved", now - dt.timedelta(days=40), "Resolved.")]
        if state.rolled_back:
            at = now - dt.timedelta(hours=state.updated_hours_ago)
            found.insert(0, _incident("Errors in booking", state.rolled_back, at, state.says))
        page = {"id": "p1", "name": "Unified Health", "url": "http://status.example"}
        return {"page": page, "incidents": found}

    return facts.app({"GET /api/v2/incidents.json": incidents})


def _incident(name: str, status: str, at: dt.datetime, body: str) -> dict[str, Any]:
    time = at.isoformat(timespec="milliseconds")
    times = {"created_at": time, "updated_at": time}
    update = {"id": "u1", "status": status, "body": body, "display_at": time, **times}
    return {"id": "i1", "name": name, "status": status, "incident_updates": [update], **times}


SUPPORT_AGENT = "release-gate@unifiedhealth.example"
CRITICAL = "critical-functionality"
_INVALID = {"error": "invalid", "description": "Invalid search"}, 422
_QUERY = re.compile(
    r"type:ticket(?P<tags>(?: -?tags:[^\s:]+)*)(?: created>=(?P<since>\S+))?(?P<more>(?: -tags:[^\s:]+)*)"
)
_SEARCH_PAGE = 4
"""Small, so that every reader has to turn pages."""


class Ticket(State):
    """One ticket."""

    hours_ago: float = 0.0
    """Before the stand-in began or, with `at`, nothing."""
    at: dt.datetime | None = None
    tags: tuple[str, ...]


class SupportState(State):
    """The tickets: of each day before, and what a fault adds."""

    old: tuple[Ticket, ...] = (
        Ticket(hours_ago=900, tags=(CRITICAL, "login")),
        Ticket(hours_ago=30, tags=("billing",)),
        Ticket(hours_ago=3, tags=("how-to",)),
    )
    new: tuple[Ticket, ...] = ()


def support(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return Zendesk's Search API; `settings` hold the token of the gate's agent."""
    facts, began = Facts(SupportState(), admin_token), dt.datetime.now(dt.UTC)

    def found(request: Request) -> list[dict[str, Any]] | None:
        query = _QUERY.fullmatch(request.query_params.get("query", ""))
        tickets = _tickets(facts.now, began)
        return None if query is None else [one for one in tickets if _fits(one, query)]

    async def search(request: Request) -> Any:
        tickets = found(request)
        if tickets is None:
            return _INVALID
        page = int(request.query_params.get("page", 1))
        ends = page * _SEARCH_PAGE
        following = request.url.include_query_params(page=page + 1)
        return {
            "results": tickets[ends - _SEARCH_PAGE : ends],
            "facets": None,
            "next_page": str(following) if ends < len(tickets) else None,
            "previous_page": None,
            "count": len(tickets),
        }

    async def count(request: Request) -> Any:
        tickets = found(request)
        return _INVALID if tickets is None else {"count": len(tickets)}

    login = base64.b64encode(f"{SUPPORT_AGENT}/token:{settings['token']}".encode()).decode()
    refusal = {"error": "Couldn't authenticate you"}
    routes = {"GET /api/v2/search.json": search, "GET /api/v2/search/count.json": count}
    return facts.app(routes, Login(f"Basic {login}", refusal))


def _fits(ticket: Mapping[str, Any], query: re.Match[str]) -> bool:
    terms, tags = (query["tags"] + query["more"]).split(), {*ticket["tags"]}
    wanted = {one.removeprefix("tags:") for one in terms if not one.startswith("-")}
    without = {one.removeprefix("-tags:") for one in terms if one.startswith("-")}
    since = dt.datetime.fromisoformat(query["since"] or "2000-01-01T00:00:00Z")
    in_time = dt.datetime.fromisoformat(ticket["created_at"]) >= since
    return in_time and wanted <= tags and not without & tags


def _tickets(state: SupportState, began: dt.datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "result_type": "ticket",
            "created_at": f"{one.at or began - dt.timedelta(hours=one.hours_ago):%Y-%m-%dT%H:%M:%SZ}",
            "subject": "It does not work",
            "tags": list(one.tags),
        }
        for number, one in enumerate((*state.old, *state.new), start=35436)
    ]


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

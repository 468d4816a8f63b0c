"""PagerDuty's REST API: who is on call, and services."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Mapping
from typing import Any

from pydantic import Field, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.core.standin import Facts, State

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


def make_app(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application; `settings` hold the gate's key."""
    facts = Facts(PagerDutyState(), admin_token)
    wanted = f"Token token={settings['token']}".encode()

    def refused(request: Request) -> bool:
        given = request.headers.get("Authorization", "").encode()
        return not hmac.compare_digest(given, wanted)

    async def on_calls(request: Request) -> JSONResponse:
        if refused(request):
            return JSONResponse(_REFUSED, 401)
        asked = request.query_params
        if _POLICY in asked.getlist("escalation_policy_ids[]"):
            now = dt.datetime.now(dt.UTC)
            reached = [_shift("PRIMARY", now, now + dt.timedelta(hours=1))]
            return JSONResponse(_page(reached if facts.now.escalates else [], 0, facts.now.page))
        shifts = [
            shift
            for schedule in asked.getlist("schedule_ids[]")
            if schedule in facts.now.schedules
            for shift in _shifts(facts.now, schedule, asked["since"], asked["until"])
        ]
        return JSONResponse(_page(shifts, int(asked.get("offset", 0)), facts.now.page))

    async def service(request: Request) -> JSONResponse:
        if refused(request):
            return JSONResponse(_REFUSED, 401)
        name = request.path_params["service"]
        if name not in facts.now.services:
            return JSONResponse(_GONE, 404)
        policy = {"id": _POLICY, "type": "escalation_policy_reference"}
        status = facts.now.services[name]
        found = {"id": name, "type": "service", "status": status, "escalation_policy": policy}
        return JSONResponse({"service": found})

    return Starlette(
        routes=[
            *facts.routes(),
            Route("/oncalls", on_calls),
            Route("/services/{service}", service),
        ]
    )


def _page(shifts: list[dict[str, Any]], offset: int, most: int) -> dict[str, Any]:
    return {
        "oncalls": shifts[offset : offset + most],
        "limit": most,
        "offset": offset,
        "more": offset + most < len(shifts),
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

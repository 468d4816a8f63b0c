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

from sandbox.standins.state import Facts, State

_REFUSED = {"error": {"message": "Account not found", "code": 2001}}
_GONE = {"error": {"message": "Not Found", "code": 2100}}


class PagerDutyState(State):
    """The rota and the services."""

    schedules: tuple[str, ...] = ("PRIMARY",)
    hours_without: tuple[float, float] | None = None
    """Hours behind the asked beginning between which nobody is on call."""
    services: dict[str, str] = Field(default_factory=lambda: {"PLATFORM": "active"})


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
        shifts = [
            shift
            for schedule in asked.getlist("schedule_ids[]")
            if schedule in facts.now.schedules
            for shift in _shifts(facts.now, schedule, asked["since"], asked["until"])
        ]
        return JSONResponse({"oncalls": shifts, "limit": 100, "offset": 0, "more": False})

    async def service(request: Request) -> JSONResponse:
        if refused(request):
            return JSONResponse(_REFUSED, 401)
        name = request.path_params["service"]
        if name not in facts.now.services:
            return JSONResponse(_GONE, 404)
        policy = {"id": "ESCALATE", "type": "escalation_policy_reference"}
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

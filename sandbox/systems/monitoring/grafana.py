"""Grafana's HTTP API: search, dashboards by uid, and the proxy to its data source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import Field, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from sandbox.core.standins import Facts, Login, State

DATA_SOURCE = "prometheus"


class GrafanaState(State):
    """Dashboards by title: title of a panel → its query."""

    dashboards: dict[str, dict[str, str]] = Field(default_factory=dict)
    replaced: dict[str, str] = Field(default_factory=dict)
    """Title of a panel → another query than the dashboards say."""
    also: tuple[str, ...] = ()
    """Titles that a second dashboard carries too."""


def make_app(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application; `settings` hold the gate's token and Prometheus's address."""
    facts = Facts(GrafanaState(), admin_token)
    prometheus = httpx.AsyncClient(base_url=settings["prometheus"], trust_env=False, timeout=10)

    async def permissions(_: Request) -> Any:
        return {"dashboards:read": ["dashboards:*"], "datasources:query": ["*"]}

    async def search(request: Request) -> Any:
        asked = request.query_params.get("query", "").lower()
        titles = [*facts.now.dashboards, *facts.now.also]
        return [
            {"uid": _uid(title, number), "title": title, "type": "dash-db"}
            for number, title in enumerate(titles)
            if asked in title.lower()
        ]

    async def dashboard(request: Request) -> Any:
        shown = _shown(facts.now, request.path_params["uid"])
        return shown or ({"message": "Dashboard not found"}, 404)

    async def proxy(request: Request) -> Any:
        if request.path_params["uid"] != DATA_SOURCE:
            return {"message": "data source not found"}, 404
        path = f"/{request.path_params['path']}"
        try:
            answer = await prometheus.get(path, params=dict(request.query_params))
        except httpx.HTTPError:
            return {"message": "Bad Gateway"}, 502
        return Response(answer.content, answer.status_code, media_type="application/json")

    routes = {
        "GET /api/access-control/user/permissions": permissions,
        "GET /api/search": search,
        "GET /api/dashboards/uid/{uid}": dashboard,
        "GET /api/datasources/proxy/uid/{uid}/{path:path}": proxy,
    }
    login = Login(f"Bearer {settings['token']}", {"message": "Invalid API key"})
    return facts.app(routes, login)


def _shown(state: GrafanaState, uid: str) -> dict[str, Any] | None:
    for number, (title, panels) in enumerate(state.dashboards.items()):
        if _uid(title, number) == uid:
            replaced = {k: v for k, v in state.replaced.items() if k in panels}
            return {"dashboard": _model(title, {**panels, **replaced}), "meta": {}}
    return None


def _uid(title: str, number: int) -> str:
    return f"{title.lower().replace(' ', '-')}-{number}"


def _model(title: str, panels: Mapping[str, str]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": DATA_SOURCE}
    return {
        "title": title,
        "panels": [
            {
                "id": number,
                "type": "timeseries",
                "title": panel,
                "datasource": source,
                "targets": [{"refId": "A", "datasource": source, "expr": expression}],
            }
            for number, (panel, expression) in enumerate(panels.items(), 1)
        ],
    }

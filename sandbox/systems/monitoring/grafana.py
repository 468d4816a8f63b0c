"""Grafana's HTTP API: search, dashboards by uid, and the proxy to its data source."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from pydantic import Field, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.core.standin import Facts, State

Handler = Callable[[Request], Awaitable[Response]]
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
    grafana = Grafana(admin_token, settings)
    return Starlette(routes=grafana.routes())


class Grafana:
    """One Grafana; every route asks for the gate's token."""

    def __init__(self, admin_token: SecretStr, settings: Mapping[str, Any]) -> None:
        self._facts = Facts(GrafanaState(), admin_token)
        self._token = f"Bearer {settings['token']}".encode()
        self._prometheus = httpx.AsyncClient(
            base_url=settings["prometheus"], trust_env=False, timeout=10
        )

    def routes(self) -> list[Route]:
        """Return its routes."""
        return [
            *self._facts.routes(),
            Route("/api/access-control/user/permissions", self._guarded(self._permissions)),
            Route("/api/search", self._guarded(self._search)),
            Route("/api/dashboards/uid/{uid}", self._guarded(self._dashboard)),
            Route("/api/datasources/proxy/uid/{uid}/{path:path}", self._guarded(self._proxy)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guard(request: Request) -> Response:
            given = request.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(given, self._token):
                return JSONResponse({"message": "Invalid API key"}, 401)
            return await handler(request)

        return guard

    async def _permissions(self, _: Request) -> Response:
        return JSONResponse({"dashboards:read": ["dashboards:*"], "datasources:query": ["*"]})

    async def _search(self, request: Request) -> Response:
        asked = request.query_params.get("query", "").lower()
        titles = [*self._facts.now.dashboards, *self._facts.now.also]
        hits = [
            {"uid": _uid(title, number), "title": title, "type": "dash-db"}
            for number, title in enumerate(titles)
            if asked in title.lower()
        ]
        return JSONResponse(hits)

    async def _dashboard(self, request: Request) -> Response:
        other = self._facts.now.replaced
        for number, (title, panels) in enumerate(self._facts.now.dashboards.items()):
            if _uid(title, number) == request.path_params["uid"]:
                shown = {**panels, **{k: v for k, v in other.items() if k in panels}}
                return JSONResponse({"dashboard": _model(title, shown), "meta": {}})
        return JSONResponse({"message": "Dashboard not found"}, 404)

    async def _proxy(self, request: Request) -> Response:
        if request.path_params["uid"] != DATA_SOURCE:
            return JSONResponse({"message": "data source not found"}, 404)
        path = f"/{request.path_params['path']}"
        try:
            answer = await self._prometheus.get(path, params=dict(request.query_params))
        except httpx.HTTPError:
            return JSONResponse({"message": "Bad Gateway"}, 502)
        return Response(answer.content, answer.status_code, media_type="application/json")


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

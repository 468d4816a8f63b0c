"""Pure ASGI wrappers: every request measured, health endpoints that misbehave, what mobile apps see."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.app.config import REPLICA_HEADER
from sandbox.app.faults import Faults, Switches
from sandbox.app.metrics import Endpoint, Metrics

_UNMEASURED = ("/health", "/metrics", "/_sandbox")
_SERVER_ERROR = 500
_SYNTHETIC_TAG = b"x-synthetic-tag"
_LOGIN_PAGE = "<!doctype html><title>Sign in</title><form><input name=user></form>"
_MEGABYTE = b" " * 1_000_000
_REPLICA_HEADER = REPLICA_HEADER.lower().encode()
_CACHED = ((b"age", b"86400"), (b"x-cache", b"HIT"))


class Measured:
    """Times and counts every request but those of operators and of tagged synthetic patients.

    A release gate's own journey must not make the error rate that the same gate judges.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, faults: Faults) -> None:
        self._app = app
        self._metrics = metrics
        self._faults = faults
        self._errors = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and count it, whatever becomes of it."""
        if scope["type"] != "http" or _unmeasured(scope):
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def noting_the_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting_the_status)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            if status >= _SERVER_ERROR and self._faults.switches.errors_in_new_series:
                self._errors += 1
                route = f"{route} {self._errors}"
            self._metrics.request(
                Endpoint(scope["method"], route, status),
                time.perf_counter() - started,
                into_histogram=not self._faults.switches.histogram_empty,
            )


def _unmeasured(scope: Scope) -> bool:
    return scope["path"].startswith(_UNMEASURED) or any(
        name == _SYNTHETIC_TAG for name, _ in scope["headers"]
    )


class NamedHealth:
    """Answers the health endpoints, in the name of the replica that was asked.

    As the switches say: with another status, from a cache, with a page or with megabytes.
    """

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, health endpoints as the switches say."""
        switches = self._faults.switches
        if scope["type"] != "http" or not scope["path"].startswith("/health"):
            await self._app(scope, receive, send)
            return
        host = scope["server"][0]
        send = _with_headers(send, (_REPLICA_HEADER, host.encode()))
        if status := self._faults.health_status(scope["path"], host):
            await JSONResponse({"error": "refused"}, status)(scope, receive, send)
        elif switches.health_cached:
            await self._app(scope, receive, _with_headers(send, *_CACHED))
        elif switches.html_health:
            await HTMLResponse(_LOGIN_PAGE)(scope, receive, send)
        elif switches.large_health_megabytes:
            await _megabytes(switches.large_health_megabytes)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _with_headers(send: Send, *more: tuple[bytes, bytes]) -> Send:
    """Return a sender that adds headers to an answer."""

    async def marking(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return marking


def _megabytes(count: int) -> StreamingResponse:
    """Stream valid JSON and then blanks, so that only the size is wrong."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"status":"healthy"}'
        for _ in range(count):
            yield _MEGABYTE

    return StreamingResponse(chunks(), media_type="application/json")


_APP_VERSION = b"x-app-version"
_DOCUMENT = "/openapi.json"
_UPGRADE_REQUIRED = 426


class DisturbedMobile:
    """Refuses a version of the app, leaves a field out for it, or shows a document that breaks it."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; nothing is looked at while no switch is set."""
        switches = self._faults.switches
        field, refused = switches.mobile_field_missing, switches.mobile_version_refused
        document = switches.openapi_needs or switches.openapi_lacks
        if scope["type"] != "http" or not (field or refused or document):
            await self._app(scope, receive, send)
            return
        version = dict(scope["headers"]).get(_APP_VERSION, b"").decode("latin-1")
        if refused and version == refused:
            await JSONResponse({"detail": "upgrade"}, _UPGRADE_REQUIRED)(scope, receive, send)
        elif field and version:
            await self._app(scope, receive, _Rewriting(send, lambda body: _without(body, field)))
        elif document and scope["path"] == _DOCUMENT:
            await self._app(scope, receive, _Rewriting(send, lambda body: _broken(body, switches)))
        else:
            await self._app(scope, receive, send)


class _Rewriting:
    """Sends a JSON answer changed, once it is whole."""

    def __init__(self, send: Send, change: Any) -> None:
        self._send = send
        self._change = change
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        changed = self._changed()
        kept = [header for header in self._start["headers"] if header[0] != b"content-length"]
        length = (b"content-length", str(len(changed)).encode())
        await self._send({**self._start, "headers": [*kept, length]})
        await self._send({"type": "http.response.body", "body": changed})

    def _changed(self) -> bytes:
        try:
            return json.dumps(self._change(json.loads(self._body))).encode()
        except ValueError:
            return self._body


def _without(body: Any, field: str) -> Any:
    if isinstance(body, dict):
        return {key: value for key, value in body.items() if key != field}
    return body


def _broken(document: Any, switches: Switches) -> Any:
    schemas = document["components"]["schemas"]
    if switches.openapi_lacks:
        name, field = switches.openapi_lacks.split(".")
        del schemas[name]["properties"][field]
    if switches.openapi_needs:
        name, field = switches.openapi_needs.split(".")
        schemas[name]["properties"][field] = {"type": "string"}
        schemas[name]["required"] = [*schemas[name]["required"], field]
    return document

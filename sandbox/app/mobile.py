"""A pure ASGI wrapper: what mobile apps are told otherwise, when a switch says so."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.app.faults import Faults

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
        if scope["type"] != "http" or not (field or refused or switches.openapi_broken):
            await self._app(scope, receive, send)
            return
        version = dict(scope["headers"]).get(_APP_VERSION, b"").decode("latin-1")
        if refused and version == refused:
            await JSONResponse({"detail": "upgrade"}, _UPGRADE_REQUIRED)(scope, receive, send)
        elif field and version:
            await self._app(scope, receive, _Rewriting(send, lambda body: _without(body, field)))
        elif switches.openapi_broken and scope["path"] == _DOCUMENT:
            await self._app(scope, receive, _Rewriting(send, _breaking))
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


def _breaking(document: Any) -> Any:
    login = document["components"]["schemas"]["Login"]
    login["properties"]["deviceId"] = {"type": "string"}
    login["required"] = [*login["required"], "deviceId"]
    return document

"""Slack's Web API: the channels of a workspace, a page at a time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.core.standin import Facts, State

_PAGE = 2
"""Small, so that every reader has to turn pages."""


class SlackState(State):
    """The channels."""

    channels: tuple[str, ...] = ("general", "random", "deployments", "incidents")
    archived: tuple[str, ...] = ()
    without_app: tuple[str, ...] = ("random",)


def make_app(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application; `settings` hold the app's token."""
    facts = Facts(SlackState(), admin_token)
    wanted = f"Bearer {settings['token']}".encode()

    async def channels(request: Request) -> JSONResponse:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, wanted):
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        # Slack takes arguments in the address or in the body; its own client uses the body.
        sent = dict(parse_qsl((await request.body()).decode()))
        cursor = request.query_params.get("cursor") or sent.get("cursor", "")
        return JSONResponse(_page(facts.now, cursor))

    return Starlette(
        routes=[
            *facts.routes(),
            Route("/api/conversations.list", channels, methods=["GET", "POST"]),
        ]
    )


def _page(state: SlackState, cursor: str) -> dict[str, Any]:
    begins = int(cursor or 0)
    ends = begins + _PAGE
    found = [
        {
            "id": f"C{number}",
            "name": name,
            "is_channel": True,
            "is_archived": name in state.archived,
            "is_member": name not in state.without_app,
        }
        for number, name in enumerate(state.channels)
    ]
    following = str(ends) if ends < len(found) else ""
    return {
        "ok": True,
        "channels": found[begins:ends],
        "response_metadata": {"next_cursor": following},
    }

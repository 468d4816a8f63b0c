"""The express lane: the two reads that the traffic sends hundreds of times a second, past the framework.

FastAPI takes several times as long for such a request as the query that it is about, and on two cores
that time is missing to what measures the platform. The lane takes only requests that need nothing of
the framework: the traffic's own token and a plain parameter. All others, right or wrong, go the ordinary
way, where the same functions answer them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fastapi import APIRouter, FastAPI, Response
from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.app.parts import Parts, same_secret
from sandbox.app.routes import appointments, providers

_PLAIN = "([A-Za-z0-9-]{1,100})"
_BEARER = b"Bearer "


class Read(NamedTuple):
    """One kind of request: how its path and query look, which route it is, and what answers it."""

    pattern: re.Pattern[bytes]
    route: APIRoute
    answer: Callable[[Parts, str], Awaitable[Response]]


def _read(
    pattern: str, router: APIRouter, path: str, answer: Callable[[Parts, str], Awaitable[Response]]
) -> Read:
    route = next(
        route
        for route in router.routes
        if isinstance(route, APIRoute) and route.path == path and "GET" in (route.methods or ())
    )
    return Read(re.compile(pattern.encode()), route, answer)


READS = (
    _read(rf"/v1/providers/{_PLAIN}\?", providers.router, providers.PATH, providers.answer),
    _read(
        rf"/v1/appointments\?providerId={_PLAIN}",
        appointments.router,
        appointments.PATH,
        appointments.answer_list,
    ),
)


class Express:
    """Serves the plain reads itself and hands everything else on."""

    def __init__(self, app: FastAPI, parts: Parts) -> None:
        self._ordinary = app
        self._parts = parts
        self._lane: ASGIApp = ExceptionMiddleware(self._serve, app.exception_handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request in the lane, or the ordinary way."""
        if scope["type"] == "http" and self._takes(scope):
            await self._lane(scope, receive, send)
        else:
            await self._ordinary(scope, receive, send)

    def _takes(self, scope: Scope) -> bool:
        """Tell whether this is a plain read, and note in the scope which one."""
        found = plain_read(scope)
        if found is None or not is_traffic(scope, self._parts.config.synthetic.token):
            return False
        scope["route"], scope["express"] = found[0].route, found
        return True

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        read, value = scope["express"]
        response = await read.answer(self._parts, value)
        await response(scope, receive, send)


def plain_read(scope: Scope) -> tuple[Read, str] | None:
    """Return which read a request is, and of what; None when the framework has to look at it."""
    if scope["method"] != "GET":
        return None
    target = scope["raw_path"] + b"?" + scope["query_string"]
    for read in READS:
        if match := read.pattern.fullmatch(target):
            return read, match[1].decode()
    return None


def is_traffic(scope: Scope, token: SecretStr) -> bool:
    """Tell whether a request carries the token of the synthetic traffic."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value.startswith(_BEARER) and same_secret(
                value[len(_BEARER) :].decode("latin-1"), token
            )
    return False

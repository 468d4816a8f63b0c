"""An API that breaks its own document: single operations bent as the switches say.

It knows answers, fields and statuses and nothing of whoever checks them.
"""

from __future__ import annotations

import copy
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_AUTHORIZATION = b"authorization"
_GOOD = range(200, 300)
_WITHOUT_BODY = (204, 304)
_UNAUTHORIZED, _UNPROCESSABLE, _BROKEN = 401, 422, 500
_OTHER_TYPES: tuple[tuple[type, Any], ...] = (
    (bool, "yes"),
    (int, "seven"),
    (float, "seven"),
    (str, 7),
    (list, {"first": None}),
    (dict, ["a"]),
)
"""What takes the place of a value of a type."""


class Bent(BaseModel):
    """One operation and what is wrong with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str = Field(pattern=r"^[A-Z]+ /\S*$")
    """As the document has it: GET /v1/providers/{provider_id}."""
    change: Literal[
        "lacks",
        "retyped",
        "null",
        "gains",
        "status",
        "media_type",
        "header_gone",
        "open",
        "closed",
        "fails",
        "accepts",
    ]
    """`lacks`, `retyped`, `null`, `gains`: a field of its good answers. `status`, `media_type`: of those
    too. `header_gone`: of any answer. `open`: whoever does not sign in is taken for who did last.
    `closed`: only who sends a login is served. `fails`: 500 for some requests, the same ones each time.
    `accepts`: what can't be used is answered as what was before."""
    field: str = ""
    """Where, as in appointments[].date."""
    name: str = ""
    """Of a header or a media type."""
    status: int = Field(default=0, ge=0, le=599)
    every: int = Field(default=1, ge=1)
    """`fails`: one of so many requests."""

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is one of this operation."""
        verb, _, template = self.operation.partition(" ")
        parts = re.split(r"\{[^}]*\}", template)
        return verb == method and bool(re.fullmatch("[^/]+".join(map(re.escape, parts)), path))


class BentAnswers:
    """Serves the operations that the switches name as they say, and all others as they are."""

    def __init__(self, app: ASGIApp, in_force: Callable[[], Sequence[Bent]]) -> None:
        self._app = app
        self._in_force = in_force
        self._logins: dict[str, bytes] = {}
        self._answers: dict[str, Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; nothing is read of it while no operation is bent."""
        bent = self._in_force()
        if scope["type"] != "http" or not bent:
            await self._app(scope, receive, send)
            return
        own = [one for one in bent if one.matches(scope["method"], scope["path"])]
        if not own:
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        answer = refused(own[0], scope, body) or await self._answer(own[0], scope, body)
        for one in own:
            _bend(answer, one)
        await answer(scope, receive, send)

    async def _answer(self, bent: Bent, scope: Scope, body: bytes) -> Response:
        answer = await _answered(self._app, scope, body)
        login = dict(scope["headers"]).get(_AUTHORIZATION)
        known = self._logins.get(bent.operation)
        if answer.status_code == _UNAUTHORIZED and bent.change == "open" and known:
            others = [one for one in scope["headers"] if one[0] != _AUTHORIZATION]
            scope["headers"] = [*others, (_AUTHORIZATION, known)]
            return await _answered(self._app, scope, body)
        if answer.status_code == _UNPROCESSABLE and bent.change == "accepts":
            return copy.deepcopy(self._answers.get(bent.operation, answer))
        if answer.status_code in _GOOD:
            self._answers[bent.operation] = copy.deepcopy(answer)
            if login:
                self._logins[bent.operation] = login
        return answer


def refused(bent: Bent, scope: Scope, body: bytes) -> Response | None:
    """Return the answer of an operation that does not look at a request, or None."""
    if bent.change == "closed" and _AUTHORIZATION not in dict(scope["headers"]):
        return JSONResponse({"detail": "sign in first"}, _UNAUTHORIZED)
    asked = b"\0".join((scope["raw_path"], scope["query_string"], body))
    if bent.change == "fails" and zlib.crc32(asked) % bent.every == 0:
        return JSONResponse({"detail": "internal error"}, _BROKEN)
    return None


def _bend(answer: Response, bent: Bent) -> None:
    if bent.change == "header_gone":
        del answer.headers[bent.name]
    elif answer.status_code not in _GOOD:
        return
    elif bent.change == "status":
        answer.status_code = bent.status
        if bent.status in _WITHOUT_BODY:
            answer.body = b""
            del answer.headers["content-length"]
    elif bent.change == "media_type":
        answer.headers["content-type"] = bent.name
    elif change := _CHANGES.get(bent.change):
        _bend_body(answer, bent.field, change)


def _bend_body(answer: Response, field: str, change: Callable[[dict[str, Any], str], Any]) -> None:
    try:
        value = json.loads(bytes(answer.body))
    except ValueError:
        return
    *way, last = field.replace("[]", ".[]").split(".")
    for holder in _reached(value, way):
        if isinstance(holder, dict):
            change(holder, last)
    answer.body = json.dumps(value).encode()
    answer.headers["content-length"] = str(len(answer.body))


def _reached(value: Any, way: Sequence[str]) -> Iterator[Any]:
    """Yield what is at the end of a way; `[]` is every one of a list."""
    if not way:
        yield value
    elif way[0] == "[]":
        for one in value if isinstance(value, list) else ():
            yield from _reached(one, way[1:])
    elif isinstance(value, dict) and way[0] in value:
        yield from _reached(value[way[0]], way[1:])


def _retyped(holder: dict[str, Any], field: str) -> None:
    if field in holder:
        old = holder[field]
        kinds = (other for kind, other in _OTHER_TYPES if isinstance(old, kind))
        holder[field] = next(kinds, {"was": None})


_CHANGES: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "lacks": lambda holder, field: holder.pop(field, None),
    "retyped": _retyped,
    "null": lambda holder, field: holder.update({field: None}) if field in holder else None,
    "gains": lambda holder, field: holder.update({field: "new"}),
}


async def _answered(app: ASGIApp, scope: Scope, body: bytes) -> Response:
    """Return the whole answer of the application to a request whose body is read already."""
    answer = Response()
    parts: list[bytes] = []

    async def read() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status_code, answer.raw_headers = message["status"], [*message["headers"]]
        parts.append(message.get("body", b""))

    await app(scope, read, keep)
    answer.body = b"".join(parts)
    return answer

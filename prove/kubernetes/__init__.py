"""What a real API server answered, and a server that answers so again."""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.systems.cluster.lists import page, selected

Json = dict[str, Any]
FOLDER: Final = pathlib.Path(__file__).parent / "recordings"
WHOLE: Final = "healthy"
"""The situation that has every list, and the answers about the account; others have what differs."""
_RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_PATH = re.compile(
    r"/(?:api/v1|apis/[\w.]+/v1)(?:/namespaces/(?P<space>[\w-]+))?"
    r"/(?P<kind>\w+)(?:/(?P<name>[\w.-]+))?"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """One situation of a real cluster."""

    name: str
    server: str
    """The API server's version."""
    means: str
    lists: Mapping[str, Json]
    """By resource, as listed: `items` have no kind."""
    answers: tuple[Json, ...]
    """Single requests with `request`, `status`, `headers` and `body`, in the order of their making."""

    def items(self, kind: str) -> list[Json]:
        """Return the listed objects of a resource."""
        return list(self.lists[kind]["items"])

    def answered(self, request: str) -> list[Json]:
        """Return the answers to requests that begin so, in their order."""
        return [one for one in self.answers if one["request"].startswith(request)]


def load(name: str) -> Recording:
    """Read a recording; raises OSError and ValueError.

    A list that is not in it is as in the whole recording.
    """
    own, whole = (json.loads((FOLDER / f"{one}.json").read_text("utf-8")) for one in (name, WHOLE))
    lists = {**whole["lists"], **own["lists"]}
    return Recording(name, own["server"], own["means"], lists, tuple(own["answers"]))


def names() -> list[str]:
    """Return the names of all recordings."""
    return sorted(one.stem for one in FOLDER.glob("*.json"))


def replay(recording: Recording) -> Starlette:
    """Return an API server that shows a recording: single requests as they were answered, and its lists.

    A request that was recorded several times gets one answer after the other, the last one again and again.
    """
    waiting: dict[str, collections.deque[Json]] = collections.defaultdict(collections.deque)
    general = [
        one for one in load(WHOLE).answers if "sent" in one or not _PATH.search(one["request"])
    ]
    for one in (*recording.answers, *general):
        waiting[_key(one["request"], one.get("sent"))].append(one)

    async def answer(request: Request) -> Response:
        sent = json.loads(await request.body() or "null")
        query = f"?{request.url.query}" if request.url.query else ""
        recorded = waiting.get(_key(f"{request.method} {request.url.path}{query}", sent))
        if recorded:
            one = recorded.popleft() if len(recorded) > 1 else recorded[0]
            return _said(one)
        if request.url.path == _RULES:
            return _said(waiting[_ELSEWHERE][0])
        return _shown(recording.lists, request)

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", answer, methods=methods)])


_ELSEWHERE = f'POST {_RULES} {{"namespace": "default"}}'
"""The account's rules are the same in every namespace but its own."""


def _key(request: str, sent: Json | None) -> str:
    return f"{request} {json.dumps((sent or {}).get('spec'), sort_keys=True)}"


def _said(one: Json) -> Response:
    headers = dict(one["headers"])
    if headers.get("content-type", "").startswith("application/json"):
        return JSONResponse(one["body"], one["status"], headers)
    return Response(one["body"], one["status"], headers)


def _shown(lists: Mapping[str, Json], request: Request) -> Response:
    found = _PATH.fullmatch(request.url.path)
    if found is None or found["kind"] not in lists or request.method != "GET":
        return JSONResponse({"not recorded": request.url.path}, 501)
    whole = lists[found["kind"]]
    there = [
        one for one in whole["items"] if found["space"] in (None, one["metadata"].get("namespace"))
    ]
    if found["name"] is None:
        there, metadata = page(
            selected(there, request.query_params), request.query_params, version=1, expired=False
        )
        return JSONResponse({**whole, "metadata": metadata, "items": there})
    one = next((one for one in there if one["metadata"]["name"] == found["name"]), None)
    if one is None:
        message = f'{found["kind"]} "{found["name"]}" not found'
        return JSONResponse({"kind": "Status", "message": message, "code": 404}, 404)
    kind = whole["kind"].removesuffix("List")
    return JSONResponse({"kind": kind, "apiVersion": whole["apiVersion"], **one})

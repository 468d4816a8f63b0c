"""A Kubernetes API server: what the probe and kubectl read, under the RBAC that operators apply."""

from __future__ import annotations

import asyncio
import collections
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from sandbox.core.standins import Facts, Handler
from sandbox.systems.cluster.controller import Cluster
from sandbox.systems.cluster.lists import BusyError, StatusError, page, selected
from sandbox.systems.cluster.logs import log
from sandbox.systems.cluster.objects import Objects
from sandbox.systems.cluster.rbac import Attributes, Rbac
from sandbox.systems.cluster.shown import shape
from sandbox.systems.cluster.state import (
    CONTAINER,
    NAMESPACE,
    SERVICE_ACCOUNT,
    ClusterState,
    Volume,
)
from sandbox.systems.monitoring.servers import METRICS_PATH

KINDS: Final[Mapping[str, Mapping[str, str]]] = shape("kinds")
"""By group and resource, what one object of it is called."""
PATHS: Final = (
    *("/api", "/api/v1", "/apis"),
    *(f"/apis/{group}{more}" for group in KINDS if group for more in ("", "/v1")),
)
_REVIEWS: Final[Mapping[str, str]] = shape("reviews")
_SHORT: Final[Mapping[str, list[str]]] = shape("short")


def version(group: str) -> str:
    """Return how objects of a group name it."""
    return f"{group}/v1" if group else "v1"


def document(path: str) -> dict[str, Any]:
    """Return the answer to one of the paths."""
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        groups = [_group(group) for group in KINDS if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    group = path.removeprefix("/api/v1").removeprefix("/apis/").removesuffix("/v1")
    if path == f"/apis/{group}":
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
    reviews = _REVIEWS if group == "authorization.k8s.io" else {}
    resources = [
        *(_resource(name, kind, ["get", "list", "watch"]) for name, kind in KINDS[group].items()),
        *(_resource(name, kind, ["create"]) for name, kind in reviews.items()),
    ]
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version(group)}
    return {**head, "resources": resources}


def _group(name: str) -> dict[str, Any]:
    one = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [one], "preferredVersion": one}


def _resource(name: str, kind: str, verbs: list[str]) -> dict[str, Any]:
    namespaced = name != "nodes" and "create" not in verbs
    short = {"shortNames": _SHORT[name]} if name in _SHORT else {}
    words = {"name": name, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind}
    return {**words, "verbs": verbs, **short}


VERSION = "v1.37.2"
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PATHS = (
    "/namespaces/{namespace}/{resource}/{name}/{sub}",
    "/namespaces/{namespace}/{resource}/{name}",
    "/namespaces/{namespace}/{resource}",
    "/{resource}/{name}",
    "/{resource}",
)
_WATCH_SECONDS = 0.1


class _Kubernetes(Facts[ClusterState]):
    """The facts, the cluster that follows them, and what the API server answers about it."""

    def __init__(self, admin_token: SecretStr, settings: Mapping[str, Any]) -> None:
        super().__init__(ClusterState(), admin_token)
        self.token: bytes = str(settings["token"]).encode()
        self.rbac = Rbac(Path(settings["rbac"]), NAMESPACE, SERVICE_ACCOUNT)
        self.cluster = Cluster(self.now, int(settings["number"]), time.time)
        self.volume = Volume(Path(settings["volume"]))
        self._refused = itertools.count()
        self._busy_calls = 0
        self._failing: collections.Counter[str] = collections.Counter()

    def changed(self) -> None:
        """Have the cluster follow an order."""
        self.cluster.follow(self.now)
        self._busy_calls = self.now.busy_calls
        self._failing = collections.Counter(self.now.failing_lists)

    async def kubelet_metrics(self, _request: Request) -> Response:
        """Answer as a kubelet does, of the one volume that is watched."""
        return PlainTextResponse(self.volume.metrics())

    def objects(self) -> Objects:
        """Return everything as it is now."""
        self.cluster.advance()
        return Objects(self.now, self.cluster)

    def allows(self, asked: Attributes) -> bool:
        """Return whether the gate's account may."""
        state = self.now
        return self.rbac.allows(asked, widened=state.rights_widened, narrowed=state.rights_narrowed)

    def admit(self, request: Request, asked: Attributes) -> None:
        """Let a request pass, or raise StatusError: who is it, is there room, is it allowed?"""
        given = request.headers.get("Authorization", "").encode()
        if self.now.token_expired or not hmac.compare_digest(given, b"Bearer " + self.token):
            raise StatusError(401, "Unauthorized")
        self._find_a_seat(asked)
        if asked.verb == "list" and self._failing[asked.resource] > 0:
            self._failing[asked.resource] -= 1
            raise StatusError(503, "the server is currently unable to handle the request")
        if not self.allows(asked):
            raise StatusError(403, asked.refusal(self.rbac.user), details=asked.details)

    def _find_a_seat(self, asked: Attributes) -> None:
        """Refuse a call, as priority and fairness does: some calls, and with a wait that varies."""
        lists_pods = (asked.verb, asked.resource) == ("list", "pods")
        if self._busy_calls:
            self._busy_calls -= 1
        elif not (self.now.throttled and lists_pods):
            return
        raise BusyError(1 + next(self._refused) % 2)

    async def version(self, request: Request) -> Response:
        """Answer /version."""
        self.admit(request, Attributes("get", path="/version"))
        words = ("gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
        numbers = {"major": "1", "minor": "37", "gitVersion": VERSION}
        emulated = {"emulationMajor": "1", "emulationMinor": "37"}
        oldest = {"minCompatibilityMajor": "1", "minCompatibilityMinor": "36"}
        return JSONResponse({**numbers, **emulated, **oldest, **dict.fromkeys(words, "")})

    async def discovery(self, request: Request) -> Response:
        """Answer which groups and resources there are."""
        self.admit(request, Attributes("get", path=request.url.path))
        return JSONResponse(document(request.url.path))

    async def ready(self, request: Request) -> Response:
        """Answer /readyz."""
        self.admit(request, Attributes("get", path="/readyz"))
        if self.now.api_not_ready:
            return PlainTextResponse("[-]etcd failed: reason withheld\n", 500)
        return PlainTextResponse("ok")

    async def nothing(self, request: Request) -> Response:
        """Answer about a path that is none: whoever may not ask for it is told no more."""
        verb = _VERBS.get(request.method, "get").lower()
        self.admit(request, Attributes(verb, path=request.url.path))
        raise StatusError(404, "the server could not find the requested resource", details={})

    async def access_review(self, request: Request) -> Response:
        """Answer whether the gate could do something."""
        self.admit(
            request, Attributes("create", "authorization.k8s.io", "selfsubjectaccessreviews")
        )
        review = await _json(request)
        spec = review["spec"].get("resourceAttributes") or {}
        resource = "/".join(filter(None, (spec.get("resource", ""), spec.get("subresource"))))
        asked = Attributes(
            spec.get("verb", ""), spec.get("group", ""), resource, spec.get("namespace", "")
        )
        allowed = self.allows(asked)
        return JSONResponse({**review, "status": {"allowed": allowed}}, 201)

    async def rules_review(self, request: Request) -> Response:
        """Answer what the gate may do in a namespace."""
        self.admit(request, Attributes("create", "authorization.k8s.io", "selfsubjectrulesreviews"))
        review = await _json(request)
        state = self.now
        rules = list(
            self.rbac.rules(
                review["spec"]["namespace"],
                widened=state.rights_widened,
                narrowed=state.rights_narrowed,
            )
        )
        status = {
            "resourceRules": [rule for rule in rules if "resources" in rule],
            "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
            "incomplete": False,
        }
        # The real one echoes no specification.
        return JSONResponse({**review, "metadata": {}, "spec": {}, "status": status}, 201)

    async def resource(self, request: Request) -> Response:
        """Answer a list, one object or a pod's log; nothing is ever written."""
        where = request.path_params
        group, resource = where.get("group", ""), where["resource"]
        asked = Attributes(
            verb=_verb(request),
            group=group,
            resource="/".join(filter(None, (resource, where.get("sub")))),
            namespace=where.get("namespace", ""),
            name=where.get("name", ""),
        )
        self.admit(request, asked)
        if resource not in KINDS.get(group, ()):
            raise StatusError(404, "the server could not find the requested resource", details={})
        if request.method in _VERBS:
            raise StatusError(405, "the stand-in changes nothing")
        if asked.verb == "watch":
            return StreamingResponse(self._watched(request, asked), media_type="application/json")
        if "name" in where:
            return self._one(request, self._there(asked), asked)
        return self._list(request, self._there(asked), asked)

    def _there(self, asked: Attributes) -> list[dict[str, Any]]:
        return [
            one
            for one in self.objects().of(asked.resource.partition("/")[0])
            if asked.namespace in ("", one["metadata"].get("namespace"))
        ]

    async def _watched(self, request: Request, asked: Attributes) -> AsyncIterator[str]:
        """Yield an event for each object that is there, then a bookmark, and for each change of one."""
        shown: dict[str, str] = {}
        kind = KINDS[asked.group][asked.resource]
        ended = {
            "resourceVersion": str(self.cluster.resource_version),
            "annotations": {"k8s.io/initial-events-end": "true"},
        }
        head = {"kind": kind, "apiVersion": version(asked.group)}
        bookmark = json.dumps({"type": "BOOKMARK", "object": {**head, "metadata": ended}})
        while not await request.is_disconnected():
            for one in selected(self._there(asked), request.query_params):
                name, text = one["metadata"]["name"], json.dumps(one)
                if shown.get(name) != text:
                    event = "MODIFIED" if name in shown else "ADDED"
                    yield f'{{"type": "{event}", "object": {text}}}\n'
                shown[name] = text
            if bookmark:
                yield f"{bookmark}\n"
            bookmark = ""
            await asyncio.sleep(_WATCH_SECONDS)

    def _list(self, request: Request, objects: list[dict[str, Any]], asked: Attributes) -> Response:
        items, metadata = page(
            selected(objects, request.query_params),
            request.query_params,
            version=self.cluster.resource_version,
            expired=self.now.continue_expired,
        )
        head = {
            "kind": f"{KINDS[asked.group][asked.resource]}List",
            "apiVersion": version(asked.group),
            "metadata": metadata,
        }
        # Listed objects say neither what they are nor of which version.
        bare = [{k: v for k, v in one.items() if k not in ("kind", "apiVersion")} for one in items]
        return JSONResponse({**head, "items": bare})

    def _one(self, request: Request, objects: list[dict[str, Any]], asked: Attributes) -> Response:
        found = next((one for one in objects if one["metadata"]["name"] == asked.name), None)
        if found is None:
            group = f".{asked.group}" if asked.group else ""
            message = f'{asked.details["kind"]}{group} "{asked.name}" not found'
            raise StatusError(404, message, details=asked.details)
        if asked.resource == "pods/log":
            return self._log(request, found)
        return JSONResponse(found)

    def _log(self, request: Request, pod: dict[str, Any]) -> Response:
        statuses = pod["status"].get("containerStatuses")
        own = statuses[0]["name"] if statuses else CONTAINER
        container = request.query_params.get("container") or own
        if container != own:
            name = pod["metadata"]["name"]
            raise StatusError(400, f"container {container} is not valid for pod {name}")
        reason = statuses[0]["state"].get("waiting", {}).get("reason") if statuses else "Pending"
        if reason not in (None, "CrashLoopBackOff"):
            raise StatusError(400, f'container "api" in pod is waiting to start: {reason}')
        text = log(pod, self.now, self.cluster.newest(), request.query_params)
        return PlainTextResponse(text)


def make_app(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application; settings: `token`, `rbac` (a file), `number` of the cluster."""
    api = _Kubernetes(admin_token, settings)
    reviews, every = "/apis/authorization.k8s.io/v1", ",".join(["GET", *_VERBS])
    routes = {
        **{f"GET {path}": api.discovery for path in PATHS},
        "GET /version": api.version,
        "GET /version/": api.version,
        "GET /readyz": api.ready,
        f"GET {METRICS_PATH}": api.kubelet_metrics,
        f"POST {reviews}/selfsubjectaccessreviews": api.access_review,
        f"POST {reviews}/selfsubjectrulesreviews": api.rules_review,
        **{
            f"{every} {prefix}{path}": api.resource
            for prefix in ("/api/v1", "/apis/{group}/v1")
            for path in _PATHS
        },
        f"{every} /{{path:path}}": api.nothing,
    }
    return api.app({route: _told(handler) for route, handler in routes.items()})


async def _json(request: Request) -> Any:
    if "json" not in request.headers.get("Content-Type", ""):
        raise StatusError(415, "the stand-in reads JSON")
    return await request.json()


def _verb(request: Request) -> str:
    if request.method in _VERBS:
        return _VERBS[request.method]
    if "name" in request.path_params:
        return "get"
    return "watch" if request.query_params.get("watch") in ("1", "true") else "list"


def _told(handler: Handler) -> Handler:
    async def told(request: Request) -> Any:
        try:
            return await handler(request)
        except StatusError as exc:
            return exc.answer()

    return told

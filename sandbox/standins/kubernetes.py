"""A Kubernetes API server: what the official client reads, under the RBAC that operators apply."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.standins.cluster import volumes
from sandbox.standins.cluster.controller import Cluster
from sandbox.standins.cluster.lists import StatusError, page, selected
from sandbox.standins.cluster.objects import Objects
from sandbox.standins.cluster.rbac import Attributes, Rbac
from sandbox.standins.cluster.state import (
    CONTAINER,
    NAMESPACE,
    SERVICE_ACCOUNT,
    ClusterState,
)
from sandbox.standins.cluster.volumes import Volume
from sandbox.standins.state import Facts

VERSION = "v1.34.2"
_GROUPS = {"apps": "apps/v1", "discovery.k8s.io": "discovery.k8s.io/v1", "": "v1"}
_KINDS = {
    "pods": "Pod",
    "services": "Service",
    "configmaps": "ConfigMap",
    "endpoints": "Endpoints",
    "events": "Event",
    "nodes": "Node",
    "deployments": "Deployment",
    "replicasets": "ReplicaSet",
    "statefulsets": "StatefulSet",
    "resourcequotas": "ResourceQuota",
    "endpointslices": "EndpointSlice",
}
_RESOURCES = {
    "": ("pods", "services", "configmaps", "endpoints", "events", "nodes", "resourcequotas"),
    "apps": ("deployments", "replicasets", "statefulsets"),
    "discovery.k8s.io": ("endpointslices",),
}
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PATHS = (
    "/namespaces/{namespace}/{resource}/{name}/{sub}",
    "/namespaces/{namespace}/{resource}/{name}",
    "/namespaces/{namespace}/{resource}",
    "/{resource}/{name}",
    "/{resource}",
)
_INFO = json.dumps({"level": "info", "msg": "request handled", "status": 200})
_ERROR = json.dumps({"level": "error", "msg": "lookup failed", "patient": "Jane Doe"})
_FATAL = json.dumps({"level": "fatal", "msg": "cannot start"})

Handler = Callable[[Request], Awaitable[Response]]


class _Server(Facts[ClusterState]):
    """The facts, and the cluster that follows them."""

    def __init__(self, admin_token: SecretStr, settings: Mapping[str, Any]) -> None:
        super().__init__(ClusterState(), admin_token)
        self.token: bytes = str(settings["token"]).encode()
        self.rbac = Rbac(Path(settings["rbac"]), NAMESPACE, SERVICE_ACCOUNT)
        self.cluster = Cluster(self.now, int(settings["number"]), time.time)
        self.volume = Volume(Path(settings["volume"]))

    def _changed(
        self, request: Request, facts: Mapping[str, Any], bent: dict[str, Mapping[str, Any]]
    ) -> JSONResponse:
        answer = super()._changed(request, facts, bent)
        self.cluster.follow(self.now)
        return answer

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
        if self.now.throttled:
            raise StatusError(429, "Too many requests, please try again later.")
        if not self.allows(asked):
            raise StatusError(403, f'forbidden: User "{self.rbac.user}" {asked.sentence}')


def make_app(admin_token: SecretStr, settings: Mapping[str, Any]) -> Starlette:
    """Return the application; settings: `token`, `rbac` (a file), `number` of the cluster."""
    server = _Server(admin_token, settings)
    api = _Api(server)
    routes = [
        *server.routes(),
        Route("/version", _answered(api.version)),
        Route("/version/", _answered(api.version)),
        Route("/readyz", _answered(api.ready)),
        Route(volumes.METRICS_PATH, server.kubelet_metrics),
        Route(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            _answered(api.access_review),
            methods=["POST"],
        ),
        Route(
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            _answered(api.rules_review),
            methods=["POST"],
        ),
    ]
    routes += [
        Route(prefix + path, _answered(api.resource), methods=["GET", *_VERBS])
        for prefix in ("/api/v1", "/apis/{group}/v1")
        for path in _PATHS
    ]
    return Starlette(routes=routes)


def _answered(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except StatusError as exc:
            return exc.answer()

    return handle


class _Api:
    """The routes."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    async def version(self, request: Request) -> Response:
        """Answer /version."""
        self._server.admit(request, Attributes("get", path="/version"))
        words = ("gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
        numbers = {"major": "1", "minor": "34", "gitVersion": VERSION}
        return JSONResponse({**dict.fromkeys(words, ""), **numbers})

    async def ready(self, request: Request) -> Response:
        """Answer /readyz."""
        self._server.admit(request, Attributes("get", path="/readyz"))
        if self._server.now.api_not_ready:
            return PlainTextResponse("[-]etcd failed: reason withheld\n", 500)
        return PlainTextResponse("ok")

    async def access_review(self, request: Request) -> Response:
        """Answer whether the gate could do something."""
        self._server.admit(
            request,
            Attributes("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
        )
        review = await request.json()
        spec = review["spec"].get("resourceAttributes") or {}
        resource = "/".join(filter(None, (spec.get("resource", ""), spec.get("subresource"))))
        asked = Attributes(
            spec.get("verb", ""), spec.get("group", ""), resource, spec.get("namespace", "")
        )
        allowed = self._server.allows(asked)
        return JSONResponse({**review, "status": {"allowed": allowed}}, 201)

    async def rules_review(self, request: Request) -> Response:
        """Answer what the gate may do in a namespace."""
        self._server.admit(
            request, Attributes("create", "authorization.k8s.io", "selfsubjectrulesreviews")
        )
        review = await request.json()
        state = self._server.now
        rules = list(
            self._server.rbac.rules(
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
        return JSONResponse({**review, "status": status}, 201)

    async def resource(self, request: Request) -> Response:
        """Answer a list, one object or a pod's log; nothing is ever written."""
        where = request.path_params
        group, resource = where.get("group", ""), where["resource"]
        asked = Attributes(
            verb=_VERBS.get(request.method, "get" if "name" in where else "list"),
            group=group,
            resource="/".join(filter(None, (resource, where.get("sub")))),
            namespace=where.get("namespace", ""),
            name=where.get("name", ""),
        )
        self._server.admit(request, asked)
        if resource not in _RESOURCES.get(group, ()):
            raise StatusError(404, "the server could not find the requested resource")
        if request.method in _VERBS:
            raise StatusError(405, "the stand-in changes nothing")
        objects = [
            one
            for one in self._server.objects().of(resource)
            if asked.namespace in ("", one["metadata"].get("namespace"))
        ]
        if "name" in where:
            return self._one(request, objects, asked)
        return self._list(request, objects, asked)

    def _list(self, request: Request, objects: list[dict[str, Any]], asked: Attributes) -> Response:
        items, metadata = page(
            selected(objects, request.query_params),
            request.query_params,
            version=self._server.cluster.resource_version,
            expired=self._server.now.continue_expired,
        )
        kind = f"{_KINDS[asked.resource]}List"
        version = _GROUPS[asked.group]
        return JSONResponse(
            {"kind": kind, "apiVersion": version, "metadata": metadata, "items": items}
        )

    def _one(self, request: Request, objects: list[dict[str, Any]], asked: Attributes) -> Response:
        found = next((one for one in objects if one["metadata"]["name"] == asked.name), None)
        if found is None:
            raise StatusError(404, f'{asked.resource} "{asked.name}" not found')
        if asked.resource == "pods/log":
            return self._log(request, found)
        return JSONResponse(found)

    def _log(self, request: Request, pod: dict[str, Any]) -> Response:
        container = request.query_params.get("container") or CONTAINER
        if container != CONTAINER:
            name = pod["metadata"]["name"]
            raise StatusError(400, f"container {container} is not valid for pod {name}")
        statuses = pod["status"]["containerStatuses"]
        reason = statuses[0]["state"].get("waiting", {}).get("reason") if statuses else "Pending"
        if reason not in (None, "CrashLoopBackOff"):
            raise StatusError(400, f'container "api" in pod is waiting to start: {reason}')
        newest = self._server.cluster.newest()
        troubled = pod["metadata"]["labels"].get("version") == f"v{newest}"
        lines = [_INFO] * 20
        if reason == "CrashLoopBackOff":
            lines += [_FATAL]
        if troubled:
            lines += [_ERROR] * self._server.now.error_lines
        tail = int(request.query_params.get("tailLines") or len(lines))
        return PlainTextResponse("".join(f"{line}\n" for line in lines[-tail:]))

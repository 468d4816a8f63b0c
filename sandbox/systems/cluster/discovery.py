"""Which groups and resources the API has, as clients ask it before they list anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        "pods": "Pod",
        "services": "Service",
        "configmaps": "ConfigMap",
        "events": "Event",
        "nodes": "Node",
        "resourcequotas": "ResourceQuota",
    },
    "apps": {
        "deployments": "Deployment",
        "replicasets": "ReplicaSet",
        "statefulsets": "StatefulSet",
    },
    "discovery.k8s.io": {"endpointslices": "EndpointSlice"},
    "authorization.k8s.io": {},
}
"""By group and resource, what one object of it is called."""
PATHS: Final = (
    *("/api", "/api/v1", "/apis"),
    *(f"/apis/{group}{more}" for group in KINDS if group for more in ("", "/v1")),
)
_REVIEWS: Final = {
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
}
_SHORT: Final = {"deployments": ["deploy"], "pods": ["po"], "services": ["svc"], "nodes": ["no"]}


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

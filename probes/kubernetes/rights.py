"""What the gate's account could do in a cluster beyond what deploy/kubernetes/rbac.yaml is for.

The rule is a list of what is allowed: whatever else the cluster names is too much, also what nobody
thought of. A list of the forbidden would let through all that it forgets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from probes.kubernetes.models import Rules

_READS: Final = frozenset({"get", "list", "watch"})
# Every service account may read which authorities the cluster trusts.
_TRUST: Final[Mapping[str, frozenset[str]]] = {
    "certificates.k8s.io": frozenset({"clustertrustbundles"})
}
_EVERYWHERE: Final[Mapping[str, frozenset[str]]] = {**_TRUST, "": frozenset({"nodes", "pods"})}
_OF_THE_APP: Final[Mapping[str, frozenset[str]]] = {
    **_TRUST,
    "": frozenset({"configmaps", "nodes", "pods", "pods/log", "resourcequotas", "services"}),
    "apps": frozenset({"deployments", "replicasets", "statefulsets"}),
    "discovery.k8s.io": frozenset({"endpointslices"}),
}
# What every cluster lets each account ask about itself (system:basic-user).
_OF_ITSELF: Final = frozenset(
    {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
)
# What it lets each account read that is no resource (system:discovery, system:public-info-viewer and
# system:service-account-issuer-discovery), by its first part.
_PATHS: Final = frozenset(
    {
        *("api", "apis", "openapi", "openid", ".well-known", "version"),
        *("healthz", "livez", "readyz"),
    }
)

EXAMPLES: Final = (
    ("*", "*", "*", ""),
    *((verb, "", "pods", "") for verb in ("create", "update", "patch", "delete")),
    ("deletecollection", "", "pods", ""),
    *((verb, "", "pods", sub) for verb in ("create", "get") for sub in ("exec", "attach", "proxy")),
    *((verb, "", "pods", "portforward") for verb in ("create", "get")),
    ("create", "", "pods", "eviction"),
    ("patch", "", "pods", "ephemeralcontainers"),
    *((verb, "apps", "deployments", "") for verb in ("create", "update", "patch", "delete")),
    *((verb, "apps", "deployments", "scale") for verb in ("update", "patch")),
    *((verb, "apps", "statefulsets", "") for verb in ("create", "patch", "delete")),
    ("create", "batch", "jobs", ""),
    *((verb, "", "services", "") for verb in ("create", "update", "patch", "delete")),
    ("get", "", "services", "proxy"),
    *((verb, "", "configmaps", "") for verb in ("create", "update", "patch", "delete")),
    *((verb, "", "secrets", "") for verb in ("get", "list", "watch", "create", "update")),
    ("create", "", "serviceaccounts", "token"),
    *(("impersonate", "", what, "") for what in ("users", "groups", "serviceaccounts")),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
    *((verb, "rbac.authorization.k8s.io", "roles", "") for verb in ("bind", "escalate")),
    *((verb, "rbac.authorization.k8s.io", "clusterroles", "") for verb in ("bind", "escalate")),
    *((verb, "", "nodes", "proxy") for verb in ("create", "get")),
    ("patch", "", "nodes", ""),
)
"""Verb, group, resource, subresource: what is asked one by one where a cluster can't list all rights."""


def excess(status: Rules, namespace: str, *, is_the_apps: bool) -> Iterator[str]:
    """Yield in words what a SelfSubjectRulesReview of a namespace lists beyond what is allowed there."""
    allowed = _OF_THE_APP if is_the_apps else _EVERYWHERE
    where = "" if is_the_apps else f" in {namespace}"
    for rule in status.resource_rules:
        for group in rule.api_groups or ("",):
            for resource in rule.resources or ("*",):
                verbs = [one for one in rule.verbs if not _may(one, group, resource, allowed)]
                if verbs:
                    yield f"{_words(verbs)} {_named(resource, group)}{where}"
    for rule in status.non_resource_rules:
        paths = [one for one in rule.paths or ("*",) if not _is_public(one)]
        wrong = rule.verbs if paths else [one for one in rule.verbs if one != "get"]
        if wrong:
            yield f"{_words(wrong)} {(paths or rule.paths)[0]}"


def _may(verb: str, group: str, resource: str, allowed: Mapping[str, frozenset[str]]) -> bool:
    if verb == "create":
        return group.endswith(".k8s.io") and resource in _OF_ITSELF
    return verb in _READS and resource in allowed.get(group, ())


def _is_public(path: str) -> bool:
    return path.strip("/").partition("/")[0].rstrip("*") in _PATHS


def _words(verbs: Iterable[str]) -> str:
    found = list(verbs)
    return "do anything with" if "*" in found else "/".join(found)


def _named(resource: str, group: str) -> str:
    everything = "every resource" if resource == "*" else resource
    return f"{everything} of every group" if group == "*" else everything

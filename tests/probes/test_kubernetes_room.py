"""Room for more pods where quotas and rules decide, and rights beyond what the gate is meant to have."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from probes.kubernetes.client import Rules, excess
from probes.kubernetes.placing import UnknownRuleError, placed
from probes.kubernetes.reading import quotas
from sandbox.systems.standin_servers import RBAC
from tests.probes.test_kubernetes_reading import model
from tests.tables import cases

LABELS = {"app": "api", "version": "v1.1.0"}
SELF = {"matchLabels": {"app": "api"}}
HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
HASH = "pod-template-hash"
ZONES = {"node-a": "a", "node-b": "b", "node-c": "c", "node-d": "c"}


def a_node(name: str) -> Any:
    labels = {HOST: name, ZONE: ZONES[name]}
    return model("Node", {"metadata": {"name": name, "labels": labels}, "spec": {}})


NODES = [a_node(name) for name in ZONES]
ROOM = dict.fromkeys(ZONES, 30)


def a_pod(node: str | None = None, labels: dict[str, str] | None = None, **spec: Any) -> Any:
    requests = {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
    document = {
        "metadata": {"name": "api-1", "uid": "1", "labels": labels or LABELS},
        "spec": {"nodeName": node, "containers": [{"name": "api", "resources": requests}], **spec},
    }
    return model("Pod", document)


def apart(key: str, kind: str = "podAntiAffinity", **term: Any) -> dict[str, Any]:
    required = [{"labelSelector": SELF, "topologyKey": key, **term}]
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def together(key: str, selector: dict[str, Any]) -> dict[str, Any]:
    return apart(key, "podAffinity", labelSelector=selector)


def spread(key: str, when: str = "DoNotSchedule", **more: Any) -> dict[str, Any]:
    constraint = {"maxSkew": 1, "topologyKey": key, "labelSelector": SELF, **more}
    return {"topologySpreadConstraints": [{**constraint, "whenUnsatisfiable": when}]}


@cases(
    "spec there count",
    {
        "no rule": ({}, ["node-a"], None),
        "one for each node": (apart(HOST), [], 4),
        "the nodes that are left": (apart(HOST), ["node-a", "node-b"], 2),
        "no node is left": (apart(HOST), list(ZONES), 0),
        "one for each zone": (apart(ZONE), ["node-d"], 2),
        "apart from its own revision": (apart(HOST, matchLabelKeys=[HASH]), list(ZONES), 4),
        "evenly spread": (spread(HOST), [], 9),
        "over more zones than there are": (spread(ZONE, minDomains=4), [], 3),
        "a wish is not a rule": (spread(ZONE, "ScheduleAnyway"), [], None),
        "beside its own, the first anywhere": (together(ZONE, SELF), [], 9),
        "beside nobody": (together(ZONE, {"matchLabels": {"app": "db"}}), [], 0),
    },
)
def test_as_many_find_a_node_as_the_rules_let_in(
    spec: dict[str, Any], there: list[str], count: int | None
) -> None:
    running = [a_pod(node) for node in there]
    assert placed(a_pod(**spec), NODES, running, ROOM, 9) == count


def test_a_zone_without_room_holds_the_spread_back() -> None:
    room = {**ROOM, "node-a": 0}
    assert placed(a_pod(**spread(ZONE)), NODES, [], room, 9) == 2


def test_pods_of_others_may_keep_ours_away() -> None:
    loner = a_pod("node-a", {"app": "db"}, **apart(HOST, labelSelector={}))
    assert placed(a_pod(), NODES, [loner], {"node-a": 30}, 9) == 0


@pytest.mark.parametrize("named", ["namespaces", "namespaceSelector"])
def test_a_rule_that_is_not_counted_is_named(named: str) -> None:
    values: dict[str, Any] = {"namespaces": ["other"], "namespaceSelector": {}}
    with pytest.raises(UnknownRuleError, match=named):
        placed(a_pod(**apart(HOST, **{named: values[named]})), NODES, [], ROOM, 9)


def a_quota(hard: dict[str, str], used: dict[str, str], **spec: Any) -> Any:
    spec, status = {"hard": hard, **spec}, {"hard": hard, "used": used}
    return model("ResourceQuota", {"metadata": {"name": "team"}, "spec": spec, "status": status})


QUOTAS = {
    "pods": ("4", "4", 0, 1),
    "count/pods": ("10", "4", 6, 1),
    "requests.cpu": ("10", "1500m", 8.5, 0.25),
    "memory": ("8Gi", "2Gi", 6 * 2**30, 2**29),
    "limits.memory": ("2Gi", "0", 2**31, 2**30),
    "limits.cpu": ("2", "0", 2, 0),
}


@cases("resource hard used left ask", {name: (name, *row) for name, row in QUOTAS.items()})
def test_a_quota_tells_what_is_left_of_it(
    resource: str, hard: str, used: str, left: float, ask: float
) -> None:
    (found,) = quotas([a_quota({resource: hard}, {resource: used})], a_pod())
    assert (found.resource, found.left, found.ask) == (resource, left, ask)


@pytest.mark.parametrize("resource", ["services", "requests.storage", "count/secrets"])
def test_what_is_no_pods_does_not_bind(resource: str) -> None:
    assert list(quotas([a_quota({resource: "1"}, {})], a_pod())) == []


def priority(operator: str, *names: str) -> dict[str, Any]:
    term = {"scopeName": "PriorityClass", "operator": operator, "values": [*names]}
    return {"scopeSelector": {"matchExpressions": [term]}}


SCOPES: dict[str, tuple[dict[str, Any], bool]] = {
    "of what runs on": ({"scopes": ["NotTerminating"]}, True),
    "of what ends": ({"scopes": ["Terminating"]}, False),
    "of what asks for nothing": ({"scopes": ["BestEffort"]}, False),
    "of its priority": (priority("In", "high"), True),
    "of another priority": (priority("In", "low"), False),
    "of every other priority": (priority("NotIn", "high"), False),
    "of any priority": (priority("Exists"), True),
    "of none": (priority("DoesNotExist"), False),
}


@cases("spec binds", SCOPES)
def test_a_quota_binds_the_pods_of_its_scope(spec: dict[str, Any], *, binds: bool) -> None:
    found = list(quotas([a_quota({"pods": "1"}, {}, **spec)], a_pod(priorityClassName="high")))
    assert bool(found) is binds


def right(verbs: str, group: str, *resources: str) -> dict[str, Any]:
    return {"verbs": verbs.split("/"), "apiGroups": [group], "resources": [*resources]}


def of_path(verb: str, *paths: str) -> dict[str, Any]:
    return {"verbs": [verb], "nonResourceURLs": [*paths]}


# As kube-apiserver 1.37 answers a service account that nobody gave anything.
EVERYBODY = [
    right("create", "authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
    right("create", "authentication.k8s.io", "selfsubjectreviews"),
    right("get/list/watch", "certificates.k8s.io", "clustertrustbundles"),
]
PATHS = [
    of_path("get", "/.well-known/openid-configuration", "/openid/v1/jwks"),
    of_path("get", "/healthz", "/livez", "/readyz", "/version/"),
    of_path("get", "/api", "/api/*", "/apis", "/apis/*", "/openapi/*", "/version"),
]


def found(*rules: dict[str, Any], is_the_apps: bool = True) -> list[str]:
    resources = [*EVERYBODY, *(one for one in rules if "resources" in one)]
    paths = [*PATHS, *(one for one in rules if "resources" not in one)]
    status = {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}
    return list(excess(Rules.model_validate(status), "kube-system", is_the_apps=is_the_apps))


def kit(kind: str) -> list[dict[str, Any]]:
    """Return the rules that operators apply."""
    documents = yaml.safe_load_all(RBAC.read_text(encoding="utf-8"))
    rules = [rule for one in documents if one["kind"] == kind for rule in one["rules"]]
    return [rule for rule in rules if "resources" in rule]


def test_what_the_kit_gives_is_allowed() -> None:
    assert found(*kit("Role"), *kit("ClusterRole")) == []
    assert found(*kit("ClusterRole"), is_the_apps=False) == []


def test_in_another_namespace_only_what_the_cluster_role_gives() -> None:
    """A ClusterRoleBinding of the namespace's role would show every namespace's ConfigMaps."""
    assert "get/list configmaps in kube-system" in found(*kit("Role"), is_the_apps=False)


TOO_MUCH = """
update apps deployments · patch apps deployments/scale · create "" pods/eviction · watch "" secrets
deletecollection "" pods · get "" pods/proxy · create "" services/proxy · impersonate "" users
bind rbac.authorization.k8s.io clusterroles · escalate rbac.authorization.k8s.io roles
create "" serviceaccounts/token · get "" nodes/proxy · get example.com pods · * "" pods · get "" *
create certificates.k8s.io certificatesigningrequests · get * pods
create example.com selfsubjectaccessreviews
"""


@pytest.mark.parametrize("listed", re.split(r" · |\n", TOO_MUCH.strip()))
def test_whatever_else_is_listed_is_too_much(listed: str) -> None:
    assert found(right(*listed.replace('""', "").split(" ")))


def test_a_right_to_one_named_object_is_one_too() -> None:
    assert found({**right("get", "", "secrets"), "resourceNames": ["one"]}) == ["get secrets"]


@pytest.mark.parametrize("path", ["* *", "get /metrics", "post /healthz"])
def test_paths_that_are_not_everybodys_are_too_much(path: str) -> None:
    assert found(of_path(*path.split()))

"""A cluster as the probe reads it, its room for more pods, and rights beyond what the gate should have."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from probes import kubernetes
from probes.kubernetes import client as kubernetes_client
from probes.kubernetes.client import KubernetesTarget, Rules, excess
from probes.kubernetes.objects import Rights
from probes.kubernetes.placing import UnknownRuleError, placed
from probes.kubernetes.reading import quotas
from probes.log_lines import LogRules, error_level
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from sandbox.systems.cluster.rbac import Rbac
from sandbox.systems.cluster.state import APP, CONFIG_MAP, NAMESPACE, SERVICE
from sandbox.systems.standin_servers import RBAC
from tests.probes.cluster_server import TOKEN, ClusterServer
from tests.probes.servers import Server, answer, brought, failed, reading, serving
from tests.probes.test_kubernetes_reading import model
from tests.tables import cases

Said = Callable[..., None]
LABELS = {"app": APP}
RULES = LogRules("level", frozenset({"error", "fatal"}), ("ERROR", "Traceback"), 100)
ASKS: Mapping[str, tuple[Any, ...]] = {
    "workload": (kubernetes.workload, NAMESPACE, LABELS, "version"),
    "traffic": (kubernetes.traffic, NAMESPACE, SERVICE),
    "config map": (kubernetes.config_map, NAMESPACE, CONFIG_MAP),
    "health": (kubernetes.health, kubernetes.App(NAMESPACE, LABELS, 12), "kube-system"),
    "logs": (kubernetes.log_levels, NAMESPACE, [("a-pod", "api")], RULES),
    "rights": (kubernetes.excess_rights, NAMESPACE, "kube-system"),
}


def target_at(server: Server) -> KubernetesTarget:
    return KubernetesTarget(server.url, SecretStr(TOKEN))


def ask(target: KubernetesTarget, what: str, *others: Any) -> Observation[Any]:
    """Ask a question of the table, of other things where they are given."""
    question, *words = ASKS[what]
    asked: Observation[Any] = question(target, *(others or words), deadline=Deadline.after(10))
    return asked


def value_of(cluster: ClusterServer, what: str, *others: Any) -> Any:
    """Return what a probe brings."""
    return brought(ask(cluster.target, what, *others))


@pytest.mark.parametrize("what", ASKS)
def test_a_cluster_that_is_well_brings_values_and_evidence_without_the_token(
    cluster: ClusterServer, what: str
) -> None:
    observed = ask(cluster.target, what)
    assert observed.failure is None
    assert TOKEN not in f"{json.dumps(observed.record())} {cluster.target!r}"


def test_a_cluster_tells_its_nodes_room_and_its_own_pods(cluster: ClusterServer) -> None:
    value = value_of(cluster, "health")
    assert [node.name for node in value.nodes] == ["node-a", "node-b", "node-c"]
    assert all(node.ready and node.schedulable and node.free.cpu > 3 for node in value.nodes)
    assert (value.largest_ask.cpu, value.largest_ask.memory) == (0.25, 512 * 1024**2)
    assert (value.api_ready, len(value.system_pods)) == (True, 5)
    cluster.bend(stuck=True)  # a pod that finds no node has no room yet
    value = value_of(cluster, "health")
    assert (value.app_pods, value.largest_ask.cpu) == (2, 0.25)


@cases("expired", {"page by page": False, "an expired page": True})
def test_a_long_list_is_read_whole(
    cluster: ClusterServer, monkeypatch: pytest.MonkeyPatch, *, expired: bool
) -> None:
    monkeypatch.setattr(kubernetes_client, "PAGE", 2)
    cluster.bend(continue_expired=expired)
    value = value_of(cluster, "workload")
    assert len({pod.uid for pod in value.pods}) == 3


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"metadata": {}, "spec": {}, "status": null}'])
@pytest.mark.parametrize("what", ["workload", "traffic", "config map", "health", "rights"])
def test_json_that_is_no_object_of_the_api_is_nothing_of_ours(what: str, body: bytes) -> None:
    with serving(answer(body)) as server:
        observed = ask(target_at(server), what)
    if observed.value is None:
        failed(observed, Kind.UNUSABLE_ANSWER)


def test_where_a_cluster_can_not_list_all_rights_examples_are_asked_one_by_one(
    cluster: ClusterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authorizer behind a webhook, as the large clouds have, lists nothing."""
    told = {"resourceRules": [], "nonResourceRules": [], "incomplete": True}
    listed = kubernetes_client.Rules.model_validate(told)
    monkeypatch.setattr(kubernetes, "_rules", lambda *_: listed)
    assert value_of(cluster, "rights") == Rights((), complete=False)
    monkeypatch.setattr(Rbac, "allows", lambda *_, **__: True)
    excess = value_of(cluster, "rights").excess
    said = {"exec", "attach", "portforward", "proxy", "token", "ephemeralcontainers"}
    assert said <= {one.rpartition("/")[2] for one in excess}
    assert {"impersonate serviceaccounts", "create jobs", "create rolebindings"} <= {*excess}


def test_a_pod_that_never_started_has_no_log(cluster: ClusterServer) -> None:
    cluster.bend(waiting="ImagePullBackOff")
    pods = [(pod.name, "api") for pod in value_of(cluster, "workload").pods]
    found = value_of(cluster, "logs", NAMESPACE, pods, RULES)
    assert (len(found.pods_without_log), found.pods_read) == (1, 2)


_SWEPT = b'failed to try resolving symlinks in path "/var/log/pods/x/0.log": no such file\n'
LOGS: dict[str, bytes] = {
    "one line alone, JSON as a whole": b'{"level": "error", "msg": "one line"}',
    "a letter cut in two": b'{"level": "error"}\n{"level": "info", "msg": "cut \xe2\x82',
    "no UTF-8": b"\xff\xfe ERROR in another encoding\n",
    # What a node answers with 200 of a log that it does not have.
    "gone": b"unable to retrieve container logs for containerd://b91ca08d41b0a5",
    "swept away": _SWEPT,
    "a line of the app's own": b"starting\nunable to retrieve container logs for the report\n",
    "no level where it was said to be": (
        b'{"severity": "error"}\n{"level": "info"}\n{"level": 30}\nplain\n{"level": true}\n'
    ),
    # The limit cuts the newest lines off: it counts from where the tail begins.
    "longer than what is read of it": b'{"level": "info"}\n' * 20,
}


@cases("log", LOGS)
def test_a_log_is_bytes_and_nothing_else(
    log: bytes, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setattr(kubernetes, "_LOG_BYTES", 200)
    found = []
    for content_type in ("text/plain", "application/json"):
        with serving(answer(log, content_type=content_type)) as server:
            found.append(reading(ask(target_at(server), "logs")))
    assert found[0] == found[1]
    said(found[0])


def test_many_logs_are_read_at_once() -> None:
    """Eight calls meet in the server: one after the other, none would be answered."""
    meeting = threading.Barrier(8)

    def meet(connection: socket.socket, over: threading.Event) -> None:
        meeting.wait(5)
        answer(b"plain\n")(connection, over)

    pods = [(f"pod-{number}", "api") for number in range(8)]
    with serving(meet) as server:
        observed = ask(target_at(server), "logs", NAMESPACE, pods, RULES)
    assert brought(observed).lines == 8


LEVELS = {
    '{"level": "error", "msg": "x"}': "error",
    '{"level": "FATAL"}': "fatal",
    '{"level": "info", "msg": "0 ERROR so far"}': None,
    '{"level": 50, "msg": "an ERROR"}': "ERROR",
    '{"cut off", ERROR': "ERROR",
    "2026-01-31 ERROR lookup failed": "ERROR",
    "Traceback (most recent call last):": "Traceback",
    "no errors, 0 failures": None,
    "ERRORS: none": None,
}


@pytest.mark.parametrize(("line", "level"), LEVELS.items())
def test_what_makes_a_line_an_error(line: str, level: str | None) -> None:
    assert error_level(line, RULES) == level


POD_LABELS = {"app": "api", "version": "v1.1.0"}
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
        "metadata": {"name": "api-1", "uid": "1", "labels": labels or POD_LABELS},
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

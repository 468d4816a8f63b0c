from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from probes import kubernetes
from probes.kubernetes import LogRules, error_level
from probes.kubernetes import client as kubernetes_client
from probes.kubernetes.client import KubernetesTarget
from probes.kubernetes.objects import Rights
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from sandbox.systems.cluster.rbac import Rbac
from sandbox.systems.cluster.state import APP, CONFIG_MAP, NAMESPACE, SERVICE
from tests.probes.cluster_server import TOKEN, ClusterServer
from tests.probes.servers import Server, answer, brought, failed, reading, serving
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


def test_a_workload_has_deployments_and_pods_with_what_really_runs(cluster: ClusterServer) -> None:
    value = value_of(cluster, "workload")
    (deployment,) = value.deployments
    assert (deployment.version, deployment.wanted, deployment.available) == ("v1.1.0", 3, 3)
    assert [(pod.ready, pod.phase) for pod in value.pods] == [(True, "Running")] * 3
    assert all(pod.containers[0].digest.startswith("sha256:") for pod in value.pods)
    assert value.pods[0].config_maps == {CONFIG_MAP, "kube-root-ca.crt"}
    traffic = value_of(cluster, "traffic")
    assert [one.ready for one in traffic.endpoints] == [True, True, True]
    assert traffic.selector["version"] == "v1.1.0"


@pytest.mark.parametrize("what", ["traffic", "config map"])
def test_what_is_not_there_is_a_finding_and_no_failure(cluster: ClusterServer, what: str) -> None:
    assert value_of(cluster, what, NAMESPACE, "nobody").found is False


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


@cases("bent", {"401": "token_expired", "403": "rights_narrowed", "429": "throttled"})
def test_a_refusal_is_told_apart(
    cluster: ClusterServer, bent: str, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_client, "pause", lambda _: None)
    cluster.bend(**{bent: True})
    said(reading(ask(cluster.target, "workload")))


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"metadata": {}, "spec": {}, "status": null}'])
@pytest.mark.parametrize("what", ["workload", "traffic", "config map", "health", "rights"])
def test_json_that_is_no_object_of_the_api_is_nothing_of_ours(what: str, body: bytes) -> None:
    with serving(answer(body)) as server:
        observed = ask(target_at(server), what)
    if observed.value is None:
        failed(observed, Kind.UNUSABLE_ANSWER)


class TestRights:
    def test_the_kit_leaves_nothing_beyond_reading(self, cluster: ClusterServer) -> None:
        assert value_of(cluster, "rights").excess == ()

    def test_where_a_cluster_can_not_list_all_rights_examples_are_asked_one_by_one(
        self, cluster: ClusterServer, monkeypatch: pytest.MonkeyPatch
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

    def test_rights_too_many_are_named(self, cluster: ClusterServer) -> None:
        cluster.bend(rights_widened=True)
        excess = value_of(cluster, "rights").excess
        assert "do anything with pods" in excess
        assert {"create/get pods/exec", "get/list secrets"} <= {*excess}


def logs_of(cluster: ClusterServer) -> Observation[Any]:
    pods = [(pod.name, "api") for pod in value_of(cluster, "workload").pods]
    return ask(cluster.target, "logs", NAMESPACE, pods, RULES)


def test_error_lines_are_counted_by_level(cluster: ClusterServer) -> None:
    cluster.bend(error_lines=2)
    observed = logs_of(cluster)
    found = brought(observed)
    assert (found.errors, dict(found.by_level)) == (6, {"error": 6})
    assert "Jane" not in json.dumps(observed.record())


def test_a_pod_that_never_started_has_no_log(cluster: ClusterServer) -> None:
    cluster.bend(waiting="ImagePullBackOff")
    found = brought(logs_of(cluster))
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

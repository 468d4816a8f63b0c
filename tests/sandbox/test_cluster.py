"""The stand-in shows what a real API server showed (prove/kubernetes/recordings), also by step and right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
import yaml

from prove import kubernetes as recordings
from prove.kubernetes import likeness
from prove.kubernetes.likeness import shape
from sandbox.systems.cluster.controller import Cluster, Pod, Workload
from sandbox.systems.cluster.rbac import Attributes, Rbac
from sandbox.systems.cluster.state import APP, NAMESPACE, SERVICE_ACCOUNT, ClusterState
from sandbox.systems.standin_servers import RBAC
from tests.probes.cluster_server import TOKEN, ClusterServer
from tests.probes.servers import NO_AUTHORITIES
from tests.tables import cases

REVIEWS = "/apis/authorization.k8s.io/v1"
CORE = f"/api/v1/namespaces/{NAMESPACE}"


@pytest.mark.parametrize("situation", likeness.STORIES)
def test_objects_are_as_the_real_server_shows_them(situation: str) -> None:
    """Keys, types, conditions and words of every kind, and how many there are of each sort."""
    assert list(likeness.differences(situation)) == []


OTHERS = {
    "lost-node": ("healthy", "pods: the real server shows"),
    "healthy": ("surge", "'Running ready of a ReplicaSet': 3} are real"),
    "port-missing": ("healthy", "endpointslices: the real server shows “.ports NoneType”"),
    "terminating": ("healthy", "endpointslices: {'ready serving': 3, 'serving terminating': 2}"),
    "config-labelled": ("config-applied", "labels.team str”, the stand-in does not"),
}


@cases("situation told says", {name: (name, *row) for name, row in OTHERS.items()})
def test_another_situation_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, situation: str, told: str, says: str
) -> None:
    monkeypatch.setitem(likeness.STORIES, situation, likeness.STORIES[told])
    assert says in "\n".join(likeness.differences(situation))


def asked(cluster: ClusterServer, request: str, sent: object = None) -> httpx.Response:
    method, _, path = request.partition(" ")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = cluster.url + path
    return httpx.request(method, url, json=sent, headers=headers, verify=NO_AUTHORITIES)


def body_of(answer: httpx.Response) -> Any:
    is_json = answer.headers["content-type"].startswith("application/json")
    return answer.json() if is_json else answer.text


def assert_like(answer: httpx.Response, recorded: Mapping[str, Any]) -> None:
    """Assert that status, kind of content and shape are those of the recorded answer."""
    told = (answer.status_code, answer.headers["content-type"].split(";")[0])
    real = (recorded["status"], recorded["headers"]["content-type"].split(";")[0])
    assert told == real
    assert shape([body_of(answer)]) == shape([recorded["body"]])


SINGLE = [
    *("GET /version/", "GET /readyz", "GET /metrics", "GET /api/v1/nobodys"),
    "GET /apis/apps/v1/namespaces/default/deployments",
    *(f"GET {CORE}/{what}" for what in ("secrets", "secrets/any", "configmaps/nobody")),
    f"GET {CORE}/pods?labelSelector=a%3D%3D%3Db",
]


@pytest.mark.parametrize("request_line", SINGLE)
def test_single_answers_and_refusals_are_as_recorded(
    cluster: ClusterServer, request_line: str
) -> None:
    recorded = recordings.load("healthy").answered(request_line)[0]
    answer = asked(cluster, request_line)
    assert_like(answer, recorded)
    if answer.status_code in (403, 404):
        assert answer.json()["message"] == recorded["body"]["message"]


@pytest.mark.parametrize("namespace", [NAMESPACE, "default"])
def test_the_account_is_told_the_rules_that_a_real_one_is_told(
    cluster: ClusterServer, namespace: str
) -> None:
    """Recording healthy: beside the kit's own, every service account has some rules."""
    path = f"POST {REVIEWS}/selfsubjectrulesreviews"
    reviews = recordings.load("healthy").answered(path)
    recorded = next(one for one in reviews if one["sent"]["spec"]["namespace"] == namespace)
    answer = asked(cluster, path, recorded["sent"])
    assert_like(answer, recorded)
    for kind in ("resourceRules", "nonResourceRules"):
        told, real = answer.json()["status"][kind], recorded["body"]["status"][kind]
        assert sorted(map(_sorted, told)) == sorted(map(_sorted, real))


def _sorted(rule: Mapping[str, list[str]]) -> str:
    return json.dumps({key: sorted(rule[key]) for key in sorted(rule)})


def test_a_token_that_nobody_has_is_refused_as_recorded(cluster: ClusterServer) -> None:
    cluster.bend(token_expired=True)
    recorded = recordings.load("healthy").answered(f"GET {CORE}/pods")[-1]
    assert_like(asked(cluster, f"GET {CORE}/pods"), recorded)


def test_pages_and_an_expired_token_are_as_recorded(cluster: ClusterServer) -> None:
    """Recording expired-continue: a 410 carries a token for the rest of an inconsistent list."""
    first, second, gone = recordings.load("expired-continue").answers
    answer = asked(cluster, f"GET {CORE}/pods?limit=1")
    assert_like(answer, first)
    assert_like(asked(cluster, f"GET {CORE}/pods?limit=1&continue={_token(answer)}"), second)
    cluster.bend(continue_expired=True)
    expired = asked(cluster, f"GET {CORE}/pods?limit=1&continue={_token(answer)}")
    assert_like(expired, gone)
    assert expired.json()["message"] == gone["body"]["message"]


def _token(answer: httpx.Response) -> str:
    return str(answer.json()["metadata"]["continue"])


def test_priority_and_fairness_refuses_some_calls_in_plain_text(cluster: ClusterServer) -> None:
    """Recording throttled: lists of pods get 429 with waits that vary, other calls pass."""
    *refused, through = recordings.load("throttled").answers
    cluster.bend(throttled=True)
    answers = [asked(cluster, one["request"]) for one in refused]
    for answer, recorded in zip(answers, refused, strict=True):
        assert_like(answer, recorded)
    waits = {one["headers"]["retry-after"] for one in refused}
    assert {one.headers["retry-after"] for one in answers} == waits
    assert_like(asked(cluster, through["request"]), through)


def test_without_etcd_it_is_not_ready(cluster: ClusterServer) -> None:
    (recorded,) = recordings.load("without-etcd").answers
    cluster.bend(api_not_ready=True)
    answer = asked(cluster, "GET /readyz")
    assert answer.status_code == recorded["status"]
    assert "[-]etcd failed: reason withheld" in answer.text
    assert "[-]etcd failed: reason withheld" in recorded["body"]


def test_a_server_is_busy_and_lists_fail_as_often_as_was_ordered(cluster: ClusterServer) -> None:
    cluster.bend(busy_calls=2, failing_lists={"replicasets": 1})
    statuses = [asked(cluster, f"GET {CORE}/services/{APP}").status_code for _ in range(3)]
    assert statuses == [429, 429, 200]
    path = f"GET /apis/apps/v1/namespaces/{NAMESPACE}/replicasets"
    assert [asked(cluster, path).status_code for _ in range(2)] == [503, 200]


RESTARTED = {"1.1.0": "2026-01-01T00:00:00Z"}


class Told:
    """A cluster, its clock, and what it has been told."""

    def __init__(self, **facts: Any) -> None:
        self.now = 1_800_000_000.0
        self._facts = facts
        self.cluster = Cluster(ClusterState(**facts), 1, lambda: self.now)

    def tell(self, **facts: Any) -> None:
        self._facts |= facts
        self.cluster.follow(ClusterState(**self._facts))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.cluster.advance()

    @property
    def live(self) -> Workload:
        return self.cluster.workloads["1.1.0"]

    @property
    def alive(self) -> list[Pod]:
        return [pod for pod in self.live.pods if pod.ends_at is None]


@pytest.mark.parametrize(("wanted", "most", "least"), [(3, 4, 3), (6, 8, 5), (1, 2, 1)])
def test_a_rolling_update_keeps_surge_and_availability(wanted: int, most: int, least: int) -> None:
    told = Told(replicas={"1.1.0": wanted})
    told.tell(restarted_at=RESTARTED)
    mixed = 0
    for _ in range(100):
        told.wait(0.05)
        assert len(told.alive) <= most
        assert sum(pod.ready_at <= told.now for pod in told.alive) >= least
        mixed += len({pod.template for pod in told.alive}) > 1
    assert mixed > 5
    assert [pod.template for pod in told.live.pods] == [told.live.template] * wanted


def test_a_paused_rollout_goes_no_further_and_an_undo_is_a_new_revision_of_the_old_set() -> None:
    told = Told(replicas={"1.1.0": 3})
    first = told.live.template
    told.tell(restarted_at=RESTARTED)
    told.wait(0.5)
    told.tell(paused=True)
    before = {pod.template for pod in told.alive}
    told.wait(60)
    assert {pod.template for pod in told.alive} == before
    assert len(before) == 2
    told.tell(paused=False, restarted_at={})
    told.wait(60)
    assert {pod.template for pod in told.live.pods} == {first}
    assert told.live.revisions[first] == [1, 3]


def test_a_quota_refuses_pods_until_it_is_gone() -> None:
    told = Told(replicas={"1.1.0": 3})
    told.tell(quota_pods_left=1)
    told.tell(replicas={"1.1.0": 6})
    told.wait(60)
    assert len(told.live.pods) == 4
    assert told.cluster.refuses(told.live)
    told.tell(quota_pods_left=None)
    told.wait(60)
    assert len(told.live.pods) == 6
    assert not told.cluster.refuses(told.live)


def test_a_pod_that_was_deleted_is_there_until_it_has_ended() -> None:
    told = Told(replicas={"1.1.0": 3})
    told.tell(replicas={"1.1.0": 1})
    told.wait(0.1)
    assert sum(pod.ends_at is not None for pod in told.live.pods) == 2
    told.wait(1)
    assert len(told.live.pods) == 1


KIT = Rbac(RBAC, NAMESPACE, SERVICE_ACCOUNT)


def allowed(asked: Attributes) -> bool:
    return KIT.allows(asked, widened=False, narrowed=False)


READ = """
list "" pods unified-health · list "" pods · get "" pods/log unified-health
get "" services unified-health · get "" configmaps unified-health · list "" nodes
list apps deployments unified-health · list discovery.k8s.io endpointslices unified-health
"""
FORBIDDEN = """
get "" secrets unified-health · list "" secrets unified-health · get "" pods/exec unified-health
create "" pods/exec unified-health · create "" pods/attach unified-health · get "" nodes/proxy
create "" pods/portforward unified-health · create "" serviceaccounts/token unified-health
impersonate "" users · get "" configmaps another · get "" pods/log another
list apps deployments another
"""
CHANGES = [
    f"{verb} {kind} {NAMESPACE}"
    for verb in ("create", "update", "patch", "delete", "deletecollection")
    for kind in ('"" pods', '"" configmaps', '"" services', "apps deployments")
]


def each(table: str) -> list[str]:
    return re.split(r" · |\n", table.strip())


@pytest.mark.parametrize("asked", each(READ))
def test_what_the_checks_read_is_allowed(asked: str) -> None:
    assert allowed(Attributes(*asked.replace('""', "").split(" ")))


@pytest.mark.parametrize("asked", [*CHANGES, *each(FORBIDDEN)])
def test_nothing_may_be_changed_and_nothing_else_read(asked: str) -> None:
    assert not allowed(Attributes(*asked.replace('""', "").split(" ")))


def test_the_path_that_tells_whether_it_is_ready_is_allowed() -> None:
    assert allowed(Attributes("get", path="/readyz"))


def rules() -> list[dict[str, list[str]]]:
    documents = yaml.safe_load_all(RBAC.read_text(encoding="utf-8"))
    return [rule for document in documents for rule in document.get("rules", ())]


def test_the_kit_gives_what_the_checks_read_and_nothing_beside() -> None:
    given = {resource for rule in rules() for resource in rule.get("resources", ())}
    workloads = {"deployments", "pods", "pods/log", "services", "endpointslices", "configmaps"}
    assert given == {*workloads, "replicasets", "statefulsets", "resourcequotas", "nodes"}
    paths = {path for rule in rules() for path in rule.get("nonResourceURLs", ())}
    assert paths == {"/readyz", "/version/"}, "the probe asks for /version/"


def test_the_kit_has_no_wildcard() -> None:
    words = [word for rule in rules() for values in rule.values() for word in values]
    assert words
    assert "*" not in words


@pytest.mark.parametrize(
    "asked",
    [
        f"GET /api/v1/namespaces/{NAMESPACE}/secrets",
        f"DELETE /api/v1/namespaces/{NAMESPACE}/pods/any",
        f"PATCH /apis/apps/v1/namespaces/{NAMESPACE}/deployments/any",
        f"POST /api/v1/namespaces/{NAMESPACE}/pods/any/exec",
    ],
)
def test_the_server_answers_403_as_the_real_one_does(cluster: ClusterServer, asked: str) -> None:
    method, _, path = asked.partition(" ")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.request(method, cluster.url + path, headers=headers, verify=NO_AUTHORITIES)
    status = answer.json()
    assert answer.status_code == 403
    assert (status["kind"], status["reason"]) == ("Status", "Forbidden")
    assert "system:serviceaccount:unified-health:release-gate" in status["message"]

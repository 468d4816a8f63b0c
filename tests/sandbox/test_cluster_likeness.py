"""The stand-in shows what a real API server showed in the same situation: prove/kubernetes/recordings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from prove import kubernetes as recordings
from prove.kubernetes import likeness
from prove.kubernetes.likeness import shape
from sandbox.systems.cluster.state import APP, NAMESPACE
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

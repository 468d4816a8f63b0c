"""The kit that operators apply, evaluated as the API server would: what it lets through and what not."""

from __future__ import annotations

import re

import httpx
import pytest
import yaml

from sandbox.systems.cluster.rbac import Attributes, Rbac
from sandbox.systems.cluster.state import NAMESPACE, SERVICE_ACCOUNT
from sandbox.systems.standin_servers import RBAC
from tests.probes.cluster_server import TOKEN, ClusterServer
from tests.probes.servers import NO_AUTHORITIES

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

"""The kit that operators apply, evaluated as the API server would: what it lets through and what not."""

from __future__ import annotations

import httpx
import pytest
import yaml

from sandbox.systems.cluster.rbac import Attributes, Rbac
from sandbox.systems.cluster.state import NAMESPACE, SERVICE_ACCOUNT
from sandbox.systems.standin_servers import RBAC
from tests.probes.cluster_server import TOKEN, cluster_server

KIT = Rbac(RBAC, NAMESPACE, SERVICE_ACCOUNT)


def allowed(asked: Attributes) -> bool:
    return KIT.allows(asked, widened=False, narrowed=False)


@pytest.mark.parametrize(
    "asked",
    [
        Attributes("list", "", "pods", NAMESPACE),
        Attributes("list", "", "pods"),
        Attributes("get", "", "pods/log", NAMESPACE),
        Attributes("get", "", "services", NAMESPACE),
        Attributes("get", "", "configmaps", NAMESPACE),
        Attributes("list", "apps", "deployments", NAMESPACE),
        Attributes("list", "discovery.k8s.io", "endpointslices", NAMESPACE),
        Attributes("list", "", "nodes"),
        Attributes("get", path="/readyz"),
    ],
    ids=lambda one: one.sentence,
)
def test_what_the_checks_read_is_allowed(asked: Attributes) -> None:
    assert allowed(asked)


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "deletecollection"])
@pytest.mark.parametrize(
    ("group", "resource"),
    [("", "pods"), ("", "configmaps"), ("", "services"), ("apps", "deployments")],
)
def test_nothing_may_be_changed(verb: str, group: str, resource: str) -> None:
    assert not allowed(Attributes(verb, group, resource, NAMESPACE))


@pytest.mark.parametrize(
    "asked",
    [
        Attributes("get", "", "secrets", NAMESPACE),
        Attributes("list", "", "secrets", NAMESPACE),
        Attributes("get", "", "pods/exec", NAMESPACE),
        Attributes("create", "", "pods/exec", NAMESPACE),
        Attributes("create", "", "pods/attach", NAMESPACE),
        Attributes("create", "", "pods/portforward", NAMESPACE),
        Attributes("get", "", "nodes/proxy"),
        Attributes("create", "", "serviceaccounts/token", NAMESPACE),
        Attributes("impersonate", "", "users"),
        Attributes("get", "", "configmaps", "another-namespace"),
        Attributes("get", "", "pods/log", "another-namespace"),
        Attributes("list", "apps", "deployments", "another-namespace"),
    ],
    ids=lambda one: one.sentence,
)
def test_each_forbidden_thing_is_refused(asked: Attributes) -> None:
    assert not allowed(asked)


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
    ("method", "path"),
    [
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets"),
        ("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/any"),
        ("PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/any"),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/pods/any/exec"),
    ],
)
def test_the_server_answers_403_as_the_real_one_does(method: str, path: str) -> None:
    with cluster_server() as server:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        answer = httpx.request(method, server.url + path, headers=headers)
    status = answer.json()
    assert answer.status_code == 403
    assert (status["kind"], status["reason"]) == ("Status", "Forbidden")
    assert "system:serviceaccount:unified-health:release-gate" in status["message"]

"""What an account may do, as SelfSubjectRulesReview lists it, against what it is meant to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from probes.kubernetes.client import Rules, excess
from sandbox.systems.standin_servers import RBAC
from tests.tables import cases

# As kube-apiserver 1.37 answers a service account that nobody gave anything.
EVERYBODY: list[dict[str, Any]] = [
    {
        "verbs": ["create"],
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    },
    {
        "verbs": ["create"],
        "apiGroups": ["authentication.k8s.io"],
        "resources": ["selfsubjectreviews"],
    },
    {
        "verbs": ["get", "list", "watch"],
        "apiGroups": ["certificates.k8s.io"],
        "resources": ["clustertrustbundles"],
    },
]
PATHS: list[dict[str, Any]] = [
    {"verbs": ["get"], "nonResourceURLs": ["/.well-known/openid-configuration", "/openid/v1/jwks"]},
    {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version/"]},
    {
        "verbs": ["get"],
        "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/openapi/*", "/version"],
    },
]


def found(
    *rules: dict[str, Any], paths: tuple[dict[str, Any], ...] = (), is_the_apps: bool = True
) -> list[str]:
    status = {
        "resourceRules": [*EVERYBODY, *rules],
        "nonResourceRules": [*PATHS, *paths],
        "incomplete": False,
    }
    read = Rules.model_validate(status)
    return list(excess(read, "kube-system", is_the_apps=is_the_apps))


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


@pytest.mark.parametrize("right", re.split(r" · |\n", TOO_MUCH.strip()))
def test_whatever_else_is_listed_is_too_much(right: str) -> None:
    verb, group, resource = right.replace('""', "").split(" ")
    assert found({"verbs": [verb], "apiGroups": [group], "resources": [resource]})


def test_a_right_to_one_named_object_is_one_too() -> None:
    secret = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}
    assert found({**secret, "resourceNames": ["one"]}) == ["get secrets"]


@cases(
    "path",
    {
        "everything": {"verbs": ["*"], "nonResourceURLs": ["*"]},
        "metrics": {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
        "more than reading": {"verbs": ["post"], "nonResourceURLs": ["/healthz"]},
    },
)
def test_paths_that_are_not_everybodys_are_too_much(path: dict[str, Any]) -> None:
    assert found(paths=(path,))

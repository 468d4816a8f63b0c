"""RBAC as the API server evaluates it, over the manifests that operators apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Json = Mapping[str, Any]

# What every cluster lets each authenticated user do (system:basic-user, system:public-info-viewer).
_EVERYBODY: Sequence[Json] = (
    {
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        "verbs": ["create"],
    },
    {
        "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"],
        "verbs": ["get"],
    },
)
# What an operator in a hurry adds, for the fault in which the gate may write.
_TOO_WIDE: Sequence[Json] = (
    {"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]},
)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for: a resource, or a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    """With its subresource, such as `pods/log`."""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def sentence(self) -> str:
        """Return the API server's words for a refusal."""
        where = (
            f' in the namespace "{self.namespace}"' if self.namespace else " at the cluster scope"
        )
        if self.path:
            return f'cannot {self.verb} path "{self.path}"'
        return f'cannot {self.verb} resource "{self.resource}" in API group "{self.group}"{where}'


class Rbac:
    """The rules of one service account."""

    def __init__(self, manifests: Path, namespace: str, account: str) -> None:
        documents = list(yaml.safe_load_all(manifests.read_text(encoding="utf-8")))
        self.user = f"system:serviceaccount:{namespace}:{account}"
        self._roles = {(one["kind"], one["metadata"]["name"]): one for one in documents}
        self._bindings = [
            one
            for one in documents
            if one["kind"].endswith("Binding")
            and any(
                (subject["kind"], subject["name"], subject.get("namespace"))
                == ("ServiceAccount", account, namespace)
                for subject in one["subjects"]
            )
        ]

    def rules(self, namespace: str, *, widened: bool, narrowed: bool) -> Iterator[Json]:
        """Yield the rules that hold in a namespace, "" being the cluster's scope."""
        yield from _EVERYBODY
        if widened:
            yield from _TOO_WIDE
        for binding in [] if narrowed else self._bindings:
            everywhere = binding["kind"] == "ClusterRoleBinding"
            if everywhere or binding["metadata"]["namespace"] == namespace:
                role = self._roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
                yield from role["rules"]

    def allows(self, asked: Attributes, *, widened: bool, narrowed: bool) -> bool:
        """Return whether some rule allows it; RBAC knows no rule that forbids."""
        rules = self.rules(asked.namespace, widened=widened, narrowed=narrowed)
        return any(_allows(rule, asked) for rule in rules)


def _allows(rule: Json, asked: Attributes) -> bool:
    if not _has(rule["verbs"], asked.verb):
        return False
    if asked.path:
        return _has(rule.get("nonResourceURLs", ()), asked.path)
    names = rule.get("resourceNames", ())
    return (
        _has(rule.get("apiGroups", ()), asked.group)
        and _has(rule.get("resources", ()), asked.resource)
        and (not names or asked.name in names)
    )


def _has(words: Sequence[str], word: str) -> bool:
    return "*" in words or word in words

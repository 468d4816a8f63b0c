"""RBAC as the API server evaluates it, over the manifests that operators apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Json = Mapping[str, Any]

_RIGHTS: Mapping[str, Sequence[Json]] = yaml.safe_load(
    Path(__file__).with_name("rights.yaml").read_bytes()
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
    def details(self) -> dict[str, str]:
        """Return what a refusal is about, as a Status names it."""
        named = {"name": self.name} if self.name else {}
        kind = {"kind": self.resource.partition("/")[0]} if self.resource else {}
        group = {"group": self.group} if self.group else {}
        return {**named, **group, **kind}

    def refusal(self, user: str) -> str:
        """Return the API server's message for a refusal."""
        name = f' "{self.name}"' if self.name else ""
        resource = self.resource.partition("/")[0]
        group = f".{self.group}" if self.group else ""
        subject = f"{resource}{group}{name} is " if resource else ""
        return f'{subject}forbidden: User "{user}" {self.sentence}'

    @property
    def sentence(self) -> str:
        """Return what is refused, in the API server's words."""
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
        yield from _RIGHTS["everybody"]
        if widened:
            yield from _RIGHTS["too wide"]
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
        paths = rule.get("nonResourceURLs", ())
        return any(
            asked.path.startswith(one[:-1]) if one.endswith("*") else asked.path == one
            for one in paths
        )
    names = rule.get("resourceNames", ())
    return (
        _has(rule.get("apiGroups", ()), asked.group)
        and _has(rule.get("resources", ()), asked.resource)
        and (not names or asked.name in names)
    )


def _has(words: Sequence[str], word: str) -> bool:
    return "*" in words or word in words

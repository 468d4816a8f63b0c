"""Where more pods like the app's would go, by its required (anti-)affinity and topology spread.

One after the other, as the scheduler places them: room alone says nothing where only one may go to each
node or zone.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from probes.kubernetes.models import Node, NodeTerm, Pod, PodTerm, Requirement, Selector, Taint

_KEEPS_OUT: Final = ("NoSchedule", "NoExecute")
_NAME: Final = "metadata.name"


def may_go(pod: Pod, node: Node) -> bool:
    """Return whether a pod like this may go to a node, room apart."""
    return (
        not node.unschedulable
        and all(_tolerates(pod, one) for one in node.taints if one.effect in _KEEPS_OUT)
        and may_be_placed(pod, node)
    )


def may_be_placed(pod: Pod, node: Node) -> bool:
    """Return whether a pod's own node selector and required node affinity let it go to a node.

    Such nodes count in a topology spread; by the API's default also those whose taints keep it out.
    """
    labels = node.metadata.labels
    return pod.spec.node_selector.items() <= labels.items() and _is_wanted(
        pod.spec.nodes, {**labels, _NAME: node.metadata.name}
    )


def _tolerates(pod: Pod, taint: Taint) -> bool:
    return any(
        (one.key == taint.key or (not one.key and one.operator == "Exists"))
        and one.effect in ("", taint.effect)
        and (
            one.operator == "Exists" or (one.operator in ("", "Equal") and one.value == taint.value)
        )
        for one in pod.spec.tolerations
    )


def _is_wanted(required: Sequence[NodeTerm] | None, labels: Mapping[str, str]) -> bool:
    """Return whether one term of the required affinity holds; an empty term never does."""
    if required is None:
        return True
    terms = [(*one.match_expressions, *one.match_fields) for one in required]
    return any(term and all(holds(one, labels) for one in term) for term in terms)


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Return whether one requirement holds; one of an operator that is not known here does not."""
    value, values = labels.get(requirement.key), requirement.values
    match requirement.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compares(value, values, greater=operator == "Gt")
    return False


def _compares(value: str | None, values: Sequence[str], *, greater: bool) -> bool:
    try:
        own, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return own > bound if greater else own < bound


_HASHES = ("pod-template-hash", "controller-revision-hash")


class UnknownRuleError(Exception):
    """A rule that is not counted here; the text names it."""


@dataclasses.dataclass(slots=True)
class _Rule:
    """One required term: how many pods that it is about are in each domain."""

    kind: str
    """`apart`, `together` or `spread`."""
    key: str
    counts: collections.Counter[str]
    itself: bool
    """A new pod is one that it is about."""
    domains: frozenset[str] = frozenset()
    skew: int = 0
    fewest: int = 0
    """Of the domains; with fewer, the emptiest counts as empty."""

    def allows(self, labels: Mapping[str, str]) -> bool:
        """Return whether one more pod may go to a node with these labels."""
        domain = labels.get(self.key)
        if self.kind == "apart":
            return domain is None or not self.counts[domain]
        if domain is None:
            return False
        if self.kind == "together":
            return self.counts[domain] > 0 or (self.itself and not self.counts.total())
        least = min((self.counts[one] for one in self.domains), default=0)
        emptiest = least if len(self.domains) >= self.fewest else 0
        return self.counts[domain] + self.itself - emptiest <= self.skew

    def add(self, labels: Mapping[str, str]) -> None:
        """Count one more pod on a node with these labels."""
        domain = labels.get(self.key)
        if self.itself and domain is not None:
            self.counts[domain] += 1


def placed(
    pod: Pod, nodes: Sequence[Node], pods: Iterable[Pod], fits: Mapping[str, int], wanted: int
) -> int | None:
    """Return how many of the wanted pods find a node; None where no rule but room decides.

    `pods` are those of the namespace, `fits` tells for how many each node has room. Raises
    UnknownRuleError for a rule that is not counted here.
    """
    labels = {one.metadata.name: one.metadata.labels for one in nodes}
    there = [one for one in pods if one.spec.node_name in labels]
    rules = [*_rules(pod, nodes, there, labels), *_rules_of_others(pod, there, labels)]
    if not rules:
        return None
    left = dict(fits)
    for count in range(wanted):
        free = [
            name
            for name, room in left.items()
            if room > 0 and all(one.allows(labels[name]) for one in rules)
        ]
        if not free:
            return count
        best = min(free, key=lambda name: (_crowd(rules, labels[name]), -left[name]))
        left[best] -= 1
        for rule in rules:
            rule.add(labels[best])
    return wanted


def _crowd(rules: Iterable[_Rule], labels: Mapping[str, str]) -> int:
    return sum(one.counts[labels.get(one.key, "")] for one in rules if one.kind == "spread")


def _rules(
    pod: Pod, nodes: Sequence[Node], there: Sequence[Pod], labels: Mapping[str, Mapping[str, str]]
) -> Iterator[_Rule]:
    for kind, term in _terms(pod):
        counts, itself = _counted(term, pod, there, labels)
        yield _Rule(kind, term.topology_key, counts, itself)
    for spread in pod.spec.topology_spread_constraints:
        if spread.when_unsatisfiable != "DoNotSchedule":
            continue
        key = spread.topology_key
        counts, itself = _counted(spread, pod, there, labels)
        eligible = [labels[one.metadata.name] for one in nodes if may_be_placed(pod, one)]
        domains = frozenset(one[key] for one in eligible if key in one)
        yield _Rule("spread", key, counts, itself, domains, spread.max_skew, spread.min_domains)


def _rules_of_others(
    pod: Pod, there: Sequence[Pod], labels: Mapping[str, Mapping[str, str]]
) -> Iterator[_Rule]:
    """Yield the domains that pods which run keep free of pods like this one."""
    for other in there:
        for kind, term in _terms(other):
            if kind == "apart" and _is_about(term, other, pod.metadata.labels):
                _refuse_unknown(term, other)
                domain = labels[other.spec.node_name].get(term.topology_key)
                counts = collections.Counter([domain] if domain is not None else [])
                yield _Rule(kind, term.topology_key, counts, itself=False)


def _terms(pod: Pod) -> Iterator[tuple[str, PodTerm]]:
    yield from (("apart", one) for one in pod.spec.apart)
    yield from (("together", one) for one in pod.spec.together)


def _refuse_unknown(term: PodTerm, owner: Pod) -> None:
    """Raise UnknownRuleError for a term about other namespaces, whose pods are not looked at here."""
    strange = {
        "namespaces": set(term.namespaces) - {owner.metadata.namespace},
        "namespaceSelector": term.namespace_selector,
        "mismatchLabelKeys": term.mismatch_label_keys,
    }
    for name, value in strange.items():
        if value:
            raise UnknownRuleError(f"a rule with {name}")


def _counted(
    term: PodTerm, pod: Pod, there: Sequence[Pod], labels: Mapping[str, Mapping[str, str]]
) -> tuple[collections.Counter[str], bool]:
    """Return how many pods that a term is about are in each domain, and whether a new pod is one."""
    _refuse_unknown(term, pod)
    found = [
        labels[one.spec.node_name].get(term.topology_key)
        for one in there
        if _is_about(term, pod, one.metadata.labels)
    ]
    counts = collections.Counter(one for one in found if one is not None)
    return counts, _selects(term.label_selector, pod.metadata.labels)


def _is_about(term: PodTerm, owner: Pod, labels: Mapping[str, str]) -> bool:
    """Return whether the term of a pod is about a pod that runs and has these labels."""
    own = owner.metadata.labels
    # The release's pods will have another hash than any that run.
    same = all(
        key not in _HASHES and labels.get(key) == own.get(key) for key in term.match_label_keys
    )
    return same and _selects(term.label_selector, labels)


def _selects(selector: Selector | None, labels: Mapping[str, str]) -> bool:
    return (
        selector is not None
        and selector.match_labels.items() <= labels.items()
        and all(holds(one, labels) for one in selector.match_expressions)
    )

"""May a pod go to a node? As the scheduler decides: cordons, taints, node selector, required affinity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from probes.kubernetes.models import Node, NodeTerm, Pod, Requirement, Taint

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

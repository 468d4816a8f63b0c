"""May a pod go to a node? As the scheduler decides: cordons, taints, node selector, required affinity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KEEPS_OUT: Final = ("NoSchedule", "NoExecute")
_NAME: Final = "metadata.name"


def may_go(pod: Any, node: Any) -> bool:
    """Return whether a pod like this may go to a node, room apart."""
    taints = (node.spec and node.spec.taints) or ()
    return (
        not (node.spec and node.spec.unschedulable)
        and all(_tolerates(pod, one) for one in taints if one.effect in _KEEPS_OUT)
        and may_be_placed(pod, node)
    )


def may_be_placed(pod: Any, node: Any) -> bool:
    """Return whether a pod's own node selector and required node affinity let it go to a node.

    Such nodes count in a topology spread; by the API's default also those whose taints keep it out.
    """
    labels = node.metadata.labels or {}
    return (pod.spec.node_selector or {}).items() <= labels.items() and _is_wanted(
        pod.spec.affinity, {**labels, _NAME: node.metadata.name}
    )


def _tolerates(pod: Any, taint: Any) -> bool:
    return any(
        (one.key == taint.key or (not one.key and one.operator == "Exists"))
        and one.effect in (None, "", taint.effect)
        and (
            one.operator == "Exists"
            or (one.operator in (None, "", "Equal") and (one.value or "") == (taint.value or ""))
        )
        for one in pod.spec.tolerations or ()
    )


def _is_wanted(affinity: Any, labels: Mapping[str, str]) -> bool:
    """Return whether one term of the required affinity holds; an empty term never does."""
    wanted = affinity and affinity.node_affinity
    required = wanted and wanted.required_during_scheduling_ignored_during_execution
    if not required:
        return True
    terms = [
        [*(one.match_expressions or ()), *(one.match_fields or ())]
        for one in required.node_selector_terms or ()
    ]
    return any(term and all(holds(one, labels) for one in term) for term in terms)


def holds(requirement: Any, labels: Mapping[str, str]) -> bool:
    """Return whether one requirement holds; one of an operator that is not known here does not."""
    value, values = labels.get(requirement.key), requirement.values or []
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


def _compares(value: str | None, values: list[str], *, greater: bool) -> bool:
    try:
        own, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return own > bound if greater else own < bound

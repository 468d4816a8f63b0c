"""How much of a namespace's ResourceQuotas is left for more pods like the app's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from probes.kubernetes_objects import Quota
from probes.kubernetes_reading import asks, quantity


def quotas(models: Iterable[Any], pod: Any) -> Iterator[Quota]:
    """Yield each bound that a pod like this one meets, with what is left and what it asks for."""
    for model in models:
        if not all(
            _binds(name, operator, values, pod) for name, operator, values in _scopes(model)
        ):
            continue
        hard = (model.status and model.status.hard) or model.spec.hard or {}
        used = (model.status and model.status.used) or {}
        for resource, limit in hard.items():
            ask = _ask(pod, resource)
            if ask is not None:
                left = quantity(limit) - quantity(used.get(resource))
                yield Quota(model.metadata.name, resource, left, ask)


def _ask(pod: Any, resource: str) -> float | None:
    """Return what a pod asks for of a quota's resource; None where pods do not count in it."""
    if resource in ("pods", "count/pods"):
        return 1.0
    kind, dot, name = resource.partition(".")
    if not dot:
        kind, name = "requests", resource
    if name in ("cpu", "memory"):
        # A pod that asks for nothing of these is refused by a quota of them.
        return float(getattr(asks(pod, kind), name))
    amounts = [getattr(one.resources, kind, None) or {} for one in pod.spec.containers or ()]
    return sum(quantity(one.get(name)) for one in amounts) or None


def _scopes(model: Any) -> Iterator[tuple[str, str, list[str]]]:
    for name in model.spec.scopes or ():
        yield name, "Exists", []
    selector = model.spec.scope_selector
    for one in (selector and selector.match_expressions) or ():
        yield one.scope_name, one.operator, one.values or []


def _binds(scope: str, operator: str, values: list[str], pod: Any) -> bool:
    """Return whether a scope of a quota takes in a pod of a Deployment that asks for CPU or memory."""
    if scope != "PriorityClass":
        return scope in ("NotTerminating", "NotBestEffort")
    name = pod.spec.priority_class_name
    match operator:
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return not name
    return bool(name)

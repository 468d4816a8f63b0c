"""How much of a namespace's ResourceQuotas is left for more pods like the app's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from probes.kubernetes.models import Kind, Pod, ResourceQuota
from probes.kubernetes.objects import Quota
from probes.kubernetes.reading import asks, quantity


def quotas(found: Iterable[ResourceQuota], pod: Pod) -> Iterator[Quota]:
    """Yield each bound that a pod like this one meets, with what is left and what it asks for."""
    for one in found:
        if not all(_binds(*scope, pod) for scope in _scopes(one)):
            continue
        for resource, limit in (one.holds or one.hard).items():
            ask = _ask(pod, resource)
            if ask is not None:
                left = quantity(limit) - quantity(one.used.get(resource))
                yield Quota(one.metadata.name, resource, left, ask)


def _ask(pod: Pod, resource: str) -> float | None:
    """Return what a pod asks for of a quota's resource; None where pods do not count in it."""
    if resource in ("pods", "count/pods"):
        return 1.0
    prefix, dot, name = resource.partition(".")
    kind: Kind = "limits" if dot and prefix == "limits" else "requests"
    if not dot:
        name = resource
    elif prefix not in ("limits", "requests"):
        return None
    if name in ("cpu", "memory"):
        # A pod that asks for nothing of these is refused by a quota of them.
        return float(getattr(asks(pod, kind), name))
    amounts = (one.resources.of(kind).get(name) for one in pod.spec.containers)
    return sum(quantity(one) for one in amounts) or None


def _scopes(quota: ResourceQuota) -> Iterator[tuple[str, str, Sequence[str]]]:
    yield from ((name, "Exists", ()) for name in quota.scopes)
    yield from ((one.scope_name, one.operator, one.values) for one in quota.expressions)


def _binds(scope: str, operator: str, values: Sequence[str], pod: Pod) -> bool:
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

"""From the API's objects to what the checks judge."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from probes.kubernetes import models
from probes.kubernetes.models import Deployment, Endpoint, Kind, Pod
from probes.kubernetes.objects import ConfigMap, Node, Quota, Room, SystemPod
from probes.kubernetes.placing import may_go

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
# What node-problem-detector calls its permanent problems; EKS' agent has conditions that end in Ready.
_DETECTED: Final = (
    *("CorruptDockerOverlay2", "ContainerRuntimeUnhealthy", "KernelDeadlock"),
    *("KubeletUnhealthy", "ReadonlyFilesystem"),
)
_VALUES: Final = frozenset({"f:data", "f:binaryData"})
_OVER: Final = ("Succeeded", "Failed")
_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)(?P<suffix>[numkMGTPE]|[KMGTPE]i|)"
)
_FACTORS: Final[Mapping[str, float]] = {
    "": 1.0,
    **{one: 10.0 ** (3 * power) for power, one in enumerate("num kMGTPE", -3) if one != " "},
    **{f"{one}i": 1024.0**power for power, one in enumerate("KMGTPE", 1)},
}


def workload(model: Deployment, version_label: str, kind: str = "Deployment") -> Deployment:
    """Return what runs pods with its kind, which a list does not tell, and its label's version."""
    return model.model_copy(update={"version": model.labels.get(version_label), "kind": kind})


def pods(
    found: Iterable[Pod],
    replica_sets: Iterable[Deployment],
    workloads: Iterable[Deployment],
    version_label: str,
) -> tuple[Pod, ...]:
    """Return pods, each joined to what runs it by uid: labels can be anybody's."""
    sets = {one.uid: one for one in replica_sets}
    names = {one.uid: one.name for one in workloads if one.uid}

    def joined(pod: Pod) -> Pod:
        top, labels = pod.metadata.controller, pod.metadata.labels
        replica_set = sets.get(top.uid) if top else None
        if replica_set is not None:
            # Who relabels a pod does not change what runs in it.
            top, labels = replica_set.metadata.controller, replica_set.labels
        told = {
            "version": labels.get(version_label),
            "owner": f"{top.kind} {top.name}" if top else "",
            "workload": names.get(top.uid, "") if top else "",
        }
        return pod.model_copy(update=told)

    return tuple(map(joined, found))


def endpoints(slices: Iterable[models.EndpointSlice], *, has_ports: bool) -> tuple[Endpoint, ...]:
    """Join the slices of a Service: they may overlap, so each pod and address counts once.

    Where the Service has ports, a slice without any leads nowhere, whatever its conditions say: the
    targetPort is a name that those pods lack.
    """
    found: dict[tuple[str, str], Endpoint] = {}
    for one in slices:
        reachable = bool(one.ports) or not has_ports
        for model in one.endpoints:
            endpoint = model.model_copy(update={"ready": model.ready and reachable})
            key = (endpoint.pod_uid, endpoint.address)
            if endpoint.ready or key not in found:
                found[key] = endpoint
    return tuple(found.values())


def config_map(model: models.ConfigMap) -> ConfigMap:
    """Read a ConfigMap."""
    data = dict(model.data)
    managed = {
        f"{one.manager} {one.operation}": sorted(
            f"{kind}{key}" for kind in _VALUES for key in one.fields_v1.get(kind, ())
        )
        for one in model.metadata.managed_fields
        if _has_values(one)
    }
    return ConfigMap(
        found=True,
        data=data,
        changed_at=changed_at(model.metadata),
        digest=_sha256([data, dict(model.binary_data)]),
        managers=_sha256(managed),
        removed=tuple(sorted(_applied_keys(model.metadata) - data.keys())),
    )


def _applied_keys(metadata: models.Metadata) -> set[str]:
    """Return the keys that `kubectl apply` wrote last, as it notes them."""
    try:
        applied = json.loads(metadata.annotations.get(_LAST_APPLIED, "{}"))
        return set(applied.get("data") or {})
    except (ValueError, AttributeError, TypeError):
        return set()


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def changed_at(metadata: models.Metadata) -> dt.datetime | None:
    """Return when anybody changed the values of a ConfigMap last, to the second.

    Without its managers' times nobody knows: when it was made says nothing of its changes.
    """
    times = (one.time for one in metadata.managed_fields if one.time and _has_values(one))
    return max(times, default=None)


def _has_values(entry: models.ManagedFields) -> bool:
    """Return whether a manager has values: who only annotates changes none. One may not say it."""
    return not entry.fields_v1 or bool(_VALUES.intersection(entry.fields_v1))


def node(model: models.Node, pods: Iterable[Pod], app: Iterable[Pod]) -> Node:
    """Read a node, the room that its pods leave, and whether the app's pods may go there."""
    conditions = {one.type: one.status for one in model.conditions}
    ready = conditions.get("Ready", "Unknown")
    amounts = model.allocatable
    allocatable = Room(*(quantity(amounts.get(name)) for name in ("cpu", "memory", "pods")))
    asked = functools.reduce(Room.plus, (asks(one) for one in pods if holds_room(one)), Room())
    return Node(
        name=model.metadata.name,
        ready=ready == "True",
        silent=ready == "Unknown",
        # Of a node that is lost every condition is Unknown: nobody knows of a pressure then.
        troubles=()
        if ready == "Unknown"
        else tuple(filter(None, (_trouble(*one) for one in conditions.items()))),
        schedulable=all(may_go(one, model) for one in app),
        free=allocatable.minus(asked),
    )


def _trouble(kind: str, status: str) -> str:
    """Return the trouble that a condition tells; empty where it tells none, or nobody knows what."""
    if kind in _PRESSURES:
        return {"False": "", "True": kind}.get(status, f"{kind} {status}")
    if kind.endswith("Ready") and kind != "Ready":
        return "" if status == "True" else f"{kind} {status}"
    is_problem = kind in _DETECTED or kind.endswith("Problem")
    return kind if is_problem and status == "True" else ""


def holds_room(model: Pod) -> bool:
    """Return whether a pod still takes what it asks for."""
    return model.phase not in _OVER


def asks(model: Pod, kind: Kind = "requests") -> Room:
    """Return what a pod asks for as the scheduler counts it, or its `limits`."""
    spec = model.spec
    own = [_amounts(one.resources, kind) for one in spec.containers]
    running = functools.reduce(Room.plus, own, Room())
    sidecars, peak = Room(), Room()
    for one in spec.init_containers:
        # Each runs beside the sidecars that started before it; a sidecar stays.
        together = sidecars.plus(_amounts(one.resources, kind))
        peak = largest([peak, together])
        sidecars = together if one.restart_policy == "Always" else sidecars
    total, whole = largest([running.plus(sidecars), peak]), _amounts(spec.resources, kind)
    return Room(
        (whole.cpu or total.cpu) + quantity(spec.overhead.get("cpu")),
        (whole.memory or total.memory) + quantity(spec.overhead.get("memory")),
        1.0,
    )


def _amounts(resources: models.Resources, kind: Kind) -> Room:
    amounts = resources.of(kind)
    return Room(quantity(amounts.get("cpu")), quantity(amounts.get("memory")))


def quantity(value: str | float | None) -> float:
    """Return `250m`, `4` or `16Gi` as a number; raises ValueError for what is none.

    The suffixes are those of the API reference (resource.Quantity).
    """
    found = _QUANTITY.fullmatch("0" if value is None else str(value))
    if found is None:
        raise ValueError(f"{value} is not a quantity")
    return float(found["number"]) * _FACTORS[found["suffix"]]


def system_pods(found: Iterable[Pod]) -> tuple[SystemPod, ...]:
    """Read the cluster's own pods, without those that go or that their controller has replaced.

    A static pod, which belongs to its node, is replaced by nobody.
    """
    return tuple(
        _system_pod(one)
        for one in found
        if one.metadata.deletion_timestamp is None and not _was_replaced(one)
    )


def _was_replaced(model: Pod) -> bool:
    owner = model.metadata.controller
    return owner is not None and owner.kind != "Node" and model.phase == "Failed"


def _system_pod(pod: Pod) -> SystemPod:
    """Read one of them: it runs and is ready, or has done its job."""
    waiting = next((one.waiting for one in pod.containers if one.waiting), "")
    healthy = pod.phase == "Succeeded" or (pod.phase == "Running" and pod.ready)
    state = waiting or (pod.phase if pod.phase != "Running" or pod.ready else "not ready")
    return SystemPod(pod.name, healthy, state)


def largest(rooms: Iterable[Room]) -> Room:
    """Return the most that any of them asks for, resource by resource."""
    return Room(*map(max, zip(*rooms, strict=True)))


def quotas(found: Iterable[models.ResourceQuota], pod: Pod) -> Iterator[Quota]:
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


def _scopes(quota: models.ResourceQuota) -> Iterator[tuple[str, str, Sequence[str]]]:
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

"""From the official client's models to ours: what is left out gets the API's own default."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity

from probes.kubernetes_objects import (
    FIRST_REVISION,
    LAST_APPLIED,
    RESTARTED_AT,
    Condition,
    ConfigMap,
    Container,
    Deployment,
    Endpoint,
    Node,
    Pod,
    Room,
    SystemPod,
)
from probes.kubernetes_scheduling import may_go

_PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
# What node-problem-detector calls its permanent problems; EKS' agent has conditions that end in Ready.
_DETECTED: Final = (
    "CorruptDockerOverlay2",
    "ContainerRuntimeUnhealthy",
    "KernelDeadlock",
    "KubeletUnhealthy",
    "ReadonlyFilesystem",
)
_VALUES: Final = frozenset({"f:data", "f:binaryData"})
_OVER: Final = ("Succeeded", "Failed")


def deployment(model: Any, version_label: str) -> Deployment:
    """Read a Deployment."""
    spec, status, template = model.spec, model.status, model.spec.template
    labels = (template.metadata and template.metadata.labels) or {}
    annotations = (template.metadata and template.metadata.annotations) or {}
    return Deployment(
        name=model.metadata.name,
        version=labels.get(version_label),
        generation=model.metadata.generation or 0,
        observed_generation=(status and status.observed_generation) or 0,
        paused=bool(spec.paused),
        wanted=1 if spec.replicas is None else spec.replicas,
        total=(status and status.replicas) or 0,
        updated=(status and status.updated_replicas) or 0,
        ready=(status and status.ready_replicas) or 0,
        available=(status and status.available_replicas) or 0,
        revision=(model.metadata.annotations or {}).get(FIRST_REVISION, ""),
        progress_deadline_seconds=spec.progress_deadline_seconds,
        restarted_at=annotations.get(RESTARTED_AT),
        conditions=_conditions(status and status.conditions),
        uid=model.metadata.uid or "",
    )


def stateful_set(model: Any, version_label: str) -> Deployment:
    """Read a StatefulSet: it has no progress deadline, and its revision is a name."""
    spec, status = model.spec, model.status
    metadata = spec.template.metadata
    return Deployment(
        name=model.metadata.name,
        version=((metadata and metadata.labels) or {}).get(version_label),
        generation=model.metadata.generation or 0,
        observed_generation=(status and status.observed_generation) or 0,
        paused=False,
        wanted=1 if spec.replicas is None else spec.replicas,
        total=(status and status.replicas) or 0,
        updated=(status and status.updated_replicas) or 0,
        ready=(status and status.ready_replicas) or 0,
        available=(status and status.available_replicas) or 0,
        revision=(status and status.update_revision) or "",
        progress_deadline_seconds=None,
        restarted_at=((metadata and metadata.annotations) or {}).get(RESTARTED_AT),
        kind="StatefulSet",
        uid=model.metadata.uid or "",
    )


def pods(
    models: Iterable[Any],
    replica_sets: Iterable[Any],
    workloads: Iterable[Deployment],
    version_label: str,
) -> tuple[Pod, ...]:
    """Read pods, each joined to what runs it by uid: labels can be anybody's."""
    sets = {one.metadata.uid: one for one in replica_sets}
    names = {one.uid: one.name for one in workloads if one.uid}
    found = []
    for model in models:
        read, top = pod(model, version_label), _controller(model)
        replica_set = sets.get(top.uid) if top else None
        if replica_set is not None:
            top = _controller(replica_set)
            # Who relabels a pod does not change what runs in it.
            labels = replica_set.spec.template.metadata.labels or {}
            read = dataclasses.replace(read, version=labels.get(version_label), owner=_named(top))
        found.append(dataclasses.replace(read, workload=names.get(top.uid, "") if top else ""))
    return tuple(found)


def _named(owner: Any) -> str:
    return f"{owner.kind} {owner.name}" if owner else ""


def _controller(model: Any) -> Any:
    return next((one for one in model.metadata.owner_references or () if one.controller), None)


def _conditions(models: Iterable[Any] | None) -> tuple[Condition, ...]:
    return tuple(Condition(one.type, one.status, one.reason or "") for one in models or ())


def pod(model: Any, version_label: str) -> Pod:
    """Read a pod."""
    status = model.status
    init = (status and status.init_container_statuses) or ()
    ordinary = (status and status.container_statuses) or ()
    spec = model.spec
    declared = {
        one.name: one.image for one in [*(spec.containers or ()), *(spec.init_containers or ())]
    }
    started = {one.name for one in (*ordinary, *init)}
    return Pod(
        name=model.metadata.name,
        uid=model.metadata.uid,
        version=(model.metadata.labels or {}).get(version_label),
        phase=(status and status.phase) or "Unknown",
        ready=_is_true(status, "Ready"),
        deleting=model.metadata.deletion_timestamp is not None,
        created_at=model.metadata.creation_timestamp,
        owner=_named(_controller(model)),
        containers=(
            *(_container(one, declared, init=False) for one in ordinary),
            *(_container(one, declared, init=True) for one in init),
            *(_not_started(one) for one in spec.containers or () if one.name not in started),
        ),
        config_maps=frozenset(_config_maps(spec)),
        reason=(status and status.reason) or _unscheduled(status),
    )


def _not_started(declared: Any) -> Container:
    """Return a container of which the kubelet says nothing yet, as of a pod that has found no node."""
    return Container(
        name=declared.name,
        image=declared.image or "",
        digest="",
        ready=False,
        restarts=0,
        waiting="",
        terminated="",
        started_at=None,
    )


def _unscheduled(status: Any) -> str:
    conditions = (status and status.conditions) or ()
    reasons = (
        one.reason for one in conditions if one.type == "PodScheduled" and one.status == "False"
    )
    return next(reasons, None) or ""


def _is_true(status: Any, kind: str) -> bool:
    conditions = (status and status.conditions) or ()
    return any(one.type == kind and one.status == "True" for one in conditions)


def _container(status: Any, declared: Mapping[str, str | None], *, init: bool) -> Container:
    state, last = status.state, status.last_state
    running, waiting = (state and state.running), (state and state.waiting)
    ended = (state and state.terminated) or (last and last.terminated)
    return Container(
        name=status.name,
        # The status has an id where the image was pulled by digest, or any other tag of the same image.
        image=declared.get(status.name) or status.image or "",
        digest=_digest(status.image_id or ""),
        ready=bool(status.ready),
        restarts=status.restart_count or 0,
        waiting=(waiting and waiting.reason) or "",
        terminated=(ended and (ended.reason or f"exit code {ended.exit_code}")) or "",
        started_at=_time(running and running.started_at),
        init=init,
        done=bool(state and state.terminated and state.terminated.exit_code == 0),
    )


def _digest(image_id: str) -> str:
    """Return the digest of `docker-pullable://name@sha256:…` or `name@sha256:…`.

    An id alone, such as `sha256:…`, is the runtime's own and no digest that a registry knows.
    """
    return image_id.rpartition("@")[2] if "@sha256:" in image_id else ""


def _time(value: Any) -> dt.datetime | None:
    return value if isinstance(value, dt.datetime) else None


def _config_maps(spec: Any) -> Iterator[str]:
    """Yield the ConfigMaps that containers read, as environment or as files."""
    for container in [*(spec.containers or ()), *(spec.init_containers or ())]:
        for source in container.env_from or ():
            if source.config_map_ref is not None:
                yield source.config_map_ref.name
        for variable in container.env or ():
            key = variable.value_from and variable.value_from.config_map_key_ref
            if key:
                yield key.name
    for volume in spec.volumes or ():
        projected = (volume.projected and volume.projected.sources) or ()
        for source in filter(lambda one: one.config_map, [volume, *projected]):
            yield source.config_map.name


def endpoints(slices: Iterable[Any], *, has_ports: bool) -> tuple[Endpoint, ...]:
    """Join the slices of a Service: they may overlap, so each pod and address counts once.

    Where the Service has ports, a slice without any leads nowhere, whatever its conditions say: the
    targetPort is a name that those pods lack.
    """
    found: dict[tuple[str, str], Endpoint] = {}
    for one in slices:
        reachable = bool(one.ports) or not has_ports
        for model in one.endpoints or ():
            conditions, target = model.conditions, model.target_ref
            ready = conditions.ready if conditions is not None else None
            endpoint = Endpoint(
                address=model.addresses[0] if model.addresses else "",
                pod_uid=(target and target.uid) or "",
                pod_name=(target and target.name) or "",
                ready=ready is not False and reachable,
                terminating=bool(conditions and conditions.terminating),
            )
            key = (endpoint.pod_uid, endpoint.address)
            if endpoint.ready or key not in found:
                found[key] = endpoint
    return tuple(found.values())


def config_map(model: Any) -> ConfigMap:
    """Read a ConfigMap."""
    data = dict(model.data or {})
    managed = {
        f"{one.manager} {one.operation}": sorted(
            f"{kind}{key}" for kind in _VALUES for key in (one.fields_v1 or {}).get(kind, ())
        )
        for one in model.metadata.managed_fields or ()
        if _has_values(one)
    }
    return ConfigMap(
        found=True,
        data=data,
        changed_at=changed_at(model.metadata),
        digest=_sha256([data, dict(model.binary_data or {})]),
        managers=_sha256(managed),
        removed=tuple(sorted(_applied_keys(model.metadata) - data.keys())),
    )


def _applied_keys(metadata: Any) -> set[str]:
    """Return the keys that `kubectl apply` wrote last, as it notes them."""
    try:
        applied = json.loads((metadata.annotations or {}).get(LAST_APPLIED, "{}"))
        return set(applied.get("data") or {})
    except (ValueError, AttributeError, TypeError):
        return set()


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def changed_at(metadata: Any) -> dt.datetime | None:
    """Return when anybody changed the values of a ConfigMap last, to the second.

    Without its managers' times nobody knows: when it was made says nothing of its changes.
    """
    times = (one.time for one in metadata.managed_fields or () if one.time and _has_values(one))
    return max(times, default=None)


def _has_values(entry: Any) -> bool:
    """Return whether a manager has values: who only annotates changes none. One may not say it."""
    fields = getattr(entry, "fields_v1", None)
    return not isinstance(fields, dict) or not fields or bool(_VALUES.intersection(fields))


def node(model: Any, pods: Iterable[Any], app: Iterable[Any]) -> Node:
    """Read a node, the room that its pods leave, and whether the app's pods may go there."""
    conditions = {one.type: one.status for one in (model.status and model.status.conditions) or ()}
    ready = conditions.get("Ready", "Unknown")
    amounts = (model.status and model.status.allocatable) or {}
    allocatable = Room(
        quantity(amounts.get("cpu")),
        quantity(amounts.get("memory")),
        quantity(amounts.get("pods")),
    )
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


def holds_room(model: Any) -> bool:
    """Return whether a pod still takes what it asks for."""
    return ((model.status and model.status.phase) or "") not in _OVER


def asks(model: Any, kind: str = "requests") -> Room:
    """Return what a pod asks for as the scheduler counts it, or its `limits`."""
    spec = model.spec
    own = [_amounts(one, kind) for one in spec.containers or ()]
    running = functools.reduce(Room.plus, own, Room())
    sidecars, peak = Room(), Room()
    for one in spec.init_containers or ():
        # Each runs beside the sidecars that started before it; a sidecar stays.
        together = sidecars.plus(_amounts(one, kind))
        peak = largest([peak, together])
        sidecars = together if one.restart_policy == "Always" else sidecars
    total = largest([running.plus(sidecars), peak])
    whole = getattr(spec.resources, kind, None) or {}
    overhead = spec.overhead or {}
    return Room(
        (quantity(whole.get("cpu")) or total.cpu) + quantity(overhead.get("cpu")),
        (quantity(whole.get("memory")) or total.memory) + quantity(overhead.get("memory")),
        1.0,
    )


def _amounts(container: Any, kind: str) -> Room:
    amounts = getattr(container.resources, kind, None) or {}
    return Room(quantity(amounts.get("cpu")), quantity(amounts.get("memory")))


def quantity(text: Any) -> float:
    """Return `250m`, `4` or `16Gi` as a number; raises ValueError for what is none."""
    parse: Callable[[Any], Decimal] = parse_quantity
    return float(parse(text)) if text is not None else 0.0


def system_pods(models: Iterable[Any]) -> tuple[SystemPod, ...]:
    """Read the cluster's own pods, without those that go or that their controller has replaced.

    A static pod, which belongs to its node, is replaced by nobody.
    """
    return tuple(
        _system_pod(one)
        for one in models
        if one.metadata.deletion_timestamp is None and not _was_replaced(one)
    )


def _was_replaced(model: Any) -> bool:
    owners = model.metadata.owner_references or ()
    replaced = any(one.controller and one.kind != "Node" for one in owners)
    return replaced and bool(model.status and model.status.phase == "Failed")


def _system_pod(model: Any) -> SystemPod:
    """Read one of them: it runs and is ready, or has done its job."""
    read = pod(model, "")
    waiting = next((one.waiting for one in read.containers if one.waiting), "")
    healthy = read.phase == "Succeeded" or (read.phase == "Running" and read.ready)
    state = waiting or (read.phase if read.phase != "Running" or read.ready else "not ready")
    return SystemPod(read.name, healthy, state)


def largest(rooms: Iterable[Room]) -> Room:
    """Return the most that any of them asks for, resource by resource."""
    found = list(rooms)
    return Room(
        **{
            field.name: max((getattr(one, field.name) for one in found), default=0.0)
            for field in dataclasses.fields(Room)
        }
    )

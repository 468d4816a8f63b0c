"""What real clusters answer, word for word where it matters, and how it is read."""

from __future__ import annotations

import json
from typing import Any

from probes.kubernetes import models as kubernetes_models
from probes.kubernetes import reading
from tests.tables import cases

Json = dict[str, Any]
POD: Json = {
    "metadata": {"name": "api-1", "uid": "1", "labels": {"app": "api"}},
    "spec": {"containers": [{"name": "api", "image": "registry.example/api:v1.2.0"}]},
}
READY, UNREADY = "ready", "not ready"
DIGEST = f"sha256:{'1' * 64}"


def model(kind: str, document: Json) -> Any:
    """Return an object as the probe reads it."""
    return getattr(kubernetes_models, kind).model_validate_json(json.dumps(document))


def a_slice(*states: str, ports: list[Any] | None) -> Any:
    endpoints = [
        {
            "addresses": [f"10.0.0.{number}"],
            "conditions": {"ready": one == READY, "serving": one == READY, "terminating": False},
            "targetRef": {"kind": "Pod", "name": f"api-{number}", "uid": f"{number}"},
        }
        for number, one in enumerate(states)
    ]
    document = {"addressType": "IPv4", "endpoints": endpoints or None, "ports": ports}
    return model("EndpointSlice", document)


PORTS = [{"port": 8080}]
SLICES = {
    # The Service's targetPort is a name that these pods lack: kube-proxy leaves such slices out.
    "a slice without ports leads nowhere": (
        [a_slice(READY, ports=PORTS), a_slice(UNREADY, READY, ports=None)],
        True,
        {"api-0": True, "api-1": False},
    ),
    "ready in one of two slices": (
        [a_slice(READY, ports=PORTS), a_slice(UNREADY, ports=PORTS)],
        True,
        {"api-0": True},
    ),
    "a Service without ports needs none": ([a_slice(READY, ports=[])], False, {"api-0": True}),
    "a slice of nothing, which is null": ([a_slice(ports=None)], True, {}),
}


@cases("slices has_ports ready", SLICES)
def test_the_endpoints_of_a_services_slices_are_joined(
    slices: list[Any], ready: dict[str, bool], *, has_ports: bool
) -> None:
    for order in (slices, slices[::-1]):
        found = reading.endpoints(order, has_ports=has_ports)
        assert {one.pod_name: one.ready for one in found} == ready


@cases(
    "image_id digest",
    {
        "containerd": (f"registry.example/api@{DIGEST}", DIGEST),
        "docker": (f"docker-pullable://registry.example/api@{DIGEST}", DIGEST),
        "an id alone": (f"sha256:{'2' * 64}", ""),
        "docker's id": (f"docker://sha256:{'2' * 64}", ""),
        "CRI-O's id": ("2" * 64, ""),
        "none yet": ("", ""),
    },
)
def test_an_images_own_id_is_no_digest_of_a_registry(image_id: str, digest: str) -> None:
    assert container(imageID=image_id).digest == digest


@cases(
    "told", {"its id, as of a digest": f"sha256:{'2' * 64}", "another tag": "example/other:latest"}
)
def test_an_image_is_what_the_pod_declares_whatever_its_status_calls_it(told: str) -> None:
    assert container(image=told).image == "registry.example/api:v1.2.0"


def container(**status: str) -> Any:
    told = {"image": "", "imageID": "", **status, "name": "api", "ready": True}
    document = {**POD, "status": {"containerStatuses": [{**told, "restartCount": 0}]}}
    (found,) = model("Pod", document).containers
    return found


def test_a_pod_that_is_over_says_why_and_a_projected_volume_is_read() -> None:
    sources = [{"configMap": {"name": "kube-root-ca.crt"}}, {"configMap": {"name": "app"}}]
    spec = {**POD["spec"], "volumes": [{"name": "all", "projected": {"sources": sources}}]}
    over = {"phase": "Failed", "reason": "Evicted"}
    found = model("Pod", {**POD, "spec": spec, "status": over})
    assert (found.phase, found.reason, found.ready) == ("Failed", "Evicted", False)
    assert found.config_maps == {"kube-root-ca.crt", "app"}


def a_container(cpu: str, **more: str) -> Json:
    return {"name": "one", "resources": {"requests": {"cpu": cpu, "memory": "1Mi"}}, **more}


_APP, _INIT, _SIDECAR = (
    a_container("500m"),
    a_container("2"),
    a_container("1", restartPolicy="Always"),
)
ASKS: dict[str, tuple[Json, tuple[float, float]]] = {
    "what a pod asks for as a whole counts before its containers": (
        {"resources": {"requests": {"cpu": "3"}}, "containers": [a_container("250m")]},
        (3.0, 2**20),
    ),
    "an init container runs beside the sidecars that started before it": (
        {"initContainers": [_SIDECAR, _INIT], "containers": [_APP]},
        (3.0, 2**21),
    ),
    "a sidecar that starts after it runs beside the app alone": (
        {"initContainers": [_INIT, _SIDECAR], "containers": [_APP]},
        (2.0, 2**21),
    ),
}


@cases("spec asked", ASKS)
def test_what_a_pod_asks_for_is_counted_as_the_scheduler_does(
    spec: Json, asked: tuple[float, float]
) -> None:
    room = reading.asks(model("Pod", {**POD, "spec": spec}))
    assert (room.cpu, room.memory) == asked


NODE: Json = {"metadata": {"name": "node-a", "labels": {"pool": "health", "cores": "8"}}}
DEDICATED = {"key": "dedicated", "value": "health", "effect": "NoSchedule"}


def tainted(**changes: str) -> Json:
    return {"taints": [{**DEDICATED, **changes}]}


def by_name(name: str) -> Json:
    return {"key": "metadata.name", "operator": "In", "values": [name]}


def affine(*terms: Json) -> Json:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [*terms]}}
    return {"affinity": {"nodeAffinity": required}}


def label(key: str, operator: str, *values: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": [*values]}]}


NODES: dict[str, tuple[Json, Json, bool]] = {
    "nothing asked": ({}, {}, True),
    "cordoned": ({"unschedulable": True}, {}, False),
    "a taint that only prefers": (tainted(effect="PreferNoSchedule"), {}, True),
    "tainted": (tainted(), {}, False),
    "tolerated": (tainted(), {"tolerations": [DEDICATED]}, True),
    "another value": (tainted(), {"tolerations": [{**DEDICATED, "value": "batch"}]}, False),
    "another effect": (tainted(), {"tolerations": [{**DEDICATED, "effect": "NoExecute"}]}, False),
    "any value": (tainted(), {"tolerations": [{"key": "dedicated", "operator": "Exists"}]}, True),
    "tolerates all": (tainted(), {"tolerations": [{"operator": "Exists"}]}, True),
    "selected": ({}, {"nodeSelector": {"pool": "health"}}, True),
    "not selected": ({}, {"nodeSelector": {"pool": "gpu"}}, False),
    "one of the values": ({}, affine(label("pool", "In", "web", "health")), True),
    "none of the values": ({}, affine(label("pool", "NotIn", "health")), False),
    "a label that is not there has no value": ({}, affine(label("zone", "NotIn", "a")), True),
    "a label that is not there": ({}, affine(label("zone", "Exists")), False),
    "a label that must not be there": ({}, affine(label("zone", "DoesNotExist")), True),
    "greater": ({}, affine(label("cores", "Gt", "4")), True),
    "not less": ({}, affine(label("cores", "Lt", "4")), False),
    "no number": ({}, affine(label("pool", "Gt", "4")), False),
    "one term is enough": ({}, affine(label("pool", "In", "x"), label("pool", "Exists")), True),
    "an empty term fits nothing": ({}, affine({}), False),
    "another node by name": ({}, affine({"matchFields": [by_name("other")]}), False),
}


@cases("node pod fits", NODES)
def test_room_is_counted_where_the_apps_pods_may_go(node: Json, pod: Json, *, fits: bool) -> None:
    app = [model("Pod", {**POD, "spec": {**POD["spec"], **pod}})]
    assert reading.node(model("Node", {**NODE, "spec": node}), [], app).schedulable is fits


def a_system_pod(name: str, phase: str, owner: str = "", **metadata: Any) -> Any:
    owned = [{"apiVersion": "v1", "kind": owner, "name": "o", "uid": "o", "controller": True}]
    document = {
        "metadata": {"name": name, **metadata, "ownerReferences": owned if owner else []},
        "spec": {"containers": []},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    return model("Pod", document)


def test_of_the_clusters_own_pods_those_that_were_replaced_or_go_are_no_trouble() -> None:
    pods = [
        a_system_pod("coredns", "Running", "ReplicaSet"),
        a_system_pod("coredns-evicted", "Failed", "ReplicaSet"),
        a_system_pod("first-try", "Failed", "Job"),
        a_system_pod("done", "Succeeded", "Job"),
        a_system_pod("going", "Pending", "ReplicaSet", deletionTimestamp="2026-01-31T22:00:00Z"),
        a_system_pod("kube-scheduler", "Failed", "Node"),
        a_system_pod("by-hand", "Failed"),
    ]
    found = {one.name: one.healthy for one in reading.system_pods(pods)}
    healthy = {"coredns": True, "done": True}
    assert found == {**healthy, "kube-scheduler": False, "by-hand": False}


CONDITIONS = {
    "Ready True": (),
    "DiskPressure True": ("DiskPressure",),
    "DiskPressure Unknown": ("DiskPressure Unknown",),
    "NetworkingReady True": (),
    "NetworkingReady False": ("NetworkingReady False",),
    "KernelDeadlock True": ("KernelDeadlock",),
    "ReadonlyFilesystem False": (),
    "ContainerRuntimeProblem True": ("ContainerRuntimeProblem",),
    "VMEventScheduled True": (),
}


@cases("condition troubles", {one: (one, troubles) for one, troubles in CONDITIONS.items()})
def test_a_node_is_in_trouble_as_its_own_agents_say_it(
    condition: str, troubles: tuple[str, ...]
) -> None:
    conditions = [
        dict(zip(("type", "status"), one.split(), strict=True)) for one in ("Ready True", condition)
    ]
    node = model("Node", {**NODE, "spec": {}, "status": {"conditions": conditions}})
    assert reading.node(node, [], []).troubles == troubles


def test_of_a_lost_node_no_pressure_is_known() -> None:
    """The node controller turns all its conditions to Unknown once its kubelet stops reporting."""
    conditions = [
        {"type": kind, "status": "Unknown", "reason": "NodeStatusUnknown"}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    node = model("Node", {**NODE, "spec": {}, "status": {"conditions": conditions}})
    found = reading.node(node, [], [])
    assert (found.ready, found.silent, found.troubles) == (False, True, ())


def entry(time: str, **fields: Any) -> Json:
    named = {"fieldsType": "FieldsV1", "fieldsV1": fields} if fields else {}
    return {"manager": "someone", "operation": "Update", "apiVersion": "v1", "time": time, **named}


FIELDS: dict[str, tuple[Json, int]] = {
    "an annotation alone": ({"f:metadata": {"f:annotations": {}}}, 0),
    "a value": ({"f:data": {"f:LOG_LEVEL": {}}}, 5),
    "a binary value": ({"f:binaryData": {"f:logo": {}}}, 5),
    "nobody says what": ({}, 5),
}


@cases("last minute", FIELDS)
def test_a_config_map_changed_when_somebody_changed_its_values(last: Json, minute: int) -> None:
    first = entry("2026-01-31T22:00:00Z", **{"f:data": {"f:LOG_LEVEL": {}}})
    fields = [first, entry("2026-01-31T22:05:00Z", **last)]
    document = {"metadata": {"name": "config", "managedFields": fields}}
    changed = reading.changed_at(model("ConfigMap", document).metadata)
    assert changed is not None
    assert changed.minute == minute

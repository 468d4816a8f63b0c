"""What real clusters answer, word for word where it matters, and how it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from probes.kubernetes import models as kubernetes_models
from probes.kubernetes import reading

POD: dict[str, Any] = {
    "metadata": {"name": "api-1", "uid": "1", "labels": {"app": "api"}},
    "spec": {"containers": [{"name": "api", "image": "registry.example/api:v1.2.0"}]},
}
READY, UNREADY = "ready", "not ready"
DIGEST = f"sha256:{'1' * 64}"


def model(kind: str, document: dict[str, Any]) -> Any:
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


class TestEndpoints:
    def test_one_in_a_slice_without_ports_gets_nothing(self) -> None:
        """The Service's targetPort is a name that these pods lack: kube-proxy leaves such slices out."""
        slices = [a_slice(READY, ports=[{"port": 8080}]), a_slice(UNREADY, READY, ports=None)]
        found = reading.endpoints(slices, has_ports=True)
        assert {one.pod_name: one.ready for one in found} == {"api-0": True, "api-1": False}

    def test_one_that_moves_between_slices_is_ready_if_any_says_so(self) -> None:
        ports = [{"port": 8080}]
        slices = [a_slice(READY, ports=ports), a_slice(UNREADY, ports=ports)]
        for order in (slices, slices[::-1]):
            (found,) = reading.endpoints(order, has_ports=True)
            assert found.ready

    def test_a_service_that_has_no_ports_itself_needs_none(self) -> None:
        (found,) = reading.endpoints([a_slice(READY, ports=[])], has_ports=False)
        assert found.ready

    def test_a_slice_of_nothing_is_null_and_no_endpoint(self) -> None:
        assert reading.endpoints([a_slice(ports=None)], has_ports=True) == ()


class TestPods:
    @pytest.mark.parametrize(
        ("image_id", "digest"),
        [
            (f"registry.example/api@{DIGEST}", DIGEST),
            (f"docker-pullable://registry.example/api@{DIGEST}", DIGEST),
            (f"sha256:{'2' * 64}", ""),
            (f"docker://sha256:{'2' * 64}", ""),
            ("2" * 64, ""),
            ("", ""),
        ],
        ids=["containerd", "docker", "an id alone", "docker's id", "CRI-O's id", "none yet"],
    )
    def test_an_images_own_id_is_no_digest_of_a_registry(self, image_id: str, digest: str) -> None:
        assert self.container(imageID=image_id).digest == digest

    @pytest.mark.parametrize(
        "told",
        [f"sha256:{'2' * 64}", "registry.example/other:latest"],
        ids=["its id, where it was pulled by digest", "another tag of the same image"],
    )
    def test_an_image_is_what_the_pod_declares_whatever_its_status_calls_it(
        self, told: str
    ) -> None:
        assert self.container(image=told).image == "registry.example/api:v1.2.0"

    def container(self, **status: str) -> Any:
        told = {"image": "", "imageID": "", **status, "name": "api", "ready": True}
        document = {**POD, "status": {"containerStatuses": [{**told, "restartCount": 0}]}}
        (found,) = reading.pod(model("Pod", document), "version").containers
        return found

    def test_a_pod_that_is_over_says_why(self) -> None:
        document = {**POD, "status": {"phase": "Failed", "reason": "Evicted"}}
        found = reading.pod(model("Pod", document), "version")
        assert (found.phase, found.reason, found.ready) == ("Failed", "Evicted", False)

    def test_a_config_map_in_a_projected_volume_is_read(self) -> None:
        sources = [{"configMap": {"name": "kube-root-ca.crt"}}, {"configMap": {"name": "app"}}]
        spec = {**POD["spec"], "volumes": [{"name": "all", "projected": {"sources": sources}}]}
        found = reading.pod(model("Pod", {**POD, "spec": spec}), "version")
        assert found.config_maps == {"kube-root-ca.crt", "app"}


def asked(**spec: Any) -> tuple[float, float]:
    room = reading.asks(model("Pod", {**POD, "spec": {"containers": [], **spec}}))
    return room.cpu, room.memory


def a_container(cpu: str, **more: str) -> dict[str, Any]:
    return {"name": "one", "resources": {"requests": {"cpu": cpu, "memory": "1Mi"}}, **more}


class TestRoom:
    def test_what_a_pod_asks_for_as_a_whole_counts_before_its_containers(self) -> None:
        resources = {"requests": {"cpu": "3"}}
        assert asked(resources=resources, containers=[a_container("250m")]) == (3.0, 2**20)

    def test_an_init_container_runs_beside_the_sidecars_that_started_before_it(self) -> None:
        init = [a_container("1", restartPolicy="Always"), a_container("2")]
        assert asked(initContainers=init, containers=[a_container("500m")])[0] == 3.0

    def test_a_sidecar_that_starts_after_it_runs_beside_the_app_alone(self) -> None:
        init = [a_container("2"), a_container("1", restartPolicy="Always")]
        assert asked(initContainers=init, containers=[a_container("500m")])[0] == 2.0


NODE: dict[str, Any] = {"metadata": {"name": "node-a", "labels": {"pool": "health", "cores": "8"}}}
DEDICATED = {"key": "dedicated", "value": "health", "effect": "NoSchedule"}


def affine(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [*terms]}}
    return {"affinity": {"nodeAffinity": required}}


def label(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": [*values]}]}


@pytest.mark.parametrize(
    ("node", "pod", "fits"),
    [
        ({}, {}, True),
        ({"unschedulable": True}, {}, False),
        ({"taints": [DEDICATED]}, {}, False),
        ({"taints": [{**DEDICATED, "effect": "PreferNoSchedule"}]}, {}, True),
        ({"taints": [DEDICATED]}, {"tolerations": [DEDICATED]}, True),
        ({"taints": [DEDICATED]}, {"tolerations": [{**DEDICATED, "value": "batch"}]}, False),
        ({"taints": [DEDICATED]}, {"tolerations": [{**DEDICATED, "effect": "NoExecute"}]}, False),
        (
            {"taints": [DEDICATED]},
            {"tolerations": [{"key": "dedicated", "operator": "Exists"}]},
            True,
        ),
        ({"taints": [DEDICATED]}, {"tolerations": [{"operator": "Exists"}]}, True),
        ({}, {"nodeSelector": {"pool": "health"}}, True),
        ({}, {"nodeSelector": {"pool": "gpu"}}, False),
        ({}, affine(label("pool", "In", "web", "health")), True),
        ({}, affine(label("pool", "NotIn", "health")), False),
        ({}, affine(label("zone", "NotIn", "a")), True),
        ({}, affine(label("zone", "Exists")), False),
        ({}, affine(label("zone", "DoesNotExist")), True),
        ({}, affine(label("cores", "Gt", "4")), True),
        ({}, affine(label("cores", "Lt", "4")), False),
        ({}, affine(label("pool", "Gt", "4")), False),
        ({}, affine(label("pool", "In", "gpu"), label("pool", "In", "health")), True),
        ({}, affine({}), False),
        (
            {},
            affine(
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["other"]}]}
            ),
            False,
        ),
    ],
    ids=[
        "nothing asked",
        "cordoned",
        "tainted",
        "a taint that only prefers",
        "tolerated",
        "another value",
        "another effect",
        "any value",
        "tolerates all",
        "selected",
        "not selected",
        "one of the values",
        "none of the values",
        "a label that is not there has no value",
        "a label that is not there",
        "a label that must not be there",
        "greater",
        "not less",
        "no number",
        "one term is enough",
        "an empty term fits nothing",
        "another node by name",
    ],
)
def test_room_is_counted_where_the_apps_pods_may_go(
    node: dict[str, Any], pod: dict[str, Any], *, fits: bool
) -> None:
    spec = {**POD["spec"], **pod}
    app = [model("Pod", {**POD, "spec": spec})]
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


@pytest.mark.parametrize(
    ("condition", "troubles"),
    [
        ({"type": "Ready", "status": "True"}, ()),
        ({"type": "DiskPressure", "status": "True"}, ("DiskPressure",)),
        ({"type": "DiskPressure", "status": "Unknown"}, ("DiskPressure Unknown",)),
        ({"type": "NetworkingReady", "status": "True"}, ()),
        ({"type": "NetworkingReady", "status": "False"}, ("NetworkingReady False",)),
        ({"type": "KernelDeadlock", "status": "True"}, ("KernelDeadlock",)),
        ({"type": "ReadonlyFilesystem", "status": "False"}, ()),
        ({"type": "ContainerRuntimeProblem", "status": "True"}, ("ContainerRuntimeProblem",)),
        ({"type": "VMEventScheduled", "status": "True"}, ()),
    ],
    ids=lambda one: " ".join(one.values()) if isinstance(one, dict) else "",
)
def test_a_node_is_in_trouble_as_its_own_agents_say_it(
    condition: dict[str, str], troubles: tuple[str, ...]
) -> None:
    ready = {"type": "Ready", "status": "True"}
    node = model("Node", {**NODE, "spec": {}, "status": {"conditions": [ready, condition]}})
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


def entry(time: str, **fields: Any) -> dict[str, Any]:
    named = {"fieldsType": "FieldsV1", "fieldsV1": fields} if fields else {}
    return {"manager": "someone", "operation": "Update", "apiVersion": "v1", "time": time, **named}


@pytest.mark.parametrize(
    ("last", "minute"),
    [
        (entry("2026-01-31T22:05:00Z", **{"f:metadata": {"f:annotations": {}}}), 0),
        (entry("2026-01-31T22:05:00Z", **{"f:data": {"f:LOG_LEVEL": {}}}), 5),
        (entry("2026-01-31T22:05:00Z", **{"f:binaryData": {"f:logo": {}}}), 5),
        (entry("2026-01-31T22:05:00Z"), 5),
    ],
    ids=["an annotation alone", "a value", "a binary value", "nobody says what"],
)
def test_a_config_map_changed_when_somebody_changed_its_values(
    last: dict[str, Any], minute: int
) -> None:
    first = entry("2026-01-31T22:00:00Z", **{"f:data": {"f:LOG_LEVEL": {}}})
    document = {"metadata": {"name": "config", "managedFields": [first, last]}}
    changed = reading.changed_at(model("ConfigMap", document).metadata)
    assert changed is not None
    assert changed.minute == minute

"""Everything that the API shows, by resource; nodes, the ConfigMap and the quota are made here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sandbox.systems.cluster.controller import NODES, Cluster
from sandbox.systems.cluster.logs import AUDIT, SECURITY
from sandbox.systems.cluster.shown import (
    Json,
    ShownPods,
    is_ready,
    labels,
    moment,
    named,
    owned_by,
    set_condition,
    shape,
)
from sandbox.systems.cluster.state import (
    CONFIG_MAP,
    NAMESPACE,
    SERVICE,
    SYSTEM_NAMESPACE,
    ClusterState,
)
from sandbox.systems.cluster.workloads import QUOTA, ShownWorkloads

_MADE = 1_767_225_600
_UID = "service-1"


class ShownTraffic:
    """Where the Service leads at one moment."""

    def __init__(self, state: ClusterState, cluster: Cluster, pods: ShownPods) -> None:
        self._state = state
        self._cluster = cluster
        self._pods = pods

    def services(self) -> list[Json]:
        """Return the one Service."""
        service = shape("service")
        service["metadata"] |= named(SERVICE, _UID, _MADE, self._cluster.resource_version)
        service["spec"]["selector"] = self._selector()
        if self._state.port_missing:
            service["spec"]["ports"][0]["targetPort"] = "web"
        return [service]

    def _selector(self) -> dict[str, str]:
        return {"app": "nobody"} if self._state.no_endpoints else labels(self._state.selector)

    def _selected(self) -> list[Json]:
        """Return the pods behind the Service."""
        wanted = self._selector().items()
        chosen = [one for one in self._pods.all() if wanted <= one["metadata"]["labels"].items()]
        if self._state.old_endpoint:
            others = (one for one in self._pods.all() if one not in chosen)
            chosen += list(others)[:1]
        running = ("Pending", "Running")
        return [
            one
            for one in chosen
            if one["status"]["phase"] in running and one["status"].get("podIP")
        ]

    def slices(self) -> list[Json]:
        """Return the one slice; what has no elements is null, as Go writes it."""
        pods = self._selected()
        found = shape("slice")
        found["metadata"] |= {
            **named(f"{SERVICE}-x7b2k", "slice-1", _MADE, self._cluster.resource_version),
            "ownerReferences": [owned_by("Service", SERVICE, _UID)],
        }
        found["endpoints"] = [_endpoint(pod) for pod in pods] or None
        if not pods or self._state.port_missing:
            found["ports"] = None
        return [found]


def _endpoint(pod: Json) -> Json:
    serving, ending = is_ready(pod), "deletionTimestamp" in pod["metadata"]
    metadata = pod["metadata"]
    words = {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": serving and not ending, "serving": serving, "terminating": ending},
        "targetRef": {"kind": "Pod", **words},
        "nodeName": pod["spec"]["nodeName"],
    }


APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def config_map(state: ClusterState, metadata: Json) -> Json:
    """Return the ConfigMap of this metadata, after all that was done to it."""
    data = {**state.config, **state.config_patched}
    data.pop(state.key_removed, None)
    own = {"name": CONFIG_MAP, "namespace": NAMESPACE, "annotations": {}}
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own, "data": state.config}
    noted = {"note": "seen"} if state.config_annotated_at else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **metadata,
            **({"labels": {"team": "clinic"}} if state.config_labelled_at else {}),
            "annotations": {APPLIED: f"{json.dumps(applied)}\n", **noted},
            "managedFields": list(_managers(state, data)),
        },
        "data": data,
    }


def _managers(state: ClusterState, data: Iterable[str]) -> Iterator[Json]:
    """Yield an entry for each manager: one time for all that it has.

    So a label's change renews the time of the values too; and a JSON patch that removes a key takes it
    from whoever had it, and leaves no time.
    """
    had = [key for key in data if key not in state.config_patched]
    labels: Json = {"f:labels": _fields([".", "team"])} if state.config_labelled_at else {}
    own = {"f:data": _fields([".", *had])}
    metadata = {"f:metadata": {"f:annotations": _fields([".", APPLIED]), **labels}}
    at = state.config_labelled_at or state.config_changed_at
    yield _entry("kubectl-client-side-apply", at, {**own, **metadata})
    if state.config_annotated_at:
        annotations = {"f:metadata": {"f:annotations": _fields(["note"])}}
        yield _entry("kubectl-annotate", state.config_annotated_at, annotations)
    if state.config_patched:
        patched = {"f:data": _fields(state.config_patched)}
        yield _entry("kubectl-patch", state.config_patched_at, patched)


def _fields(names: Iterable[str]) -> Json:
    return {name if name == "." else f"f:{name}": {} for name in names}


def _entry(manager: str, time: str, fields: Any) -> Json:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


_MADE = 1_767_225_600
_LOST = ("NodeStatusUnknown", "Kubelet stopped posting node status.")


class Objects:
    """All objects of one moment, by resource."""

    def __init__(self, state: ClusterState, cluster: Cluster) -> None:
        self._state = state
        self._cluster = cluster
        self._pods = ShownPods(state, cluster)
        self._workloads = ShownWorkloads(state, cluster, self._pods)
        self._traffic = ShownTraffic(state, cluster, self._pods)

    def of(self, resource: str) -> list[Json]:
        """Return the objects of a resource of every namespace."""
        makers: dict[str, Callable[[], list[Json]]] = {
            "pods": lambda: [*self._pods.all(), *self._other_pods()],
            "deployments": self._workloads.deployments,
            "statefulsets": list,
            "replicasets": self._workloads.replica_sets,
            "services": self._traffic.services,
            "endpointslices": self._traffic.slices,
            "configmaps": lambda: [config_map(self._state, self._named(CONFIG_MAP, "config-1"))],
            "resourcequotas": self._quotas,
            "limitranges": list,
            "events": list,
            "nodes": lambda: [_node(name, self._state, self._cluster.now) for name in NODES],
        }
        return makers[resource]()

    def _named(self, name: str, uid: str) -> Json:
        return named(name, uid, _MADE, self._cluster.resource_version)

    def _quotas(self) -> list[Json]:
        """Return the team's quota, where a fault has one: full, or with room for some pods."""
        over = ("Succeeded", "Failed")
        pods = sum(one["status"]["phase"] not in over for one in self._pods.all())
        most = pods if self._state.missing_pods else self._cluster.quota
        if most is None:
            return []
        used = {"pods": str(pods), "requests.cpu": f"{pods * 250}m"}
        hard = {"pods": str(most), "requests.cpu": "100"}
        metadata = self._named(QUOTA, "quota-1")
        return [
            {
                "apiVersion": "v1",
                "kind": "ResourceQuota",
                "metadata": {**metadata, "annotations": {APPLIED: "{}\n"}},
                "spec": {"hard": hard},
                "status": {"hard": hard, "used": used},
            }
        ]

    def _other_pods(self) -> list[Json]:
        state = self._state
        system = ("coredns-1", "coredns-2", "kube-proxy-a", "kube-proxy-b", "kube-proxy-c")
        others = [
            _other_pod(name, SYSTEM_NAMESPACE, NODES[number % 3], "100m")
            for number, name in enumerate(system)
        ]
        others += [
            _other_pod(f"{name}-6d9f7c5b84-x2k7p", NAMESPACE, NODES[number], "100m", name)
            for number, name in enumerate((AUDIT, SECURITY))
        ]
        if state.system_pod_down:
            set_condition(others[1], "Ready", {"status": "False", "reason": "ContainersNotReady"})
        if state.nodes_full:
            others += [_other_pod(f"batch-{node}", "analytics", node, "3300m") for node in NODES]
        for one in others:
            if state.node_not_ready and one["spec"]["nodeName"] == NODES[-1]:
                set_condition(one, "Ready", {"status": "False"})
        return others


def _node(name: str, state: ClusterState, now: float) -> Json:
    node = shape("node")
    node["metadata"] |= {"name": name, "uid": f"node-{name}"}
    node["metadata"]["labels"]["kubernetes.io/hostname"] = name
    taints: list[Json] = []
    if state.disk_pressure and name == NODES[0]:
        taints = [_taint("disk-pressure", "NoSchedule", now)]
    if state.node_not_ready and name == NODES[-1]:
        taints = [_taint("unreachable", effect, now) for effect in ("NoSchedule", "NoExecute")]
    node["spec"] = {"taints": taints} if taints else {}
    node["status"] |= {
        "conditions": _node_conditions(name, state, now),
        "addresses": [
            {"type": "InternalIP", "address": f"192.0.2.{NODES.index(name) + 1}"},
            {"type": "Hostname", "address": name},
        ],
    }
    return node


def _node_conditions(name: str, state: ClusterState, now: float) -> list[Json]:
    """Return what the kubelet says; all of it Unknown once it says nothing any more."""
    lost = state.node_not_ready and name == NODES[-1]
    says = shape("kubelet_says")
    if state.disk_pressure and name == NODES[0]:
        says["DiskPressure"] = ("True", "KubeletHasDiskPressure", "kubelet has disk pressure")
    if lost:
        says = dict.fromkeys(says, ("Unknown", *_LOST))
    return [
        {
            "type": kind,
            "status": status,
            "lastHeartbeatTime": moment(now - 60 if lost else now),
            "lastTransitionTime": moment(_MADE),
            "reason": reason,
            "message": message,
        }
        for kind, (status, reason, message) in says.items()
    ]


def _taint(key: str, effect: str, now: float) -> Json:
    return {"key": f"node.kubernetes.io/{key}", "effect": effect, "timeAdded": moment(now)}


def _other_pod(name: str, namespace: str, node: str, cpu: str, program: str = "") -> Json:
    pod = shape("other_pod")
    pod["metadata"]["labels"] |= {"app": program} if program else {}
    pod["metadata"] |= {"name": name, "namespace": namespace, "uid": f"pod-{name}"}
    pod["spec"]["nodeName"] = node
    (container,), (status,) = pod["spec"]["containers"], pod["status"]["containerStatuses"]
    container["image"] = status["image"] = name
    container["resources"]["requests"]["cpu"] = cpu
    return pod

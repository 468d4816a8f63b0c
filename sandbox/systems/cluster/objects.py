"""Everything that the API shows, by resource; nodes, the ConfigMap and the quota are made here."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.systems.cluster.configuration import APPLIED, config_map
from sandbox.systems.cluster.controller import NODES, Cluster
from sandbox.systems.cluster.shown import (
    NOT_TOLERATED_LONG,
    Json,
    ShownPods,
    moment,
    named,
    set_condition,
)
from sandbox.systems.cluster.state import (
    CONFIG_MAP,
    SYSTEM_NAMESPACE,
    ClusterState,
)
from sandbox.systems.cluster.traffic import ShownTraffic
from sandbox.systems.cluster.workloads import QUOTA, ShownWorkloads

_MADE = 1_767_225_600
_LOST = ("NodeStatusUnknown", "Kubelet stopped posting node status.")
_AMOUNTS = {"cpu": "4", "ephemeral-storage": "100Gi", "memory": "16Gi", "pods": "110"}
_NODE_INFO = (
    *("architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion"),
    *("kubeletVersion", "machineID", "operatingSystem", "osImage", "systemUUID"),
)
_KUBELET_SAYS = {
    "MemoryPressure": (
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}


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
        if state.system_pod_down:
            set_condition(others[1], "Ready", {"status": "False", "reason": "ContainersNotReady"})
        if state.nodes_full:
            others += [_other_pod(f"batch-{node}", "analytics", node, "3300m") for node in NODES]
        for one in others:
            if state.node_not_ready and one["spec"]["nodeName"] == NODES[-1]:
                set_condition(one, "Ready", {"status": "False"})
        return others


def _node(name: str, state: ClusterState, now: float) -> Json:
    system = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
    beta = {f"beta.{key}": value for key, value in system.items()}
    taints: list[Json] = []
    if state.disk_pressure and name == NODES[0]:
        taints = [_taint("disk-pressure", "NoSchedule", now)]
    if state.node_not_ready and name == NODES[-1]:
        taints = [_taint("unreachable", effect, now) for effect in ("NoSchedule", "NoExecute")]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"node-{name}",
            "resourceVersion": "1",
            "creationTimestamp": moment(_MADE),
            "labels": {**beta, **system, "kubernetes.io/hostname": name},
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {"taints": taints} if taints else {},
        "status": {
            "capacity": _AMOUNTS,
            "allocatable": _AMOUNTS,
            "conditions": _node_conditions(name, state, now),
            "addresses": [
                {"type": "InternalIP", "address": f"192.0.2.{NODES.index(name) + 1}"},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": {**dict.fromkeys(_NODE_INFO, ""), "kubeletVersion": "v1.37.2"},
        },
    }


def _node_conditions(name: str, state: ClusterState, now: float) -> list[Json]:
    """Return what the kubelet says; all of it Unknown once it says nothing any more."""
    lost = state.node_not_ready and name == NODES[-1]
    says = dict(_KUBELET_SAYS)
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


def _other_pod(name: str, namespace: str, node: str, cpu: str) -> Json:
    requests = {"requests": {"cpu": cpu, "memory": "128Mi"}}
    running = {"running": {"startedAt": moment(_MADE)}}
    status = {"name": "main", "image": name, "imageID": "", "restartCount": 0, "ready": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"pod-{name}", "labels": {}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": name, "resources": requests}],
            "tolerations": NOT_TOLERATED_LONG,
        },
        "status": {
            "phase": "Running",
            "startTime": moment(_MADE),
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{**status, "state": running, "lastState": {}}],
        },
    }

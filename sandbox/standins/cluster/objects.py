"""Everything else that the API shows: Deployments, ReplicaSets, the Service and its endpoints, nodes."""

from __future__ import annotations

from typing import Any

from sandbox.standins.cluster.controller import NODES, Cluster, Template, Workload
from sandbox.standins.cluster.shown import (
    Json,
    ShownPods,
    container,
    is_ready,
    labels,
    moment,
)
from sandbox.standins.cluster.state import (
    APP,
    CONFIG_MAP,
    NAMESPACE,
    SERVICE,
    SYSTEM_NAMESPACE,
    ClusterState,
)

PROGRESS_DEADLINE_SECONDS = 300
_SLICE_SIZE = 4


class Objects:
    """All objects of one moment, by resource."""

    def __init__(self, state: ClusterState, cluster: Cluster) -> None:
        self._state = state
        self._cluster = cluster
        self._pods = ShownPods(state, cluster)

    def of(self, resource: str) -> list[Json]:
        """Return the objects of a resource of every namespace."""
        makers = {
            "pods": lambda: [*self._pods.all(), *self._other_pods()],
            "deployments": self._deployments,
            "replicasets": self._replica_sets,
            "statefulsets": list,
            "resourcequotas": list,
            "services": lambda: [self._service()],
            "endpoints": lambda: [self._endpoints()],
            "endpointslices": self._slices,
            "configmaps": lambda: [self._config_map()],
            "events": list,
            "nodes": self._nodes,
        }
        return makers[resource]()

    def _meta(self, name: str, uid: str, **more: Any) -> Json:
        version = str(self._cluster.resource_version)
        made = {"creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": version}
        return {"name": name, "namespace": NAMESPACE, "uid": uid, **made, **more}

    def _deployments(self) -> list[Json]:
        return [self._deployment(workload) for workload in self._cluster.workloads.values()]

    def _deployment(self, workload: Workload) -> Json:
        revision = {"deployment.kubernetes.io/revision": str(len(workload.revisions))}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self._meta(
                workload.name,
                workload.uid,
                labels=labels(workload.version),
                annotations=revision,
                generation=workload.generation,
            ),
            "spec": {
                "replicas": workload.replicas,
                "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
                "selector": {"matchLabels": labels(workload.version)},
                "template": _template(workload.template),
            },
            "status": self._status(workload),
        }

    def _status(self, workload: Workload) -> Json:
        pods = self._pods.by_version[workload.version]
        ready = sum(map(is_ready, pods))
        updated = [
            pod
            for pod in pods
            if pod["metadata"]["labels"]["pod-template-hash"] == workload.template.hash
        ]
        newest = workload.version == self._cluster.newest()
        stuck = self._state.stuck and newest
        complete = len(updated) == len(pods) == workload.replicas == ready
        reason = "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated"
        progressing = {
            "type": "Progressing",
            "status": str(not stuck),
            "reason": "ProgressDeadlineExceeded" if stuck else reason,
        }
        available = {"type": "Available", "status": str(ready * 4 >= workload.replicas * 3)}
        conditions = [available, progressing]
        if self._state.missing_pods and newest:
            conditions.append(
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
            )
        return {
            "observedGeneration": workload.observed(self._cluster.now),
            "replicas": len(pods),
            "updatedReplicas": len(updated),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, workload.replicas - ready),
            "conditions": conditions,
        }

    def _replica_sets(self) -> list[Json]:
        return [
            self._replica_set(workload, template, revision)
            for workload in self._cluster.workloads.values()
            for revision, template in enumerate(workload.revisions, start=1)
        ]

    def _replica_set(self, workload: Workload, template: Template, revision: int) -> Json:
        pods = [pod for pod in workload.pods if pod.template == template]
        current = template == workload.template
        wanted = labels(template.version, template.hash)
        return {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": self._meta(
                f"{workload.name}-{template.hash}",
                f"rs-{template.hash}",
                labels=wanted,
                annotations={"deployment.kubernetes.io/revision": str(revision)},
                ownerReferences=[
                    {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": workload.name,
                        "uid": workload.uid,
                        "controller": True,
                    }
                ],
            ),
            "spec": {
                "replicas": workload.replicas if current else 0,
                "selector": {"matchLabels": wanted},
                "template": _template(template),
            },
            "status": {"replicas": len(pods)},
        }

    def _service(self) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self._meta(SERVICE, "service-1", labels={"app": APP}),
            "spec": {
                "selector": labels(self._state.selector),
                "ports": [{"port": 80, "targetPort": 8080}],
                "type": "ClusterIP",
            },
        }

    def _selected(self) -> list[Json]:
        """Return the pods behind the Service."""
        if self._state.no_endpoints:
            return []
        chosen = list(self._pods.by_version.get(self._state.selector, []))
        if self._state.old_endpoint:
            others = [
                pod
                for version, pods in self._pods.by_version.items()
                if version != self._state.selector
                for pod in pods
            ]
            chosen += others[:1]
        return [pod for pod in chosen if pod["status"].get("podIP")]

    def _slices(self) -> list[Json]:
        pods = self._selected()
        starts = range(0, max(1, len(pods)), _SLICE_SIZE)
        return [
            self._slice(number, pods[start : start + _SLICE_SIZE])
            for number, start in enumerate(starts)
        ]

    def _slice(self, number: int, pods: list[Json]) -> Json:
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": self._meta(
                f"{SERVICE}-{number}",
                f"slice-{number}",
                labels={"kubernetes.io/service-name": SERVICE},
            ),
            "addressType": "IPv4",
            # A slice of nothing holds null: Go writes an empty list so.
            "endpoints": [_endpoint(place, pod) for place, pod in enumerate(pods)] or None,
            "ports": [{"port": 8080, "protocol": "TCP"}] if pods else None,
        }

    def _endpoints(self) -> Json:
        pods = self._selected()
        addresses = {
            key: [_address(pod) for pod in pods if is_ready(pod) == ready]
            for key, ready in (("addresses", True), ("notReadyAddresses", False))
        }
        return {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": self._meta(SERVICE, "endpoints-1"),
            "subsets": [{**{k: v for k, v in addresses.items() if v}, "ports": [{"port": 8080}]}],
        }

    def _config_map(self) -> Json:
        entry = {"manager": "kubectl", "operation": "Apply", "apiVersion": "v1"}
        changed = {**entry, "time": self._state.config_changed_at}
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self._meta(CONFIG_MAP, "config-1", managedFields=[changed]),
            "data": dict(self._state.config),
        }

    def _nodes(self) -> list[Json]:
        return [_node(name, self._state) for name in NODES]

    def _other_pods(self) -> list[Json]:
        state = self._state
        system = ("coredns-1", "coredns-2", "kube-proxy-a", "kube-proxy-b", "kube-proxy-c")
        down = {"coredns-2"} if state.system_pod_down else set()
        others = [
            _other_pod(name, SYSTEM_NAMESPACE, NODES[number % 3], "100m", ready=name not in down)
            for number, name in enumerate(system)
        ]
        if state.nodes_full:
            others += [
                _other_pod(f"batch-{node}", "analytics", node, "3300m", ready=True)
                for node in NODES
            ]
        return others


def _template(template: Template) -> Json:
    annotations = {"kubectl.kubernetes.io/restartedAt": template.restarted_at}
    return {
        "metadata": {
            "labels": labels(template.version),
            "annotations": annotations if template.restarted_at else {},
        },
        "spec": {"containers": [container(template.version)]},
    }


def _endpoint(place: int, pod: Json) -> Json:
    ready = is_ready(pod)
    conditions: Json = {"ready": ready, "serving": ready, "terminating": False}
    if ready and place % 3 == 1:
        conditions = {}  # the API may leave them out, and means true
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": conditions,
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _reference(pod),
    }


def _address(pod: Json) -> Json:
    return {"ip": pod["status"]["podIP"], "targetRef": _reference(pod)}


def _reference(pod: Json) -> Json:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }


def _node(name: str, state: ClusterState) -> Json:
    away = state.node_not_ready and name == NODES[-1]
    full = state.disk_pressure and name == NODES[0]
    amounts = {"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"node-{name}", "labels": {}, "resourceVersion": "1"},
        "spec": {},
        "status": {
            "allocatable": amounts,
            "capacity": amounts,
            "conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "DiskPressure", "status": str(full)},
                {"type": "PIDPressure", "status": "False"},
                {"type": "Ready", "status": "Unknown" if away else "True"},
            ],
        },
    }


def _other_pod(name: str, namespace: str, node: str, cpu: str, *, ready: bool) -> Json:
    requests = {"requests": {"cpu": cpu, "memory": "128Mi"}}
    running = {"running": {"startedAt": moment(0)}}
    status = {"name": "main", "image": name, "imageID": "", "restartCount": 0, "ready": ready}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"pod-{name}", "labels": {}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "resources": requests}]},
        "status": {
            "phase": "Running",
            "startTime": moment(0),
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{**status, "state": running, "lastState": {}}],
        },
    }

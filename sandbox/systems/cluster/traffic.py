"""The Service and its EndpointSlice as the API shows them."""

from __future__ import annotations

from sandbox.systems.cluster.controller import Cluster
from sandbox.systems.cluster.shown import (
    Json,
    ShownPods,
    is_ready,
    labels,
    moment,
    named,
    owned_by,
)
from sandbox.systems.cluster.state import APP, SERVICE, ClusterState

_MADE = 1_767_225_600
_UID = "service-1"
_SERVICE_LABELS = {"app": APP}


class ShownTraffic:
    """Where the Service leads at one moment."""

    def __init__(self, state: ClusterState, cluster: Cluster, pods: ShownPods) -> None:
        self._state = state
        self._cluster = cluster
        self._pods = pods

    def services(self) -> list[Json]:
        """Return the one Service."""
        metadata = named(SERVICE, _UID, _MADE, self._cluster.resource_version)
        applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}\n"}
        target = "web" if self._state.port_missing else "http"
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {**metadata, "labels": _SERVICE_LABELS, "annotations": applied},
                "spec": {
                    "ports": [
                        {"name": "http", "protocol": "TCP", "port": 80, "targetPort": target}
                    ],
                    "selector": self._selector(),
                    "clusterIP": "10.96.0.80",
                    "clusterIPs": ["10.96.0.80"],
                    "type": "ClusterIP",
                    "sessionAffinity": "None",
                    "ipFamilies": ["IPv4"],
                    "ipFamilyPolicy": "SingleStack",
                    "internalTrafficPolicy": "Cluster",
                },
                "status": {"loadBalancer": {}},
            }
        ]

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
        port = {"name": "http", "protocol": "TCP", "port": 8080}
        return [
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    **named(f"{SERVICE}-x7b2k", "slice-1", _MADE, self._cluster.resource_version),
                    "generateName": f"{SERVICE}-",
                    "generation": 1,
                    "labels": {
                        **_SERVICE_LABELS,
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                        "kubernetes.io/service-name": SERVICE,
                    },
                    "annotations": {
                        "endpoints.kubernetes.io/last-change-trigger-time": moment(_MADE)
                    },
                    "ownerReferences": [owned_by("Service", SERVICE, _UID)],
                },
                "addressType": "IPv4",
                "endpoints": [_endpoint(pod) for pod in pods] or None,
                "ports": [port] if pods and not self._state.port_missing else None,
            }
        ]


def _endpoint(pod: Json) -> Json:
    serving, ending = is_ready(pod), "deletionTimestamp" in pod["metadata"]
    metadata = pod["metadata"]
    words = {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": serving and not ending,
            "serving": serving,
            "terminating": ending,
        },
        "targetRef": {"kind": "Pod", **words},
        "nodeName": pod["spec"]["nodeName"],
    }

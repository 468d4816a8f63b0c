"""Simulated kubelets: they report nodes and pods as a kubelet does, and run nothing.

What they write (container states, readiness, addresses, an eviction) is therefore ours; everything else that
a recording shows is the control plane's.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Final

import httpx

from prove.kubernetes.control_plane import Api, Json
from prove.kubernetes.world import manifest

DIGEST: Final = f"sha256:{'0123456789abcdef' * 4}"
"""Of every image."""
NODES: Final = ("node-a", "node-b", "node-c")
_KUBELET_CONDITIONS: Final = (
    (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
_PULL = "Back-off pulling image: rpc error: not found"
_CRASH = "back-off 5m0s restarting failed container"
_EVICTED = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 88Mi."
Mode = str
"""ready, running (and not ready), pull, crash, evicted, succeeded or failed."""


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def all_ready(_pod: Json) -> Mode:
    """Let every pod become ready."""
    return "ready"


class Kubelets:
    """All nodes' kubelets in one thread."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._addresses: dict[str, str] = {}
        self.silent: set[str] = set()
        """Nodes whose kubelet has stopped posting."""
        self.full: set[str] = set()
        """Nodes with disk pressure."""
        self.keeps_terminating = False
        """A pod that is to end goes on, as one that drains its connections."""
        self.mode: Callable[[Json], Mode] = all_ready
        self.error: Exception | None = None

    def start(self) -> None:
        """Register the nodes and begin to report."""
        for name in NODES:
            self._register(name)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self._thread.join(30)

    def _register(self, name: str) -> None:
        place = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
        labels = {**place, "kubernetes.io/hostname": name}
        self._api.post("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
        self._post_status(name)
        lease = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _micro()}
        self._api.post(
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
            {"metadata": {"name": name}, "spec": lease},
        )

    def _run(self) -> None:
        while not self._over.wait(0.15):
            try:
                self._report()
            except httpx.HTTPStatusError as exc:
                if exc.response.status_code not in (404, 409):
                    self.error = exc
            except httpx.TransportError as exc:
                self.error = exc

    def _report(self) -> None:
        for name in NODES:
            if name not in self.silent:
                self._beat(name)
        for pod in self._api.get("/api/v1/pods")["items"]:
            node = pod["spec"].get("nodeName")
            if node and node not in self.silent:
                self._follow(pod)

    def _beat(self, name: str) -> None:
        self._post_status(name)
        lease = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        self._api.patch(lease, {"spec": {"renewTime": _micro()}})

    def _post_status(self, name: str) -> None:
        old = self._api.get(f"/api/v1/nodes/{name}").get("status", {}).get("conditions", [])
        known = {one["type"]: one for one in old}
        conditions = [self._condition(name, known, *one) for one in _KUBELET_CONDITIONS]
        rest = manifest("node-status", name=name, number=NODES.index(name) + 1)
        status = {**rest, "conditions": conditions}
        self._api.patch(f"/api/v1/nodes/{name}/status", {"status": status}, manager="kubelet")

    def _condition(self, name: str, known: dict[str, Json], kind: str, *values: str) -> Json:
        status, reason, message = values
        if kind == "DiskPressure" and name in self.full:
            status, reason = "True", "KubeletHasDiskPressure"
            message = "kubelet has disk pressure"
        old = known.get(kind, {})
        changed = old.get("lastTransitionTime") if old.get("status") == status else now()
        return {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": now(),
            "lastTransitionTime": changed,
        }

    def _follow(self, pod: Json) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if metadata.get("deletionTimestamp"):
            if not self.keeps_terminating:
                uid = {"preconditions": {"uid": metadata["uid"]}}
                self._api.delete(path, {"gracePeriodSeconds": 0, **uid})
            return
        if pod["status"]["phase"] in ("Succeeded", "Failed"):
            return
        mode = self.mode(pod)
        if mode == _mode_of(pod) or (mode == "ready" and _is_ready(pod)):
            return
        status = self._status(pod, mode)
        self._api.patch(f"{path}/status", {"status": status}, manager="kubelet")

    def _status(self, pod: Json, mode: Mode) -> Json:
        uid = pod["metadata"]["uid"]
        address = self._addresses.setdefault(uid, f"10.244.0.{len(self._addresses) % 250 + 1}")
        if mode == "evicted":
            reason = {"phase": "Failed", "reason": "Evicted", "message": _EVICTED}
            ended = [_container(one, mode) for one in pod["spec"]["containers"]]
            return {**reason, "conditions": _conditions(pod, mode), "containerStatuses": ended}
        return {
            "phase": _PHASES.get(mode, "Running"),
            "startTime": pod["status"].get("startTime", now()),
            "hostIP": "192.0.2.1",
            "hostIPs": [{"ip": "192.0.2.1"}],
            "podIP": address,
            "podIPs": [{"ip": address}],
            "observedGeneration": pod["metadata"].get("generation", 1),
            "conditions": _conditions(pod, mode),
            "containerStatuses": [_container(one, mode) for one in pod["spec"]["containers"]],
        }


_PHASES: Final = {"pull": "Pending", "succeeded": "Succeeded", "failed": "Failed"}
_EXIT_CODES: Final = {"succeeded": 0, "failed": 1, "evicted": 137}


def _micro() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_ready(pod: Json) -> bool:
    """Return what the kubelet itself reports: the node controller may have marked the pod since."""
    return any(
        one["type"] == "Ready" and one["status"] == "True"
        for one in pod["status"].get("conditions", [])
    )


def _mode_of(pod: Json) -> Mode:
    """Return the mode that a pod's status already shows."""
    statuses = pod["status"].get("containerStatuses")
    if not statuses:
        return ""
    waiting = statuses[0]["state"].get("waiting", {}).get("reason", "")
    if waiting:
        return {"ImagePullBackOff": "pull", "CrashLoopBackOff": "crash"}[waiting]
    return "ready" if _is_ready(pod) else "running"


def _conditions(pod: Json, mode: Mode) -> list[Json]:
    old = {one["type"]: one for one in pod["status"].get("conditions", [])}
    generation = {"observedGeneration": pod["metadata"].get("generation", 1)}
    ready: Json = {"status": "True"}
    if mode in ("running", "pull", "crash", "failed"):
        names = ", ".join(one["name"] for one in pod["spec"]["containers"])
        message = f"containers with unready status: [{names}]"
        ready = {"status": "False", "reason": "ContainersNotReady", "message": message}
    elif mode in ("succeeded", "evicted"):
        reason = {"succeeded": "PodCompleted", "evicted": "PodFailed"}[mode]
        ready = {"status": "False", "reason": reason}
    done = {"status": "True", **({"reason": "PodCompleted"} if mode == "succeeded" else {})}
    sandbox = {"status": str(mode not in ("succeeded", "failed", "evicted"))}
    values = {
        "PodReadyToStartContainers": sandbox,
        "Initialized": done,
        "Ready": ready,
        "ContainersReady": ready,
    }
    if mode == "evicted":
        values["DisruptionTarget"] = {
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": _EVICTED,
        }
    kubelets = [
        {
            "type": kind,
            "lastProbeTime": None,
            "lastTransitionTime": _since(old.get(kind), value["status"]),
            **generation,
            **value,
        }
        for kind, value in values.items()
    ]
    return [*kubelets, *(one for kind, one in old.items() if kind not in values)]


def _since(old: Json | None, status: str) -> str:
    return str(old["lastTransitionTime"]) if old and old["status"] == status else now()


def _container(declared: Json, mode: Mode) -> Json:
    name, _, tag = declared["image"].rpartition(":")
    digest = f"{name}@{DIGEST}"
    status: Json = {
        "name": declared["name"],
        "image": declared["image"],
        "imageID": "" if mode == "pull" else digest,
        "lastState": {},
        "ready": mode == "ready",
        "restartCount": 5 if mode == "crash" else 0,
        "started": mode in ("ready", "running"),
        "state": {"running": {"startedAt": now()}},
    }
    if mode != "pull":
        status["containerID"] = f"simulated://{tag}"
    if mode == "pull":
        status["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": _PULL}}
    elif mode == "crash":
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": _CRASH}}
        status["lastState"] = _terminated("Error", 1)
    elif mode in _EXIT_CODES:
        code = _EXIT_CODES[mode]
        status["state"] = _terminated("Error" if code else "Completed", code)
    return status


def _terminated(reason: str, code: int) -> Json:
    times = {"startedAt": now(), "finishedAt": now()}
    ended: Json = {"reason": reason, "exitCode": code, "containerID": "simulated://1", **times}
    return {"terminated": ended}

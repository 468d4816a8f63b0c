"""Pods as the API shows them: as the controllers made them, bent by the faults of the moment."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Any

from sandbox.standins.cluster.controller import Cluster, Pod
from sandbox.standins.cluster.state import (
    APP,
    CONFIG_MAP,
    CONTAINER,
    NAMESPACE,
    REGISTRY,
    ClusterState,
)

Json = dict[str, Any]
_HOUR = 3600.0


def moment(seconds: float) -> str:
    """Return a time as the API writes it: whole seconds, UTC."""
    at = dt.datetime.fromtimestamp(int(seconds), tz=dt.UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def image(version: str) -> str:
    """Return the image by its tag."""
    return f"{REGISTRY}/{APP}:v{version}"


def digest_of(version: str) -> str:
    """Return the digest that a version has where no registry has told another."""
    return f"sha256:{hashlib.sha256(image(version).encode()).hexdigest()}"


class ShownPods:
    """The pods of one moment."""

    def __init__(self, state: ClusterState, cluster: Cluster) -> None:
        self._state = state
        self._cluster = cluster
        self._newest = cluster.newest()
        self.by_version = {version: list(self._of(version)) for version in cluster.workloads}
        """The API's own shape, by version."""
        if state.stuck and self._newest is not None:
            self._get_stuck(self.by_version[self._newest])

    def _of(self, version: str) -> Iterator[Json]:
        pods = self._cluster.workloads[version].pods
        troubled = version == self._newest
        shown = pods[: len(pods) - self._state.missing_pods] if troubled else pods
        for number, pod in enumerate(shown):
            last = number == len(shown) - 1
            yield self._pod(pod, first=troubled and number == 0, last=troubled and last)

    def _pod(self, pod: Pod, *, first: bool, last: bool) -> Json:
        state = self._state
        started = pod.created
        if state.stale_pods and pod.template.version == self._newest:
            started = self._config_changed() - _HOUR
        waiting = state.waiting if last else ""
        ready = not waiting and self._cluster.now >= pod.ready_at
        status = self._container_status(pod, waiting, started, restarts=state.restarts * first)
        status["ready"] = ready
        phase = (
            "Pending" if waiting == "ImagePullBackOff" or (not ready and not waiting) else "Running"
        )
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": self._metadata(pod, started),
            "spec": _spec(pod),
            "status": {
                "phase": phase,
                "podIP": pod.ip,
                "startTime": moment(started),
                "conditions": [
                    {"type": "PodScheduled", "status": "True"},
                    {"type": "Ready", "status": str(ready)},
                ],
                "containerStatuses": [status],
            },
        }

    def _config_changed(self) -> float:
        return dt.datetime.fromisoformat(self._state.config_changed_at).timestamp()

    def _metadata(self, pod: Pod, created: float) -> Json:
        template = pod.template
        restarted = {"kubectl.kubernetes.io/restartedAt": template.restarted_at}
        stale = self._state.stale_pods or template.restarted_at is None
        return {
            "name": pod.name,
            "namespace": NAMESPACE,
            "uid": pod.uid,
            "resourceVersion": str(self._cluster.resource_version),
            "creationTimestamp": moment(created),
            "labels": labels(template.version, template.hash),
            "annotations": {} if stale else restarted,
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{APP}-v{template.version}-{template.hash}",
                    "uid": f"rs-{template.hash}",
                    "controller": True,
                }
            ],
        }

    def _container_status(self, pod: Pod, waiting: str, started: float, *, restarts: int) -> Json:
        version = pod.template.version
        digest = self._state.digests.get(version, digest_of(version))
        if self._state.running_digest and version == self._newest:
            digest = self._state.running_digest
        status: Json = {
            "name": CONTAINER,
            "image": image(version),
            "imageID": "" if waiting == "ImagePullBackOff" else f"{REGISTRY}/{APP}@{digest}",
            "restartCount": restarts,
            "state": {"running": {"startedAt": moment(started)}},
            "lastState": {},
        }
        if waiting:
            status["state"] = {"waiting": {"reason": waiting, "message": "back-off"}}
        if waiting == "CrashLoopBackOff":
            status["restartCount"] = 5
            status["lastState"] = _terminated("Error", 1, started)
        elif restarts:
            status["lastState"] = _terminated("OOMKilled", 137, started)
        return status

    def _get_stuck(self, pods: list[Json]) -> None:
        """Let the last pod find no node."""
        if not pods:
            return
        del pods[-1]["spec"]["nodeName"]
        status = pods[-1]["status"]
        del status["podIP"]
        status["phase"] = "Pending"
        status["conditions"] = [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"},
            {"type": "Ready", "status": "False"},
        ]
        status["containerStatuses"] = []

    def all(self) -> list[Json]:
        """Return the pods of all versions."""
        return [pod for pods in self.by_version.values() for pod in pods]


def is_ready(pod: Json) -> bool:
    """Return whether a shown pod is Ready."""
    return any(
        condition == {"type": "Ready", "status": "True"}
        for condition in pod["status"]["conditions"]
    )


def labels(version: str, template_hash: str | None = None) -> dict[str, str]:
    """Return the labels of a version's pods."""
    hashed = {} if template_hash is None else {"pod-template-hash": template_hash}
    return {"app": APP, "version": f"v{version}", **hashed}


def container(version: str) -> Json:
    """Return the container of a version, as pods and templates declare it."""
    return {
        "name": CONTAINER,
        "image": image(version),
        "envFrom": [{"configMapRef": {"name": CONFIG_MAP}}],
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}},
    }


def _spec(pod: Pod) -> Json:
    return {"nodeName": pod.node, "containers": [container(pod.template.version)]}


def _terminated(reason: str, code: int, at: float) -> Json:
    return {"terminated": {"reason": reason, "exitCode": code, "finishedAt": moment(at)}}

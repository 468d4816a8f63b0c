"""Pods as the API shows them: as the controllers made them, bent by the faults of the moment."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from sandbox.systems.cluster.controller import NODES, Cluster, Pod, Workload
from sandbox.systems.cluster.state import APP, NAMESPACE, REGISTRY, ClusterState

Json = dict[str, Any]
Bend = Callable[[Json, float], None]
"""Changes a shown pod, at a time."""
_HOUR = 3600.0
_NO_NODE = "0/3 nodes are available: 3 Insufficient cpu."
_SHAPES: Final = {
    name: json.dumps(shape)
    for name, shape in yaml.safe_load(Path(__file__).with_name("shapes.yaml").read_bytes()).items()
}
"""As text: it is copied faster than a tree is."""


def shape(name: str) -> Json:
    """Return what the API shows alike of everything of a sort: ours to fill."""
    copied: Json = json.loads(_SHAPES[name])
    return copied


def moment(seconds: float) -> str:
    """Return a time as the API writes it: whole seconds, UTC."""
    return _moment(int(seconds))


@functools.cache
def _moment(seconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, tz=dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


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
        self.by_version = {
            version: list(self._of(workload)) for version, workload in cluster.workloads.items()
        }
        """The Deployments' own, by version, in the API's shape."""
        self._lay_troubles()

    def _of(self, workload: Workload) -> Iterator[Json]:
        pods = workload.pods
        if workload.version == self._newest and self._state.missing_pods:
            pods = pods[: -self._state.missing_pods]
        for pod in pods:
            yield self._pod(pod)

    def _pod(self, pod: Pod) -> Json:
        created = pod.created
        if self._state.stale_pods and pod.template.version == self._newest:
            config_changed = dt.datetime.fromisoformat(self._state.config_changed_at)
            created = config_changed.timestamp() - _HOUR
        version = pod.template.version
        digest = self._state.digests.get(version, digest_of(version))
        if self._state.running_digest and version == self._newest:
            digest = self._state.running_digest
        owner = f"{APP}-v{version}-{pod.template.hash}"
        shown: Json = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **named(pod.name, pod.uid, created, self._cluster.resource_version),
                "generateName": f"{owner}-",
                "generation": 1,
                "labels": labels(version, pod.template.hash),
                "ownerReferences": [owned_by("ReplicaSet", owner, f"rs-{pod.template.hash}")],
            },
            "spec": _spec(pod),
            "status": _status(pod, created, digest),
        }
        if pod.template.restarted_at is not None and not self._state.stale_pods:
            restarted = {"kubectl.kubernetes.io/restartedAt": pod.template.restarted_at}
            shown["metadata"]["annotations"] = restarted
        if self._cluster.now < pod.ready_at:
            _bent(shown, "unready")
        if pod.ends_at is not None:
            _end(shown, self._cluster.now)
        return shown

    def _lay_troubles(self) -> None:
        """Bend what the controllers made, as faults want it."""
        state = self._state
        pods = self.by_version.get(self._newest or "", [])
        if pods and state.waiting:
            _make_wait(pods[-1], state.waiting)
        if pods and state.restarts:
            _make_restart(pods[0], state.restarts)
        if pods and state.stuck:
            _find_no_node(pods[-1])
        for pod in pods[len(pods) - state.unready_pods :]:
            _bent(pod, "unready")
        ends = itertools.cycle((_end, _end_evicted))
        pods += [self._beside(number, next(ends)) for number in range(state.ending_pods)]
        pods += [self._beside(10 + number, _as("evicted")) for number in range(state.evicted_pods)]
        over: list[Bend] = [_as("succeeded"), _as("failed")] if state.jobs_over else []
        jobs = [_run, *over] if state.job_endpoint else over
        self._of_jobs = [self._of_job(20 + number, bend) for number, bend in enumerate(jobs)]
        if state.node_not_ready:
            self._lose(NODES[-1])

    def _beside(self, number: int, bend: Bend) -> Json:
        """Return a pod that its ReplicaSet has replaced, as something has bent it."""
        workload = self._cluster.workloads[self._newest or ""]
        created = self._cluster.now - _HOUR
        name = f"{workload.name}-{workload.template.hash}-old{number:02}"
        node = NODES[number % len(NODES)]
        old = Pod(name, name, workload.template, created, created, node, f"10.9.0.{number + 1}")
        shown = self._pod(old)
        bend(shown, self._cluster.now)
        return shown

    def _of_job(self, number: int, bend: Bend) -> Json:
        """Return a Job's pod with the labels of the newest version."""
        pod = self._beside(number, bend)
        job, uid = f"migrate-{number}", f"job-{number}"
        metadata, own = pod["metadata"], {"controller-uid": uid, "job-name": job}
        metadata |= {"name": f"{job}-x7k2p", "generateName": f"{job}-"}
        del metadata["labels"]["pod-template-hash"]
        metadata["labels"] |= {**own, **{f"batch.kubernetes.io/{k}": v for k, v in own.items()}}
        metadata["ownerReferences"] = [owned_by("Job", job, uid)]
        if bend is _run:
            metadata["finalizers"] = ["batch.kubernetes.io/job-tracking"]
        pod["spec"]["restartPolicy"] = "Never"
        return pod

    def _lose(self, node: str) -> None:
        """Let the node controller mark the pods of a node that no longer reports."""
        for pod in self.all():
            if pod["spec"].get("nodeName") == node:
                set_condition(pod, "Ready", {"status": "False"})

    def all(self) -> list[Json]:
        """Return the pods of all versions, Jobs' pods last."""
        return [*itertools.chain.from_iterable(self.by_version.values()), *self._of_jobs]


def named(name: str, uid: str, created: float, version: int) -> Json:
    """Return the metadata that every object of the app's namespace has."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": uid,
        "resourceVersion": str(version),
        "creationTimestamp": moment(created),
    }


def owned_by(kind: str, name: str, uid: str) -> Json:
    """Return the reference to a controller."""
    group = {"Service": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
    reference = {"apiVersion": group, "kind": kind, "name": name, "uid": uid}
    return {**reference, "controller": True, "blockOwnerDeletion": True}


_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def _spec(pod: Pod) -> Json:
    token = f"kube-api-access-{pod.uid[:5]}"
    spec = template_spec(pod.template.version)
    mount = {"name": token, "readOnly": True, "mountPath": _MOUNT}
    spec["containers"][0]["volumeMounts"] = [mount]
    volumes = [{"name": token, "projected": shape("token")}]
    return {**spec, "volumes": volumes, "nodeName": pod.node, **shape("placed")}


def template_spec(version: str) -> Json:
    """Return what the pods of a version run."""
    spec = shape("template")
    spec["containers"][0]["image"] = image(version)
    return spec


def _status(pod: Pod, started: float, digest: str) -> Json:
    """Return the status of a pod that is well."""
    version = pod.template.version
    host = f"192.0.2.{NODES.index(pod.node) + 1}"
    container = {
        **shape("running"),
        "state": {"running": {"startedAt": moment(started)}},
        "image": image(version),
        "imageID": f"{REGISTRY}/{APP}@{digest}",
        "containerID": f"containerd://{hashlib.sha256(pod.uid.encode()).hexdigest()}",
    }
    return {
        **shape("status"),
        "conditions": [_condition(one, {"status": "True"}, started) for one in shape("conditions")],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": pod.ip,
        "podIPs": [{"ip": pod.ip}],
        "startTime": moment(started),
        "containerStatuses": [container],
    }


def _condition(kind: str, value: Mapping[str, str], since: float) -> Json:
    seen = {} if kind in ("PodScheduled", "DisruptionTarget") else {"observedGeneration": 1}
    times = {"lastProbeTime": None, "lastTransitionTime": moment(since)}
    return {"type": kind, **seen, **times, **value}


def set_condition(pod: Json, kind: str, value: Mapping[str, str]) -> None:
    """Change a condition of a shown pod, or add it."""
    conditions = pod["status"]["conditions"]
    for one in conditions:
        if one["type"] == kind:
            one.pop("reason", None)
            one.pop("message", None)
            one.update(value)
            return
    conditions.append(_condition(kind, value, 0))


def is_ready(pod: Json) -> bool:
    """Return whether a shown pod is Ready."""
    return any(
        (one["type"], one["status"]) == ("Ready", "True") for one in pod["status"]["conditions"]
    )


def is_counted(pod: Json) -> bool:
    """Return whether a ReplicaSet counts a pod: it is neither over nor on its way out."""
    over = pod["status"]["phase"] in ("Succeeded", "Failed")
    return not over and "deletionTimestamp" not in pod["metadata"]


def _bent(pod: Json, name: str) -> None:
    """Change a shown pod as `shapes.yaml` says."""
    bend, status = shape("bends")[name], pod["status"]
    status |= bend.get("status", {})
    container = status["containerStatuses"][0]
    container |= bend["container"]
    if "ended" in bend:
        reason, code = bend["ended"]
        container["state"] = _terminated(reason, code, status["startTime"])
    for kind, value in bend["conditions"].items():
        set_condition(pod, kind, value)


def _as(name: str) -> Bend:
    return lambda pod, _now: _bent(pod, name)


def _make_wait(pod: Json, reason: str) -> None:
    """Let its container never start, or crash again and again."""
    _bent(pod, "unready")
    status = pod["status"]["containerStatuses"][0]
    started = status["state"]["running"]["startedAt"]
    status["state"] = {"waiting": {"reason": reason, "message": "back-off"}}
    status["started"] = False
    if reason == "ImagePullBackOff":
        pod["status"]["phase"], status["imageID"] = "Pending", ""
        del status["containerID"]
    else:
        status["restartCount"], status["lastState"] = 5, _terminated("Error", 1, started)


def _make_restart(pod: Json, restarts: int) -> None:
    status = pod["status"]["containerStatuses"][0]
    status["restartCount"] = restarts
    status["lastState"] = _terminated("OOMKilled", 137, pod["status"]["startTime"])


def _terminated(reason: str, code: int, at: str) -> Json:
    times = {"startedAt": at, "finishedAt": at}
    return {
        "terminated": {"reason": reason, "exitCode": code, "containerID": "containerd://0", **times}
    }


def _find_no_node(pod: Json) -> None:
    """Let the scheduler find no node for it: no kubelet has seen it."""
    del pod["spec"]["nodeName"]
    why = {"status": "False", "reason": "Unschedulable", "message": _NO_NODE}
    scheduled = _condition("PodScheduled", why, 0)
    pod["status"] = {
        "observedGeneration": 1,
        "phase": "Pending",
        "conditions": [{**scheduled, "observedGeneration": 1}],
        "qosClass": "Burstable",
    }


def _end(pod: Json, now: float) -> None:
    """Delete it: it goes on until its kubelet says that it has ended."""
    pod["metadata"] |= {"deletionTimestamp": moment(now + 30), "deletionGracePeriodSeconds": 30}
    pod["metadata"]["generation"] = 2


def _end_evicted(pod: Json, now: float) -> None:
    """Delete it as kubectl drain does, by the API's eviction."""
    _end(pod, now)
    why = {"status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
    set_condition(pod, "DisruptionTarget", why)


def _run(_pod: Json, _now: float) -> None:
    """Leave it running."""


def labels(version: str, template_hash: str | None = None) -> dict[str, str]:
    """Return the labels of a version's pods."""
    hashed = {} if template_hash is None else {"pod-template-hash": template_hash}
    return {"app": APP, "version": f"v{version}", **hashed}

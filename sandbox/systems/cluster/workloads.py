"""Deployments, their ReplicaSets, and Jobs as the API shows them."""

from __future__ import annotations

import math
from typing import Any

from sandbox.systems.cluster.controller import Cluster, Template, Workload
from sandbox.systems.cluster.shown import (
    Json,
    ShownPods,
    is_counted,
    is_ready,
    labels,
    moment,
    named,
    owned_by,
    shape,
    template_spec,
)
from sandbox.systems.cluster.state import ClusterState

QUOTA = "team"
_REVISION = "deployment.kubernetes.io/revision"


class ShownWorkloads:
    """The workloads of one moment."""

    def __init__(self, state: ClusterState, cluster: Cluster, pods: ShownPods) -> None:
        self._state = state
        self._cluster = cluster
        self._pods = pods

    def deployments(self) -> list[Json]:
        """Return those that nobody has deleted."""
        gone = self._cluster.newest() if self._state.deployment_gone else None
        return [
            self._deployment(one)
            for version, one in self._cluster.workloads.items()
            if version != gone
        ]

    def replica_sets(self) -> list[Json]:
        """Return one for each template that a Deployment ever had."""
        return [
            self._replica_set(workload, template)
            for workload in self._cluster.workloads.values()
            for template in workload.revisions
        ]

    def _named(self, name: str, uid: str) -> Json:
        return named(name, uid, 1_767_225_600, self._cluster.resource_version)

    def _deployment(self, workload: Workload) -> Json:
        wanted = labels(workload.version)
        shown = shape("deployment")
        shown["metadata"] |= {
            **self._named(workload.name, workload.uid),
            "labels": wanted,
            "generation": workload.generation,
        }
        revision = str(workload.revisions[workload.template][-1])
        shown["metadata"]["annotations"][_REVISION] = revision
        shown["spec"] |= {
            "replicas": workload.replicas,
            "selector": {"matchLabels": wanted},
            "template": _template(workload.template, wanted),
            **({"paused": True} if workload.paused else {}),
        }
        shown["status"] = self._status(workload)
        return shown

    def _status(self, workload: Workload) -> Json:
        pods = self._pods.by_version[workload.version]
        counted = list(filter(is_counted, pods))
        ready = sum(map(is_ready, counted))
        updated = [one for one in counted if _is_of(one, workload.template)]
        # What counts nothing is left out, but for the pods on their way out.
        counts = {
            "replicas": len(counted),
            "updatedReplicas": len(updated),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, max(workload.replicas, len(counted)) - ready),
        }
        return {
            "observedGeneration": workload.observed(self._cluster.now),
            **{name: count for name, count in counts.items() if count},
            "terminatingReplicas": sum("deletionTimestamp" in one["metadata"] for one in pods),
            "conditions": self._conditions(workload, ready),
        }

    def _conditions(self, workload: Workload, ready: int) -> list[Json]:
        least = workload.replicas - math.floor(workload.replicas * 0.25)
        available = ("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have")
        if ready >= least:
            available = ("Available", "True", "MinimumReplicasAvailable", "Deployment has")
        kind, status, reason, words = available
        found = [(kind, status, reason, f"{words} minimum availability."), self._progress(workload)]
        if self._refused(workload):
            found.append(("ReplicaFailure", "True", "FailedCreate", self._refusal(workload)))
        return [
            {
                "type": kind,
                "status": status,
                "lastUpdateTime": moment(workload.changed),
                "lastTransitionTime": moment(workload.changed),
                "reason": reason,
                "message": message,
            }
            for kind, status, reason, message in found
        ]

    def _progress(self, workload: Workload) -> tuple[str, str, str, str]:
        name = f'ReplicaSet "{workload.name}-{workload.template.hash}"'
        if workload.paused:
            return ("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        if self._state.stuck and workload.version == self._cluster.newest():
            words = f"{name} has timed out progressing."
            return ("Progressing", "False", "ProgressDeadlineExceeded", words)
        # Once complete it stays so, whatever becomes of the pods later.
        moving = any(pod.ready_at > self._cluster.now for pod in workload.pods)
        old = any(pod.template != workload.template and not pod.ends_at for pod in workload.pods)
        if moving or old:
            return ("Progressing", "True", "ReplicaSetUpdated", f"{name} is progressing.")
        return (
            "Progressing",
            "True",
            "NewReplicaSetAvailable",
            f"{name} has successfully progressed.",
        )

    def _refused(self, workload: Workload) -> bool:
        missing = bool(self._state.missing_pods) and workload.version == self._cluster.newest()
        return missing or self._cluster.refuses(workload)

    def _refusal(self, workload: Workload) -> str:
        used = sum(map(is_counted, self._pods.all()))
        pod = f"{workload.name}-{workload.template.hash}-xxxxx"
        asked = f"requested: pods=1, used: pods={used}, limited: pods={used}"
        return f'pods "{pod}" is forbidden: exceeded quota: {QUOTA}, {asked}'

    def _replica_set(self, workload: Workload, template: Template) -> Json:
        own = [one for one in self._pods.by_version[workload.version] if _is_of(one, template)]
        counted = list(filter(is_counted, own))
        current = template == workload.template
        failed = current and self._refused(workload)
        wanted = workload.replicas if failed else len(counted)
        revision, *before = reversed(workload.revisions[template])
        history = {f"{_REVISION}-history": ",".join(map(str, reversed(before)))} if before else {}
        most = workload.replicas + math.ceil(workload.replicas * 0.25)
        metadata = {
            **self._named(f"{workload.name}-{template.hash}", f"rs-{template.hash}"),
            "generation": 1,
            "labels": labels(template.version, template.hash),
            "annotations": {
                "deployment.kubernetes.io/desired-replicas": str(workload.replicas),
                "deployment.kubernetes.io/max-replicas": str(most),
                _REVISION: str(revision),
                **history,
            },
        }
        if not (self._state.deployment_gone and workload.version == self._cluster.newest()):
            metadata["ownerReferences"] = [owned_by("Deployment", workload.name, workload.uid)]
        conditions = self._conditions(workload, 0)[-1:] if failed else []
        return {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": metadata,
            "spec": {
                "replicas": wanted,
                "selector": {"matchLabels": metadata["labels"]},
                "template": _template(template, metadata["labels"]),
            },
            "status": _counts(own, counted, conditions),
        }


def _counts(own: list[Json], counted: list[Json], conditions: list[Json]) -> Json:
    ready = sum(map(is_ready, counted))
    some = {
        "fullyLabeledReplicas": len(counted),
        "readyReplicas": ready,
        "availableReplicas": ready,
    }
    for one in conditions:
        del one["lastUpdateTime"]
    return {
        "replicas": len(counted),
        **{name: count for name, count in some.items() if count},
        "terminatingReplicas": sum("deletionTimestamp" in one["metadata"] for one in own),
        "observedGeneration": 1,
        **({"conditions": conditions} if conditions else {}),
    }


def _is_of(pod: Json, template: Template) -> bool:
    return bool(pod["metadata"]["labels"].get("pod-template-hash") == template.hash)


def _template(template: Template, wanted: dict[str, str]) -> Json:
    metadata: dict[str, Any] = {"labels": wanted}
    if template.restarted_at:
        restarted = {"kubectl.kubernetes.io/restartedAt": template.restarted_at}
        metadata["annotations"] = restarted
    return {"metadata": metadata, "spec": template_spec(template.version)}

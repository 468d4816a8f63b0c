"""What the Kubernetes probe brings: the API's objects as `models` reads them, and what comes of several."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import operator
from collections.abc import Mapping
from typing import NamedTuple

from probes.kubernetes.models import Container, Deployment, Endpoint, Pod
from probes.observation import EVERYTHING, Shown

_OF_A_DEPLOYMENT = (
    *("name", "version", "revision", "generation", "observed_generation"),
    *("wanted", "updated", "available"),
)
__all__ = ["Container", "Deployment", "Endpoint", "Pod"]


@dataclasses.dataclass(frozen=True, slots=True)
class Workload:
    """An app's Deployments and StatefulSets, and all pods with its labels, at one moment."""

    deployments: tuple[Deployment, ...]
    pods: tuple[Pod, ...]

    def facts(self) -> Mapping[str, object]:
        """Return numbers and names; a pod by its phase alone."""
        return {
            "deployments": [
                {name: getattr(one, name) for name in _OF_A_DEPLOYMENT} for one in self.deployments
            ],
            "pods": sum(bool(pod.workload) for pod in self.pods),
            "pods_ready": sum(pod.ready and bool(pod.workload) for pod in self.pods),
            "pods_of_others": sum(not pod.workload for pod in self.pods),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Traffic:
    """Where a Service leads: its selector, and the endpoints of all its slices, each once."""

    found: bool
    selector: Mapping[str, str]
    endpoints: tuple[Endpoint, ...]
    publishes_unready: bool = False
    """`publishNotReadyAddresses`: its endpoints are called ready whether their pods are or not."""

    def facts(self) -> Mapping[str, object]:
        """Return selector and counts."""
        ready = sum(one.ready for one in self.endpoints)
        return {
            "found": self.found,
            "selector": dict(self.selector),
            "endpoints": len(self.endpoints),
            "ready": ready,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class ConfigMap(Shown):
    """A ConfigMap; its values may be anything, so evidence names keys alone."""

    KEPT = ("found", "keys", "changed_at", "digest", "managers", "removed")

    found: bool
    data: Mapping[str, str] = dataclasses.field(repr=False)
    changed_at: dt.datetime | None
    """When a manager of its values wrote it last, to the second; a removed key leaves no time, and a
    changed label alone may leave one."""
    digest: str = ""
    """SHA-256 of all that it holds."""
    managers: str = ""
    """SHA-256 of who manages which key."""
    removed: tuple[str, ...] = ()
    """Keys that kubectl apply wrote and that are gone."""

    @property
    def keys(self) -> list[str]:
        """Return the names of what it holds."""
        return sorted(self.data)


def fits(free: float, ask: float) -> int:
    """Return how many more pods fit into what is free; none where nobody knows what one asks for."""
    # A hair less than a whole pod is rounding: 0.3 cores are 0.1 + 0.2.
    return max(0, math.floor(free / ask + 1e-9)) if ask > 0 else 0


class Room(NamedTuple):
    """CPU in cores, memory in bytes, and pods."""

    cpu: float = 0.0
    memory: float = 0.0
    pods: float = 0.0

    def plus(self, other: Room) -> Room:
        """Return the sum."""
        return Room(*map(operator.add, self, other))

    def minus(self, other: Room) -> Room:
        """Return the difference."""
        return Room(*map(operator.sub, self, other))


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """A node: is it well, may pods go there, and how much room is left."""

    name: str
    ready: bool
    troubles: tuple[str, ...]
    """Conditions that should be False and are not, such as DiskPressure."""
    schedulable: bool
    """The app's pods may go there: by cordon, taints, their node selector and required affinity."""
    free: Room
    """Allocatable minus what its pods ask for."""
    silent: bool = False
    """Its kubelet no longer reports: whether it is Ready is Unknown."""

    @property
    def usable(self) -> bool:
        """Whether one more pod of the app may go there, room apart."""
        return self.ready and self.schedulable and not self.troubles

    def holds(self, ask: Room) -> int:
        """Return how many more pods that ask for this fit; a pod goes to one node whole."""
        rooms = ((self.free.cpu, ask.cpu), (self.free.memory, ask.memory), (self.free.pods, 1.0))
        return min(fits(*one) for one in rooms) if self.usable else 0


@dataclasses.dataclass(frozen=True, slots=True)
class SystemPod:
    """A pod of the cluster's own namespace."""

    name: str
    healthy: bool
    state: str
    """Phase, or why it waits."""


@dataclasses.dataclass(frozen=True, slots=True)
class Quota:
    """One bound of a ResourceQuota that the app's pods meet."""

    name: str
    resource: str
    """As the quota has it, such as `pods` or `limits.memory`."""
    left: float
    ask: float
    """Of one more pod."""


@dataclasses.dataclass(frozen=True, slots=True)
class ClusterHealth:
    """A cluster's nodes and own pods, and whether its API calls itself ready."""

    version: str
    api_ready: bool
    nodes: tuple[Node, ...]
    system_pods: tuple[SystemPod, ...]
    largest_ask: Room
    """The most that one pod of the app asks for, by resource."""
    app_pods: int
    """Pods of the app that hold room now."""
    quotas: tuple[Quota, ...] = ()
    placed: int | None = None
    """How many of the pods that are still to come find a node by the app's rules of (anti-)affinity and
    topology spread; None without such rules."""
    unknown_rule: str = ""
    """A rule of that kind which is not counted."""

    def facts(self) -> Mapping[str, object]:
        """Return states and room by node."""
        return {
            "version": self.version,
            "api_ready": self.api_ready,
            "nodes": {
                node.name: {
                    "ready": node.ready,
                    "troubles": list(node.troubles),
                    "schedulable": node.schedulable,
                    "free_cpu": round(node.free.cpu, 3),
                    "free_memory_bytes": round(node.free.memory),
                    "free_pods": round(node.free.pods),
                }
                for node in self.nodes
            },
            "system_pods": len(self.system_pods),
            "app_pods": self.app_pods,
            "quotas": [dataclasses.asdict(one) for one in self.quotas],
            "placed": self.placed,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class LogLevels(Shown):
    """How many lines of the logs are errors; never a line itself."""

    KEPT = EVERYTHING

    lines: int
    errors: int
    by_level: Mapping[str, int]
    pods_read: int
    pods_without_log: tuple[str, ...]
    """Pods that never started, so that they have none."""
    pods_cut_off: tuple[str, ...] = ()
    """Pods whose newest lines are beyond what is read of a log."""
    levelled: int = 0
    """Lines that are JSON objects with a level."""
    unlevelled: int = 0
    """Lines that are JSON objects without one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rights(Shown):
    """What the gate's account could do beyond reading."""

    KEPT = ("excess", "complete")

    excess: tuple[str, ...]
    complete: bool = True
    """The cluster could list every right; else some were asked one by one."""

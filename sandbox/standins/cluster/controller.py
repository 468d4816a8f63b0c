"""The controllers: Deployments become ReplicaSets and pods, which takes them a moment."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sandbox.standins.cluster.state import APP, ClusterState

OBSERVED_AFTER_SECONDS = 0.05
READY_AFTER_SECONDS = 0.3
STAGGER_SECONDS = 0.03
AGED_SECONDS = 3 * 86_400
NODES = ("node-a", "node-b", "node-c")
_HASH_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Template:
    """What a revision of a Deployment runs."""

    version: str
    restarted_at: str | None

    @property
    def hash(self) -> str:
        """Return the pod-template-hash."""
        digest = hashlib.sha256(f"{self.version} {self.restarted_at}".encode()).digest()
        return "".join(_HASH_LETTERS[byte % len(_HASH_LETTERS)] for byte in digest[:10])


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod from its creation on."""

    uid: str
    name: str
    template: Template
    created: float
    ready_at: float
    node: str
    ip: str


@dataclass(slots=True)
class Workload:
    """One Deployment with its ReplicaSets and pods."""

    version: str
    replicas: int
    template: Template
    changed: float
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    generation: int = 1
    revisions: list[Template] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the Deployment's name."""
        return f"{APP}-v{self.version}"

    def observed(self, now: float) -> int:
        """Return the generation that the controller has seen."""
        seen = now - self.changed >= OBSERVED_AFTER_SECONDS
        return self.generation if seen else self.generation - 1


class Cluster:
    """All Deployments of one cluster; it follows what it is told, in its own time."""

    def __init__(self, state: ClusterState, number: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._addresses = (
            f"10.{number}.{n // 250}.{n % 250 + 1}" for n in itertools.count(number * 17)
        )
        self.workloads: dict[str, Workload] = {}
        self.resource_version = 1000
        self._follow(state, clock() - AGED_SECONDS)
        self.advance()

    def follow(self, state: ClusterState) -> None:
        """Take new orders."""
        self.advance()
        self._follow(state, self._clock())
        self.advance()

    def _follow(self, state: ClusterState, now: float) -> None:
        self.resource_version += 1
        for version, replicas in state.replicas.items():
            template = Template(version, state.restarted_at.get(version))
            workload = self.workloads.get(version)
            if workload is None:
                workload = Workload(version, replicas, template, now, revisions=[template])
                self.workloads[version] = workload
            elif (workload.replicas, workload.template) != (replicas, template):
                workload.replicas, workload.template = replicas, template
                workload.generation += 1
                workload.changed = now
            if template not in workload.revisions:
                workload.revisions.append(template)
        for version in set(self.workloads) - set(state.replicas):
            del self.workloads[version]

    def advance(self) -> None:
        """Let the controllers do what they would have done by now."""
        now = self._clock()
        for workload in self.workloads.values():
            if workload.observed(now) == workload.generation:
                self._reconcile(workload, now)

    def _reconcile(self, workload: Workload, now: float) -> None:
        new = [pod for pod in workload.pods if pod.template == workload.template]
        old = [pod for pod in workload.pods if pod.template != workload.template]
        new = new[: workload.replicas]
        for number in range(len(new), workload.replicas):
            new.append(self._pod(workload, number))
        gone = all(pod.ready_at <= now for pod in new)
        kept = new if gone else [*old, *new]
        if kept != workload.pods:
            workload.pods = kept
            self.resource_version += 1

    def _pod(self, workload: Workload, number: int) -> Pod:
        uid = str(uuid.uuid4())
        suffix = "".join(_HASH_LETTERS[byte % len(_HASH_LETTERS)] for byte in uid[:5].encode())
        return Pod(
            uid=uid,
            name=f"{workload.name}-{workload.template.hash}-{suffix}",
            template=workload.template,
            created=workload.changed,
            ready_at=workload.changed + READY_AFTER_SECONDS + STAGGER_SECONDS * number,
            node=NODES[number % len(NODES)],
            ip=next(self._addresses),
        )

    @property
    def now(self) -> float:
        """The cluster's clock, in seconds since 1970."""
        return self._clock()

    def newest(self) -> str | None:
        """Return the newest version that is meant to run."""
        running = [one.version for one in self.workloads.values() if one.replicas]
        return max(running, default=None)

    def pods(self) -> Iterator[Pod]:
        """Yield every pod of every Deployment."""
        for workload in self.workloads.values():
            yield from workload.pods

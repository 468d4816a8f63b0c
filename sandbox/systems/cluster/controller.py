"""The controllers: Deployments become ReplicaSets and pods, step by step, which takes them a moment."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sandbox.systems.cluster.state import APP, ClusterState

OBSERVED_AFTER_SECONDS = 0.05
READY_AFTER_SECONDS = 0.3
STAGGER_SECONDS = 0.03
ENDED_AFTER_SECONDS = 0.1
AGED_SECONDS = 3 * 86_400
NODES = ("node-a", "node-b", "node-c")
_MAX_SURGE = _MAX_UNAVAILABLE = 0.25
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
    """One pod from its creation to its end."""

    uid: str
    name: str
    template: Template
    created: float
    ready_at: float
    node: str
    ip: str
    ends_at: float | None = None
    """When a pod that was deleted is gone; None while nobody has deleted it."""


@dataclass(slots=True)
class Workload:
    """One Deployment with its ReplicaSets and pods."""

    version: str
    replicas: int
    template: Template
    changed: float
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    generation: int = 1
    paused: bool = False
    revisions: dict[Template, list[int]] = field(default_factory=dict)
    """Of each ReplicaSet the revisions that it has been, the last one its present."""
    pods: list[Pod] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the Deployment's name."""
        return f"{APP}-v{self.version}"

    def observed(self, now: float) -> int:
        """Return the generation that the controller has seen."""
        seen = now >= self.changed + OBSERVED_AFTER_SECONDS
        return self.generation if seen else self.generation - 1

    def want(self, replicas: int, template: Template, now: float, *, paused: bool) -> None:
        """Take a new specification; a template that was wanted before is a new revision of its ReplicaSet."""
        if (self.replicas, self.template, self.paused) != (replicas, template, paused):
            self.generation += 1
            self.changed = now
        if template != self.template or not self.revisions:
            newest = max((one[-1] for one in self.revisions.values()), default=0)
            self.revisions.setdefault(template, []).append(newest + 1)
        self.replicas, self.template, self.paused = replicas, template, paused


class Cluster:
    """All Deployments of one cluster; it follows what it is told, in its own time."""

    def __init__(self, state: ClusterState, number: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._addresses = (
            f"10.{number}.{n // 250}.{n % 250 + 1}" for n in itertools.count(number * 17)
        )
        self.workloads: dict[str, Workload] = {}
        self.quota: int | None = None
        """How many pods may be in the namespace; None where it has no quota."""
        self.resource_version = 1000
        self._reached = clock() - AGED_SECONDS
        self._follow(state, self._reached)
        self.advance()

    def follow(self, state: ClusterState) -> None:
        """Take new orders."""
        self.advance()
        self._follow(state, self._clock())
        self.advance()

    def _follow(self, state: ClusterState, now: float) -> None:
        self.resource_version += 1
        if state.quota_pods_left is None:
            self.quota = None
        elif self.quota is None:
            self.quota = self._there() + state.quota_pods_left
        newest = max((version for version, count in state.replicas.items() if count), default=None)
        for version, replicas in state.replicas.items():
            template = Template(version, state.restarted_at.get(version))
            workload = self.workloads.setdefault(
                version, Workload(version, replicas, template, now)
            )
            paused = state.paused and version == newest
            workload.want(replicas, template, now, paused=paused)
        for version in set(self.workloads) - set(state.replicas):
            del self.workloads[version]

    def advance(self) -> None:
        """Let the controllers do what they would have done by now, one event after the other."""
        until = self._clock()
        while True:
            for workload in self.workloads.values():
                if workload.observed(self._reached) == workload.generation:
                    self._reconcile(workload, self._reached)
            if self._reached >= until:
                return
            self._reached = min(
                (one for one in self._events() if one > self._reached), default=until
            )
            self._reached = min(self._reached, until)

    def _events(self) -> Iterator[float]:
        """Yield when something happens by itself."""
        for workload in self.workloads.values():
            yield workload.changed + OBSERVED_AFTER_SECONDS
            for pod in workload.pods:
                yield pod.ready_at
                if pod.ends_at is not None:
                    yield pod.ends_at

    def _reconcile(self, workload: Workload, now: float) -> None:
        """Take the steps of a rolling update that are possible now."""
        while True:
            pods = [pod for pod in workload.pods if pod.ends_at is None or pod.ends_at > now]
            wanted, ended = _step(workload, now)
            made = wanted if self.quota is None else max(0, min(wanted, self.quota - self._there()))
            workload.pods = [
                *(_ending(pod, now) if pod in ended else pod for pod in pods),
                *(self._pod(workload, number, now) for number in range(made)),
            ]
            self.resource_version += bool(made or ended)
            if not made and not ended:
                return

    def _there(self) -> int:
        return sum(len(workload.pods) for workload in self.workloads.values())

    def refuses(self, workload: Workload) -> bool:
        """Tell whether the quota lets a Deployment's next pod not in."""
        new = [pod for pod in workload.pods if pod.template == workload.template]
        full = self.quota is not None and self._there() >= self.quota
        return full and len(new) < workload.replicas

    def _pod(self, workload: Workload, number: int, now: float) -> Pod:
        uid = str(uuid.uuid4())
        suffix = "".join(_HASH_LETTERS[byte % len(_HASH_LETTERS)] for byte in uid[:5].encode())
        there = sum(pod.template == workload.template for pod in workload.pods)
        return Pod(
            uid=uid,
            name=f"{workload.name}-{workload.template.hash}-{suffix}",
            template=workload.template,
            created=now,
            ready_at=now + READY_AFTER_SECONDS + STAGGER_SECONDS * number,
            node=NODES[(there + number) % len(NODES)],
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


def _step(workload: Workload, now: float) -> tuple[int, list[Pod]]:
    """Return how many new pods may be made now, and which pods are to end."""
    alive = [pod for pod in workload.pods if pod.ends_at is None]
    new = [pod for pod in alive if pod.template == workload.template]
    old = [pod for pod in alive if pod.template != workload.template]
    wanted = workload.replicas
    if not old:
        return max(0, wanted - len(new)), new[wanted:]
    if workload.paused:
        return 0, []
    room = wanted + math.ceil(wanted * _MAX_SURGE) - len(alive)
    made = max(0, min(wanted - len(new), room))
    least = wanted - math.floor(wanted * _MAX_UNAVAILABLE)
    unready = made + sum(pod.ready_at > now for pod in new)
    spare = max(0, len(alive) + made - least - unready)
    unready_first = sorted(old, key=lambda pod: pod.ready_at <= now)
    return made, [*unready_first[:spare], *new[wanted:]]


def _ending(pod: Pod, now: float) -> Pod:
    return dataclasses.replace(pod, ends_at=now + ENDED_AFTER_SECONDS)

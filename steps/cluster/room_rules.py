"""Is the cluster well, and is there room for what a deployment adds?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.kubernetes.objects import ClusterHealth, Node, Room, fits
from probes.observation import Deadline, Observation
from steps.cluster.clusters import Clusters, found, unreadable
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform

_RESOURCES: Sequence[tuple[str, Callable[[Room], float]]] = (
    ("CPU", lambda room: room.cpu),
    ("memory", lambda room: room.memory),
    ("pods per node", lambda room: room.pods),
)

_WHOLE_CLUSTER_SECONDS = 30.0


def whole(clusters: Clusters, region: str) -> Observation[ClusterHealth]:
    """Read the nodes of a region's cluster, and the pods of all its namespaces."""
    section = clusters.section
    return probes.kubernetes.health(
        clusters.target(region),
        probes.kubernetes.App(section.namespace, section.app_labels, section.most_pods),
        section.system_namespace,
        deadline=long_deadline(clusters.platform),
    )


def long_deadline(platform: Platform) -> Deadline:
    """Return the deadline of reading a whole cluster: many pages, and a millisecond for each pod."""
    return platform.deadline.sooner(max(_WHOLE_CLUSTER_SECONDS, platform.policy.deadlines.call))


def judge_well(clusters: Clusters, check: Check) -> None:
    """Judge nodes, the cluster's own pods and the API server's own word, in every region."""
    _judge(clusters, check, lambda health: [_nodes(health), _system(health), _api(health)])


def judge_room(clusters: Clusters, check: Check) -> None:
    """Judge that every pod which a deployment adds finds a node, by CPU, memory and pods."""
    most = clusters.section.most_pods
    measured = bool(clusters.platform.environment.settings.storage)
    _judge(clusters, check, lambda health: [*_room(health, most), _disk(health, measured=measured)])


def _judge(
    clusters: Clusters, check: Check, judge: Callable[[ClusterHealth], Sequence[Judgement]]
) -> None:
    def in_region(region: str) -> None:
        observed = clusters.read(region, "cluster", lambda: whole(clusters, region))
        check.observe(region, observed)
        if observed.value is None:
            check.judge(region, unreadable("the cluster", observed))
            return
        check.judge(region, *judge(observed.value))

    clusters.each_region(check, in_region)


def _nodes(health: ClusterHealth) -> Judgement:
    silent = [node for node in health.nodes if node.silent]
    problems = [f"{node.name} is lost: its kubelet no longer reports" for node in silent]
    problems += [
        f"{node.name} is not Ready" for node in health.nodes if not (node.ready or node.silent)
    ]
    problems += [f"{node.name} has {kind}" for node in health.nodes for kind in node.troubles]
    if not health.nodes:
        problems = ["the cluster shows no node"]
    lost = "; of a lost one, its machine, kubelet or network back" if silent else ""
    return found(
        "nodes",
        problems,
        f"all {len(health.nodes)} Ready, without pressure",
        clears=f"every node Ready and without pressure{lost}",
    )


def _system(health: ClusterHealth) -> Judgement:
    if not health.system_pods:
        return expect(
            None,
            "the cluster's own pods",
            "the cluster's own pods: there are none; is kubernetes.system_namespace right?",
            "kubernetes.system_namespace set to where the cluster's own pods run",
        )
    problems = [f"{pod.name}: {pod.state}" for pod in health.system_pods if not pod.healthy]
    return found(
        "the cluster's own pods",
        problems,
        f"all {len(health.system_pods)} run",
        clears="every pod of the cluster's own namespace Running and Ready",
    )


def _api(health: ClusterHealth) -> Judgement:
    return found(
        "the cluster's API",
        [] if health.api_ready else ["/readyz says no"],
        f"ready, {health.version}",
        clears="/readyz answering 200",
    )


def _room(health: ClusterHealth, most: int) -> list[Judgement]:
    wanted = max(0, most - health.app_pods)
    ask = health.largest_ask
    if not health.app_pods or not (ask.cpu and ask.memory):
        return [_unknown_ask(health)]
    usable = [node for node in health.nodes if node.usable]
    by_resource = [_fits(name, of, ask, usable, wanted) for name, of in _RESOURCES]
    whole = sum(node.holds(ask) for node in usable)
    return [
        *by_resource,
        _enough("all of it together", whole, wanted),
        *_allowed(health, wanted),
        *_placed(health, wanted),
    ]


def _allowed(health: ClusterHealth, wanted: int) -> Iterator[Judgement]:
    """Judge the tightest of the namespace's quotas."""
    tightest = min(health.quotas, key=lambda one: fits(one.left, one.ask), default=None)
    if tightest is not None:
        how = f"quota {tightest.name} ({tightest.resource})"
        yield _enough(how, fits(tightest.left, tightest.ask), wanted, "the quota raised")


def _placed(health: ClusterHealth, wanted: int) -> Iterator[Judgement]:
    """Judge the app's own rules about which pods may stand beside each other."""
    how = "the app's required (anti-)affinity and topology spread"
    if health.unknown_rule:
        yield expect(
            None,
            f"room by {how}",
            f"room by {how}: it has {health.unknown_rule}, which this gate can't count",
            "a look at the scheduler's own answer: a trial of the Deployment at its full size",
        )
    elif health.placed is not None:
        yield _enough(how, health.placed, wanted, "nodes in other zones added or the rule relaxed")


def _fits(
    name: str, of: Callable[[Room], float], ask: Room, nodes: Sequence[Node], wanted: int
) -> Judgement:
    return _enough(name, sum(fits(of(node.free), of(ask)) for node in nodes), wanted)


def _enough(
    name: str, fitting: int, wanted: int, how: str = "nodes added or pods moved"
) -> Judgement:
    """Judge how many more pods fit; a pod goes to one node whole, so each node counts for itself."""
    subject = f"room by {name}"
    passed = fitting >= wanted
    return Judgement(
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        rule="at least",
        subject=subject,
        sentence=f"{subject}: {fitting} more pods of the app fit, the deployment adds up to {wanted}",
        observed=fitting,
        target=wanted,
        unit="pods",
        clears="" if passed else f"room for {wanted - fitting} more pods: {how}",
        data={"margin": fitting - wanted},
    )


def _disk(health: ClusterHealth, *, measured: bool) -> Judgement:
    """Judge the kubelets' own word; what is left is measured where the environment says how."""
    only = "" if measured else "; what is left is not measured, the environment has no storage"
    full = [node.name for node in health.nodes if "DiskPressure" in node.troubles]
    return found(
        "room on disk",
        [f"{name} has DiskPressure" for name in full],
        f"no DiskPressure on {len(health.nodes)} nodes{only}",
        clears="disk freed or added on these nodes",
    )


def _unknown_ask(health: ClusterHealth) -> Judgement:
    why = (
        "no pod of the app runs" if not health.app_pods else "its pods request no CPU or no memory"
    )
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="at least",
        subject="room",
        sentence=f"room: {why}, so nobody knows what the added pods will need",
        clears="requests for CPU and memory in the app's Deployment",
    )

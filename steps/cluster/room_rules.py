"""Rules of a cluster's health: nodes, its own pods, and room for what a deployment adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gates.decide.judgement import Judgement
from probes.kubernetes.objects import ClusterHealth, Room, fits
from steps.cluster.rules import found
from steps.kit.expect import expect, measured

_RESOURCES: Sequence[tuple[str, Callable[[Room], float]]] = (
    ("CPU", lambda room: room.cpu),
    ("memory", lambda room: room.memory),
    ("pods per node", lambda room: room.pods),
)


def nodes(health: ClusterHealth) -> Judgement:
    """Judge that every node is Ready and without pressure."""
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
        f"every node Ready and without pressure{lost}",
    )


def system(health: ClusterHealth) -> Judgement:
    """Judge that every pod of the cluster's own namespace runs."""
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
        "every pod of the cluster's own namespace Running and Ready",
    )


def api(health: ClusterHealth) -> Judgement:
    """Judge the API server's own word."""
    return found(
        "the cluster's API",
        [] if health.api_ready else ["/readyz says no"],
        f"ready, {health.version}",
        "/readyz answering 200",
    )


def room(health: ClusterHealth, most: int) -> list[Judgement]:
    """Judge that every pod which a deployment adds finds a node, by CPU, memory and pods."""
    wanted = max(0, most - health.app_pods)
    ask = health.largest_ask
    if not health.app_pods or not (ask.cpu and ask.memory):
        return [_unknown_ask(health)]
    usable = [node for node in health.nodes if node.usable]
    return [
        *(
            _enough(name, sum(fits(of(node.free), of(ask)) for node in usable), wanted)
            for name, of in _RESOURCES
        ),
        _enough("all of it together", sum(node.holds(ask) for node in usable), wanted),
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


def _enough(
    name: str, fitting: int, wanted: int, how: str = "nodes added or pods moved"
) -> Judgement:
    """Judge how many more pods fit; a pod goes to one node whole, so each node counts for itself."""
    subject = f"room by {name}"
    return expect(
        fitting >= wanted,
        subject,
        f"{subject}: {fitting} more pods of the app fit, the deployment adds up to {wanted}",
        f"room for {wanted - fitting} more pods: {how}",
        **measured("at least", fitting, wanted, "pods"),
        data={"margin": fitting - wanted},
    )


def disk(health: ClusterHealth, *, measured: bool) -> Judgement:
    """Judge the kubelets' own word; what is left is measured where the environment says how."""
    only = "" if measured else "; what is left is not measured, the environment has no storage"
    full = [node.name for node in health.nodes if "DiskPressure" in node.troubles]
    return found(
        "room on disk",
        [f"{name} has DiskPressure" for name in full],
        f"no DiskPressure on {len(health.nodes)} nodes{only}",
        "disk freed or added on these nodes",
    )


def _unknown_ask(health: ClusterHealth) -> Judgement:
    why = (
        "no pod of the app runs" if not health.app_pods else "its pods request no CPU or no memory"
    )
    return expect(
        None,
        "room",
        f"room: {why}, so what the added pods will need is unknown",
        "requests for CPU and memory in the app's Deployment",
        rule="at least",
    )

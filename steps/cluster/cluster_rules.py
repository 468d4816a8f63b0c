"""Where the Service leads, by endpoints joined to pods; the cluster's health, and room for a deployment."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Meaning, Outcome
from probes.kubernetes.objects import ClusterHealth, Pod, Room, fits
from steps.cluster.rules import Look, found, is_wanted
from steps.kit.expect import expect, measured
from steps.kit.settling import Progress, Settled


def switched(settled: Settled[Look]) -> tuple[Judgement, ...]:
    """Judge where the Service leads: by the pods behind it, and by its selector where that has a version.

    While the version before still has all the traffic, with pods enough, nothing of the release is live:
    that holds, and there is nothing to roll back.
    """
    look = settled.value
    judged = (
        *_selects(look),
        found(
            "endpoints of the Service",
            [f"{one}{settled.waited}" for one in _strangers(look)],
            f"{len(_ready_uids(look))} ready, each a ready pod of {look.release_version}",
            f"only ready pods of {look.release_version} behind the Service",
            settled.ended,
        ),
    )
    means = Meaning.HOLD if _version_before_serves(look) else None
    return tuple(
        dataclasses.replace(one, means=means) if one.outcome is Outcome.FAIL else one
        for one in judged
    )


def kept(settled: Settled[Look], minimum: int) -> Judgement:
    """Judge that whatever has the traffic keeps enough ready endpoints."""
    return found(
        "endpoints of the Service",
        [f"{one}{settled.waited}" for one in not_served(settled.value, minimum)],
        f"{len(_serving(settled.value))} ready, each a ready pod of the app",
        f"at least {minimum} ready endpoints, each a pod of the app's Deployments",
        settled.ended,
    )


def _version_before_serves(look: Look) -> bool:
    """Tell whether enough ready pods of one version before, and nothing else, have all the traffic."""
    versions = look.live_versions
    if len(versions) != 1 or look.release_version in (versions[0], _selected(look)):
        return False
    of_it = {one.uid for one in look.pods(versions) if one.ready}
    ready = _ready_uids(look)
    return len(ready) >= look.section.replicas.normal and ready <= of_it


def _selected(look: Look) -> str | None:
    return look.traffic.selector.get(look.section.version_label)


def switch_progress(look: Look) -> Progress:
    """Return how far the switch is; a Service that selects another version will not go on by itself."""
    if _selected(look) not in (None, look.release_version):
        return Progress.BROKEN
    return Progress.MOVING if _strangers(look) else Progress.DONE


def _selects(look: Look) -> list[Judgement]:
    """Judge the version that the Service selects; where it selects none, the pods behind it decide."""
    selected = _selected(look)
    if selected is None and look.traffic.found:
        return []
    subject = f"{look.section.version_label} that the Service {look.section.service} selects"
    return [equals(subject, selected, look.release_version)]


def _ready_uids(look: Look) -> set[str]:
    return {
        one.pod_uid or one.address
        for one in look.traffic.endpoints
        if one.ready and not one.terminating
    }


def _serving(look: Look) -> set[str]:
    """Return the ready endpoints whose pods are the app's own, and ready themselves."""
    own = {one.uid for one in look.own_pods if one.ready and is_wanted(one)}
    return _ready_uids(look) & own


def not_served(look: Look, minimum: int) -> list[str]:
    """Return in words what the Service lacks to keep its traffic, whichever version that is."""
    serving = _serving(look)
    problems = _others(look, serving)
    if not look.traffic.found:
        problems.append(f"there is no Service {look.section.service}")
    if len(serving) < minimum:
        problems.append(f"{len(serving)} ready, wanted at least {minimum}")
    return problems


def _others(look: Look, own: set[str]) -> list[str]:
    """Return what the ready endpoints are that are none of these pods, by kind, with an example."""
    names = {one.pod_uid or one.address: one.pod_name for one in look.traffic.endpoints}
    pods = {one.uid: one for one in look.workload.pods}
    kinds: dict[str, list[str]] = {}
    for uid in sorted(_ready_uids(look) - own):
        kinds.setdefault(_kind(look, pods.get(uid)), []).append(names[uid] or uid)
    return [
        f"{len(found)} ready {'endpoint is' if len(found) == 1 else 'endpoints are'} {kind}, "
        f"such as {min(found)}"
        for kind, found in kinds.items()
    ]


def _kind(look: Look, pod: Pod | None) -> str:
    """Return what a pod is that should not be behind the Service."""
    if pod is None:
        return "no pod of the app"
    if not pod.workload:
        return f"run by {pod.owner or 'nothing'}, not by the app's Deployment"
    if not is_wanted(pod):
        return f"of {pod.version} and ending"
    if not pod.ready:
        why = " (it has publishNotReadyAddresses)" if look.traffic.publishes_unready else ""
        return f"of {pod.version} and not Ready, though the Service says so{why}"
    return f"of {pod.version}"


def _strangers(look: Look) -> list[str]:
    """Return in words how the ready endpoints differ from the release's ready pods, of which enough."""
    ready = _ready_uids(look)
    own = {one.uid for one in look.pods((look.release_version,)) if one.ready}
    problems = _others(look, own)
    if not look.traffic.found:
        problems.append(f"there is no Service {look.section.service}")
    if own - ready:
        count = len(own - ready)
        problems.append(
            f"{count} ready pods of the release get no traffic: "
            "the Service's selector or targetPort does not fit them"
        )
    if not ready:
        problems.append("there is no ready endpoint: nothing answers behind the Service")
    elif len(ready) < look.section.replicas.normal:
        problems.append(f"{len(ready)} ready, wanted at least {look.section.replicas.normal}")
    return problems


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
        sentence = "the cluster's own pods: there are none; is kubernetes.system_namespace right?"
        clears = "kubernetes.system_namespace set to where the cluster's own pods run"
        return expect(None, "the cluster's own pods", sentence, clears)
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
    sentence = f"room: {why}, so what the added pods will need is unknown"
    clears = "requests for CPU and memory in the app's Deployment"
    return expect(None, "room", sentence, clears, rule="at least")

"""Where the Service leads: endpoints joined to pods prove who gets the traffic."""

from __future__ import annotations

import dataclasses

from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Meaning, Outcome
from probes.kubernetes.objects import Pod
from steps.cluster.rules import Look, found, is_wanted
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

"""Is a Deployment rolled out? kubectl's own rules, and those that it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from probes.kubernetes.objects import Container, Deployment, Pod
from steps.kit.settling import Progress

FINAL_WAITING = frozenset(
    {
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Why a container waits when waiting longer will not help."""

State = tuple[Progress, str]
"""How far something is, and what is the matter in words; no words when it is done."""


def rollout(deployment: Deployment, minimum: int) -> State:
    """Return how far a rollout is; `minimum` pods must be wanted, for 0 of 0 is no success."""
    name = deployment.name
    if deployment.wanted < minimum:
        return (
            Progress.BROKEN,
            f"{name} is scaled to {deployment.wanted}, wanted at least {minimum}",
        )
    if deployment.observed_generation < deployment.generation:
        return Progress.MOVING, f"{name}: its controller has not seen the last change yet"
    counted = _counted(deployment)
    if deployment.paused and counted[0] is not Progress.DONE:
        return (
            Progress.BROKEN,
            f"{name} is paused before it is complete ({counted[1]}): kubectl rollout resume",
        )
    progressing = deployment.condition("Progressing")
    if progressing is not None and progressing.reason == "ProgressDeadlineExceeded":
        return (
            Progress.BROKEN,
            f"{name} exceeded its progress deadline: {_counts(deployment)}",
        )
    return counted


def _counted(one: Deployment) -> State:
    if one.updated < one.wanted:
        refused = one.condition("ReplicaFailure")
        why = f" ({refused.reason})" if refused is not None and refused.status == "True" else ""
        return (
            Progress.MOVING,
            f"{one.name} has {one.updated} of {one.wanted} pods of its newest revision{why}",
        )
    if one.total > one.updated:
        return (
            Progress.MOVING,
            f"{one.name} still has {one.total - one.updated} pods of an older revision",
        )
    # "Progressing" stays True when availability is lost later, so it is never asked for this.
    if one.available < one.wanted:
        return Progress.MOVING, f"{one.name} has {one.available} of {one.wanted} pods available"
    return Progress.DONE, ""


def _counts(one: Deployment) -> str:
    return f"{one.updated} of {one.wanted} pods updated, {one.available} available"


def pod(one: Pod) -> State:
    """Return how far a pod is: Running and Ready, or why it will never be."""
    stuck = next((each for each in one.containers if _is_stuck(each)), None)
    if stuck is not None:
        return Progress.BROKEN, f"{one.name}: {_waiting(stuck)}"
    if one.phase != "Running":
        waiting = next((each.waiting for each in one.containers if each.waiting), one.reason)
        return Progress.MOVING, f"{one.name} is {one.phase}{waiting and f' ({waiting})'}"
    if not one.ready:
        return Progress.MOVING, f"{one.name} runs and is not ready"
    return Progress.DONE, ""


def _is_stuck(container: Container) -> bool:
    """Return whether waiting longer will not help; init containers often wait by failing."""
    waits = container.init and container.waiting == "CrashLoopBackOff"
    return container.waiting in FINAL_WAITING and not waits


def _waiting(container: Container) -> str:
    ended = f", ended with {container.terminated}" if container.terminated else ""
    return f"container {container.name} is in {container.waiting}{ended}"


def together(states: Iterable[State]) -> Progress:
    """Return how far all of them are: broken if any is, done if every one is."""
    seen = {state for state, _ in states}
    if Progress.BROKEN in seen:
        return Progress.BROKEN
    return Progress.MOVING if Progress.MOVING in seen else Progress.DONE


def problems(states: Iterable[State]) -> list[str]:
    """Return what is the matter, in words."""
    return [words for _, words in states if words]


def restarts(pods: Iterable[Pod], before: Mapping[str, int]) -> list[str]:
    """Return each container that restarted since the baseline, by pod uid and container.

    A pod that the baseline does not know began at 0, whatever its age: absolute values would miss the
    crash loops of pods that were replaced, and count those of years ago. An init container that ended
    well has done what it is for, however often it tried.
    """
    found = []
    for one in pods:
        for container in one.containers:
            if container.init and container.done:
                continue
            delta = container.restarts - before.get(restart_key(one, container), 0)
            if delta > 0:
                why = f" ({container.terminated})" if container.terminated else ""
                times = "once" if delta == 1 else f"{delta} times"
                found.append(f"{one.name}: container {container.name} restarted {times}{why}")
    return found


def restart_key(one: Pod, container: Container) -> str:
    """Return under what name a container's restarts are kept in the baseline."""
    return f"{one.uid}/{container.name}"

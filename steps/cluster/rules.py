"""Is a Deployment rolled out, and do its pods run? kubectl's own rules, and those that it leaves out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from gates.decide.judgement import Judgement
from probes.kubernetes.objects import Container, Deployment, Pod, Traffic, Workload
from settings.cluster import Kubernetes
from steps.kit.expect import expect, measured
from steps.kit.settling import Ended, Progress, Settled

FINAL_WAITING = frozenset(
    {
        *("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CrashLoopBackOff"),
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
    }
)
"""Why a container waits when waiting longer will not help."""
_OVER = ("Succeeded", "Failed")
_RUN_NO_APP = ("", "Job", "ReplicaSet")
"""Kinds of owners whose pods are no app that this gate can't judge: Jobs end, the rest was left behind."""
_OF_THE_NODE = frozenset(
    {
        *("NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated"),
        *("NodeAffinity", "OutOfcpu", "OutOfmemory", "OutOfpods", "UnexpectedAdmissionError"),
    }
)
"""Why a pod is Failed through no fault of its own: its node ended it, or never let it begin."""
_SHOWN_PROBLEMS = 5

State = tuple[Progress, str]
"""How far something is, and what is the matter in words; no words when it is done."""


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """The app's workload and traffic at one moment, with what a check needs to read them."""

    workload: Workload
    traffic: Traffic
    section: Kubernetes
    release_version: str
    """The release as the version label says it, such as v1.2.0."""

    def deployments(self, versions: Iterable[str]) -> tuple[Deployment, ...]:
        """Return the Deployments of these versions."""
        wanted = set(versions)
        return tuple(one for one in self.workload.deployments if one.version in wanted)

    def pods(self, versions: Iterable[str]) -> tuple[Pod, ...]:
        """Return the app's own pods of these versions that are meant to run.

        Those on their way out are not, nor those that are over: what a node evicted or took down with
        itself stays in the lists for days, and the ReplicaSet has replaced it.
        """
        wanted = set(versions)
        return tuple(one for one in self.own_pods if one.version in wanted and is_wanted(one))

    @property
    def release(self) -> tuple[str]:
        """The release's version, where versions are asked for."""
        return (self.release_version,)

    @property
    def own_pods(self) -> tuple[Pod, ...]:
        """The pods that the app's Deployments and StatefulSets run, by owner and never by label."""
        return tuple(one for one in self.workload.pods if one.workload)

    @property
    def live_versions(self) -> tuple[str, ...]:
        """The versions of the app's pods behind the Service, joined by uid: of the ready ones, if any.

        None without the Service, or where it leads to no pod of the app.
        """
        if not self.traffic.found:
            return ()
        versions = {one.uid: one.version for one in self.own_pods if one.version}
        behind = [one for one in self.traffic.endpoints if one.pod_uid in versions]
        serving = [one for one in behind if one.ready and not one.terminating] or behind
        return tuple(sorted({versions[one.pod_uid] for one in serving}))

    @property
    def undecided(self) -> Judgement | None:
        """Return why nothing can be said of this app, where it is run or labelled in an unknown way."""
        label, runs = self.section.version_label, self.workload.deployments
        others = {one.owner for one in self.workload.pods if not one.workload and is_wanted(one)}
        strange = sorted(one for one in others if one.partition(" ")[0] not in _RUN_NO_APP)
        if strange and not any(one.wanted for one in runs):
            return expect(
                None,
                "the app",
                f"the app is not run by a Deployment or StatefulSet but by {strange[0]}, which this "
                "gate can't judge",
                f"its own tool's verdict on the rollout; or a Deployment that has {self.section.app_labels}",
            )
        if runs and not any(one.version for one in runs):
            return expect(
                None,
                "the app",
                f"no pod template of {runs[0].kind} {runs[0].name} or another has the label {label}, so "
                "no pod's version is known",
                "kubernetes.version_label set to the label that holds the version",
            )
        return None


def is_wanted(pod: Pod) -> bool:
    """Return whether a pod is meant to run: it is neither ending nor over."""
    return not pod.deleting and pod.phase not in _OVER


def found(
    subject: str, problems: Iterable[str], fine: str, clears: str, ended: Ended = Ended.DONE
) -> Judgement:
    """Return PASS with the sentence `fine`, or what is wrong, all of it in one judgement.

    What was still in progress when the run ended is INCONCLUSIVE: nobody knows how it would have ended.
    """
    wrong = list(problems)
    bad = None if ended is Ended.RUN_ENDED else False
    return expect(
        bad if wrong else True,
        subject,
        f"{subject}: {few(wrong) if wrong else fine}",
        clears,
        **measured("as wanted", len(wrong), 0, "problems"),
        data={"problems": wrong},
    )


def few(words: Sequence[str]) -> str:
    """Return the first of many, and how many more there are: nobody reads two hundred pods at 02:00."""
    more = len(words) - _SHOWN_PROBLEMS
    shown = [*words[:_SHOWN_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]
    return "; ".join(shown)


def progress(look: Look, versions: Sequence[str], minimum: int) -> Progress:
    """Return how far Deployments and pods of these versions are together: broken if any is."""
    seen = {state for state, _ in states(look, versions, minimum)}
    if Progress.BROKEN in seen:
        return Progress.BROKEN
    # Pods are listed before their Deployments: those of a rollout that ends in between are not shown yet.
    available = sum(one.available for one in look.deployments(versions))
    unseen = len(look.pods(versions)) < available
    return Progress.MOVING if unseen or Progress.MOVING in seen else Progress.DONE


def states(look: Look, versions: Sequence[str], minimum: int) -> list[State]:
    """Return how far what runs these versions is, and each pod of it; nothing at all is not a success."""
    rollouts = _rollouts(look, versions, minimum)
    return [*rollouts, *map(pod, look.pods(versions))] if look.deployments(versions) else rollouts


def problems(states: Iterable[State]) -> list[str]:
    """Return what is the matter, in words."""
    return [words for _, words in states if words]


def _rollouts(look: Look, versions: Sequence[str], minimum: int) -> list[State]:
    return [rollout(one, minimum) for one in look.deployments(versions)] or [
        _nobody(look, versions)
    ]


def _nobody(look: Look, versions: Sequence[str]) -> State:
    """Say why there is nothing to judge."""
    if versions:
        there = sorted({one.version or "no version" for one in look.workload.deployments})
        others = f", only of {', '.join(there)}" if there else ""
        return Progress.BROKEN, f"there is no Deployment of {' and '.join(versions)}{others}"
    service = look.section.service
    if not look.traffic.found:
        return Progress.BROKEN, f"there is no Service {service}, so nothing carries the traffic"
    ready = [one for one in look.traffic.endpoints if one.ready]
    if not ready:
        return Progress.MOVING, f"no pod is ready behind the Service {service}"
    name = ready[0].pod_name or ready[0].address
    words = f"the Service {service} leads to no pod of the app, but to others such as {name}"
    return Progress.BROKEN, words


def rollout(deployment: Deployment, minimum: int) -> State:
    """Return how far a rollout is; `minimum` pods must be wanted, for 0 of 0 is not a success."""
    name = deployment.name
    if deployment.wanted < minimum:
        words = f"{name} is scaled to {deployment.wanted}, wanted at least {minimum}"
        return Progress.BROKEN, words
    if deployment.observed_generation < deployment.generation:
        return Progress.MOVING, f"{name}: its controller has not seen the last change yet"
    counted = _counted(deployment)
    if deployment.paused and counted[0] is not Progress.DONE:
        words = f"{name} is paused before it is complete ({counted[1]}): kubectl rollout resume"
        return Progress.BROKEN, words
    progressing = deployment.condition("Progressing")
    if progressing is not None and progressing.reason == "ProgressDeadlineExceeded":
        counts = f"{deployment.updated} of {deployment.wanted} pods updated"
        words = f"{counts}, {deployment.available} available"
        return Progress.BROKEN, f"{name} exceeded its progress deadline: {words}"
    return counted


def _counted(one: Deployment) -> State:
    if one.updated < one.wanted:
        refused = one.condition("ReplicaFailure")
        why = f" ({refused.reason})" if refused is not None and refused.status == "True" else ""
        words = f"{one.name} has {one.updated} of {one.wanted} pods of its newest revision{why}"
        return Progress.MOVING, words
    if one.total > one.updated:
        words = f"{one.name} still has {one.total - one.updated} pods of an older revision"
        return Progress.MOVING, words
    # "Progressing" stays True when availability is lost later, so it is never asked for this.
    if one.available < one.wanted:
        return Progress.MOVING, f"{one.name} has {one.available} of {one.wanted} pods available"
    return Progress.DONE, ""


def pod(one: Pod) -> State:
    """Return how far a pod is: Running and Ready, or why it will never be."""
    stuck = next((each for each in one.containers if _is_stuck(each)), None)
    if stuck is not None:
        ended = f", ended with {stuck.terminated}" if stuck.terminated else ""
        words = f"{one.name}: container {stuck.name} is in {stuck.waiting}{ended}"
        return Progress.BROKEN, words
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


def rolled_out(settled: Settled[Look], versions: Sequence[str], minimum: int) -> Judgement:
    """Judge that the rollout of these versions is complete, with `minimum` pods or more."""
    words = " and ".join(versions) or "what carries the traffic"
    counts = ", ".join(
        f"{one.available} of {one.wanted} available at revision {one.revision or '?'}"
        for one in settled.value.deployments(versions)
    )
    return found(
        f"rollout of {words}",
        [f"{one}{settled.waited}" for one in problems(_rollouts(settled.value, versions, minimum))],
        f"complete, {counts}",
        f"a complete rollout of {words} with at least {minimum} pods available",
        settled.ended,
    )


def running(settled: Settled[Look], versions: Sequence[str], minimum: int) -> Judgement:
    """Judge that every pod of these versions is Running and Ready, `minimum` or as many as wanted."""
    look = settled.value
    pods = look.pods(versions)
    wrong = problems(map(pod, pods))
    runs = len(pods) - len(wrong)
    wanted = sum(one.wanted for one in look.deployments(versions))
    if runs < max(minimum, wanted):
        words = f"{runs} pods Running and Ready, wanted at least {max(minimum, wanted)}"
        wrong = [words, *wrong]
    # Pods that Deployments no longer want are on their way out: not an outage, and not done.
    if len(pods) > wanted:
        wrong.append(f"{len(pods)} pods where {wanted} are wanted")
    return found(
        f"pods of {' and '.join(versions) or 'what carries the traffic'}",
        [f"{problem}{settled.waited}" for problem in wrong],
        f"all {len(pods)} Running and Ready",
        "every pod Running and Ready",
        settled.ended,
    )


def restarts(look: Look, versions: Sequence[str], before: Mapping[str, int]) -> Judgement:
    """Judge that no container restarted since the baseline, which counts by pod uid and container.

    A pod that the baseline does not know began at 0, whatever its age: absolute values would miss the
    crash loops of pods that were replaced, and count those of years ago. An init container that ended
    well has done what it is for, however often it tried.
    """
    wrong = []
    for one in look.pods(versions):
        for container in one.containers:
            if container.init and container.done:
                continue
            delta = container.restarts - before.get(restart_key(one, container), 0)
            if delta > 0:
                why = f" ({container.terminated})" if container.terminated else ""
                times = "once" if delta == 1 else f"{delta} times"
                wrong.append(f"{one.name}: container {container.name} restarted {times}{why}")
    return found(
        f"restarts of {' and '.join(versions)}",
        wrong,
        "no container has restarted",
        "the cause of the restarts found and fixed",
    )


def restart_key(one: Pod, container: Container) -> str:
    """Return under what name a container's restarts are kept in the baseline."""
    return f"{one.uid}/{container.name}"


def unfailed(look: Look) -> Judgement:
    """Judge that no pod of the release failed as a whole, as one does that its node evicts.

    One that went with its node, or gave way to others, says nothing of the release.
    """
    version = look.release_version
    failed = [
        f"{one.name} has failed ({one.reason or 'no reason'}) and was replaced"
        for one in look.own_pods
        if (one.version, one.phase) == (version, "Failed") and one.reason not in _OF_THE_NODE
    ]
    return found(
        f"failed pods of {version}",
        failed,
        "no pod has failed",
        "the cause found (kubectl describe pod) and fixed, and the failed pods deleted",
    )


def not_normal(look: Look, normal: int) -> list[str]:
    """Return what is scaled to another number than the normal one, in words."""
    live = set(look.live_versions)
    return [
        f"{one.name} is scaled to {one.wanted}, normal are {normal}"
        for one in look.workload.deployments
        if one.wanted > normal or (one.version in live and one.wanted != normal)
    ]

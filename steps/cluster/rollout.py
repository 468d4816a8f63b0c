"""Are the app's Deployments as the phase wants them: scaled, rolled out, running what was released?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gates.decide.judgement import Judgement
from probes.kubernetes.objects import Deployment
from steps.cluster import pod_rules, rules
from steps.cluster.baseline import restarts_before
from steps.cluster.clusters import Clusters, Look, found
from steps.kit.check import Check
from steps.kit.settling import Progress, Settled

ROLLOUT = "rollout"
_OF_THE_NODE = frozenset(
    {
        *("NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated"),
        *("NodeAffinity", "OutOfcpu", "OutOfmemory", "OutOfpods", "UnexpectedAdmissionError"),
    }
)
"""Why a pod is Failed through no fault of its own: its node ended it, or never let it begin."""


class Deployed:
    """Deployments and pods of the app in every region."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    def scaled_up(self, check: Check) -> None:
        """Judge that what has the traffic runs with the temporary number of replicas."""
        minimum = self._clusters.section.replicas.temporary

        def judge(region: str) -> None:
            settled = self._clusters.settled(
                check, region, ROLLOUT, lambda look: _progress(look, look.live_versions, minimum)
            )
            if settled is not None:
                look = settled.value
                check.judge(region, _rolled_out(settled, look.live_versions, minimum))

        self._clusters.each_region(check, judge)

    def live_pods_running(self, check: Check) -> None:
        """Judge that every pod of what has the traffic is Running and Ready, and there are enough.

        None may have restarted since the baseline; without one, restarts of years ago can't be told.
        """
        minimum = self._clusters.section.replicas.temporary

        def judge(region: str) -> None:
            settled = self._clusters.settled(
                check, region, ROLLOUT, lambda look: _progress(look, look.live_versions, minimum)
            )
            if settled is None:
                return
            look = settled.value
            check.judge(region, _running(settled, look.live_versions, minimum))
            before = restarts_before(self._clusters.platform, region)
            if before is not None:
                check.judge(region, _restarts(look, look.live_versions, before))

        self._clusters.each_region(check, judge)

    def release_applied(self, check: Check) -> None:
        """Judge that the release's rollout is complete, by kubectl's rules, with the released images."""
        digests = pod_rules.released(self._clusters, check)
        section = self._clusters.section
        minimum = section.replicas.normal

        def judge(region: str) -> None:
            settled = self._settled_release(check, region)
            if settled is None:
                return
            version = settled.value.release_version
            check.judge(region, _rolled_out(settled, (version,), minimum))
            if digests is not None:
                pods = settled.value.pods((version,))
                check.judge(
                    region, *pod_rules.judged(pods, section.container, section.image, digests)
                )

        self._clusters.each_region(check, judge)

    def release_pods_running(self, check: Check) -> None:
        """Judge that every pod of the release is Running and Ready, and none has restarted or failed."""
        minimum = self._clusters.section.replicas.normal

        def judge(region: str) -> None:
            settled = self._settled_release(check, region)
            if settled is None:
                return
            version = settled.value.release_version
            before = restarts_before(self._clusters.platform, region) or {}
            check.judge(
                region,
                _running(settled, (version,), minimum),
                _restarts(settled.value, (version,), before),
                _unfailed(settled.value, version),
            )

        self._clusters.each_region(check, judge)

    def release_ready(self, check: Check) -> None:
        """Judge that every pod of the release passes its readiness probe."""
        minimum = self._clusters.section.replicas.normal

        def judge(region: str) -> None:
            settled = self._settled_release(check, region)
            if settled is not None:
                check.judge(region, _running(settled, (settled.value.release_version,), minimum))

        self._clusters.each_region(check, judge)

    def normal_capacity(self, check: Check) -> None:
        """Judge that what has the traffic runs with the normal number of replicas, and no more."""
        normal = self._clusters.section.replicas.normal

        def progress(look: Look) -> Progress:
            if _not_normal(look, normal):
                return Progress.BROKEN
            return _progress(look, look.live_versions, normal)

        def judge(region: str) -> None:
            settled = self._clusters.settled(check, region, ROLLOUT, progress)
            if settled is None:
                return
            check.judge(
                region,
                found(
                    "capacity of the app",
                    _not_normal(settled.value, normal),
                    f"back at {normal} replicas",
                    clears=f"kubectl scale to the normal number, {normal}",
                ),
                _rolled_out(settled, settled.value.live_versions, normal),
            )

        self._clusters.each_region(check, judge)

    def _settled_release(self, check: Check, region: str) -> Settled[Look] | None:
        minimum = self._clusters.section.replicas.normal
        return self._clusters.settled(
            check,
            region,
            ROLLOUT,
            lambda look: _progress(look, (look.release_version,), minimum),
        )


def _progress(look: Look, versions: Sequence[str], minimum: int) -> Progress:
    """Return how far Deployments and pods of these versions are together."""
    return rules.together(states(look, versions, minimum))


def states(look: Look, versions: Sequence[str], minimum: int) -> list[rules.State]:
    """Return how far what runs these versions is, and each pod of it; nothing at all is no success."""
    deployments = look.deployments(versions)
    if not deployments:
        return [_nobody(look, versions)]
    rollouts = [rules.rollout(one, minimum) for one in deployments]
    return [*rollouts, *map(rules.pod, look.pods(versions))]


def _nobody(look: Look, versions: Sequence[str]) -> rules.State:
    """Say why there is nothing to judge."""
    if versions:
        words = f"there is no Deployment of {' and '.join(versions)}{_others(look)}"
        return Progress.BROKEN, words
    service = look.section.service
    if not look.traffic.found:
        return Progress.BROKEN, f"there is no Service {service}, so nothing carries the traffic"
    ready = [one for one in look.traffic.endpoints if one.ready]
    if not ready:
        return Progress.MOVING, f"no pod is ready behind the Service {service}"
    name = ready[0].pod_name or ready[0].address
    words = f"the Service {service} leads to no pod of the app, but to others such as {name}"
    return Progress.BROKEN, words


def _rolled_out(settled: Settled[Look], versions: Sequence[str], minimum: int) -> Judgement:
    look = settled.value
    deployments = look.deployments(versions)
    words = " and ".join(versions) or "what carries the traffic"
    rollouts = [rules.rollout(one, minimum) for one in deployments]
    problems = rules.problems(rollouts or [_nobody(look, versions)])
    return found(
        f"rollout of {words}",
        [f"{problem}{settled.waited}" for problem in problems],
        f"complete, {_numbers(deployments)}",
        clears=f"a complete rollout of {words} with at least {minimum} pods available",
        ended=settled.ended,
    )


def _others(look: Look) -> str:
    there = sorted({one.version or "no version" for one in look.workload.deployments})
    return f", only of {', '.join(there)}" if there else ""


def _numbers(deployments: Sequence[Deployment]) -> str:
    return ", ".join(
        f"{one.available} of {one.wanted} available at revision {one.revision or '?'}"
        for one in deployments
    )


def _running(settled: Settled[Look], versions: Sequence[str], minimum: int) -> Judgement:
    look = settled.value
    pods = look.pods(versions)
    problems = rules.problems(map(rules.pod, pods))
    running = len(pods) - len(problems)
    wanted = sum(one.wanted for one in look.deployments(versions))
    if running < max(minimum, wanted):
        words = f"{running} pods Running and Ready, wanted at least {max(minimum, wanted)}"
        problems = [words, *problems]
    # Pods that Deployments no longer want are on their way out: not an outage, and not done.
    if len(pods) > wanted:
        problems.append(f"{len(pods)} pods where {wanted} are wanted")
    return found(
        f"pods of {' and '.join(versions) or 'what carries the traffic'}",
        [f"{problem}{settled.waited}" for problem in problems],
        f"all {len(pods)} Running and Ready",
        clears="every pod Running and Ready",
        ended=settled.ended,
    )


def _restarts(look: Look, versions: Sequence[str], before: Mapping[str, int]) -> Judgement:
    return found(
        f"restarts of {' and '.join(versions)}",
        rules.restarts(look.pods(versions), before),
        "no container has restarted",
        clears="the cause of the restarts found and fixed",
    )


def _unfailed(look: Look, version: str) -> Judgement:
    """Judge that no pod failed as a whole, as one does that its node evicts: worse than a restart.

    One that went with its node, or gave way to others, says nothing of the release.
    """
    failed = [
        f"{one.name} has failed ({one.reason or 'no reason'}) and was replaced"
        for one in look.own_pods
        if (one.version, one.phase) == (version, "Failed") and one.reason not in _OF_THE_NODE
    ]
    return found(
        f"failed pods of {version}",
        failed,
        "no pod has failed",
        clears="the cause found (kubectl describe pod) and fixed, and the failed pods deleted",
    )


def _not_normal(look: Look, normal: int) -> list[str]:
    live = set(look.live_versions)
    return [
        f"{one.name} is scaled to {one.wanted}, normal are {normal}"
        for one in look.workload.deployments
        if one.wanted > normal or (one.version in live and one.wanted != normal)
    ]

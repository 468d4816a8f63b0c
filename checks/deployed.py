"""Are the app's Deployments as the phase wants them: scaled, rolled out, running what was released?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import probes
from checks import rollout
from checks.check import Check
from checks.cluster_facts import restarts_before
from checks.clusters import Clusters, Look, found
from checks.settling import Progress, Settled
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.kubernetes_objects import Deployment, Pod

Digests = Mapping[str, Sequence[str]]
"""Of each image of the release: the digests that may run."""

ROLLOUT = "rollout"


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
        digests = self._release_digests(check)
        minimum = self._clusters.section.replicas.normal

        def judge(region: str) -> None:
            settled = self._settled_release(check, region)
            if settled is None:
                return
            version = settled.value.release_version
            check.judge(region, _rolled_out(settled, (version,), minimum))
            if digests is not None:
                check.judge(region, _images(settled.value.pods((version,)), digests))

        self._clusters.each_region(check, judge)

    def release_pods_running(self, check: Check) -> None:
        """Judge that every pod of the release is Running and Ready, and none has restarted since."""
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

    def _release_digests(self, check: Check) -> Digests | None:
        """Read the build's evidence; None, and judged, where there is none."""
        section = self._clusters.section
        if section.release_images is None:
            check.judge_everywhere(
                _no_evidence("the environment names no kubernetes.release_images")
            )
            return None
        path = self._clusters.platform.environment.path.parent / section.release_images
        deadline = self._clusters.platform.call_deadline()
        observed = probes.files.content(str(path), deadline=deadline)
        check.observe_everywhere(observed)
        if observed.value is None:
            check.judge_everywhere(_no_evidence("the build's file of image digests can't be read"))
            return None
        digests = _parsed(observed.value.data)
        if digests is None or section.image not in digests:
            check.judge_everywhere(
                _no_evidence(f"the build's file of image digests does not name {section.image}")
            )
            return None
        return digests


def _progress(look: Look, versions: Sequence[str], minimum: int) -> Progress:
    """Return how far Deployments and pods of these versions are together."""
    deployments = look.deployments(versions)
    if not deployments:
        return Progress.BROKEN
    states = [rollout.rollout(one, minimum) for one in deployments]
    return rollout.together([*states, *map(rollout.pod, look.pods(versions))])


def _rolled_out(settled: Settled[Look], versions: Sequence[str], minimum: int) -> Judgement:
    look = settled.value
    deployments = look.deployments(versions)
    words = " and ".join(versions)
    problems = rollout.problems(rollout.rollout(one, minimum) for one in deployments)
    if not deployments:
        problems = [f"there is no Deployment of {words}{_others(look)}"]
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
    problems = rollout.problems(map(rollout.pod, pods))
    running = len(pods) - len(problems)
    if running < minimum:
        words = f"{running} pods Running and Ready, wanted at least {minimum}"
        problems = [words, *problems]
    # Pods that Deployments no longer want are on their way out: not an outage, and not done.
    wanted = sum(one.wanted for one in look.deployments(versions))
    if len(pods) > wanted:
        problems.append(f"{len(pods)} pods where {wanted} are wanted")
    return found(
        f"pods of {' and '.join(versions)}",
        [f"{problem}{settled.waited}" for problem in problems],
        f"all {len(pods)} Running and Ready",
        clears="every pod Running and Ready",
        ended=settled.ended,
    )


def _restarts(look: Look, versions: Sequence[str], before: Mapping[str, int]) -> Judgement:
    return found(
        f"restarts of {' and '.join(versions)}",
        rollout.restarts(look.pods(versions), before),
        "no container has restarted",
        clears="the cause of the restarts found and mended",
    )


def _not_normal(look: Look, normal: int) -> list[str]:
    live = set(look.live_versions)
    return [
        f"{one.name} is scaled to {one.wanted}, normal are {normal}"
        for one in look.workload.deployments
        if one.wanted > normal or (one.version in live and one.wanted != normal)
    ]


def _images(pods: Sequence[Pod], digests: Digests) -> Judgement:
    """Judge the digests that really run: tags and templates are intent, not fact."""
    wrong: dict[str, int] = {}
    compared = 0
    for one in pods:
        for container in one.containers:
            name = image_name(container.image)
            if name not in digests or not container.digest:
                continue
            compared += 1
            if container.digest not in digests[name]:
                wanted = " or ".join(map(_short, digests[name]))
                image = container.image.rpartition("/")[2]
                words = f"{image} is {_short(container.digest)}, released {wanted}"
                wrong[words] = wrong.get(words, 0) + 1
    problems = [f"{words}, in {count} pods" for words, count in wrong.items()]
    if not compared:
        problems = ["no container of the release runs, so none can be compared"]
    return found(
        "images that run",
        problems,
        f"{compared} containers run the released digests",
        clears="the released digests running under the release's tags",
    )


def image_name(image: str) -> str:
    """Return the last part of an image's name: without registry, tag and digest."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _short(digest: str) -> str:
    return digest[:19] + "…"


def _parsed(data: bytes) -> Digests | None:
    try:
        said = json.loads(data)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    return {
        str(name): tuple(map(str, value if isinstance(value, list) else [value]))
        for name, value in said.items()
    }


def _no_evidence(why: str) -> Judgement:
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="as wanted",
        subject="images that run",
        sentence=f"images that run: {why}, so it is not known what was released",
        clears="the build's file of image digests, named by kubernetes.release_images",
    )

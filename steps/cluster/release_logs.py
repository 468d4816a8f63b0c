"""Errors in the logs of the release's pods, as counts: no line ever leaves the probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import probes
from gates.decide.judgement import Judgement
from probes.kubernetes.objects import LogLevels, Pod
from probes.observation import Observation
from steps.cluster import pod_rules
from steps.cluster.clusters import ENDPOINTS_SETTLE_SECONDS, Clusters, found, unreadable
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.settling import Progress


def judge(clusters: Clusters, check: Check) -> None:
    """Judge that the newest lines of every pod of the release hold no error."""

    def in_region(region: str) -> None:
        seen = clusters.settled(
            check, region, "logs", lambda _: Progress.DONE, ENDPOINTS_SETTLE_SECONDS
        )
        if seen is None:
            return
        pods = seen.value.pods((clusters.release_version,))
        subject = f"logs of {clusters.release_version}"
        if pods and not pod_rules.has_container(pods, clusters.section.container):
            check.judge(region, pod_rules.no_container(subject, clusters.section.container))
            return
        observed = clusters.read(region, "logs", lambda: counted(clusters, region, pods))
        check.observe(region, observed)
        if observed.value is None:
            check.judge(region, unreadable(subject, observed))
        else:
            check.judge(region, _clean(subject, observed.value), *_silent(subject, observed.value))

    clusters.each_region(check, in_region)


def counted(clusters: Clusters, region: str, pods: Sequence[Pod]) -> Observation[LogLevels]:
    """Count the error levels in the newest lines of these pods."""
    section = clusters.section
    logs = section.logs
    return probes.kubernetes.log_levels(
        clusters.target(region),
        section.namespace,
        [(one.name, section.container) for one in pods],
        probes.kubernetes.LogRules(
            logs.level_field, frozenset(logs.error_levels), logs.error_words, logs.tail_lines
        ),
        deadline=clusters.platform.call_deadline(),
    )


def _silent(subject: str, counts: LogLevels) -> Iterator[Judgement]:
    """Yield what can't be told: a log that is not there, empty, or read wrongly shows no error either."""
    clears = "every pod of the release with a log in which it says something"
    without = counts.pods_without_log
    if without and counts.pods_read:
        sentence = f"{subject}: {len(without)} pods have none, such as {min(without)}"
        yield expect(None, subject, sentence, clears)
    if counts.pods_read and not counts.lines:
        sentence = f"{subject}: {counts.pods_read} pods have logged nothing at all"
        yield expect(None, subject, sentence, f"{clears}; is kubernetes.container right?")
    if counts.pods_cut_off:
        sentence = (
            f"{subject}: {len(counts.pods_cut_off)} pods have longer ones than are read, such as "
            f"{min(counts.pods_cut_off)}, so their newest lines are not known"
        )
        yield expect(None, subject, sentence, "kubernetes.logs.tail_lines made smaller")
    if not counts.levelled and counts.unlevelled * 2 > counts.lines:
        sentence = (
            f"{subject}: {counts.unlevelled} of {counts.lines} lines are JSON without a level"
        )
        yield expect(
            None, subject, sentence, "kubernetes.logs.level_field set to what the app calls it"
        )


def _clean(subject: str, counts: LogLevels) -> Judgement:
    levels = ", ".join(f"{count} {level}" for level, count in sorted(counts.by_level.items()))
    where = f"in {counts.lines} lines of {counts.pods_read} pods"
    problems = [f"{levels} {where}"] if counts.errors else []
    if not counts.pods_read:
        problems = ["no pod of the release has a log yet"]
    return found(
        subject,
        problems,
        f"no error {where}",
        clears="no error in the newest lines; read them with kubectl logs",
    )

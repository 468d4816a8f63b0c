"""Errors in the logs of the release's pods, as counts: no line ever leaves the probe."""

from __future__ import annotations

import probes
from checks.check import Check
from checks.clusters import Clusters, found, unreadable


def judge(clusters: Clusters, check: Check) -> None:
    """Judge that the newest lines of every pod of the release hold no error."""

    def in_region(region: str) -> None:
        looked = clusters.look(region)
        for observation in looked.observations:
            check.observe(region, observation)
        if looked.value is None:
            check.judge(region, unreadable("the cluster", looked.observations[-1]))
            return
        section = clusters.section
        pods = looked.value.pods((clusters.release_version,))
        logs = section.logs
        observed = probes.kubernetes.log_levels(
            clusters.target(region),
            section.namespace,
            [(one.name, section.container) for one in pods],
            probes.kubernetes.LogRules(
                logs.level_field,
                frozenset(logs.error_levels),
                logs.error_words,
                logs.tail_lines,
            ),
            deadline=clusters.platform.call_deadline(),
        )
        check.observe(region, observed)
        subject = f"logs of {clusters.release_version}"
        if observed.value is None:
            check.judge(region, unreadable(subject, observed))
            return
        counts = observed.value
        levels = ", ".join(f"{count} {level}" for level, count in sorted(counts.by_level.items()))
        problems = [f"{levels} in {counts.lines} lines of {counts.pods_read} pods"] * (
            counts.errors > 0
        )
        if not counts.pods_read:
            problems = ["no pod of the release has a log yet"]
        check.judge(
            region,
            found(
                subject,
                problems,
                f"no error in {counts.lines} lines of {counts.pods_read} pods",
                clears="no error in the newest lines; read them with kubectl logs",
            ),
        )

    clusters.each_region(check, in_region)

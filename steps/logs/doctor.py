"""The doctor on the logs: each program's can be read, goes on, and has levels that are known."""

from __future__ import annotations

from collections.abc import Iterator

from settings.monitoring import Logs
from steps.cluster.clusters import Clusters
from steps.kit.findings import Finding, Keys, Subject, System, examination
from steps.logs import rules
from steps.logs.reading import HOUR_SECONDS, Reading


@examination
def examine_logs(subject: Subject, region: str, section: Logs) -> Iterator[Finding]:
    """Read the last hour of every program, as the checks do; what stands in it is theirs to judge."""
    reading, here = (
        Reading(Clusters(subject.platform), HOUR_SECONDS),
        f"regions.{region}.kubernetes",
    )
    keys = Keys(f"{here}.server", f"{here}.ca_file", f"{here}.token")
    for program in section.programs:
        system = System(subject, f"the log of {program}", region, keys)
        log = system.read(reading.of(region, program))
        found = rules.whole("it", log, subject.platform.policy.logs, reading.period())
        if found.outcome.value == "PASS":
            yield system.ok(
                f"{log.counts.lines} lines in the last hour, from {len(log.sources)} pods"
            )
        else:
            yield system.warn(
                found.sentence, subject.key(f"logs.{program}", "its labels and container")
            )

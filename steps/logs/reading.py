"""How the logs of a program are read in a region, what a baseline keeps of them, and what the doctor says."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import probes
from gates.decide.outcome import Outcome
from probes.log_lines import Format, Log, LogRules
from probes.observation import Observation, utc_now
from settings.monitoring import Logs
from steps.cluster.clusters import Clusters
from steps.delivery.reading import aws_target
from steps.kit.baseline import CannotCollectError
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Subject, System, examination
from steps.kit.platform import Platform
from steps.logs import rules

BEFORE = "logs"
"""The collector's name."""
HOUR_SECONDS = 3600.0
_LEAST_SECONDS = 20.0


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """The logs of a time that ends now."""

    clusters: Clusters
    seconds: float
    """Of the policy: an hour, or a day."""

    @property
    def platform(self) -> Platform:
        """The platform whose logs they are."""
        return self.clusters.platform

    @property
    def section(self) -> Logs:
        """What is read; raises NotDescribedError."""
        return self.platform.section(Logs)

    def period(self) -> rules.Period:
        """Return how times count, and that it is now."""
        return rules.Period(utc_now(), self.platform.environment.settings.time_scale)

    def of(self, region: str, program: str) -> Observation[Log]:
        """Read what a program logged in a region."""
        section = self.section
        one, lines = section.programs[program], section.lines
        levels = LogRules(lines.level_field, frozenset(lines.error_levels), lines.error_words, 0)
        events = frozenset((*section.alerts, *section.failed_logins))
        form = Format(
            levels, section.message_field, section.event_field, events, frozenset(section.words)
        )
        seconds = self.platform.scaled(self.seconds, _LEAST_SECONDS)
        moment = utc_now() - dt.timedelta(seconds=seconds)
        deadline = self.clusters.long_deadline()
        if one.log_group is not None:
            target = aws_target(self.platform)
            elsewhere = section.aws_regions.get(region, target.region)
            target = dataclasses.replace(target, region=elsewhere)
            group = probes.cloudwatch.Group(one.log_group, one.log_pattern)
            return probes.cloudwatch.since(target, group, moment, form, deadline=deadline)
        return probes.pod_logs.since(
            self.clusters.target(region),
            probes.pod_logs.Program(self.clusters.section.namespace, one.labels, one.container),
            moment,
            form,
            deadline=deadline,
        )


def before(platform: Platform) -> Mapping[str, Any]:
    """Collect what each program logged in the last hour, by region; raises CannotCollectError."""
    reading = Reading(Clusters(platform), HOUR_SECONDS)
    return platform.each_region(
        lambda region: {name: _facts(reading, region, name) for name in reading.section.programs}
    )


def _facts(reading: Reading, region: str, program: str) -> dict[str, Any]:
    observed = reading.of(region, program)
    log = observed.value
    if log is None:
        failure = failure_of(observed)
        raise CannotCollectError(
            f"the log of {program} in {region}: {failure.kind.value}. {failure.detail}"
        )
    return {
        "seconds": reading.period().seconds(log),
        "errors": dict(log.counts.errors),
        "events": dict(log.counts.events),
    }


@examination
def examine_logs(subject: Subject, region: str, section: Logs) -> Iterator[Finding]:
    """Read the last hour of every program, as the checks do; what stands in it is theirs to judge."""
    reading = Reading(Clusters(subject.platform), HOUR_SECONDS)
    here = f"regions.{region}.kubernetes"
    keys = Keys(f"{here}.server", f"{here}.ca_file", f"{here}.token")
    for program in section.programs:
        system = System(subject, f"the log of {program}", region, keys)
        log = system.read(reading.of(region, program))
        found = rules.whole("it", log, subject.platform.policy.logs, reading.period())
        if found.outcome is Outcome.PASS:
            pods = len(log.sources)
            yield system.ok(f"{log.counts.lines} lines in the last hour, from {pods} pods")
        else:
            fixes = subject.key(f"logs.{program}", "its labels and container")
            yield system.warn(found.sentence, fixes)

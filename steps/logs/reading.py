"""How the logs of a program are read in a region, and what a baseline keeps of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

import probes
from probes.kubernetes import LogRules
from probes.log_lines import Format, Log
from probes.observation import Observation, utc_now
from settings.monitoring import Logs
from steps.cluster.clusters import Clusters
from steps.delivery.reading import aws_target
from steps.kit.baseline import CannotCollectError
from steps.kit.failures import failure_of
from steps.kit.platform import Platform
from steps.logs.rules import Period

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

    def period(self) -> Period:
        """Return how times count, and that it is now."""
        return Period(utc_now(), self.platform.environment.settings.time_scale)

    def of(self, region: str, program: str) -> Observation[Log]:
        """Read what a program logged in a region."""
        section = self.section
        one, lines = section.programs[program], section.lines
        rules = LogRules(lines.level_field, frozenset(lines.error_levels), lines.error_words, 0)
        events = frozenset((*section.alerts, *section.failed_logins))
        form = Format(
            rules, section.message_field, section.event_field, events, frozenset(section.words)
        )
        seconds = self.platform.scaled(self.seconds, _LEAST_SECONDS)
        moment = utc_now() - dt.timedelta(seconds=seconds)
        deadline = self.clusters.long_deadline()
        if one.log_group is not None:
            target = aws_target(self.platform)
            target = dataclasses.replace(
                target, region=section.aws_regions.get(region, target.region)
            )
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

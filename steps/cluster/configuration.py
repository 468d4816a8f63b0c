"""Is the release's configuration in the cluster, and do the pods that run really have it?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import probes
from gates.decide.judgement import Judgement, harmless
from probes.kubernetes.objects import ConfigMap, Pod
from steps.cluster import pod_rules, rules
from steps.cluster.baseline import config_before
from steps.cluster.clusters import Clusters, Look, found, unreadable
from steps.cluster.config_rules import Change, change
from steps.cluster.rollout import states
from steps.kit.check import Check
from steps.kit.settling import Progress, Settled

RESTART = "restart"


class Configured:
    """The app's ConfigMap and its readers in every region."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters

    def holds_what_is_wanted(self, check: Check) -> None:
        """Judge that the ConfigMap holds every wanted key with its value."""

        def judge(region: str) -> None:
            config_map = self._read(check, region)
            if config_map is not None:
                check.judge(region, self._content(config_map))

        self._clusters.each_region(check, judge)

    def pods_restarted(self, check: Check) -> None:
        """Judge that the release's pods were replaced after the ConfigMap changed, and all are Ready."""

        def judge(region: str) -> None:
            config_map = self._read(check, region)
            settled = None if config_map is None else self._settled(check, region)
            if config_map is not None and settled is not None:
                check.judge(region, self._restarted(region, config_map, settled))

        self._clusters.each_region(check, judge)

    def _restarted(self, region: str, config_map: ConfigMap, settled: Settled[Look]) -> Judgement:
        version = settled.value.release_version
        pods = settled.value.pods((version,))
        made = {one.name: one.created_at for one in pods if one.created_at is not None}
        changed = self._change(region, config_map)
        problems = [
            *self._not_yet(config_map),
            *_nobody(pods),
            *changed.problems(made, "pods are older than"),
            *_unsettled(settled),
        ]
        subject = f"restart of {version}"
        if changed.is_doubtful(made) and not problems:
            return changed.doubt(subject, made)
        return found(
            subject,
            problems,
            f"{len(pods)} pods replaced since the configuration changed",
            clears="kubectl rollout restart, and its end",
            ended=settled.ended,
        )

    def in_force(self, check: Check) -> None:
        """Judge that every running container of the app reads the ConfigMap as it is now.

        Environment variables are read once, at the start of a container: one that started before the
        change has the old values, whatever the ConfigMap holds.
        """

        def judge(region: str) -> None:
            config_map = self._read(check, region)
            settled = None if config_map is None else self._settled(check, region)
            if config_map is not None and settled is not None:
                check.judge(region, self._in_force(region, config_map, settled))

        self._clusters.each_region(check, judge)

    def _in_force(self, region: str, config_map: ConfigMap, settled: Settled[Look]) -> Judgement:
        section = self._clusters.section
        pods = settled.value.pods((settled.value.release_version,))
        subject = f"configuration of {settled.value.release_version}"
        if pods and not pod_rules.has_container(pods, section.container):
            return pod_rules.no_container(subject, section.container)
        started = _started(pods, section.container)
        changed = self._change(region, config_map)
        blind = [one.name for one in pods if section.config_map not in one.config_maps]
        idle = [one.name for one in pods if one.name not in started]
        problems = [
            *self._not_yet(config_map),
            *_unsettled(settled),
            *_nobody(pods),
            *(f"{name} does not read {section.config_map}" for name in blind),
            *(f"{name}: no container {section.container} runs" for name in idle),
            *changed.problems(started, "containers started before"),
        ]
        if changed.is_doubtful(started) and not problems:
            return changed.doubt(subject, started)
        return found(
            subject,
            problems,
            f"{len(pods)} pods started with it",
            clears="every container started after the wanted configuration was there",
            ended=settled.ended,
        )

    def _read(self, check: Check, region: str) -> ConfigMap | None:
        section = self._clusters.section
        target = self._clusters.target(region)
        observed = self._clusters.read(
            region,
            "ConfigMap",
            lambda: probes.kubernetes.config_map(
                target,
                section.namespace,
                section.config_map,
                deadline=self._clusters.platform.call_deadline(),
            ),
        )
        check.observe(region, observed)
        if observed.value is None:
            check.judge(region, unreadable("the ConfigMap", observed))
        return observed.value

    def _settled(self, check: Check, region: str) -> Settled[Look] | None:
        def progress(look: Look) -> Progress:
            return rules.together(states(look, (look.release_version,), 1))

        return self._clusters.settled(check, region, RESTART, progress)

    def _change(self, region: str, config_map: ConfigMap) -> Change:
        return change(config_map, config_before(self._clusters.platform, region))

    def _content(self, config_map: ConfigMap) -> Judgement:
        section = self._clusters.section
        subject = f"ConfigMap {section.config_map}"
        problems = [] if config_map.found else ["it is not there"]
        problems += differences(config_map.data, section.config) if config_map.found else []
        return found(
            subject,
            problems,
            f"all {len(section.config)} wanted keys have their values",
            clears=f"the release's {section.config_map} applied",
        )

    def _not_yet(self, config_map: ConfigMap) -> list[str]:
        section = self._clusters.section
        if config_map.found and not differences(config_map.data, section.config):
            return []
        return [
            f"{section.config_map} does not hold the wanted configuration, so no pod can have it"
        ]


def _unsettled(settled: Settled[Look]) -> list[str]:
    """Return in words what keeps the release from running as a whole."""
    look = settled.value
    wrong = rules.problems(states(look, (look.release_version,), 1))
    return [f"{words}{settled.waited}" for words in wrong]


def differences(data: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return which wanted keys are missing or have another value; harmless values are shown."""
    return [
        f"{key} is missing"
        if key not in data
        else f"{key} is “{harmless(data[key], value)}”, wanted “{value}”"
        for key, value in wanted.items()
        if data.get(key) != value
    ]


def _nobody(pods: Sequence[Pod]) -> list[str]:
    return [] if pods else ["no pod of the release is there"]


def _started(pods: Sequence[Pod], container: str) -> dict[str, dt.datetime]:
    """Return when the app's container of each pod started, where it runs."""
    return {
        one.name: each.started_at
        for one in pods
        for each in one.containers
        if each.name == container and each.started_at is not None
    }

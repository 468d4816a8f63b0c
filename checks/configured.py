"""Is the release's configuration in the cluster, and do the pods that run really have it?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import probes
from checks import rollout
from checks.check import Check
from checks.clusters import Clusters, Look, found, unreadable
from checks.deployed import states
from checks.settling import Progress, Settled
from gates.decide.judgement import Judgement, harmless
from probes.kubernetes_objects import ConfigMap, Pod

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
            if config_map is None:
                return
            settled = self._settled(check, region)
            if settled is None:
                return
            look = settled.value
            version = (look.release_version,)
            problems = [
                *self._not_yet(config_map),
                *_older(look.pods(version), config_map.changed_at),
                *_unsettled(settled),
            ]
            check.judge(
                region,
                found(
                    f"restart of {look.release_version}",
                    problems,
                    f"{len(look.pods(version))} pods replaced since the configuration changed",
                    clears="kubectl rollout restart, and its end",
                    ended=settled.ended,
                ),
            )

        self._clusters.each_region(check, judge)

    def in_force(self, check: Check) -> None:
        """Judge that every running container of the app reads the ConfigMap as it is now.

        Environment variables are read once, at the start of a container: one that started before the
        change has the old values, whatever the ConfigMap holds.
        """

        def judge(region: str) -> None:
            config_map = self._read(check, region)
            if config_map is None:
                return
            settled = self._settled(check, region)
            if settled is None:
                return
            section = self._clusters.section
            pods = settled.value.pods((settled.value.release_version,))
            blind = [one.name for one in pods if section.config_map not in one.config_maps]
            problems = [
                *self._not_yet(config_map),
                *_unsettled(settled),
                *(f"{name} does not read {section.config_map}" for name in blind),
                *_started_before(pods, section.container, config_map.changed_at),
            ]
            check.judge(
                region,
                found(
                    f"configuration of {settled.value.release_version}",
                    problems,
                    f"{len(pods)} pods started with it",
                    clears="every container started after the wanted configuration was there",
                    ended=settled.ended,
                ),
            )

        self._clusters.each_region(check, judge)

    def _read(self, check: Check, region: str) -> ConfigMap | None:
        section = self._clusters.section
        observed = probes.kubernetes.config_map(
            self._clusters.target(region),
            section.namespace,
            section.config_map,
            deadline=self._clusters.platform.call_deadline(),
        )
        check.observe(region, observed)
        if observed.value is None:
            check.judge(region, unreadable("the ConfigMap", observed))
        return observed.value

    def _settled(self, check: Check, region: str) -> Settled[Look] | None:
        def progress(look: Look) -> Progress:
            return rollout.together(states(look, (look.release_version,), 1))

        return self._clusters.settled(check, region, RESTART, progress)

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
    wrong = rollout.problems(states(look, (look.release_version,), 1))
    return [f"{words}{settled.waited}" for words in wrong]


def differences(data: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return which wanted keys are missing or have another value; harmless values are shown."""
    return [
        f"{key} is missing"
        if key not in data
        else f"{key} is “{harmless(data[key])}”, wanted “{value}”"
        for key, value in wanted.items()
        if data.get(key) != value
    ]


def _older(pods: tuple[Pod, ...], changed_at: dt.datetime | None) -> list[str]:
    """Return how many pods are older than the configuration; the API tells whole seconds."""
    if not pods:
        return ["no pod of the release is there"]
    if changed_at is None:
        return ["the cluster does not say when the ConfigMap changed"]
    old = [one for one in pods if one.created_at is None or one.created_at < changed_at]
    since = f"{changed_at:%H:%M:%S} UTC"
    return [f"{len(old)} of {len(pods)} pods are older than the change at {since}"] if old else []


def _started_before(
    pods: tuple[Pod, ...], container: str, changed_at: dt.datetime | None
) -> list[str]:
    if not pods:
        return ["no pod of the release is there"]
    if changed_at is None:
        return ["the cluster does not say when the ConfigMap changed"]
    running = {
        one.name: each.started_at
        for one in pods
        for each in one.containers
        if each.name == container and each.started_at is not None
    }
    problems = [
        f"{one.name}: no container {container} runs" for one in pods if one.name not in running
    ]
    old = sum(started < changed_at for started in running.values())
    if old:
        problems.append(f"{old} of {len(running)} containers started before the change")
    return problems

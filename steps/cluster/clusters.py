"""The regions' clusters: who may read them, and one wait for a rollout for all checks of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import probes
from environments.store import StoreError
from gates.decide.judgement import Judgement
from gates.decide.release import Release
from probes.kubernetes.objects import (
    ClusterHealth,
    ConfigMap,
    Deployment,
    LogLevels,
    Pod,
    Rights,
    Traffic,
    Workload,
)
from probes.log_lines import LogRules
from probes.observation import Deadline, Facts, Observation
from settings.cluster import Kubernetes, RegionCluster
from settings.sections import server_of
from steps.cluster.pod_rules import ConfigBefore
from steps.cluster.rules import Look, few, progress, restart_key
from steps.kit import failures
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import CannotCollectError, NoBaselineError, before_if_any, load_baseline
from steps.kit.expect import expect, measured, need, unable
from steps.kit.platform import Platform
from steps.kit.run import Run
from steps.kit.settling import Progress, SettleClocks, Settled, missed, settle_seconds, settled

V = TypeVar("V", bound=Facts)

ENDPOINTS_SETTLE_SECONDS = 60.0
"""What a Service's endpoints may take to follow pods and selector."""
EACH = "cluster of each region"
ROLLOUT = "rollout"
"""Whose time all checks of a rollout share."""
_WHOLE_CLUSTER_SECONDS = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """One look, or what it failed on, with its observations."""

    value: Look | None
    observations: tuple[Observation[Any], ...]


class Clusters:
    """Every region's cluster, asked by all checks of a run."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._clocks = SettleClocks()
        self._rights: dict[str, Observation[Rights]] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, run: Run) -> Clusters:
        """Return those of a run."""
        return cls(run.platform)

    @property
    def section(self) -> Kubernetes:
        """What is deployed; raises NotDescribedError."""
        return need(self.platform.environment.settings.kubernetes, "the section kubernetes")

    @property
    def release_version(self) -> str:
        """What has to serve, the release or what its rollback restored, as the version label says it."""
        return self.version_of(self.platform.serving)

    def version_of(self, release: Release) -> str:
        """Return a release as the version label says it."""
        return self.section.version_value.replace("{release}", release.number)

    def cluster(self, region: str) -> RegionCluster:
        """Return where a region's cluster is; raises NotDescribedError."""
        described = self.platform.environment.settings.regions[region].kubernetes
        return need(described, f"regions.{region}.kubernetes")

    def target(self, region: str) -> probes.kubernetes.KubernetesTarget:
        """Return a region's cluster as the gate's account sees it."""
        cluster = self.cluster(region)
        return probes.kubernetes.KubernetesTarget(
            cluster.server, self.platform.environment.secret(cluster.token), cluster.ca_file
        )

    def in_each_region(self, asked: Asked, measure: Callable[[Asked], None]) -> None:
        """Measure every region in which the gate's account is fit to be used."""
        undecided = self.shown_once(EACH, lambda cluster: cluster.server)

        def measured(here: Asked) -> None:
            here.judge(*undecided.get(here.region, ()))
            self._only_reads(here)
            measure(here)

        asked.in_each_region(measured)

    def shown_once(
        self, subject: str, address: Callable[[RegionCluster], str | None]
    ) -> dict[str, tuple[Judgement, ...]]:
        """Return, by region, what is left open where several regions of this run have one address.

        A name such as kubernetes.default.svc leads to another cluster in each region; from here, to one.
        """
        regions_at: dict[str, list[str]] = {}
        for region in self.platform.regions:
            told = address(self.cluster(region))
            found_at = server_of(told) if told else ""
            regions_at.setdefault(found_at, []).append(region)
        return {
            region: (_one_of(subject, regions),)
            for found_at, regions in regions_at.items()
            for region in regions
            if found_at and len(regions) > 1
        }

    def _only_reads(self, here: Asked) -> None:
        """Ask once in a run; an account that may do more is refused, as ERROR."""
        with self._lock:
            observed = self._rights.get(here.region)
        if observed is None or observed.value is None:
            observed = self.read(here.region, "rights", lambda: self.rights(here.region))
            with self._lock:
                self._rights[here.region] = observed
        here.keep(observed)
        if observed.value is None:
            here.judge(unreadable("the cluster", observed))
            raise Unread("the cluster")
        if observed.value.excess:
            here.judge(_refused(observed.value.excess))
            raise Unread("the cluster")

    def read(self, region: str, what: str, ask: Callable[[], Observation[V]]) -> Observation[V]:
        """Ask until the API server answers, for as long as a platform's own blip is waited out."""
        return settled(
            self.platform,
            ask,
            lambda seen: missed(seen) if seen.value is None else Progress.DONE,
            self.platform.confirm_seconds,
            clock=lambda: self._clocks.running_seconds((region, what)),
        ).value

    def settled(
        self,
        here: Asked,
        what: str,
        progress: Callable[[Look], Progress],
        seconds: float | None = None,
    ) -> Settled[Look]:
        """Look until it has settled; raises Unread when nothing can be said of it, which is judged.

        `what` names the thing whose time is shared by all checks of it. Without `seconds` it gets the
        Deployments' own progress deadline.
        """
        first = [self.look(here.region)]
        limit = seconds if seconds is not None else self._progress_deadline(first[0].value)
        looked = settled(
            self.platform,
            lambda: first.pop() if first else self.look(here.region),
            lambda seen: _progress_of(seen, progress),
            settle_seconds(self.platform, limit),
            clock=lambda: self._clocks.running_seconds((here.region, what)),
        )
        seen = _fit_to_judge(here, looked.value)
        return Settled(seen, looked.ended, looked.waited_seconds)

    def looked_at(self, here: Asked) -> Look:
        """Look once and wait for nothing; raises Unread when nothing can be said of it, which is judged."""
        return _fit_to_judge(here, self.look(here.region))

    def release_settled(self, here: Asked) -> Settled[Look]:
        """Wait for the rollout of the release, with the normal number of replicas."""
        minimum = self.section.replicas.normal
        return self.settled(here, ROLLOUT, lambda look: progress(look, look.release, minimum))

    def look(self, region: str) -> Looked:
        """Look once."""
        workload = self.workload(region)
        if workload.value is None:
            return Looked(None, (workload,))
        traffic = self.traffic(region)
        if traffic.value is None:
            return Looked(None, (workload, traffic))
        look = Look(workload.value, traffic.value, self.section, self.release_version)
        return Looked(look, (workload, traffic))

    def _ask(
        self,
        region: str,
        probe: Callable[..., Observation[V]],
        *what: object,
        deadline: Deadline | None = None,
    ) -> Observation[V]:
        deadline = deadline or self.platform.call_deadline()
        return probe(self.target(region), *what, deadline=deadline)

    def rights(self, region: str) -> Observation[Rights]:
        """Ask what the gate's account could do beyond reading."""
        section, probe = self.section, probes.kubernetes.excess_rights
        return self._ask(region, probe, section.namespace, section.system_namespace)

    def workload(self, region: str) -> Observation[Workload]:
        """Read the app's Deployments, StatefulSets and pods."""
        section, probe = self.section, probes.kubernetes.workload
        return self._ask(
            region, probe, section.namespace, section.app_labels, section.version_label
        )

    def traffic(self, region: str) -> Observation[Traffic]:
        """Read the app's Service and its endpoints."""
        section, probe = self.section, probes.kubernetes.traffic
        return self._ask(region, probe, section.namespace, section.service)

    def config_map(self, region: str) -> Observation[ConfigMap]:
        """Read the app's ConfigMap."""
        section, probe = self.section, probes.kubernetes.config_map
        return self._ask(region, probe, section.namespace, section.config_map)

    def log_levels(self, region: str, pods: Sequence[Pod]) -> Observation[LogLevels]:
        """Count the error levels in the newest lines of these pods: no line ever leaves the probe."""
        section, logs = self.section, self.section.logs
        rules = LogRules(
            logs.level_field, frozenset(logs.error_levels), logs.error_words, logs.tail_lines
        )
        containers = [(one.name, section.container) for one in pods]
        probe = probes.kubernetes.log_levels
        return self._ask(region, probe, section.namespace, containers, rules)

    def whole(self, region: str) -> Observation[ClusterHealth]:
        """Read the nodes of a region's cluster, and the pods of all its namespaces."""
        section, probe = self.section, probes.kubernetes.health
        app = probes.kubernetes.App(section.namespace, section.app_labels, section.most_pods)
        deadline = self.long_deadline()
        return self._ask(region, probe, app, section.system_namespace, deadline=deadline)

    def long_deadline(self) -> Deadline:
        """Return the deadline of reading a whole cluster: many pages, and a millisecond for each pod."""
        call = self.platform.policy.deadlines.call
        return self.platform.deadline.sooner(max(_WHOLE_CLUSTER_SECONDS, call))

    def _progress_deadline(self, look: Look | None) -> float:
        told = [one.progress_deadline_seconds for one in look.workload.deployments] if look else []
        seconds = [float(one) for one in told if one is not None]
        return max(seconds, default=self.section.progress_deadline)


def each_cluster(step: Callable[[Clusters, Asked], None]) -> Callable[[Clusters, Asked], None]:
    """Let a step be taken in each region by itself, where the gate's account is fit to be used."""

    @functools.wraps(step)
    def everywhere(clusters: Clusters, asked: Asked) -> None:
        clusters.in_each_region(asked, lambda here: step(clusters, here))

    return everywhere


def _fit_to_judge(here: Asked, seen: Looked) -> Look:
    for observation in seen.observations:
        here.keep(observation)
    if seen.value is None:
        here.judge(unreadable("the cluster", seen.observations[-1]))
        raise Unread("the cluster")
    if seen.value.undecided is not None:
        here.judge(seen.value.undecided)
        raise Unread("the app")
    return seen.value


def _progress_of(seen: Looked, progress: Callable[[Look], Progress]) -> Progress:
    if seen.value is None:
        return missed(seen.observations[-1])
    return Progress.BROKEN if seen.value.undecided is not None else progress(seen.value)


def unreadable(subject: str, observed: Observation[Any]) -> Judgement:
    """Return the ERROR of a cluster that could not be read."""
    return failures.instrument_error(subject, failures.failure_of(observed))


def _one_of(subject: str, regions: Sequence[str]) -> Judgement:
    sentence = (
        f"{subject}: {', '.join(regions)} have one address, so only one of them is seen from here"
    )
    clears = "the gate run in each region (--region) and joined, or an address for each"
    return expect(None, subject, sentence, clears, rule="one for each region")


def _refused(excess: tuple[str, ...]) -> Judgement:
    what = few(excess).replace("; ", ", ")
    return unable(
        "the gate's account in the cluster",
        f"the gate refuses to run: its account in the cluster could {what}; it must be able to read "
        "what the checks read, and nothing else",
        "deploy/kubernetes/rbac.yaml and no other binding for that account",
        **measured("may only read", len(excess), 0, "rights too many"),
        data={"excess": list(excess)},
    )


DEPLOYMENTS = "deployments"
"""The name of the collector."""


def deployments(platform: Platform) -> Mapping[str, Any]:
    """Collect each region's Deployments, pods and Service; raises CannotCollectError.

    A rollback needs the revision by number: after a restart the previous one is the release itself.
    """
    clusters = Clusters(platform)
    for left_open in clusters.shown_once(EACH, lambda cluster: cluster.server).values():
        raise CannotCollectError(f"{left_open[0].sentence}; {left_open[0].clears}")
    return platform.each_region(lambda region: _of(clusters, region))


def _of(clusters: Clusters, region: str) -> dict[str, Any]:
    looked = clusters.look(region)
    if looked.value is None:
        raise _unread(f"the cluster of {region}", looked.observations[-1])
    config = clusters.config_map(region)
    if config.value is None:
        raise _unread(f"the ConfigMap of {region}", config)
    look = looked.value
    return {
        "config": dict(config.value.facts()),
        "selector": dict(look.traffic.selector),
        "deployments": {one.name: _facts(look, one) for one in look.workload.deployments},
        "restarts": {
            restart_key(pod, container): container.restarts
            for pod in look.workload.pods
            for container in pod.containers
        },
    }


def _unread(what: str, observed: Observation[Any]) -> CannotCollectError:
    failure = failures.failure_of(observed)
    return CannotCollectError(f"{what}: {failure.kind.value}. {failure.detail}")


def _facts(look: Look, one: Deployment) -> dict[str, Any]:
    pods = look.pods(() if one.version is None else (one.version,))
    containers = [each for pod in pods for each in pod.containers]
    digests = {each.name: each.digest for each in containers if each.digest}
    facts = {"version": one.version, "revision": one.revision, "replicas": one.wanted}
    return {**facts, "digests": digests}


def config_before(platform: Platform, region: str) -> ConfigBefore | None:
    """Return the ConfigMap of the baseline; None without a baseline to believe, or in an older one."""
    try:
        baseline = load_baseline(platform)
        config = baseline.of(DEPLOYMENTS, region)["config"]
        changed = config["changed_at"]
        return ConfigBefore(
            dt.datetime.fromisoformat(baseline.taken_at),
            dt.datetime.fromisoformat(changed) if changed else None,
            config["digest"],
            config["managers"],
        )
    except (NoBaselineError, StoreError, KeyError, TypeError, ValueError):
        return None


def restarts_before(platform: Platform, region: str) -> Mapping[str, int] | None:
    """Return each container's restarts as the baseline has them; None without a baseline to believe.

    The check that asks then leaves older pods out; checks that can't do without a baseline say so.
    """
    facts = before_if_any(platform, DEPLOYMENTS, region)
    found = facts.get("restarts") if isinstance(facts, dict) else None
    return dict(found) if isinstance(found, dict) else None

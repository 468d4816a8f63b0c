"""The regions' clusters: who may read them, and one wait for a rollout for all checks of it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.kubernetes.objects import Deployment, Pod, Rights, Traffic, Workload
from probes.observation import Facts, Observation
from settings.cluster import Kubernetes, RegionCluster
from settings.sections import server_of
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.run import Run
from steps.kit.settling import (
    Ended,
    Progress,
    SettleClocks,
    Settled,
    missed,
    settle_seconds,
    settled,
)

V = TypeVar("V", bound=Facts)

ENDPOINTS_SETTLE_SECONDS = 60.0
"""What a Service's endpoints may take to follow pods and selector."""
EACH = "cluster of each region"
_OVER = ("Succeeded", "Failed")
_RUN_NO_APP = ("", "Job", "ReplicaSet")
"""Kinds of owners whose pods are no app that this gate can't judge: Jobs end, the rest was left behind."""
_SHOWN_PROBLEMS = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """The app's workload and traffic at one moment, with what a check needs to read them."""

    workload: Workload
    traffic: Traffic
    section: Kubernetes
    release_version: str
    """The release as the version label says it, such as v1.2.0."""

    def deployments(self, versions: Iterable[str]) -> tuple[Deployment, ...]:
        """Return the Deployments of these versions."""
        wanted = set(versions)
        return tuple(one for one in self.workload.deployments if one.version in wanted)

    def pods(self, versions: Iterable[str]) -> tuple[Pod, ...]:
        """Return the app's own pods of these versions that are meant to run.

        Those on their way out are not, nor those that are over: what a node evicted or took down with
        itself stays in the lists for days, and the ReplicaSet has replaced it.
        """
        wanted = set(versions)
        return tuple(one for one in self.own_pods if one.version in wanted and is_wanted(one))

    @property
    def own_pods(self) -> tuple[Pod, ...]:
        """The pods that the app's Deployments and StatefulSets run, by owner and never by label."""
        return tuple(one for one in self.workload.pods if one.workload)

    @property
    def live_versions(self) -> tuple[str, ...]:
        """The versions of the app's pods behind the Service, joined by uid: of the ready ones, if any.

        None without the Service, or where it leads to no pod of the app.
        """
        if not self.traffic.found:
            return ()
        versions = {one.uid: one.version for one in self.own_pods if one.version}
        behind = [one for one in self.traffic.endpoints if one.pod_uid in versions]
        serving = [one for one in behind if one.ready and not one.terminating] or behind
        return tuple(sorted({versions[one.pod_uid] for one in serving}))

    @property
    def undecided(self) -> Judgement | None:
        """Return why nothing can be said of this app, where it is run or labelled in an unknown way."""
        label, runs = self.section.version_label, self.workload.deployments
        others = {one.owner for one in self.workload.pods if not one.workload and is_wanted(one)}
        strange = sorted(one for one in others if one.partition(" ")[0] not in _RUN_NO_APP)
        if strange and not any(one.wanted for one in runs):
            return expect(
                None,
                "the app",
                f"the app is not run by a Deployment or StatefulSet but by {strange[0]}, which this "
                "gate can't judge",
                f"its own tool's word for the rollout; or a Deployment that has {self.section.app_labels}",
            )
        if runs and not any(one.version for one in runs):
            return expect(
                None,
                "the app",
                f"no pod template of {runs[0].kind} {runs[0].name} or another has the label {label}, so "
                "no pod's version is known",
                "kubernetes.version_label set to the label that tells the version",
            )
        return None


def is_wanted(pod: Pod) -> bool:
    """Return whether a pod is meant to run: it is neither ending nor over."""
    return not pod.deleting and pod.phase not in _OVER


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
        section = self.platform.environment.settings.kubernetes
        if section is None:
            raise NotDescribedError("the environment lacks the section kubernetes; add it")
        return section

    @property
    def release_version(self) -> str:
        """The release as the version label says it."""
        return self.section.version_value.replace("{release}", self.platform.release.number)

    def cluster(self, region: str) -> RegionCluster:
        """Return where a region's cluster is; raises NotDescribedError."""
        described = self.platform.environment.settings.regions[region].kubernetes
        if described is None:
            raise NotDescribedError(f"the environment lacks regions.{region}.kubernetes; add it")
        return described

    def target(self, region: str) -> probes.kubernetes.KubernetesTarget:
        """Return a region's cluster as the gate's account sees it."""
        cluster = self.cluster(region)
        return probes.kubernetes.KubernetesTarget(
            cluster.server, self.platform.environment.secret(cluster.token), cluster.ca_file
        )

    def each_region(self, check: Check, judge: Callable[[str], None]) -> None:
        """Call `judge` for every region in which the gate's account is fit to be used."""
        undecided = self.shown_once(EACH, lambda cluster: cluster.server)

        def in_region(region: str) -> None:
            check.judge(region, *undecided.get(region, ()))
            if self._may_only_read(check, region):
                judge(region)

        self.platform.each_region(in_region)

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

    def _may_only_read(self, check: Check, region: str) -> bool:
        """Ask once in a run; an account that may do more is refused, as ERROR."""
        with self._lock:
            observed = self._rights.get(region)
        if observed is None or observed.value is None:
            section, target = self.section, self.target(region)
            observed = self.read(
                region,
                "rights",
                lambda: probes.kubernetes.excess_rights(
                    target,
                    section.namespace,
                    section.system_namespace,
                    deadline=self.platform.call_deadline(),
                ),
            )
            with self._lock:
                self._rights[region] = observed
        check.observe(region, observed)
        if observed.value is None:
            check.judge(region, unreadable("the cluster", observed))
            return False
        if observed.value.excess:
            check.judge(region, _refused(observed.value.excess))
            return False
        return True

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
        check: Check,
        region: str,
        what: str,
        progress: Callable[[Look], Progress],
        seconds: float | None = None,
    ) -> Settled[Look] | None:
        """Look until it has settled; None when the cluster can't be read, which is judged here.

        `what` names the thing whose time is shared by all checks of it. Without `seconds` it gets the
        Deployments' own progress deadline.
        """
        first = self.look(region)
        limit = seconds if seconds is not None else self._progress_deadline(first.value)
        looked = settled(
            self.platform,
            _first_then(first, lambda: self.look(region)),
            lambda seen: _progress_of(seen, progress),
            settle_seconds(self.platform, limit),
            clock=lambda: self._clocks.running_seconds((region, what)),
        )
        seen = looked.value
        for observation in seen.observations:
            check.observe(region, observation)
        if seen.value is None:
            check.judge(region, unreadable("the cluster", seen.observations[-1]))
            return None
        if seen.value.undecided is not None:
            check.judge(region, seen.value.undecided)
            return None
        return Settled(seen.value, looked.ended, looked.waited_seconds)

    def look(self, region: str) -> Looked:
        """Look once."""
        section, target = self.section, self.target(region)
        workload = probes.kubernetes.workload(
            target,
            section.namespace,
            section.app_labels,
            section.version_label,
            deadline=self.platform.call_deadline(),
        )
        if workload.value is None:
            return Looked(None, (workload,))
        traffic = probes.kubernetes.traffic(
            target, section.namespace, section.service, deadline=self.platform.call_deadline()
        )
        if traffic.value is None:
            return Looked(None, (workload, traffic))
        look = Look(workload.value, traffic.value, section, self.release_version)
        return Looked(look, (workload, traffic))

    def _progress_deadline(self, look: Look | None) -> float:
        told = [one.progress_deadline_seconds for one in look.workload.deployments] if look else []
        seconds = [float(one) for one in told if one is not None]
        return max(seconds, default=self.section.progress_deadline)


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """One look, or what it failed on, with its observations."""

    value: Look | None
    observations: tuple[Observation[Any], ...]


def _first_then(first: Looked, again: Callable[[], Looked]) -> Callable[[], Looked]:
    """Return the look that was taken already, and then new ones."""
    taken = [first]
    return lambda: taken.pop() if taken else again()


def _progress_of(seen: Looked, progress: Callable[[Look], Progress]) -> Progress:
    if seen.value is None:
        return missed(seen.observations[-1])
    return Progress.BROKEN if seen.value.undecided is not None else progress(seen.value)


def unreadable(subject: str, observed: Observation[Any]) -> Judgement:
    """Return the ERROR of a cluster that could not be read."""
    return failures.instrument_error(subject, failures.failure_of(observed))


def found(
    subject: str, problems: Iterable[str], fine: str, *, clears: str, ended: Ended = Ended.DONE
) -> Judgement:
    """Return PASS with the sentence `fine`, or what is wrong, all of it in one judgement.

    What was still in progress when the run ended is INCONCLUSIVE: nobody knows how it would have ended.
    """
    wrong = list(problems)
    bad = Outcome.INCONCLUSIVE if ended is Ended.RUN_ENDED else Outcome.FAIL
    return Judgement(
        outcome=bad if wrong else Outcome.PASS,
        rule="as wanted",
        subject=subject,
        sentence=f"{subject}: {few(wrong) if wrong else fine}",
        observed=len(wrong),
        target=0,
        unit="problems",
        clears=clears if wrong else "",
        data={"problems": wrong},
    )


def few(words: Sequence[str]) -> str:
    """Return the first of many, and how many more there are: nobody reads two hundred pods at 02:00."""
    more = len(words) - _SHOWN_PROBLEMS
    shown = [*words[:_SHOWN_PROBLEMS], *([f"and {more} more"] if more > 0 else [])]
    return "; ".join(shown)


def _one_of(subject: str, regions: Sequence[str]) -> Judgement:
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="one for each region",
        subject=subject,
        sentence=f"{subject}: {', '.join(regions)} have one address, so only one of them is seen from here",
        clears="the gate run in each region (--region) and joined, or an address for each",
    )


def _refused(excess: tuple[str, ...]) -> Judgement:
    what = few(excess).replace("; ", ", ")
    return Judgement(
        outcome=Outcome.ERROR,
        rule="may only read",
        subject="the gate's account in the cluster",
        sentence=(
            f"the gate refuses to run: its account in the cluster could {what}; it must be able to read "
            "what the checks read, and nothing else"
        ),
        observed=len(excess),
        target=0,
        unit="rights too many",
        clears="deploy/kubernetes/rbac.yaml and no other binding for that account",
        data={"excess": list(excess)},
    )

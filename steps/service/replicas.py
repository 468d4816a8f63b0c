"""Was every replica behind an address met? One answer is one replica's, and a balancer may keep an asker."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from steps.cluster.clusters import EACH, Clusters, unreadable
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform

CERTAINTY = 0.99
"""With which every replica is met, and a half-bad one badly, if new connections are spread evenly."""
MOST_ASKS = 250
AT_ONCE = 4
ASSUMED_REPLICAS = 6
"""Behind an address of which nobody says how many there are."""


@dataclasses.dataclass(frozen=True, slots=True)
class Replicas:
    """Those of one service behind one region's address."""

    service: str
    count: int
    header: str | None
    """The header in which each names itself."""
    unknown: tuple[Judgement, ...] = ()
    """Why nobody knows how many there are; then `count` is what the environment says."""

    def met(self, subject: str, answers: Sequence[HttpAnswer]) -> list[Judgement]:
        """Judge whether so many answers are those of every replica; nothing where one stands alone.

        Each must have named itself: a balancer that keeps an asker with one replica gives good answers
        too. More names than replicas are no proof either: such a header differs by answer.
        """
        if self.unknown or self.count == 1:
            return list(self.unknown)
        if self.header is None:
            return [self._judged(subject, 0, self._unnamed(subject), proved=False)]
        key = self.header.lower()
        names = [name for name in (one.headers.get(key) for one in answers) if name]
        met = len(set(names))
        why = self._problem(len(answers), len(names), met)
        told = f"{len(answers)} answers of {subject} came from {met} replicas"
        sentence = f"{told}, wanted {self.count}: {why}" if why else told
        return [self._judged(subject, met, sentence, proved=not why)]

    def _judged(self, subject: str, met: int, sentence: str, *, proved: bool) -> Judgement:
        return Judgement(
            outcome=Outcome.PASS if proved else Outcome.INCONCLUSIVE,
            rule="every replica",
            subject=f"{subject} replicas",
            sentence=sentence,
            observed=met,
            target=self.count,
            clears="" if proved else f"answers of all {self.count} replicas, each named",
        )

    def _unnamed(self, subject: str) -> str:
        return (
            f"nothing in the answers of {subject} says which of {self.count} replicas gave them, so one may "
            "have given them all; have each replica send a header with its name, such as the pod's, and "
            f"write that header into services.{self.service}.replica_header"
        )

    def _problem(self, asked: int, named: int, met: int) -> str:
        """Say why such answers don't prove that each replica was met; empty when they do."""
        if named < asked:
            return f"{asked - named} answers have no header {self.header}, which names the replica"
        if met > self.count:
            return (
                f"more replicas serve than services.{self.service}.replicas or the cluster says, or "
                f"{self.header} differs by answer and not by replica"
            )
        if asks_for(self.count) > MOST_ASKS:
            return f"so many replicas take more than {MOST_ASKS} asks; give each a smaller address"
        if met < self.count:
            return "the balancer keeps an asker with one replica (sticky), or fewer replicas serve"
        return ""


def replicas_of(
    clusters: Clusters, check: Check, service: str, region: str, *, wait: bool = True
) -> Replicas:
    """Return the replicas behind a region's address: the cluster's ready pods, else as described.

    A cluster that does not answer is asked again for as long as a blip may last, unless `wait` is False.
    """
    settings = clusters.platform.environment.settings
    described, cluster = settings.services[service], settings.kubernetes
    count, header = described.replicas or ASSUMED_REPLICAS, described.replica_header
    if not _in_cluster(clusters.platform, service, region) or cluster is None:
        return Replicas(service, count, header)
    shared = clusters.shown_once(EACH, lambda one: one.server).get(region, ())

    ask = functools.partial(clusters.traffic, region)
    observed = clusters.read(region, "replicas", ask) if wait else ask()
    check.observe(region, observed)
    if observed.value is None:
        unknown = (unreadable("the number of replicas", observed), *shared)
        return Replicas(service, count, header, unknown)
    ready = sum(one.ready and not one.terminating for one in observed.value.endpoints)
    if not ready:
        shared = (*shared, _none_ready(cluster.service))
    return Replicas(service, ready or count, header, shared)


def _in_cluster(platform: Platform, service: str, region: str) -> bool:
    """Return whether the pods behind a service are those that the section kubernetes describes."""
    settings = platform.environment.settings
    if settings.kubernetes is None or settings.regions[region].kubernetes is None:
        return False
    candidate = settings.kubernetes.candidate_health
    return candidate is None or candidate.service == service


def _none_ready(service: str) -> Judgement:
    subject = "the number of replicas"
    answers = "and yet something answers at the region's address"
    sentence = f"the Service {service} has no ready endpoint, {answers}"
    clears = "kubernetes.service set to the Service behind that address"
    return expect(None, subject, sentence, clears)


def asks_for(replicas: int) -> int:
    """Return how many asks meet each of so many replicas with CERTAINTY, and a half-bad one badly.

    With new connections spread evenly over r replicas, n asks miss one replica with (1 - 1/r)**n, and
    there are r that could be; of one that is bad in every second answer they see nothing bad with
    (1 - 1/2r)**n. Both must be at most 1 - CERTAINTY; for 6 replicas that takes 36 and 53 asks.
    """
    if replicas == 1:
        return 1
    missed = 1 - CERTAINTY
    each = math.log(missed / replicas) / math.log1p(-1 / replicas)
    half_bad = math.log(missed) / math.log1p(-1 / (2 * replicas))
    return math.ceil(max(each, half_bad))

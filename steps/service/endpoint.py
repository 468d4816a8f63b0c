"""A health endpoint, asked in every region until each replica was met, and what is bad of it confirmed."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer
from probes.observation import Observation, pause
from settings.service import HealthEndpoint
from steps.cluster.clusters import EACH, Clusters, unreadable
from steps.kit import failures
from steps.kit.asked import Asked
from steps.kit.availability import Availability, Reading, absence, usable
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform
from steps.kit.run import Run
from steps.service.health_rules import BodyRule, of_body, together, worst_of

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


PAUSE_SECONDS = 0.1

Rule = Callable[[HttpAnswer], Sequence[Judgement]]
Ask = Callable[[], Observation[HttpAnswer]]


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """What one region's endpoint gave."""

    readings: tuple[Reading[HttpAnswer], ...]
    """One, or as many as are timed; then those that meet the other replicas."""
    replicas: Replicas | None
    """Those that are to be met; None where any one of them will do."""

    @property
    def decided(self) -> bool:
        """Whether there is no answer to judge: it was unavailable, wrong, or out of our reach."""
        return any(reading.decided for reading in self.readings)


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """One health endpoint of one service, as a check reads it in every region."""

    asked: Asked
    availability: Availability
    clusters: Clusters
    service: str
    described: HealthEndpoint
    answered: Mapping[str, Answered] = dataclasses.field(default_factory=dict)
    """By region, once it was read."""

    @classmethod
    def of(cls, run: Run, asked: Asked, service: str, name: str) -> Endpoint:
        """Return one of the run's platform; raises NotDescribedError."""
        described = run.platform.endpoint(service, name)
        return cls(asked, run.availability, run.shared(Clusters.of), service, described)

    @property
    def subject(self) -> str:
        """What a sentence calls it."""
        return f"{self.service} {self.described.path}"

    def read(self, times: int = 1, *, every_replica: bool = True) -> Endpoint:
        """Read it `times` times, 100 ms apart, in all regions at once; then the other replicas.

        One answer is one replica's: it is asked over new connections until each was met, most likely.
        """

        def read_region(region: str) -> Answered:
            replicas = None
            if every_replica:
                replicas = replicas_of(self.clusters, self.asked.check, self.service, region)
            return Answered(tuple(self._readings(region, times, replicas)), replicas)

        return dataclasses.replace(self, answered=self.asked.platform.each_region(read_region))

    def judge(self, rule: Rule) -> None:
        """Judge every region's answers by a rule: each must be good, and every replica met."""

        def judge_region(region: str) -> None:
            for found in self.reached(region):
                seen = [one.observation for one in found.readings]
                self.asked.check.judge(region, *self._of_all(region, seen, rule))
                answers = [one.value for one in seen if one.value is not None]
                met = found.replicas.met(self.subject, answers) if found.replicas else ()
                self._note(region, *met)

        self.asked.platform.each_region(judge_region)

    def judge_bodies(self, rule: BodyRule) -> None:
        """Judge the JSON object of every answer by a rule."""
        self.judge(lambda answer: of_body(self.subject, answer, rule))

    def reached(self, region: str) -> Iterator[Answered]:
        """Judge what reachability alone decides in a region; yield its answers if they are left to judge."""
        found = self.answered[region]
        self._note(region, *(one for reading in found.readings for one in reading.judgements))
        if not found.decided:
            yield found

    def _note(self, region: str, *judgements: Judgement) -> None:
        """Judge what this region has not been judged by yet."""
        for one in judgements:
            if one not in self.asked.check.noted()[region].judgements:
                self.asked.check.judge(region, one)

    def _readings(
        self, region: str, times: int, replicas: Replicas | None
    ) -> Iterator[Reading[HttpAnswer]]:
        for number in range(times):
            if number:
                pause(PAUSE_SECONDS)
            reading = self._reach(region, self._asking(region))
            self.asked.check.observe(region, reading.observation)
            yield reading
            if reading.decided:
                return
        wanted = min(asks_for(replicas.count), MOST_ASKS) if replicas else 1
        if wanted > times:
            yield from self._others(region, wanted - times)

    def _asking(self, region: str) -> Ask:
        platform, path = self.asked.platform, self.described.path
        target = platform.service(region, self.service)
        return lambda: http.request(target, "GET", path, deadline=platform.call_deadline())

    def _reach(self, region: str, ask: Ask, rule: Rule = lambda _: ()) -> Reading[HttpAnswer]:
        """Ask until it is well or confirmed; what merely holds is not confirmed, for it costs a wait."""

        def judge(answer: HttpAnswer) -> Sequence[Judgement]:
            return usable(self.subject, answer) or rule(answer)

        confirm = self.asked.check.confirms
        return self.availability.reach(
            region, self.service, self.subject, ask, judge, confirm=confirm
        )

    def _others(self, region: str, count: int) -> Iterator[Reading[HttpAnswer]]:
        """Read it over that many more new connections, a few at once; confirm what is bad."""
        ask = self._asking(region)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            seen = list(pool.map(lambda _: _spaced(ask), range(count)))
        bad = [one for one in seen if _is_bad(one)]
        good = [Reading(one, usable(self.subject, one.value)) for one in seen if not _is_bad(one)]
        for observation in (*bad, *(one.observation for one in good if one.decided)):
            self.asked.check.observe(region, observation)
        yield from good
        if bad:
            yield self._bad_among(region, ask, bad, count)

    def _bad_among(
        self, region: str, ask: Ask, bad: Sequence[Observation[HttpAnswer]], count: int
    ) -> Reading[HttpAnswer]:
        """Go on from the worst bad answer; when good ones follow again, say how many were bad."""
        worst = worst_of(bad)
        reading = self._reach(region, _going_on(worst, ask))
        if any(one.outcome is Outcome.FAIL for one in reading.judgements) or len(bad) == count:
            return reading
        words = absence(worst) or failures.failure_of(worst).kind.value
        some = self.availability.intermittent(self.subject, words, len(bad), count)
        return dataclasses.replace(reading, judgements=(*reading.judgements, some))

    def _of_all(
        self, region: str, seen: Sequence[Observation[HttpAnswer]], rule: Rule
    ) -> Sequence[Judgement]:
        """Judge every answer; the worst one speaks for all, confirmed where it means a rollback."""
        found = [(one, rule(one.value)) for one in seen if one.value is not None]
        bad = [one for one, judged in found if any(j.outcome is Outcome.FAIL for j in judged)]
        if not bad or not self.asked.check.confirms:
            return together([judged for _, judged in found])
        reading = self._reach(region, _going_on(bad[-1], self._asking(region)), rule)
        self.asked.check.observe(region, reading.observation)
        lasting = any(one.outcome is Outcome.FAIL for one in reading.judgements)
        if lasting or len(bad) in (1, len(found)):
            return reading.judgements
        words = "; ".join(one.sentence for one in together([judged for _, judged in found])[:1])
        some = self.availability.intermittent(self.subject, words, len(bad), len(found))
        return (*reading.judgements, some)


def _is_bad(observed: Observation[HttpAnswer]) -> bool:
    return observed.value is None or absence(observed) is not None


def _spaced(ask: Ask) -> Observation[HttpAnswer]:
    observed = ask()
    pause(PAUSE_SECONDS)
    return observed


def _going_on(seen: Observation[HttpAnswer], ask: Ask) -> Ask:
    """Return a probe that brings what was seen before, and then asks."""
    waiting = [seen]
    return lambda: waiting.pop() if waiting else ask()

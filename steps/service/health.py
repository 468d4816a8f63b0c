"""Health endpoints, read in every region and judged by what the environment says of their bodies."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from gates.decide.judgement import Judgement, below, contains_all, equals, harmless
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, NotJsonError
from probes.observation import Observation, pause
from settings.service import HealthEndpoint
from steps.cluster.clusters import Clusters
from steps.kit import failures
from steps.kit.availability import Availability, Reading, absence, usable
from steps.kit.check import Check
from steps.kit.failures import Cause
from steps.kit.platform import NotDescribedError, Platform
from steps.service.replicas import AT_ONCE, MOST_ASKS, Replicas, asks_for, replicas_of

LATENCY_PROBES = 7
LATENCY_PAUSE_SECONDS = 0.1

Readings = Mapping[str, tuple[Reading[HttpAnswer], ...]]
"""By region: one reading or seven where latency is asked, and those that meet the other replicas."""

_Judge = Callable[[HttpAnswer], list[Judgement]]


class Health:
    """One health endpoint of one service, in every region."""

    def __init__(
        self,
        platform: Platform,
        availability: Availability,
        check: Check,
        service: str,
        name: str,
        *,
        clusters: Clusters | None = None,
    ) -> None:
        self._platform = platform
        self._availability = availability
        self._check = check
        self._service = service
        self._clusters = clusters or Clusters(platform)
        self._replicas: dict[str, Replicas] = {}
        self.endpoint = platform.endpoint(service, name)
        self.subject = f"{service} {self.endpoint.path}"

    def read(self, times: int = 1, *, every_replica: bool = True) -> Readings:
        """Read the endpoint `times` times, 100 ms apart, in all regions at once; then the other replicas.

        One answer is one replica's: it is asked over new connections until each was met, most likely.
        """

        def read_region(region: str) -> tuple[Reading[HttpAnswer], ...]:
            if every_replica:
                found = replicas_of(self._clusters, self._check, self._service, region)
                self._replicas[region] = found
            return self._read_region(region, times)

        return self._platform.each_region(read_region)

    def answers(self, readings: Readings, status: int) -> None:
        """Judge that each region answers with this status and JSON: a login page is no answer."""

        def judge(answer: HttpAnswer) -> list[Judgement]:
            right = equals(f"{self.subject} status", answer.status, status)
            # Of an error page, the status says it all.
            return (
                [right, *self._body(answer, lambda _: [])] if answer.status == status else [right]
            )

        self._judge(readings, judge)

    def says_healthy(self, readings: Readings) -> None:
        """Judge that each region's body reports the healthy word."""
        self._judge_body(readings, self._healthy)

    def says_release(self, readings: Readings) -> None:
        """Judge that each region's body reports the released version."""
        field = self.endpoint.version_field or "version"
        wanted = self._platform.release.number

        def judge(body: Mapping[str, Any]) -> list[Judgement]:
            return [equals(f"{self.subject} {field}", body.get(field), wanted)]

        self._judge_body(readings, judge)

    def latency_below(self, readings: Readings, limit_ms: float) -> None:
        """Judge the median of the latencies that the bodies report, in milliseconds, and our own clock.

        What a body says of itself is the subject's word: the answer as a whole may take no longer than
        that limit and the policy's `answer_overhead` for network and application.
        """
        field = self.endpoint.latency_field
        if field is None:
            raise NotDescribedError(
                f"{self.subject} has no latency_field in the environment; add it"
            )
        for region, region_readings in readings.items():
            if not self._reached(region, region_readings):
                continue
            timed = region_readings[:LATENCY_PROBES]
            values = [self._latency(reading, field) for reading in timed]
            subject = f"{self.subject} median latency of {len(values)}"
            self._check.judge(region, _median_below(subject, field, values, limit_ms))
            self._check.judge(region, self._answers_within(timed, limit_ms))

    def _answers_within(self, timed: tuple[Reading[HttpAnswer], ...], limit_ms: float) -> Judgement:
        limit = limit_ms + self._platform.policy.availability.answer_overhead * 1000
        waits = [(reading.observation.phases.get("wait") or 0.0) * 1000 for reading in timed]
        subject = f"{self.subject} median time to answer of {len(waits)}, by the gate's own clock,"
        return below(subject, statistics.median(waits), limit, "ms")

    def lists_services(self, readings: Readings, expected: tuple[str, ...]) -> None:
        """Judge that the body reports on every expected external service."""

        def judge(body: Mapping[str, Any]) -> list[Judgement]:
            services = services_of(self.endpoint, body)
            return [contains_all(f"{self.subject} services", services, expected)]

        self._judge_body(readings, judge)

    def services_healthy(self, readings: Readings, expected: tuple[str, ...]) -> None:
        """Judge that every expected external service is reported with the healthy word."""

        def judge(body: Mapping[str, Any]) -> list[Judgement]:
            services = services_of(self.endpoint, body)
            return [service_healthy(self.endpoint, services, name) for name in expected]

        self._judge_body(readings, judge)

    def judge_each_body(
        self, readings: Readings, judge: Callable[[Mapping[str, Any]], list[Judgement]]
    ) -> None:
        """Judge each region's body by a rule of the caller's."""
        self._judge_body(readings, judge)

    def _read_region(self, region: str, times: int) -> tuple[Reading[HttpAnswer], ...]:
        readings: list[Reading[HttpAnswer]] = []
        for number in range(times):
            if number:
                pause(LATENCY_PAUSE_SECONDS)
            reading = self._reach(region, self._asking(region))
            self._check.observe(region, reading.observation)
            readings.append(reading)
            if reading.decided:
                return tuple(readings)
        replicas = self._replicas.get(region)
        wanted = min(asks_for(replicas.count), MOST_ASKS) if replicas else 1
        return (*readings, *self._others(region, wanted - times))

    def _asking(self, region: str) -> Callable[[], Observation[HttpAnswer]]:
        target, path = self._platform.service(region, self._service), self.endpoint.path
        return lambda: http.request(target, "GET", path, deadline=self._platform.call_deadline())

    def _reach(
        self,
        region: str,
        ask: Callable[[], Observation[HttpAnswer]],
        judge: _Judge = lambda _: [],
    ) -> Reading[HttpAnswer]:
        """Ask until it is well or confirmed; what merely holds is not confirmed, for it costs a wait."""

        def judge_all(answer: HttpAnswer) -> Sequence[Judgement]:
            return usable(self.subject, answer) or judge(answer)

        return self._availability.reach(
            region, self._service, self.subject, ask, judge_all, confirm=self._check.confirms
        )

    def _others(self, region: str, count: int) -> tuple[Reading[HttpAnswer], ...]:
        """Read the endpoint over that many more new connections, a few at once; confirm what is bad."""
        if count <= 0:
            return ()
        ask = self._asking(region)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            seen = list(pool.map(lambda _: _spaced(ask), range(count)))
        bad = [one for one in seen if one.value is None or absence(one) is not None]
        good = [
            Reading(one, usable(self.subject, one.value))
            for one in seen
            if one.value is not None and absence(one) is None
        ]
        odd = [*bad, *(reading.observation for reading in good if reading.decided)]
        for observation in odd:
            self._check.observe(region, observation)
        return (*good, *([self._bad_among(region, ask, bad, count)] if bad else []))

    def _bad_among(
        self,
        region: str,
        ask: Callable[[], Observation[HttpAnswer]],
        bad: list[Observation[HttpAnswer]],
        count: int,
    ) -> Reading[HttpAnswer]:
        """Go on from the worst bad answer; when good ones follow again, say how many were bad."""
        worst = worst_of(bad)
        reading = self._reach(region, _going_on(worst, ask))
        if any(one.outcome is Outcome.FAIL for one in reading.judgements) or len(bad) == count:
            return reading
        words = absence(worst) or failures.failure_of(worst).kind.value
        some = self._availability.intermittent(self.subject, words, len(bad), count)
        return dataclasses.replace(reading, judgements=(*reading.judgements, some))

    def _reached(self, region: str, readings: tuple[Reading[HttpAnswer], ...]) -> bool:
        """Record what reachability alone decides; return whether there is an answer to judge."""
        self._note(region, *(one for reading in readings for one in reading.judgements))
        return not any(reading.decided for reading in readings)

    def _note(self, region: str, *judgements: Judgement) -> None:
        """Judge what this region has not been judged by yet."""
        for one in judgements:
            if one not in self._check.noted()[region].judgements:
                self._check.judge(region, one)

    def _judge(self, readings: Readings, judge: _Judge) -> None:
        def judge_region(region: str) -> None:
            if self._reached(region, readings[region]):
                seen = [one.observation for one in readings[region]]
                self._check.judge(region, *self._of_all(region, seen, judge))
                self._note(region, *self._met(region, seen))

        self._platform.each_region(judge_region)

    def _of_all(
        self, region: str, seen: list[Observation[HttpAnswer]], judge: _Judge
    ) -> Sequence[Judgement]:
        """Judge every answer; the worst one speaks for all, confirmed where it means a rollback."""
        found = [(one, judge(one.value)) for one in seen if one.value is not None]
        bad = [one for one, judged in found if any(j.outcome is Outcome.FAIL for j in judged)]
        if not bad or not self._check.confirms:
            return together([judged for _, judged in found])
        reading = self._reach(region, _going_on(bad[-1], self._asking(region)), judge)
        self._check.observe(region, reading.observation)
        lasting = any(one.outcome is Outcome.FAIL for one in reading.judgements)
        if lasting or len(bad) in (1, len(found)):
            return reading.judgements
        words = "; ".join(one.sentence for one in together([judged for _, judged in found])[:1])
        some = self._availability.intermittent(self.subject, words, len(bad), len(found))
        return (*reading.judgements, some)

    def _met(self, region: str, seen: Sequence[Observation[HttpAnswer]]) -> list[Judgement]:
        """Judge whether the answers speak for every replica, where that was asked for."""
        answers = [one.value for one in seen if one.value is not None]
        replicas = self._replicas.get(region)
        return replicas.met(self.subject, answers) if replicas else []

    def _judge_body(
        self, readings: Readings, judge: Callable[[Mapping[str, Any]], list[Judgement]]
    ) -> None:
        self._judge(readings, lambda answer: self._body(answer, judge))

    def _body(
        self, answer: HttpAnswer, judge: Callable[[Mapping[str, Any]], list[Judgement]]
    ) -> list[Judgement]:
        try:
            body = answer.json()
        except NotJsonError as exc:
            return [self._no_object(str(exc))]
        return judge(body) if isinstance(body, Mapping) else [self._no_object("another value.")]

    def _healthy(self, body: Mapping[str, Any]) -> list[Judgement]:
        field = self.endpoint.status_field or "status"
        return [equals(f"{self.subject} {field}", body.get(field), self.endpoint.healthy)]

    def _no_object(self, why: str) -> Judgement:
        return Judgement(
            outcome=Outcome.FAIL,
            rule="answers",
            subject=self.subject,
            sentence=f"{self.subject} does not answer with a JSON object: {why}",
            clears="a JSON object as the runbook shows it",
        )

    def _latency(self, reading: Reading[HttpAnswer], field: str) -> object:
        answer = reading.observation.value
        try:
            body = answer.json() if answer is not None else None
        except NotJsonError:
            return _MISSING
        return body.get(field, _MISSING) if isinstance(body, Mapping) else _MISSING


def worst_of(bad: Sequence[Observation[HttpAnswer]]) -> Observation[HttpAnswer]:
    """Return what speaks for all: an absence, else a wrong answer, else what our side prevented.

    Each of the last two ends the asking at once: it must not hide what a rollback could be for.
    """
    order = (Cause.UNAVAILABLE, Cause.WRONG, Cause.OURS)

    def badness(observed: Observation[HttpAnswer]) -> int:
        return 0 if observed.failure is None else order.index(failures.cause(observed.failure))

    return min(bad, key=badness)


def services_of(endpoint: HealthEndpoint, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the external services of a health endpoint's body; empty when it names none."""
    services = body.get(endpoint.services_field or "services")
    return services if isinstance(services, Mapping) else {}


def service_healthy(endpoint: HealthEndpoint, services: Mapping[str, Any], name: str) -> Judgement:
    """Judge one external service of a body."""
    entry = services.get(name)
    status = entry.get(endpoint.status_field or "status") if isinstance(entry, Mapping) else None
    return equals(f"external service {name}", status, endpoint.healthy)


def together(judged: list[list[Judgement]]) -> list[Judgement]:
    """Return the judgements of several answers as those of all: each finding once, with its count."""
    counts = Counter(one for of_one in judged for one in map(_key, of_one))
    every = {_key(one): one for of_one in judged for one in of_one}
    wrong = {one.subject for one in every.values() if one.outcome is not Outcome.PASS}
    return [
        dataclasses.replace(one, sentence=f"{counts[key]} of {len(judged)} answers: {one.sentence}")
        if one.outcome is not Outcome.PASS and len(judged) > 1
        else one
        for key, one in every.items()
        if one.outcome is not Outcome.PASS or one.subject not in wrong
    ]


def _key(judgement: Judgement) -> tuple[str, str]:
    return judgement.subject, judgement.sentence


def _spaced(ask: Callable[[], Observation[HttpAnswer]]) -> Observation[HttpAnswer]:
    observed = ask()
    pause(LATENCY_PAUSE_SECONDS)
    return observed


def _going_on(
    seen: Observation[HttpAnswer], ask: Callable[[], Observation[HttpAnswer]]
) -> Callable[[], Observation[HttpAnswer]]:
    """Return a probe that brings what was seen before, and then asks."""
    waiting = [seen]
    return lambda: waiting.pop() if waiting else ask()


_MISSING = object()
"""Of a field that a body does not have; null is another thing."""


def _median_below(subject: str, field: str, values: list[object], limit_ms: float) -> Judgement:
    numbers = [value for value in values if _problem(value) is None and _is_number(value)]
    problems = [problem for problem in map(_problem, values) if problem is not None]
    if not problems:
        return below(subject, statistics.median(numbers), limit_ms, "ms", all_ms=numbers)
    return Judgement(
        outcome=Outcome.FAIL,
        rule="below",
        subject=subject,
        sentence=f"{len(problems)} of {len(values)} answers: {field} {problems[0]}, wanted a number of "
        f"milliseconds below {limit_ms:g}",
        target=limit_ms,
        unit="ms",
        clears=f"{field} as a number of milliseconds",
        data={"all_ms": numbers},
    )


def _problem(value: object) -> str | None:
    """Say what keeps a value from being a duration; None when it is one."""
    if value is _MISSING:
        return "is missing"
    if value is None:
        return "is null"
    if not _is_number(value):
        return f"is {_KINDS.get(type(value), 'another value')}"
    if value < 0:
        return "is negative"
    return "is beyond all bounds" if harmless(value) != value else None


_KINDS = {str: "text in quotes", bool: "true or false", list: "a list", dict: "an object"}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)

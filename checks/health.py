"""Health endpoints, read in every region and judged by what the environment says of their bodies."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from checks.availability import Availability, Reading
from checks.check import Check
from checks.platform import Platform
from environments.settings import HealthEndpoint
from gates.decide.judgement import Judgement, below, contains_all, equals
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, NotJsonError

LATENCY_PROBES = 7
LATENCY_PAUSE_SECONDS = 0.1

Readings = Mapping[str, tuple[Reading[HttpAnswer], ...]]
"""By region: one reading, or seven where latency is asked."""


class Health:
    """One health endpoint of one service, in every region."""

    def __init__(
        self, platform: Platform, availability: Availability, check: Check, service: str, name: str
    ) -> None:
        self._platform = platform
        self._availability = availability
        self._check = check
        self._service = service
        self.endpoint = platform.endpoint(service, name)
        self.subject = f"{service} {self.endpoint.path}"

    def read(self, times: int = 1) -> Readings:
        """Read the endpoint `times` times, 100 ms apart, in all regions at once; all is recorded."""
        return self._platform.each_region(lambda region: self._read_region(region, times))

    def answers(self, readings: Readings, status: int) -> None:
        """Judge that each region answers with this status and JSON: a login page is no answer."""
        self._judge(
            readings, lambda answer: [equals(f"{self.subject} status", answer.status, status)]
        )
        self._judge_body(readings, lambda _: [])

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
        """Judge the median of the latencies that the bodies report, in milliseconds."""
        for region, region_readings in readings.items():
            if not self._reached(region, region_readings):
                continue
            values = [self._latency(reading) for reading in region_readings]
            numbers = [value for value in values if _is_duration(value)]
            median = statistics.median(numbers) if len(numbers) == len(values) else None
            subject = f"{self.subject} median latency of {len(values)}"
            self._check.judge(region, below(subject, median, limit_ms, "ms", all_ms=numbers))

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
        target = self._platform.service(region, self._service)
        readings: list[Reading[HttpAnswer]] = []
        for number in range(times):
            if number:
                time.sleep(LATENCY_PAUSE_SECONDS)
            reading = self._availability.reach(
                region,
                self._service,
                self.subject,
                lambda: http.request(
                    target, "GET", self.endpoint.path, deadline=self._platform.call_deadline()
                ),
            )
            self._check.observe(region, reading.observation)
            readings.append(reading)
            if reading.decided:
                break
        return tuple(readings)

    def _reached(self, region: str, readings: tuple[Reading[HttpAnswer], ...]) -> bool:
        """Record what reachability alone decides; return whether there is an answer to judge."""
        decided = [judgement for reading in readings for judgement in reading.judgements]
        noted = self._check.noted()[region].judgements
        self._check.judge(region, *(judgement for judgement in decided if judgement not in noted))
        return not any(reading.decided for reading in readings)

    def _judge(self, readings: Readings, judge: Callable[[HttpAnswer], list[Judgement]]) -> None:
        for region, region_readings in readings.items():
            if not self._reached(region, region_readings):
                continue
            answer = region_readings[-1].observation.value
            if answer is not None:
                self._check.judge(region, *judge(answer))

    def _judge_body(
        self, readings: Readings, judge: Callable[[Mapping[str, Any]], list[Judgement]]
    ) -> None:
        def judge_answer(answer: HttpAnswer) -> list[Judgement]:
            try:
                body = answer.json()
            except NotJsonError as exc:
                return [self._no_object(str(exc))]
            return judge(body) if isinstance(body, Mapping) else [self._no_object("no object.")]

        self._judge(readings, judge_answer)

    def _healthy(self, body: Mapping[str, Any]) -> list[Judgement]:
        field = self.endpoint.status_field or "status"
        return [equals(f"{self.subject} {field}", body.get(field), self.endpoint.healthy)]

    def _no_object(self, why: str) -> Judgement:
        return Judgement(
            outcome=Outcome.FAIL,
            rule="answers",
            subject=self.subject,
            sentence=f"{self.subject} does not answer a JSON object: {why}",
            clears="a JSON object as the runbook shows it",
        )

    def _latency(self, reading: Reading[HttpAnswer]) -> object:
        answer = reading.observation.value
        try:
            body = answer.json() if answer is not None else None
        except NotJsonError:
            return None
        return body.get(self.endpoint.latency_field or "") if isinstance(body, Mapping) else None


def services_of(endpoint: HealthEndpoint, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the external services of a health endpoint's body; empty when it names none."""
    services = body.get(endpoint.services_field or "services")
    return services if isinstance(services, Mapping) else {}


def service_healthy(endpoint: HealthEndpoint, services: Mapping[str, Any], name: str) -> Judgement:
    """Judge one external service of a body."""
    entry = services.get(name)
    status = entry.get(endpoint.status_field or "status") if isinstance(entry, Mapping) else None
    return equals(f"external service {name}", status, endpoint.healthy)


def _is_duration(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0

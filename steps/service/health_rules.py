"""What a health endpoint has to answer: its body, its latency, and what several answers say together."""

from __future__ import annotations

import dataclasses
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

from gates.decide.judgement import Judgement, below, equals, harmless
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer, NotJsonError
from probes.observation import Observation
from settings.service import HealthEndpoint
from steps.kit import failures
from steps.kit.expect import expect, measured
from steps.kit.failures import Cause

BodyRule = Callable[[Mapping[str, Any]], list[Judgement]]

_MISSING = object()
"""Of a field that a body does not have; null is another thing."""
_KINDS = {str: "text in quotes", bool: "true or false", list: "a list", dict: "an object"}


def of_body(subject: str, answer: HttpAnswer, rule: BodyRule) -> list[Judgement]:
    """Judge the JSON object of an answer by a rule; a FAIL where there is none."""
    try:
        body = answer.json()
    except NotJsonError as exc:
        return [_no_object(subject, str(exc))]
    return rule(body) if isinstance(body, Mapping) else [_no_object(subject, "another value.")]


def object_of(answer: HttpAnswer | None) -> Mapping[str, Any]:
    """Return the JSON object of an answer; empty where there is none."""
    try:
        body = answer.json() if answer is not None else None
    except NotJsonError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _no_object(subject: str, why: str) -> Judgement:
    sentence = f"{subject} does not answer with a JSON object: {why}"
    clears = "a JSON object as the runbook shows it"
    return expect(False, subject, sentence, clears, rule="answers")


def answers(subject: str, answer: HttpAnswer, status: int) -> list[Judgement]:
    """Judge that an answer has this status and JSON: a login page is not an answer."""
    right = equals(f"{subject} status", answer.status, status)
    # Of an error page, the status says it all.
    return [right, *(of_body(subject, answer, lambda _: []) if answer.status == status else ())]


def services_of(endpoint: HealthEndpoint, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the external services of a health endpoint's body; empty when it names none."""
    services = body.get(endpoint.services_field or "services")
    return services if isinstance(services, Mapping) else {}


def service_healthy(endpoint: HealthEndpoint, services: Mapping[str, Any], name: str) -> Judgement:
    """Judge one external service of a body."""
    entry = services.get(name)
    status = entry.get(endpoint.status_field or "status") if isinstance(entry, Mapping) else None
    return equals(f"external service {name}", status, endpoint.healthy)


def worst_of(bad: Sequence[Observation[HttpAnswer]]) -> Observation[HttpAnswer]:
    """Return what speaks for all: an absence, else a wrong answer, else what our side prevented.

    Each of the last two ends the asking at once: it must not hide what a rollback could be for.
    """
    order = (Cause.UNAVAILABLE, Cause.WRONG, Cause.OURS)

    def badness(observed: Observation[HttpAnswer]) -> int:
        return 0 if observed.failure is None else order.index(failures.cause(observed.failure))

    return min(bad, key=badness)


def together(judged: Sequence[Sequence[Judgement]]) -> list[Judgement]:
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


def median_below(
    subject: str, field: str, answers: Iterable[HttpAnswer | None], limit_ms: float
) -> Judgement:
    """Judge the median of what bodies report as their latency, in milliseconds."""
    values = [object_of(answer).get(field, _MISSING) for answer in answers]
    subject = f"{subject} median latency of {len(values)}"
    numbers = [value for value in values if _problem(value) is None and _is_number(value)]
    problems = [problem for problem in map(_problem, values) if problem is not None]
    if not problems:
        return below(subject, statistics.median(numbers), limit_ms, "ms", all_ms=numbers)
    return expect(
        False,
        subject,
        f"{len(problems)} of {len(values)} answers: {field} {problems[0]}, wanted a number of "
        f"milliseconds below {limit_ms:g}",
        f"{field} as a number of milliseconds",
        data={"all_ms": numbers},
        **measured("below", None, limit_ms, "ms"),
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


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)

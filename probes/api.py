"""What an answer of an API means before anybody reads its body: a 200 is one, all else is a failure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from probes import http
from probes.formats import NotJsonError
from probes.observation import (
    Deadline,
    Document,
    Failure,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    V,
    failures_of,
    kinds_of,
    observed,
)

MAX_ANSWER_BYTES: Final = 10 * 1_048_576

KIND_BY_STATUS: Final = kinds_of("api")

_SENTENCES: Final = failures_of("api")


def kind_of_refusal(status: int) -> FailureKind:
    """Return the kind of a status other than 200 from what keeps documents: it refuses, fails or lacks it."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FailureKind.SERVER_ERROR
    refused = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return KIND_BY_STATUS[status] if refused else FailureKind.UNUSABLE_ANSWER


class UnusableAnswerError(Exception):
    """The body is not what this API answers; the text is a sentence of ours."""


def good_answer(target: http.HttpTarget, observed: Observation[http.HttpAnswer]) -> http.HttpAnswer:
    """Return the server's answer 200; raises FoundError for any other, a cache's, and for none."""
    answer = observed.brought()
    if answer.status != HTTPStatus.OK:
        kind = KIND_BY_STATUS.get(answer.status, FailureKind.UNUSABLE_ANSWER)
        detail = _SENTENCES[kind].format(host=target.host, status=answer.status)
        raise FoundError(kind, detail)
    if answer.from_cache is not None:
        detail = (
            f"{target.host} was answered by a cache ({answer.from_cache}): ask the server itself."
        )
        raise FoundError(FailureKind.UNUSABLE_ANSWER, detail)
    return answer


def read(
    target: http.HttpTarget,
    path: str,
    parse: Callable[[object], V],
    *,
    probe: str,
    deadline: Deadline,
) -> Observation[V]:
    """GET a JSON document from an API and parse it; `parse` raises UnusableAnswerError.

    Never raises for the server's doing; the observation names the address without its query.
    """

    def measured(clock: PhaseClock) -> V:
        asked = http.got(clock, target, path, deadline=deadline, max_bytes=MAX_ANSWER_BYTES)
        return parse(good_answer(target, asked).json())

    where = f"{target.base_url}{urlsplit(path).path}"
    return observed(probe, where, measured, unusable(target.host))


def document(target: http.HttpTarget, path: str, *, deadline: Deadline) -> Observation[Document]:
    """GET a document and return it as it is."""

    def measured(clock: PhaseClock) -> Document:
        asked = http.got(clock, target, path, deadline=deadline, max_bytes=MAX_ANSWER_BYTES)
        return Document(good_answer(target, asked).body)

    return observed("document", f"{target.base_url}{path}", measured)


def unusable(host: str) -> Callable[[Exception], Failure | None]:
    """Return what explains an answer 200 whose body is not what it should be."""

    def explain(exc: Exception) -> Failure | None:
        wrong = isinstance(exc, UnusableAnswerError | NotJsonError)
        return Failure(FailureKind.UNUSABLE_ANSWER, f"{host}: {exc}") if wrong else None

    return explain


def mapping(value: object, what: str) -> Mapping[str, object]:
    """Return a JSON object; raises UnusableAnswerError naming what it should have been."""
    if not isinstance(value, Mapping):
        raise UnusableAnswerError(f"{what} is not a JSON object.")
    return value


def sequence(value: object, what: str) -> list[object]:
    """Return a JSON list; raises UnusableAnswerError naming what it should have been."""
    if not isinstance(value, list):
        raise UnusableAnswerError(f"{what} is not a JSON list.")
    return value


def mappings(value: object, what: str, each: str) -> list[Mapping[str, object]]:
    """Return a JSON list of objects; raises UnusableAnswerError naming what it, or one, should be."""
    return [mapping(one, each) for one in sequence(value, what)]


def text(value: object, what: str) -> str:
    """Return a JSON text; raises UnusableAnswerError naming what it should have been."""
    if not isinstance(value, str):
        raise UnusableAnswerError(f"{what} is not text.")
    return value


def time(text: object, name: str) -> dt.datetime:
    """Read an RFC 3339 time with its zone; raises UnusableAnswerError."""
    try:
        at = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UnusableAnswerError(f"{name} is not a time with a zone.")
    return at.astimezone(dt.UTC)

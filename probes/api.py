"""What an answer of an API means before anybody reads its body: a 200 is one, all else is a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urlsplit

from probes import http
from probes.formats import NotJsonError
from probes.observation import Deadline, Facts, Failure, FailureKind, Observation, utc_now

V = TypeVar("V", bound=Facts)

MAX_ANSWER_BYTES: Final = 10 * 1_048_576

_KIND_BY_STATUS: Final = {
    400: FailureKind.QUERY_REJECTED,
    422: FailureKind.QUERY_REJECTED,
    401: FailureKind.CREDENTIAL_REFUSED,
    403: FailureKind.FORBIDDEN,
    429: FailureKind.SERVER_BUSY,
    503: FailureKind.SERVER_BUSY,
    500: FailureKind.SERVER_ERROR,
    502: FailureKind.SERVER_ERROR,
    504: FailureKind.SERVER_ERROR,
}

_SENTENCES: Final = {
    FailureKind.QUERY_REJECTED: "{host} rejected the query with status {status}; correct the query.",
    FailureKind.CREDENTIAL_REFUSED: "{host} refused the gate's token with status {status}; renew it.",
    FailureKind.FORBIDDEN: "{host} does not permit this to the gate (status {status}).",
    FailureKind.SERVER_BUSY: "{host} is not ready, or too busy to answer in time (status {status}).",
    FailureKind.SERVER_ERROR: "{host} failed with status {status}.",
    FailureKind.UNUSABLE_ANSWER: "{host} answered with status {status} where 200 was expected.",
}


class UnusableAnswerError(Exception):
    """The body is not what this API answers; the text is a sentence of ours."""


class NotAnsweredError(Exception):
    """The HTTP probe brought no answer, or one with another status than 200."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def good_answer(target: http.HttpTarget, observed: Observation[http.HttpAnswer]) -> http.HttpAnswer:
    """Return the server's answer 200; raises NotAnsweredError for any other, a cache's, and for none."""
    answer = observed.value
    if answer is None:
        missing = Failure(FailureKind.OUR_FAULT, "The HTTP probe brought nothing.")
        raise NotAnsweredError(observed.failure or missing)
    if answer.status != HTTPStatus.OK:
        kind = _KIND_BY_STATUS.get(answer.status, FailureKind.UNUSABLE_ANSWER)
        detail = _SENTENCES[kind].format(host=target.host, status=answer.status)
        raise NotAnsweredError(Failure(kind, detail))
    if answer.from_cache is not None:
        detail = (
            f"{target.host} was answered by a cache ({answer.from_cache}): ask the server itself."
        )
        raise NotAnsweredError(Failure(FailureKind.UNUSABLE_ANSWER, detail))
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
    started_at, started = utc_now(), time.monotonic()
    observed = http.request(target, "GET", path, deadline=deadline, max_bytes=MAX_ANSWER_BYTES)
    value, failure = None, None
    try:
        value = parse(good_answer(target, observed).json())
    except NotAnsweredError as exc:
        failure = exc.failure
    except (UnusableAnswerError, NotJsonError) as exc:
        failure = Failure(FailureKind.UNUSABLE_ANSWER, f"{target.host}: {exc}")
    return Observation(
        probe=probe,
        target=f"{target.base_url}{urlsplit(path).path}",
        started_at=started_at,
        elapsed_seconds=time.monotonic() - started,
        phases=observed.phases,
        value=value,
        failure=failure,
        attempts=observed.attempts,
    )


def mapping(value: object, what: str) -> Mapping[str, object]:
    """Return a JSON object; raises UnusableAnswerError naming what it should have been."""
    if not isinstance(value, Mapping):
        raise UnusableAnswerError(f"{what} is no object.")
    return value


def sequence(value: object, what: str) -> list[object]:
    """Return a JSON list; raises UnusableAnswerError naming what it should have been."""
    if not isinstance(value, list):
        raise UnusableAnswerError(f"{what} is no list.")
    return value


def text(value: object, what: str) -> str:
    """Return a JSON text; raises UnusableAnswerError naming what it should have been."""
    if not isinstance(value, str):
        raise UnusableAnswerError(f"{what} is no text.")
    return value

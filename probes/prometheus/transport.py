"""How a query travels to Prometheus: requests prepares it, the HTTP probe carries it.

The timeout of requests does not bound a dripping server, so the session of PrometheusConnect gets an
adapter that sends with our own probe: one exact deadline, verified TLS, no redirect, no repetition of
a bad status.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

import requests
from prometheus_api_client.exceptions import (
    MetricValueConversionError,
    PrometheusApiClientException,
)
from requests.adapters import BaseAdapter

from probes import http
from probes.api import MAX_ANSWER_BYTES, NotAnsweredError, good_answer
from probes.observation import Deadline, Failure, FailureKind, Observation

# What PrometheusConnect and requests raise, most specific first. Requests only builds the request
# here; sending is the HTTP probe's, with its own mapping.
_KINDS: Final[tuple[tuple[type[Exception], FailureKind], ...]] = (
    (json.JSONDecodeError, FailureKind.UNUSABLE_ANSWER),
    (requests.exceptions.Timeout, FailureKind.TIMEOUT),
    (requests.exceptions.RequestException, FailureKind.OUR_FAULT),
    (PrometheusApiClientException, FailureKind.UNUSABLE_ANSWER),
    (MetricValueConversionError, FailureKind.UNUSABLE_ANSWER),
)


_CAUSES: Final = (
    ("timeout", "", "gave the query up: it took longer than the time left or --query.timeout"),
    ("canceled", "", "cancelled the query, as it does when it stops"),
    ("execution", "too many samples", "would load more samples at once than --query.max-samples"),
)
"""What Prometheus calls an error, a part of its text, and what that means."""


class Carrier(BaseAdapter):
    """Carries what requests prepared over the HTTP probe; keeps its last observation."""

    def __init__(self, target: http.HttpTarget, deadline: Deadline) -> None:
        super().__init__()
        self._target = target
        self._deadline = deadline
        self.observed: Observation[http.HttpAnswer] | None = None

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the answer is always read whole
        timeout: Any = None,  # noqa: ARG002 - the deadline rules
        verify: Any = True,  # noqa: ARG002, FBT002 - the HTTP probe always verifies
        cert: Any = None,  # noqa: ARG002 - the gate has no client certificates
        proxies: Any = None,  # noqa: ARG002 - never through a proxy
    ) -> requests.Response:
        """Send and read within the deadline; raises NotAnsweredError for anything but a 200."""
        path = (request.url or "")[len(self._target.base_url) :]
        self.observed = http.request(
            self._target,
            request.method or "GET",
            path,
            deadline=self._deadline,
            max_bytes=MAX_ANSWER_BYTES,
        )
        try:
            answer = good_answer(self._target, self.observed)
        except NotAnsweredError as exc:
            raise _sharper(exc.failure, self._target.host, self.observed.value) from exc
        response = requests.Response()
        response.status_code = answer.status
        response.url = request.url or ""
        response.request = request
        # PrometheusConnect's own reading comes to nothing: ours is the one that counts.
        response._content = json.dumps({"data": {"result": []}}).encode()  # noqa: SLF001 - requests has no public way
        return response

    def close(self) -> None:
        """Nothing stays open: the HTTP probe closes each connection."""


def _sharper(failure: Failure, host: str, answer: http.HttpAnswer | None) -> NotAnsweredError:
    """Say what Prometheus itself says of a status that has several causes; its text is only compared."""
    try:
        body = answer.json() if answer is not None else None
    except http.NotJsonError:
        body = None
    said = body if isinstance(body, Mapping) else {}
    words = next(
        (
            words
            for kind, part, words in _CAUSES
            if said.get("errorType") == kind and part in str(said.get("error"))
        ),
        None,
    )
    detail = failure.detail if words is None else f"{host} {words}."
    return NotAnsweredError(dataclasses.replace(failure, detail=detail))


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of the client libraries means; None: not theirs."""
    return next((kind for known, kind in _KINDS if isinstance(exc, known)), None)

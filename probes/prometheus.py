"""The Prometheus probe: queries whose answers are read strictly, and the health of the server itself.

PrometheusConnect phrases the queries; two things it does not offer are done here. It hides warnings,
remarks and the result type, so the answer is read by `prometheus_answers`; and its timeout does not
bound a dripping server, so its session carries our own HTTP probe with an exact deadline.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import (
    MetricValueConversionError,
    PrometheusApiClientException,
)
from pydantic import SecretStr
from requests.adapters import BaseAdapter

from probes import http
from probes.observation import Deadline, Facts, Failure, FailureKind, Observation, utc_now
from probes.prometheus_answers import (
    Matrix,
    RangeSeries,
    Series,
    UnusableAnswerError,
    Vector,
    read_data,
    read_matrix,
    read_time,
    read_vector,
)
from probes.strict_json import NotJsonError

__all__ = [
    "Instrument",
    "Matrix",
    "PrometheusTarget",
    "RangeSeries",
    "Series",
    "Vector",
    "failure_kind",
    "instant",
    "instrument",
    "range_query",
]

MAX_ANSWER_BYTES: Final = 10 * 1_048_576

# Thanos and VictoriaMetrics answer from what they reach unless told so; Prometheus ignores these.
_WHOLE_ANSWERS: Final = {
    "partial_response": "false",
    "deny_partial_response": "1",
    "dedup": "true",
}

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

# What PrometheusConnect and requests raise, most specific first. Requests only builds the request
# here; sending is the HTTP probe's, with its own mapping.
_KINDS: Final[tuple[tuple[type[Exception], FailureKind], ...]] = (
    (json.JSONDecodeError, FailureKind.UNUSABLE_ANSWER),
    (requests.exceptions.Timeout, FailureKind.TIMEOUT),
    (requests.exceptions.RequestException, FailureKind.OUR_FAULT),
    (PrometheusApiClientException, FailureKind.UNUSABLE_ANSWER),
    (MetricValueConversionError, FailureKind.UNUSABLE_ANSWER),
)

V = TypeVar("V", bound=Facts)


@dataclasses.dataclass(frozen=True, slots=True)
class PrometheusTarget:
    """A Prometheus: its address (a path prefix is fine), the gate's token, its authority."""

    url: str
    token: SecretStr | None = None
    ca_file: str | None = None

    def http(self) -> http.HttpTarget:
        """Return the same server as a target of the HTTP probe."""
        token = self.token and self.token.get_secret_value()
        headers = {"Authorization": SecretStr(f"Bearer {token}")} if token else None
        return http.HttpTarget(self.url.rstrip("/"), self.ca_file, headers)


@dataclasses.dataclass(frozen=True, slots=True)
class Instrument:
    """A Prometheus that is ready: what tells whether its answers can be relied on."""

    version: str
    started_at: dt.datetime
    server_time: dt.datetime
    clock_skew_seconds: float
    """Server's clock minus ours; known to half of the query's round trip."""
    clock_uncertainty_seconds: float
    config_reload_succeeded: bool
    corruption_count: int

    def facts(self) -> Mapping[str, object]:
        """Return everything: none of it is private."""
        return {
            "version": self.version,
            "started_at": self.started_at.isoformat(),
            "server_time": self.server_time.isoformat(),
            "clock_skew_seconds": round(self.clock_skew_seconds, 3),
            "clock_uncertainty_seconds": round(self.clock_uncertainty_seconds, 3),
            "config_reload_succeeded": self.config_reload_succeeded,
            "corruption_count": self.corruption_count,
        }


class _NotAnsweredError(Exception):
    """The HTTP probe brought no answer, or one with another status than 200."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


def instant(
    target: PrometheusTarget,
    query: str,
    *,
    at: dt.datetime | None = None,
    deadline: Deadline,
) -> Observation[Vector]:
    """Evaluate a query at one time (the server's now unless `at`); a scalar counts as one series.

    An empty vector, NaN and warnings are values: the caller judges. Never raises for the server's doing.
    """
    when = {} if at is None else {"time": f"{at.timestamp():.3f}"}

    def ask(client: PrometheusConnect, limits: Mapping[str, str]) -> None:
        client.custom_query(query, params={**limits, **when})

    return _query(target, query, ask, read_vector, deadline)


def range_query(
    target: PrometheusTarget,
    query: str,
    *,
    start: dt.datetime,
    end: dt.datetime,
    step_seconds: float,
    deadline: Deadline,
) -> Observation[Matrix]:
    """Evaluate a query at every step from start to end."""
    # PrometheusConnect rounds both ends to whole seconds; its own parameters are overridden.
    exact = {
        "start": f"{start.timestamp():.3f}",
        "end": f"{end.timestamp():.3f}",
        "max_source_resolution": "0s",
    }

    def ask(client: PrometheusConnect, limits: Mapping[str, str]) -> None:
        client.custom_query_range(
            query, start, end, f"{step_seconds:g}", params={**limits, **exact}
        )

    return _query(target, query, ask, read_matrix, deadline)


def instrument(target: PrometheusTarget, *, deadline: Deadline) -> Observation[Instrument]:
    """Ask whether the server is ready, since when it runs, its version and its clock."""
    started_at, started = utc_now(), time.monotonic()
    steps = _Steps(target.http(), deadline)
    value, failure = None, None
    try:
        value = _read_instrument(steps)
    except _NotAnsweredError as exc:
        failure = exc.failure
    except (UnusableAnswerError, NotJsonError) as exc:
        failure = _unusable(target, exc)
    return Observation(
        probe="prometheus",
        target=f"{target.url.rstrip('/')} itself",
        started_at=started_at,
        elapsed_seconds=time.monotonic() - started,
        phases=steps.seconds,
        value=value,
        failure=failure,
    )


class _Steps:
    """The requests of `instrument`, timed one by one."""

    def __init__(self, target: http.HttpTarget, deadline: Deadline) -> None:
        self._target = target
        self._deadline = deadline
        self.seconds: dict[str, float | None] = dict.fromkeys(
            ("ready", "runtime", "version", "clock")
        )

    def get(self, name: str, path: str) -> http.HttpAnswer:
        """Return the answer with status 200; raises _NotAnsweredError."""
        observed = http.request(
            self._target, "GET", path, deadline=self._deadline, max_bytes=MAX_ANSWER_BYTES
        )
        self.seconds[name] = observed.elapsed_seconds
        return _good(self._target, observed)


def _read_instrument(steps: _Steps) -> Instrument:
    steps.get("ready", "/-/ready")
    runtime = read_data(steps.get("runtime", "/api/v1/status/runtimeinfo").json())
    build = read_data(steps.get("version", "/api/v1/status/buildinfo").json())
    before = utc_now()
    clock = read_vector(steps.get("clock", "/api/v1/query?query=time()").json())
    round_trip = steps.seconds["clock"] or 0.0
    if len(clock.series) != 1 or not clock.series[0].finite:
        raise UnusableAnswerError("The server does not tell its time.")
    server_time = dt.datetime.fromtimestamp(clock.series[0].value, dt.UTC)
    skew = (server_time - before).total_seconds() - round_trip / 2
    return Instrument(
        version=_field(build, "version", str),
        started_at=read_time(runtime.get("startTime"), "startTime"),
        server_time=server_time,
        clock_skew_seconds=skew,
        clock_uncertainty_seconds=round_trip / 2,
        config_reload_succeeded=_field(runtime, "reloadConfigSuccess", bool),
        corruption_count=_field(runtime, "corruptionCount", int),
    )


F = TypeVar("F", str, bool, int)


def _field(data: Mapping[str, object], name: str, kind: type[F]) -> F:
    value = data.get(name)
    if type(value) is not kind:
        raise UnusableAnswerError(f"The server does not tell {name}.")
    return value


class _Carrier(BaseAdapter):
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
        """Send and read within the deadline; raises _NotAnsweredError for anything but a 200."""
        path = (request.url or "")[len(self._target.base_url) :]
        self.observed = http.request(
            self._target,
            request.method or "GET",
            path,
            deadline=self._deadline,
            max_bytes=MAX_ANSWER_BYTES,
        )
        answer = _good(self._target, self.observed)
        response = requests.Response()
        response.status_code = answer.status
        response.url = request.url or ""
        response.request = request
        # PrometheusConnect's own reading comes to nothing: ours is the one that counts.
        response._content = json.dumps({"data": {"result": []}}).encode()  # noqa: SLF001 - requests has no public way
        return response

    def close(self) -> None:
        """Nothing stays open: the HTTP probe closes each connection."""


def _query(
    target: PrometheusTarget,
    query: str,
    ask: Callable[[PrometheusConnect, Mapping[str, str]], None],
    read: Callable[[object], V],
    deadline: Deadline,
) -> Observation[V]:
    started_at, started = utc_now(), time.monotonic()
    carrier = _Carrier(target.http(), deadline)
    value, failure = None, None
    try:
        # The server gives up a little before we do. Plain seconds, since a duration with a unit takes
        # no fraction; never 0, which it refuses.
        allowed = f"{max(0.001, deadline.remaining_seconds() * 0.95):.3f}"
        ask(_client(target, carrier), {**_WHOLE_ANSWERS, "timeout": allowed})
        value = read(_body(carrier))
    except _NotAnsweredError as exc:
        failure = exc.failure
    except (UnusableAnswerError, NotJsonError) as exc:
        failure = _unusable(target, exc)
    except Exception as exc:
        kind = failure_kind(exc)
        if kind is None:
            raise
        failure = Failure(kind, f"The query to {target.http().host} could not be made.")
    observed = carrier.observed
    return Observation(
        probe="prometheus",
        target=f"{target.url.rstrip('/')} {query}",
        started_at=started_at,
        elapsed_seconds=time.monotonic() - started,
        phases=observed.phases if observed else {},
        value=value,
        failure=failure,
        attempts=observed.attempts if observed else 1,
    )


def _client(target: PrometheusTarget, carrier: _Carrier) -> PrometheusConnect:
    session = requests.Session()
    session.trust_env = False
    url = target.url.rstrip("/")
    client = PrometheusConnect(url=url, session=session)
    # The constructor mounts its own adapter at this address; ours takes its place.
    session.mount(url, carrier)
    return client


def _body(carrier: _Carrier) -> object:
    if carrier.observed is None or carrier.observed.value is None:
        raise UnusableAnswerError("The client library sent nothing.")
    return carrier.observed.value.json()


def _good(target: http.HttpTarget, observed: Observation[http.HttpAnswer]) -> http.HttpAnswer:
    answer = observed.value
    if answer is None:
        missing = Failure(FailureKind.OUR_FAULT, "The HTTP probe brought nothing.")
        raise _NotAnsweredError(observed.failure or missing)
    if answer.status != requests.codes.ok:
        kind = _KIND_BY_STATUS.get(answer.status, FailureKind.UNUSABLE_ANSWER)
        detail = _SENTENCES[kind].format(host=target.host, status=answer.status)
        raise _NotAnsweredError(Failure(kind, detail))
    return answer


def _unusable(target: PrometheusTarget, why: Exception) -> Failure:
    host = urlsplit(target.url).netloc
    return Failure(FailureKind.UNUSABLE_ANSWER, f"{host}: {why}")


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of the client libraries means; None: not theirs."""
    return next((kind for known, kind in _KINDS if isinstance(exc, known)), None)

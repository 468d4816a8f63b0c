"""The Prometheus probe: queries whose answers are read strictly, and the health of the server itself.

PrometheusConnect phrases the queries; two things it does not offer are done here. It hides warnings,
remarks and the result type, so the answer is read by `prometheus_answers`; and its timeout does not
bound a dripping server, so its session carries our own HTTP probe with an exact deadline.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client import PrometheusConnect
from pydantic import SecretStr

from probes import http
from probes.api import MAX_ANSWER_BYTES, NotAnsweredError, UnusableAnswerError, good_answer
from probes.observation import Deadline, Facts, Failure, FailureKind, Observation, utc_now
from probes.prometheus_answers import (
    Matrix,
    RangeSeries,
    SampleSet,
    Series,
    Vector,
    read_data,
    read_matrix,
    read_samples,
    read_time,
    read_vector,
)
from probes.prometheus_transport import (
    Carrier,
    failure_kind,
)
from probes.strict_json import NotJsonError

__all__ = [
    "Instrument",
    "Matrix",
    "PrometheusTarget",
    "RangeSeries",
    "SampleSet",
    "Series",
    "Vector",
    "failure_kind",
    "instant",
    "instrument",
    "range_query",
    "samples",
]

# Thanos and VictoriaMetrics answer from what they reach unless told so; Prometheus ignores these.
_WHOLE_ANSWERS: Final = {
    "partial_response": "false",
    "deny_partial_response": "1",
    "dedup": "true",
}

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


def samples(
    target: PrometheusTarget, query: str, *, at: dt.datetime, deadline: Deadline
) -> Observation[SampleSet]:
    """Read the samples of a range selector as they were scraped, up to a time; nothing is evaluated.

    Staleness markers are not among them. The start of a range belongs to it in Prometheus 2 and does
    not in 3.
    """

    def ask(client: PrometheusConnect, limits: Mapping[str, str]) -> None:
        client.custom_query(query, params={**limits, "time": f"{at.timestamp():.3f}"})

    return _query(target, query, ask, read_samples, deadline)


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
    except NotAnsweredError as exc:
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
        """Return the answer with status 200; raises NotAnsweredError."""
        observed = http.request(
            self._target, "GET", path, deadline=self._deadline, max_bytes=MAX_ANSWER_BYTES
        )
        self.seconds[name] = observed.elapsed_seconds
        return good_answer(self._target, observed)


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


def _query(
    target: PrometheusTarget,
    query: str,
    ask: Callable[[PrometheusConnect, Mapping[str, str]], None],
    read: Callable[[object], V],
    deadline: Deadline,
) -> Observation[V]:
    started_at, started = utc_now(), time.monotonic()
    carrier = Carrier(target.http(), deadline)
    value, failure = None, None
    try:
        # The server gives up a little before we do. Plain seconds, since a duration with a unit takes
        # no fraction; never 0, which it refuses.
        allowed = f"{max(0.001, deadline.remaining_seconds() * 0.95):.3f}"
        ask(_client(target, carrier), {**_WHOLE_ANSWERS, "timeout": allowed})
        value = read(_body(carrier))
    except NotAnsweredError as exc:
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


def _client(target: PrometheusTarget, carrier: Carrier) -> PrometheusConnect:
    session = requests.Session()
    session.trust_env = False
    url = target.url.rstrip("/")
    client = PrometheusConnect(url=url, session=session)
    # The constructor mounts its own adapter at this address; ours takes its place.
    session.mount(url, carrier)
    return client


def _body(carrier: Carrier) -> object:
    if carrier.observed is None or carrier.observed.value is None:
        raise UnusableAnswerError("The client library sent nothing.")
    return carrier.observed.value.json()


def _unusable(target: PrometheusTarget, why: Exception) -> Failure:
    host = urlsplit(target.url).netloc
    return Failure(FailureKind.UNUSABLE_ANSWER, f"{host}: {why}")

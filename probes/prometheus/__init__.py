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
from probes.api import NotAnsweredError, UnusableAnswerError
from probes.observation import Deadline, Facts, Failure, FailureKind, Observation, utc_now
from probes.prometheus.answers import (
    Matrix,
    RangeSeries,
    SampleSet,
    Series,
    Vector,
    read_matrix,
    read_samples,
    read_vector,
)
from probes.prometheus.instrument import Instrument, Steps, read_instrument
from probes.prometheus.transport import (
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

# Thanos and VictoriaMetrics answer from what they reach unless told so, and VictoriaMetrics as of half a
# minute ago; Prometheus ignores these.
_WHOLE_ANSWERS: Final = {
    "partial_response": "false",
    "deny_partial_response": "1",
    "dedup": "true",
    "nocache": "1",
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
    """Ask what the server is, whether it is ready, since when it runs, its version and its clock."""
    started_at, started = utc_now(), time.monotonic()
    steps = Steps(target.http(), deadline)
    value, failure = None, None
    try:
        value = read_instrument(steps)
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

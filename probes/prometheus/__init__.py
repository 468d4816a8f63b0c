"""The Prometheus probe: queries whose answers are read strictly, and the health of the server itself.

PrometheusConnect phrases the queries; two things it does not offer are done here. It hides warnings,
remarks and the result type, so the answer is read by `probes.prometheus.answers`; and its timeout does not
bound a dripping server, so the HTTP probe with its exact deadline stands in for its session.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import yaml
from prometheus_api_client import PrometheusConnect
from pydantic import SecretStr

from probes import api, http
from probes.api import MAX_ANSWER_BYTES, UnusableAnswerError, good_answer, read, unusable
from probes.formats import seconds_of
from probes.observation import (
    EVERYTHING,
    Deadline,
    Failure,
    FoundError,
    Observation,
    PhaseClock,
    Shown,
    V,
    observed,
    utc_now,
)
from probes.prometheus.answers import (
    Matrix,
    RangeSeries,
    SampleSet,
    Series,
    Vector,
    read_data,
    read_matrix,
    read_samples,
    read_vector,
)

__all__ = ["Matrix", "RangeSeries", "SampleSet", "Series", "Vector"]


_NO_SUCH_PATH: Final = (400, 404)
_REMEDY: Final = "name a Prometheus that scrapes the release itself, or a VictoriaMetrics"


@dataclasses.dataclass(frozen=True, slots=True)
class Instrument(Shown):
    """A Prometheus that is ready: what tells whether its answers can be relied on."""

    KEPT = EVERYTHING

    product: str
    """`Prometheus` or `VictoriaMetrics`."""
    version: str
    started_at: dt.datetime
    server_time: dt.datetime
    clock_skew_seconds: float
    """Server's clock minus ours; known to half of the query's round trip."""
    clock_uncertainty_seconds: float
    config_reload_succeeded: bool
    corruption_count: int


class Steps:
    """The requests of an inspection, timed one by one."""

    def __init__(self, target: http.HttpTarget, deadline: Deadline) -> None:
        self._target = target
        self._deadline = deadline
        self.seconds: dict[str, float | None] = dict.fromkeys(
            ("ready", "runtime", "version", "clock")
        )

    def get(self, name: str, path: str) -> http.HttpAnswer:
        """Return the answer with status 200; raises FoundError."""
        answer = self.find(name, path)
        if answer is None:
            raise UnusableAnswerError(f"It has no {path}.")
        return answer

    def find(self, name: str, path: str) -> http.HttpAnswer | None:
        """Return the same, None where the server has no such path."""
        observed = http.request(
            self._target, "GET", path, deadline=self._deadline, max_bytes=MAX_ANSWER_BYTES
        )
        self.seconds[name] = observed.elapsed_seconds
        if observed.value is not None and observed.value.status in _NO_SUCH_PATH:
            return None
        return good_answer(self._target, observed)


def read_instrument(steps: Steps) -> Instrument:
    """Return what is known of the server; raises FoundError, UnusableAnswerError, NotJsonError."""
    ready = steps.find("ready", "/-/ready")
    runtime = steps.find("runtime", "/api/v1/status/runtimeinfo")
    if runtime is None:
        return _victoria_metrics(steps)
    if ready is None:
        raise UnusableAnswerError(
            "It does not say whether it is ready; does a proxy hide /-/ready?"
        )
    state = read_data(runtime.json())
    if "reloadConfigSuccess" not in state:
        raise UnusableAnswerError(
            "This looks like Thanos Query, which does not report the state of the Prometheus servers "
            f"behind it; {_REMEDY}."
        )
    build = read_data(steps.get("version", "/api/v1/status/buildinfo").json())
    return _timed(
        steps,
        product="Prometheus",
        version=_field(build, "version", str),
        started_at=api.time(state.get("startTime"), "startTime"),
        config_reload_succeeded=_field(state, "reloadConfigSuccess", bool),
        corruption_count=_field(state, "corruptionCount", int),
    )


def _victoria_metrics(steps: Steps) -> Instrument:
    metrics = steps.find("metrics", "/metrics")
    own = "" if metrics is None else metrics.body.decode("utf-8", "replace")
    started = _metric(own, "vm_app_start_timestamp")
    if started is None:
        steps.get("version", "/api/v1/status/buildinfo")
        raise UnusableAnswerError(
            "This answers as Mimir, Cortex and Amazon Managed Prometheus do (or as VictoriaMetrics behind "
            f"a proxy that hides its /metrics): it does not report since when it has run; {_REMEDY}."
        )
    short = re.search(r'^vm_app_version{.*short_version="([^"]+)"', own, re.MULTILINE)
    return _timed(
        steps,
        product="VictoriaMetrics",
        version=short[1] if short else "unknown",
        started_at=dt.datetime.fromtimestamp(started, dt.UTC),
        # Without a configuration of its own somebody else scrapes, and pushes.
        config_reload_succeeded=_metric(own, "vm_promscrape_config_last_reload_successful") != 0,
        corruption_count=0,
    )


def _metric(text: str, name: str) -> float | None:
    found = re.search(rf"^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", text, re.MULTILINE)
    return None if found is None else float(found[1])


def _timed(steps: Steps, **known: Any) -> Instrument:
    before = utc_now()
    # VictoriaMetrics would tell the time of half a minute ago otherwise.
    clock = read_vector(steps.get("clock", "/api/v1/query?query=time()&nocache=1").json())
    round_trip = steps.seconds["clock"] or 0.0
    if len(clock.series) != 1 or not clock.series[0].finite:
        raise UnusableAnswerError("The server does not report its time.")
    server_time = dt.datetime.fromtimestamp(clock.series[0].value, dt.UTC)
    return Instrument(
        server_time=server_time,
        clock_skew_seconds=round((server_time - before).total_seconds() - round_trip / 2, 3),
        clock_uncertainty_seconds=round(round_trip / 2, 3),
        **known,
    )


F = TypeVar("F", str, bool, int)


def _field(data: Mapping[str, object], name: str, kind: type[F]) -> F:
    value = data.get(name)
    if type(value) is not kind:
        raise UnusableAnswerError(f"The server does not report {name}.")
    return value


_CAUSES: Final = (
    ("timeout", "", "gave the query up: it took longer than the time left or --query.timeout"),
    ("canceled", "", "cancelled the query, as it does when it stops"),
    ("execution", "too many samples", "would load more samples at once than --query.max-samples"),
)
"""What Prometheus calls an error, a part of its text, and what that means."""


class _Session:
    """Stands in for requests' session: what PrometheusConnect phrases, the HTTP probe sends."""

    verify, cert = True, None
    status_code = HTTPStatus.OK

    def __init__(self, target: http.HttpTarget, deadline: Deadline, clock: PhaseClock) -> None:
        self._target, self._deadline, self._clock = target, deadline, clock
        self.answer: object = None

    def mount(self, *_: object) -> None:
        """Take no adapter: requests sends nothing here."""

    def request(self, *, method: str, url: str, params: Mapping[str, str], **_: object) -> _Session:
        """Send and read within the deadline; raises FoundError for anything but a 200."""
        asked = http.request(
            self._target,
            method,
            f"{url[len(self._target.base_url) :]}?{urlencode(params)}",
            deadline=self._deadline,
            max_bytes=MAX_ANSWER_BYTES,
        )
        self._clock.adopt(asked.phases, asked.attempts)
        try:
            self.answer = good_answer(self._target, asked).json()
        except FoundError as exc:
            raise _sharper(exc.failure, self._target.host, asked.value) from exc
        return self

    def json(self) -> object:
        """Return nothing for PrometheusConnect to read: our own reading is the one that counts."""
        return {"data": {"result": []}}


def _sharper(failure: Failure, host: str, answer: http.HttpAnswer | None) -> FoundError:
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
    return FoundError(failure.kind, detail, failure.phase)


# Thanos and VictoriaMetrics answer from what they reach unless told so, and VictoriaMetrics as of half a
# minute ago; Prometheus ignores these.
_WHOLE_ANSWERS: Final = {
    "partial_response": "false",
    "deny_partial_response": "1",
    "dedup": "true",
    "nocache": "1",
}


@dataclasses.dataclass(frozen=True, slots=True)
class PrometheusTarget:
    """A Prometheus: its address (a path prefix is fine), the gate's token, its authority."""

    url: str
    token: SecretStr | None = None
    ca_file: str | None = None

    def http(self) -> http.HttpTarget:
        """Return the same server as a target of the HTTP probe."""
        return http.HttpTarget(self.url.rstrip("/"), self.ca_file, http.bearer(self.token or None))


def instant(
    target: PrometheusTarget, query: str, *, at: dt.datetime | None = None, deadline: Deadline
) -> Observation[Vector]:
    """Evaluate a query at one time (the server's now unless `at`); a scalar counts as one series.

    An empty vector, NaN and warnings are values: the caller judges. Never raises for the server's doing.
    """
    return _query(target, query, _instant(query, at), read_vector, deadline)


def samples(
    target: PrometheusTarget, query: str, *, at: dt.datetime, deadline: Deadline
) -> Observation[SampleSet]:
    """Read the samples of a range selector as they were scraped, up to a time; nothing is evaluated.

    Staleness markers are not among them. The start of a range belongs to it in Prometheus 2 and does
    not in 3.
    """
    return _query(target, query, _instant(query, at), read_samples, deadline)


def _instant(
    query: str, at: dt.datetime | None
) -> Callable[[PrometheusConnect, Mapping[str, str]], object]:
    when = {} if at is None else {"time": f"{at.timestamp():.3f}"}
    return lambda client, limits: client.custom_query(query, params={**limits, **when})


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
        step = f"{step_seconds:g}"
        client.custom_query_range(query, start, end, step, params={**limits, **exact})

    return _query(target, query, ask, read_matrix, deadline)


def instrument(target: PrometheusTarget, *, deadline: Deadline) -> Observation[Instrument]:
    """Ask what the server is, whether it is ready, since when it runs, its version and its clock."""

    def measured(clock: PhaseClock) -> Instrument:
        steps = Steps(target.http(), deadline)
        try:
            return read_instrument(steps)
        finally:
            clock.adopt(steps.seconds)

    where = f"{target.url.rstrip('/')} itself"
    return observed("prometheus", where, measured, unusable(target.http().host))


def _query(
    target: PrometheusTarget,
    query: str,
    ask: Callable[[PrometheusConnect, Mapping[str, str]], object],
    read: Callable[[object], V],
    deadline: Deadline,
) -> Observation[V]:
    def measured(clock: PhaseClock) -> V:
        session = _Session(server, deadline, clock)
        # The server gives up a little before we do. Plain seconds, since a duration with a unit takes
        # no fraction; never 0, which it refuses.
        allowed = f"{max(0.001, deadline.remaining_seconds() * 0.95):.3f}"
        client = PrometheusConnect(url=server.base_url, session=session)
        ask(client, {**_WHOLE_ANSWERS, "timeout": allowed})
        return read(session.answer)

    server = target.http()
    return observed("prometheus", f"{server.base_url} {query}", measured, unusable(server.host))


_PATH: Final = "/api/v1/status/config"
_DEFAULT: Final = "1m"


@dataclasses.dataclass(frozen=True, slots=True)
class ScrapeIntervals(Shown):
    """Seconds between two scrapes, by job as the configuration names it."""

    KEPT = ("seconds",)  # the rest of the configuration is never kept

    seconds: Mapping[str, float]


def scrape_intervals(
    target: PrometheusTarget, *, deadline: Deadline
) -> Observation[ScrapeIntervals]:
    """Read the scrape interval of every job; a configuration that is not shown is a failure."""

    def parse(body: object) -> ScrapeIntervals:
        return ScrapeIntervals(_intervals(read_data(body).get("yaml")))

    found = read(target.http(), _PATH, parse, probe="prometheus", deadline=deadline)
    return dataclasses.replace(found, target=f"{target.url.rstrip('/')} {_PATH}")


def _intervals(text: object) -> dict[str, float]:
    try:
        data: Any = yaml.safe_load(str(text))
        common = data.get("global", {}).get("scrape_interval", _DEFAULT)
        return {
            job["job_name"]: _seconds(job.get("scrape_interval", common))
            for job in data.get("scrape_configs") or []
        }
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as exc:
        raise UnusableAnswerError("The configuration is not as Prometheus shows it.") from exc


def _seconds(text: object) -> float:
    try:
        return seconds_of(text)
    except ValueError:
        raise UnusableAnswerError("A scrape interval is not a duration.") from None

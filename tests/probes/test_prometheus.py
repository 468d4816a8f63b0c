from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from probes import prometheus
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from probes.prometheus import PrometheusTarget, Vector, alerting
from tests.probes import servers
from tests.probes.servers import Behaviour, brought, by_path, failed, reading, serving
from tests.tables import cases

Said = Callable[..., None]


def _soon(seconds: float = 10) -> Deadline:
    return Deadline.after(seconds)


def _instant(url: str, query: str = "up", *, seconds: float = 10) -> Observation[Vector]:
    return prometheus.instant(PrometheusTarget(url), query, deadline=_soon(seconds))


@pytest.fixture
def real(prometheus_url: str) -> PrometheusTarget:
    return PrometheusTarget(prometheus_url)


def test_an_instant_query_returns_labels_values_and_time(prometheus_url: str) -> None:
    before = dt.datetime.now(dt.UTC)
    vector = brought(_instant(prometheus_url, 'up{job="itself"}'))
    assert (vector.result_type, vector.warnings, vector.infos) == ("vector", (), ())
    (one,) = vector.series
    assert (one.labels["job"], one.value, one.finite) == ("itself", 1.0, True)
    assert vector.evaluated_at is not None
    assert abs((vector.evaluated_at - before).total_seconds()) < 2
    nothing = brought(_instant(prometheus_url, "no_such_metric"))
    assert (nothing.series, nothing.evaluated_at) == ((), None)


def test_the_time_of_evaluation_can_be_given(real: PrometheusTarget) -> None:
    at = dt.datetime(2026, 1, 31, 22, 0, 0, 500_000, dt.UTC)
    vector = brought(prometheus.instant(real, "time()", at=at, deadline=_soon()))
    assert (vector.series[0].value, vector.evaluated_at) == (at.timestamp(), at)


def test_the_index_tells_whether_anything_was_ever_scraped(real: PrometheusTarget) -> None:
    def seen(selector: str, ends: dt.datetime) -> int:
        begins = ends - dt.timedelta(days=365)
        return brought(
            alerting.scraped_ever(real, selector, begins=begins, ends=ends, deadline=_soon())
        ).series

    now = dt.datetime.now(dt.UTC)
    assert seen('up{job="itself"}', now) == 1
    assert seen('up{job="nobody"}', now) == 0
    assert seen('up{job="itself"}', now - dt.timedelta(hours=3)) == 0


@pytest.mark.parametrize(
    ("query", "text"), [("0/0", "nan"), ("1/0", "inf"), ("vector(-1/0)", "-inf")]
)
def test_what_is_not_finite_is_a_value(prometheus_url: str, query: str, text: str) -> None:
    vector = brought(_instant(prometheus_url, query))
    assert (str(vector.series[0].value), vector.series[0].finite) == (text, False)
    assert json.loads(json.dumps(vector.facts(), allow_nan=False))["series"][0]["value"] == text


QUERIES = {
    "syntax": ("up{", Kind.QUERY_REJECTED),
    "matrix": ("up[1m]", Kind.UNUSABLE_ANSWER),
    "text": ('"text"', Kind.UNUSABLE_ANSWER),
}


@cases("query kind", QUERIES)
def test_a_query_that_is_no_instant_number_is_a_failure(
    prometheus_url: str, query: str, kind: Kind
) -> None:
    failed(_instant(prometheus_url, query), kind)


def test_a_range_query_keeps_fractions_of_seconds(real: PrometheusTarget) -> None:
    end = dt.datetime.fromtimestamp(1_700_000_000.75, dt.UTC)
    start = end - dt.timedelta(seconds=1)
    observed = prometheus.range_query(
        real, "vector(7)", start=start, end=end, step_seconds=0.5, deadline=_soon()
    )
    (one,) = brought(observed).series
    assert [value for _, value in one.samples] == [7.0, 7.0, 7.0]
    assert [at.timestamp() % 1 for at, _ in one.samples] == [0.75, 0.25, 0.75]


def test_the_instrument_tells_its_state(real: PrometheusTarget) -> None:
    observed = prometheus.instrument(real, deadline=_soon())
    state = brought(observed)
    assert tuple(int(part) for part in state.version.split(".")[:2]) >= (2, 42)
    assert state.started_at < state.server_time
    assert abs(state.clock_skew_seconds) < 1
    assert (state.config_reload_succeeded, state.corruption_count) == (True, 0)
    assert list(observed.phases) == ["ready", "runtime", "version", "clock"]


def _body(result: object, *, kind: str = "vector", **more: object) -> bytes:
    data = {"resultType": kind, "result": result}
    return json.dumps({"status": "success", "data": data, **more}).encode()


def _series(value: object, at: object = 1.5, **labels: str) -> dict[str, object]:
    return {"metric": labels, "value": [at, value]}


def _ok(result: object, **more: Any) -> Behaviour:
    return servers.answer(_body(result, **more))


UNUSABLE: dict[str, Behaviour] = {
    "status=error with 200": servers.answer(b'{"status":"error","errorType":"x","error":"y"}'),
    "no data": servers.answer(b'{"status":"success"}'),
    "no result": servers.answer(b'{"status":"success","data":{"resultType":"vector"}}'),
    "another result type": _ok([], kind="matrix"),
    "text": _ok([1, "x"], kind="string"),
    "an unknown result type": _ok([], kind="tensor"),
    "a bare NaN": servers.answer(_body([_series("1")]).replace(b'"1"', b"NaN")),
    "a number instead of text": _ok([_series(1)]),
    "text that is not a number": _ok([_series("many")]),
    "a number with underscores": _ok([_series("1_000")]),
    "an empty value": _ok([_series("")]),
    "a boolean": _ok([_series(value=True)]),
    "a time that is text": _ok([_series("1", at="now")]),
    "a time before all time": _ok([_series("1", at=-5)]),
    "a sample of one": _ok([{"metric": {}, "value": [1]}]),
    "labels that are no text": _ok([{"metric": {"a": 1}, "value": [1, "1"]}]),
    "no labels at all": _ok([{"value": [1, "1"]}]),
    "a native histogram": _ok([{"metric": {}, "histogram": [1, {}]}]),
    "the same series twice": _ok([_series("1", a="b"), _series("2", a="b")]),
    "two different times": _ok([_series("1", 1.0, a="b"), _series("2", 2.0, a="c")]),
    "the same key twice": servers.answer(b'{"status":"error","status":"success"}'),
    "warnings that are no list": _ok([], warnings="partial"),
}


@cases("behaviour", UNUSABLE)
def test_what_is_not_exactly_a_good_answer_is_unusable(behaviour: Behaviour, said: Said) -> None:
    with serving(behaviour) as server:
        said(reading(_instant(server.url)))
        assert server.connections == 1


CAUSES = {
    "503 timeout": ("timeout", "query timed out in evaluation"),
    "503 unavailable": ("unavailable", "TSDB not ready"),
    "422 memory": ("execution", "load too many samples"),
    "422 matching": ("execution", "many-to-many matching"),
    "503 like a good one": ("", ""),
}


@cases("status type_ error", {one: (one, *row) for one, row in CAUSES.items()})
def test_a_status_is_a_failure_at_once_with_a_sentence_for_its_cause(
    status: str, type_: str, error: str, said: Said
) -> None:
    told = {"status": "error", "errorType": type_, "error": error}
    body = json.dumps(told).encode() if error else _body([])
    behaviour = servers.answer(body, status=status, headers={"Retry-After": "30"})
    with serving(behaviour) as server:
        observed = _instant(server.url)
        assert server.connections == 1
    said(reading(observed))
    assert observed.elapsed_seconds < 15  # and not 30, as the server asks to wait


def test_warnings_and_infos_are_returned() -> None:
    body = _ok([_series("1")], warnings=["store unreachable"], infos=["not monotonic"])
    with serving(body) as server:
        vector = brought(_instant(server.url))
    assert (vector.warnings, vector.infos) == (("store unreachable",), ("not monotonic",))


def test_a_scalar_is_one_series_without_labels() -> None:
    with serving(_ok([2, "NaN"], kind="scalar")) as server:
        vector = brought(_instant(server.url))
    assert vector.result_type == "scalar"
    assert vector.series[0].labels == {}
    assert math.isnan(vector.series[0].value)


def test_the_request_asks_for_whole_answers_in_time_with_the_token() -> None:
    with serving(_ok([])) as server:
        target = PrometheusTarget(server.url + "/prefix/", SecretStr("sentinel-token"))
        observed = prometheus.instant(target, 'sum(up{a="b c"})', deadline=_soon(20))
    assert observed.failure is None
    line, _, headers = server.requests[0].partition(b"\r\n")
    assert line.startswith(b"GET /prefix/api/v1/query?query=sum%28up%7Ba%3D%22b+c%22%7D%29&")
    assert b"partial_response=false" in line
    (timeout,) = re.findall(rb"&timeout=([0-9.]+) ", line)
    assert 15 < float(timeout) < 20
    assert b"Authorization: Bearer sentinel-token" in headers
    assert observed.target == f'{server.url}/prefix sum(up{{a="b c"}})'


_RUNTIME: dict[str, object] = {
    "startTime": "2026-01-31T22:00:00.123456789Z",
    "reloadConfigSuccess": True,
    "corruptionCount": 0,
}
_NOW = dt.datetime.now(dt.UTC).timestamp()


def _status(data: object) -> Behaviour:
    return servers.answer(json.dumps({"status": "success", "data": data}).encode())


_GOOD: dict[str, Behaviour] = {
    "/-/ready": servers.answer(b"Prometheus Server is Ready.\n", content_type="text/plain"),
    "/api/v1/status/runtimeinfo": _status(_RUNTIME),
    "/api/v1/status/buildinfo": _status({"version": "3.5.0"}),
    "/api/v1/query": _ok([_NOW, str(_NOW)], kind="scalar"),
}
_NOT_FOUND = servers.answer(b"404 page not found", status="404 Not Found")
_READY, _RUNS, _BUILD = "/-/ready", "/api/v1/status/runtimeinfo", "/api/v1/status/buildinfo"
_NEITHER = {_RUNS: _NOT_FOUND, "/metrics": _NOT_FOUND}
_VICTORIA_METRICS = b"""\
process_start_time_seconds 1770069600
vm_app_version{version="victoria-metrics-20220816-tags-v1.79.2-0-gdeadbeef", short_version="v1.79.2"} 1
vm_app_start_timestamp 1770069600
"""
UNRELIABLE: dict[str, Mapping[str, Behaviour]] = {
    "is not ready": {_READY: servers.answer(b"", status="503 Service Unavailable")},
    "hides its start": {_RUNS: _status({**_RUNTIME, "startTime": None})},
    "started at no time": {_RUNS: _status({**_RUNTIME, "startTime": "yesterday"})},
    "counts corruptions in words": {_RUNS: _status({**_RUNTIME, "corruptionCount": "none"})},
    "has no version": {_BUILD: _NOT_FOUND},
    "has no time": {"/api/v1/query": _ok([_NOW, "NaN"], kind="scalar")},
    "is a login page": {_RUNS: servers.answer(b"<html>", content_type="text/html")},
    "is Thanos Query, which reports less of itself": {
        _RUNS: _status({"startTime": _RUNTIME["startTime"]})
    },
    "is Mimir below a path": {**_NEITHER, _READY: _NOT_FOUND},
    "is VictoriaMetrics whose metrics are hidden": _NEITHER,
    "is behind a proxy": {_READY: _NOT_FOUND},
    "is no such server at all": {**_NEITHER, _BUILD: _NOT_FOUND},
}


def _told(replies: Mapping[str, Behaviour]) -> Observation[Any]:
    """Ask an instrument that answers by path like a Prometheus, except for these replies."""
    with serving(by_path({**_GOOD, **replies})) as server:
        return prometheus.instrument(PrometheusTarget(server.url), deadline=_soon())


@cases("replies", UNRELIABLE)
def test_an_instrument_that_cannot_be_relied_on_is_a_failure(
    replies: Mapping[str, Behaviour], said: Said
) -> None:
    said(reading(_told(replies)))


_UNLOADED = b"vm_promscrape_config_last_reload_successful 0\n"


@cases("more reloaded", {"fine": (b"", True), "which it could not load": (_UNLOADED, False)})
def test_victoria_metrics_tells_its_state_in_its_metrics(more: bytes, *, reloaded: bool) -> None:
    metrics = servers.answer(_VICTORIA_METRICS + more, content_type="text/plain")
    told = brought(_told({**_NEITHER, "/metrics": metrics, _BUILD: _status({})}))
    assert (told.product, told.version) == ("VictoriaMetrics", "v1.79.2")
    assert told.started_at == dt.datetime(2026, 2, 2, 22, 0, tzinfo=dt.UTC)
    assert told.config_reload_succeeded is reloaded


@pytest.mark.parametrize("offset", [-90.0, 0.0, 3600.0])
def test_the_skew_of_clocks_is_measured(offset: float) -> None:
    now = dt.datetime.now(dt.UTC).timestamp() + offset
    found = brought(_told({"/api/v1/query": _ok([now, str(now)], kind="scalar")}))
    assert found.clock_skew_seconds == pytest.approx(offset, abs=1)
    assert found.version == "3.5.0"

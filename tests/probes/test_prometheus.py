from __future__ import annotations

import datetime as dt
import json
import math
import socket
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from probes import prometheus
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from probes.prometheus import PrometheusTarget, Vector, alerting
from tests.probes import servers
from tests.probes.servers import Behaviour, brought, failed, serving
from tests.tables import cases


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
    "HTML": servers.answer(b"<html>Log in</html>", content_type="text/html"),
    "nothing": servers.answer(b""),
    "half of it": servers.answer(_body([_series("1")])[:-9]),
    "a list": servers.answer(b"[]"),
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
    "a redirect": servers.answer(b"", status="302 Found", headers={"Location": "/login"}),
    "no content": servers.answer(b"", status="204 No Content"),
    "not found": servers.answer(b"404", status="404 Not Found"),
}


@cases("behaviour", UNUSABLE)
def test_what_is_not_exactly_a_good_answer_is_unusable(behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        observed = _instant(server.url)
        assert server.connections == 1
    failed(observed, Kind.UNUSABLE_ANSWER)


STATUSES = {
    "400 Bad Request": (Kind.QUERY_REJECTED, "", "", "correct the query"),
    "401 Unauthorized": (Kind.CREDENTIAL_REFUSED, "", "", "refused the gate's token"),
    "403 Forbidden": (Kind.FORBIDDEN, "", "", "does not permit this"),
    "429 Too Many Requests": (Kind.SERVER_BUSY, "", "", "too busy to answer"),
    "500 Oops": (Kind.SERVER_ERROR, "", "", "failed with status 500"),
    "503 timeout": (Kind.SERVER_BUSY, "timeout", "query timed out in evaluation", "gave"),
    "503 unavailable": (Kind.SERVER_BUSY, "unavailable", "TSDB not ready", "is not ready, or too"),
    "422 memory": (Kind.QUERY_REJECTED, "execution", "load too many samples", "would load"),
    "422 matching": (
        Kind.QUERY_REJECTED,
        "execution",
        "many-to-many matching",
        "correct the query",
    ),
}


@cases("status kind type_ error said", {one: (one, *row) for one, row in STATUSES.items()})
def test_a_status_is_a_failure_at_once_with_a_sentence_for_its_cause(
    status: str, kind: Kind, type_: str, error: str, said: str
) -> None:
    told = {"status": "error", "errorType": type_, "error": error}
    # Even with a body that looks good.
    body = json.dumps(told).encode() if error else _body([])
    behaviour = servers.answer(body, status=status, headers={"Retry-After": "3"})
    with serving(behaviour) as server:
        observed = _instant(server.url)
        assert server.connections == 1
    detail = failed(observed, kind).detail
    assert said in detail
    assert not error or error not in detail
    assert observed.elapsed_seconds < 3  # as the server asks to wait


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
    seen: list[bytes] = []

    def record(connection: socket.socket, over: threading.Event) -> None:
        seen.append(servers.read_request(connection))
        over.wait(0.01)
        body = _body([])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    with serving(record) as server:
        target = PrometheusTarget(server.url + "/prefix/", SecretStr("sentinel-token"))
        observed = prometheus.instant(target, 'sum(up{a="b c"})', deadline=_soon(20))
    assert observed.failure is None
    line, _, headers = seen[0].partition(b"\r\n")
    assert line.startswith(b"GET /prefix/api/v1/query?query=sum%28up%7Ba%3D%22b+c%22%7D%29&")
    assert b"partial_response=false" in line
    assert b"timeout=19." in line
    assert b"Authorization: Bearer sentinel-token" in headers
    assert observed.target == f'{server.url}/prefix sum(up{{a="b c"}})'


_RUNTIME: dict[str, object] = {
    "startTime": "2026-01-31T22:00:00.123456789Z",
    "reloadConfigSuccess": True,
    "corruptionCount": 0,
}
_NOW = dt.datetime.now(dt.UTC).timestamp()


def _instrument(replies: Mapping[str, Behaviour]) -> Behaviour:
    """Answer by path like a Prometheus, except for the given replies."""
    known: dict[str, Behaviour] = {
        "/-/ready": servers.answer(b"Prometheus Server is Ready.\n", content_type="text/plain"),
        "/api/v1/status/runtimeinfo": _status(_RUNTIME),
        "/api/v1/status/buildinfo": _status({"version": "3.5.0"}),
        "/api/v1/query": _ok([_NOW, str(_NOW)], kind="scalar"),
        **replies,
    }

    def behave(connection: socket.socket, over: threading.Event) -> None:
        head = connection.recv(65536, socket.MSG_PEEK)
        known[head.split(b" ")[1].decode().partition("?")[0]](connection, over)

    return behave


def _status(data: object) -> Behaviour:
    return servers.answer(json.dumps({"status": "success", "data": data}).encode())


_NOT_FOUND = servers.answer(b"404 page not found", status="404 Not Found")
_READY, _RUNS, _BUILD = "/-/ready", "/api/v1/status/runtimeinfo", "/api/v1/status/buildinfo"
_NEITHER = {_RUNS: _NOT_FOUND, "/metrics": _NOT_FOUND}
_VICTORIA_METRICS = b"""\
process_start_time_seconds 1770069600
vm_app_version{version="victoria-metrics-20220816-tags-v1.79.2-0-gdeadbeef", short_version="v1.79.2"} 1
vm_app_start_timestamp 1770069600
"""
UNRELIABLE: dict[str, tuple[Mapping[str, Behaviour], str]] = {
    "is not ready": (
        {_READY: servers.answer(b"", status="503 Service Unavailable")},
        "is not ready, or too busy",
    ),
    "hides its start": ({_RUNS: _status({**_RUNTIME, "startTime": None})}, "is not a time"),
    "started at no time": (
        {_RUNS: _status({**_RUNTIME, "startTime": "yesterday"})},
        "startTime is not a time",
    ),
    "counts corruptions in words": (
        {_RUNS: _status({**_RUNTIME, "corruptionCount": "none"})},
        "does not report corruptionCount",
    ),
    "has no version": ({_BUILD: _NOT_FOUND}, "It has no /api/v1/status/buildinfo"),
    "has no time": (
        {"/api/v1/query": _ok([_NOW, "NaN"], kind="scalar")},
        "does not report its time",
    ),
    "is a login page": ({_RUNS: servers.answer(b"<html>", content_type="text/html")}, "HTML"),
    "is Thanos Query, which reports less of itself": (
        {_RUNS: _status({"startTime": _RUNTIME["startTime"]})},
        "This looks like Thanos Query",
    ),
    "is Mimir below a path": (
        {**_NEITHER, _READY: _NOT_FOUND},
        "This answers as Mimir, Cortex and Amazon Managed Prometheus do",
    ),
    "is VictoriaMetrics whose metrics are hidden": (_NEITHER, "hides its /metrics"),
    "is behind a proxy": ({_READY: _NOT_FOUND}, "does a proxy hide /-/ready?"),
    "is no such server at all": ({**_NEITHER, _BUILD: _NOT_FOUND}, f"It has no {_BUILD}"),
}


@cases("replies said", UNRELIABLE)
def test_an_instrument_that_cannot_be_relied_on_is_a_failure(
    replies: Mapping[str, Behaviour], said: str
) -> None:
    with serving(_instrument(replies)) as server:
        observed = prometheus.instrument(PrometheusTarget(server.url), deadline=_soon())
    kind = Kind.SERVER_BUSY if "busy" in said else Kind.UNUSABLE_ANSWER
    assert said in failed(observed, kind).detail


STATES = {
    "fine": (b"", True),
    "with a configuration that it could not load": (
        b"vm_promscrape_config_last_reload_successful 0\n",
        False,
    ),
}


@cases("more reloaded", STATES)
def test_victoria_metrics_tells_its_state_in_its_metrics(more: bytes, *, reloaded: bool) -> None:
    metrics = servers.answer(_VICTORIA_METRICS + more, content_type="text/plain")
    replies = {**_NEITHER, "/metrics": metrics, _BUILD: _status({})}
    with serving(_instrument(replies)) as server:
        told = brought(prometheus.instrument(PrometheusTarget(server.url), deadline=_soon()))
    assert (told.product, told.version) == ("VictoriaMetrics", "v1.79.2")
    assert told.started_at == dt.datetime(2026, 2, 2, 22, 0, tzinfo=dt.UTC)
    assert told.config_reload_succeeded is reloaded


@pytest.mark.parametrize("offset", [-90.0, 0.0, 3600.0])
def test_the_skew_of_clocks_is_measured(offset: float) -> None:
    now = dt.datetime.now(dt.UTC).timestamp() + offset
    replies = {"/api/v1/query": _ok([now, str(now)], kind="scalar")}
    with serving(_instrument(replies)) as server:
        observed = prometheus.instrument(PrometheusTarget(server.url), deadline=_soon())
    found = brought(observed)
    assert found.clock_skew_seconds == pytest.approx(offset, abs=1)
    assert found.version == "3.5.0"

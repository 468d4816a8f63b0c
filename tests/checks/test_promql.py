from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess

import pytest

from checks import promql
from sandbox import binaries
from sandbox.errors import SandboxError

API = {"job": "api", "region": "eu"}


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({}, "up{}"),
        ({"b": "2", "a": "1"}, 'up{a="1",b="2"}'),
        ({"path": 'say "hi"'}, r'up{path="say \"hi\""}'),
        ({"path": "C:\\temp"}, r'up{path="C:\\temp"}'),
        ({"path": '\\"'}, r'up{path="\\\""}'),
        ({"path": "two\nlines"}, r'up{path="two\nlines"}'),
        ({"path": 'x"} or vector(0) or up{a="'}, r'up{path="x\"} or vector(0) or up{a=\""}'),
    ],
    ids=str,
)
def test_a_selector_quotes_its_values(labels: dict[str, str], text: str) -> None:
    assert promql.selector("up", labels) == text


@pytest.mark.parametrize(
    ("bound", "matcher"),
    [
        (0.5, r'le=~"0\\.5"'),
        (1, r'le=~"1(\\.0+)?"'),
        (1.0, r'le=~"1(\\.0+)?"'),
        (10, r'le=~"10(\\.0+)?"'),
        (0.0025, r'le=~"0\\.0025"'),
        (0.12345678, r'le=~"0\\.12345678"'),
        (2.5e-05, r'le=~"2\\.5e\\-05"'),
    ],
)
def test_a_bound_is_matched_in_every_way_that_prometheus_writes_it(
    bound: float, matcher: str
) -> None:
    assert matcher in promql.latency("d", API, bound, 300).bad


def test_latency_counts_the_events_that_were_not_below_the_bound() -> None:
    queries = promql.latency("d", {"job": "api"}, 0.2, 300)
    assert queries.total == 'sum(increase(d_count{job="api"}[300000ms]))'
    good = r'sum(increase(d_bucket{job="api",le=~"0\\.2"}[300000ms]))'
    assert queries.bad == f"{queries.total} - {good}"


def test_no_bad_event_is_zero_only_where_events_are_counted() -> None:
    queries = promql.errors("r", {"job": "api"}, "status", "5..", 300)
    assert queries.total == 'sum(increase(r{job="api"}[300000ms]))'
    bad = 'sum(increase(r{job="api",status=~"5.."}[300000ms]))'
    assert queries.bad == f"({bad} or 0 * {queries.total})"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(300, "[300000ms]"), (0.2, "[200ms]"), (0, "[1ms]"), (19.9996, "[20000ms]")],
)
def test_a_range_is_in_milliseconds_and_never_empty(seconds: float, text: str) -> None:
    assert text in promql.errors("r", {}, "status", "5..", seconds).total


def test_a_quantile_keeps_le_and_rates_first() -> None:
    assert promql.quantile("d", {"job": "api"}, 0.95, 60) == (
        'histogram_quantile(0.95, sum by (le) (rate(d_bucket{job="api"}[60000ms])))'
    )


# --- the same texts, evaluated by a real Prometheus ------------------------------------------------

SCRAPE = "15s"
MINUTES = 5
SECONDS = 60 * MINUTES


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """Series as promtool writes them, a query, and about how many events it counts."""

    series: dict[str, str]
    query: str
    events: float | None
    """None: the query finds nothing, which is not zero."""


def errors(**labels: str) -> promql.CountQueries:
    return promql.errors("requests", {"job": "api", **labels}, "status", "5..", SECONDS)


def latency(over_seconds: float) -> promql.CountQueries:
    return promql.latency("took", {"job": "api"}, over_seconds, SECONDS)


def requests(status: str, values: str, **labels: str) -> dict[str, str]:
    described = {"job": "api", "status": status, **labels}
    inside = ",".join(f"{name}={json.dumps(value)}" for name, value in described.items())
    return {f"requests{{{inside}}}": values}


def took(values: dict[str, str], count: str) -> dict[str, str]:
    buckets = {f'took_bucket{{job="api",le="{le}"}}': told for le, told in values.items()}
    return {**buckets, 'took_count{job="api"}': count}


TEN, ONE, STEADY = "0+10x40", "0+1x40", "7x40"
RESET = "0+10x10 0+10x30"
EVALUATED = {
    "bad events are counted": Evaluated(
        requests("200", TEN) | requests("503", ONE), errors().bad, 20
    ),
    "all events are counted": Evaluated(
        requests("200", TEN) | requests("503", ONE), errors().total, 220
    ),
    "no error series yet is zero": Evaluated(requests("200", TEN), errors().bad, 0),
    "an error series that stands still is zero": Evaluated(
        requests("200", TEN) | requests("500", STEADY), errors().bad, 0
    ),
    "no traffic is zero events": Evaluated(requests("200", STEADY), errors().total, 0),
    "a missing metric is nothing, and nothing is not zero": Evaluated(
        requests("200", TEN), promql.errors("renamed", {}, "status", "5..", SECONDS).bad, None
    ),
    "a region without series is nothing": Evaluated(
        requests("200", TEN, region="eu"), errors(region="us").bad, None
    ),
    "one sample is nothing": Evaluated(requests("200", "_x19 5 _x20"), errors().total, None),
    "a status that only contains 5.. is no error": Evaluated(
        requests("200", TEN) | requests("1500", TEN), errors().bad, 0
    ),
    "a counter reset in mid-window loses no event": Evaluated(
        requests("200", RESET), errors().total, 200
    ),
    "the restart of one instance of two is seen": Evaluated(
        requests("200", RESET, instance="a") | requests("200", "0+100x40", instance="b"),
        errors().total,
        2200,
    ),
    "a label with quotes and backslashes selects its series": Evaluated(
        requests("503", TEN, path='a"b\\c') | requests("503", TEN, path="other"),
        errors(path='a"b\\c').bad,
        200,
    ),
    "events over half a second": Evaluated(
        took({"0.2": ONE, "0.5": "0+9x40", "+Inf": TEN}, TEN), latency(0.5).bad, 20
    ),
    "a whole bound as 1": Evaluated(
        took({"0.5": ONE, "1": "0+9x40", "10": TEN, "+Inf": TEN}, TEN), latency(1).bad, 20
    ),
    "a whole bound as 1.0": Evaluated(
        took({"0.5": ONE, "1.0": "0+9x40", "10.0": TEN, "+Inf": TEN}, TEN), latency(1).bad, 20
    ),
    "0x5 is not the bound 0.5": Evaluated(
        took({"0x5": TEN, "+Inf": TEN}, TEN), latency(0.5).bad, None
    ),
    "a quantile is interpolated inside its bucket": Evaluated(
        took({"0.1": "0+9x40", "0.25": TEN, "+Inf": TEN}, TEN),
        promql.quantile("took", {"job": "api"}, 0.95, SECONDS),
        0.175,
    ),
    "a quantile beyond the highest bound is that bound": Evaluated(
        took({"0.1": ONE, "0.25": ONE, "+Inf": TEN}, TEN),
        promql.quantile("took", {"job": "api"}, 0.95, SECONDS),
        0.25,
    ),
    "a bound that the histogram lacks is nothing, and nothing is not zero": Evaluated(
        took({"0.2": TEN, "+Inf": TEN}, TEN), latency(0.5).bad, None
    ),
}


@pytest.fixture(scope="module")
def promtool() -> binaries.Binary:
    try:
        return binaries.find_promtool(print)
    except SandboxError as exc:
        pytest.skip(f"needs promtool: {exc}")


def wanted(case: Evaluated) -> dict[str, object]:
    """Return promtool's test; versions extrapolate to a window's edges a little differently."""
    samples = [] if case.events is None else [{"labels": "{}", "value": 1}]
    near = case.events or 0
    return {
        "expr": f"abs(({case.query}) - {near}) <= bool {near * 0.06}",
        "eval_time": f"{MINUTES}m",
        "exp_samples": samples,
    }


@pytest.mark.parametrize("case", EVALUATED.values(), ids=EVALUATED)
def test_prometheus_evaluates_it_so(
    tmp_path: pathlib.Path, promtool: binaries.Binary, case: Evaluated
) -> None:
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    group = {"interval": SCRAPE, "input_series": series, "promql_expr_test": [wanted(case)]}
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps({"rule_files": [], "tests": [group]}))
    done = subprocess.run(
        [promtool.path, "test", "rules", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **promtool.environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_bounds_are_those_of_recent_scrapes_and_not_of_five_minutes_ago() -> None:
    assert promql.bounds("took", {"job": "api"}, 3) == (
        'count by (le) (present_over_time(took_bucket{job="api"}[3000ms]))'
    )

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest

from sandbox.core import SandboxError, binaries
from steps.objectives import promql
from tests.gates.decide import promtool as oracle
from tests.golden import Said
from tests.tables import cases

API = {"job": "api", "region": "eu"}


MATCH = 'route!~"/metrics|/health.*"'


QUERIES = {
    "no label": promql.selector("up", {}),
    "two labels": promql.selector("up", {"b": "2", "a": "1"}),
    "quotes": promql.selector("up", {"path": 'say "hi"'}),
    "a backslash": promql.selector("up", {"path": "C:\\temp"}),
    "both": promql.selector("up", {"path": '\\"'}),
    "two lines": promql.selector("up", {"path": "two\nlines"}),
    "an attempt to ask for more": promql.selector("up", {"path": 'x"} or vector(0) or up{a="'}),
    "another matcher": promql.selector("up", {"job": "api"}, MATCH),
    **{
        f"the bound {bound}": promql.histogram("d", API, [bound])
        for bound in (0.5, 1.0, 10, 0.0025, 0.12345678, 2.5e-05)
    },
    **{f"{seconds} s": promql.samples("up", seconds) for seconds in (300, 0.2, 0, 19.9996)},
    "a quantile": promql.quantile("d", {"job": "api"}, 0.95, 60),
    "the bounds of a histogram": promql.bounds("took", {"job": "api"}, 3),
}


@cases("query", QUERIES)
def test_a_query_is_this_text(query: str, said: Said) -> None:
    """Values are quoted, each spelling of a bound is matched, ranges are whole and never empty."""
    said(query)


# --- the same texts, evaluated by a real Prometheus ------------------------------------------------

SCRAPE = "15s"
MINUTES = 5
SECONDS = 60 * MINUTES


def requests(status: str, values: str, **labels: str) -> dict[str, str]:
    described = {"job": "api", "status": status, **labels}
    inside = ",".join(f"{name}={json.dumps(value)}" for name, value in described.items())
    return {f"requests{{{inside}}}": values}


def read(*bounds: float) -> str:
    """Return the query for how many series of the histogram are read."""
    return promql.series_count(promql.histogram("took", {"job": "api"}, bounds), SECONDS)


def took(values: dict[str, str], count: str) -> dict[str, str]:
    buckets = {f'took_bucket{{job="api",le="{le}"}}': told for le, told in values.items()}
    return {**buckets, 'took_count{job="api"}': count}


TEN, ONE = "0+10x40", "0+1x40"
EVALUATED: dict[str, tuple[dict[str, str], str, float | None]] = {
    # Series as promtool writes them, a query, and about how many events it counts; None: it finds
    # nothing, which is not zero.
    "a label with quotes and backslashes selects its series": (
        requests("503", TEN, path='a"b\\c') | requests("503", TEN, path="other"),
        promql.series_count(promql.selector("requests", {"path": 'a"b\\c'}), SECONDS),
        1,
    ),
    "a metric that is not there is nothing, and nothing is not zero": (
        requests("200", TEN),
        promql.series_count(promql.selector("renamed", {}), SECONDS),
        None,
    ),
    "of a histogram the bound, +Inf and the count are read": (
        took({"0.2": ONE, "0.5": TEN, "+Inf": TEN}, TEN),
        read(0.5),
        3,
    ),
    "a whole bound as 1": (took({"0.5": ONE, "1": TEN, "10": TEN, "+Inf": TEN}, TEN), read(1), 3),
    "a whole bound as 1.0": (
        took({"0.5": ONE, "1.0": TEN, "10.0": TEN, "+Inf": TEN}, TEN),
        read(1),
        3,
    ),
    "0x5 is not the bound 0.5": (took({"0x5": TEN, "+Inf": TEN}, TEN), read(0.5), 2),
    "the last value before the range": (
        requests("200", "0+10x4 _x40"),
        f"sum({promql.before(promql.selector('requests', {}), 3600, SECONDS / 2)})",
        40,
    ),
    "a quantile is interpolated inside its bucket": (
        took({"0.1": "0+9x40", "0.25": TEN, "+Inf": TEN}, TEN),
        promql.quantile("took", {"job": "api"}, 0.95, SECONDS),
        0.175,
    ),
    "a quantile beyond the highest bound is that bound": (
        took({"0.1": ONE, "0.25": ONE, "+Inf": TEN}, TEN),
        promql.quantile("took", {"job": "api"}, 0.95, SECONDS),
        0.25,
    ),
}


@pytest.fixture(scope="module")
def promtool() -> binaries.Binary:
    try:
        return oracle.find()
    except SandboxError as exc:
        pytest.skip(f"needs promtool: {exc}")


def wanted(query: str, events: float | None) -> dict[str, object]:
    """Return promtool's test; versions extrapolate to a window's edges a little differently."""
    samples = [] if events is None else [{"labels": "{}", "value": 1}]
    near = events or 0
    return {
        "expr": f"abs(({query}) - {near}) <= bool {near * 0.06}",
        "eval_time": f"{MINUTES}m",
        "exp_samples": samples,
    }


@cases("series query events", EVALUATED)
def test_prometheus_evaluates_it_so(
    tmp_path: pathlib.Path,
    promtool: binaries.Binary,
    series: dict[str, str],
    query: str,
    events: float | None,
) -> None:
    told = [{"series": name, "values": values} for name, values in series.items()]
    tests = [wanted(query, events)]
    group = {"interval": SCRAPE, "input_series": told, "promql_expr_test": tests}
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

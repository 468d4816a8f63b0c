from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess

import pytest

from sandbox.core import binaries
from sandbox.core.errors import SandboxError
from steps.objectives import promql

API = {"job": "api", "region": "eu"}


MATCH = 'route!~"/metrics|/health.*"'


def histogram_of(bound: float, matcher: str) -> tuple[str, str]:
    both = f'__name__=~"d_(bucket|count)",le=~"{matcher}|\\\\+Inf|"'
    return promql.histogram("d", API, [bound]), f'{{job="api",region="eu",{both}}}'


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (promql.selector("up", {}), "up{}"),
        (promql.selector("up", {"b": "2", "a": "1"}), 'up{a="1",b="2"}'),
        (promql.selector("up", {"path": 'say "hi"'}), r'up{path="say \"hi\""}'),
        (promql.selector("up", {"path": "C:\\temp"}), r'up{path="C:\\temp"}'),
        (promql.selector("up", {"path": '\\"'}), r'up{path="\\\""}'),
        (promql.selector("up", {"path": "two\nlines"}), r'up{path="two\nlines"}'),
        (
            promql.selector("up", {"path": 'x"} or vector(0) or up{a="'}),
            r'up{path="x\"} or vector(0) or up{a=\""}',
        ),
        (promql.selector("up", {"job": "api"}, MATCH), f'up{{job="api",{MATCH}}}'),
        histogram_of(0.5, r"0\\.5"),
        histogram_of(1.0, r"1(\\.0+)?"),
        histogram_of(10, r"10(\\.0+)?"),
        histogram_of(0.0025, r"0\\.0025"),
        histogram_of(0.12345678, r"0\\.12345678"),
        histogram_of(2.5e-05, r"2\\.5e\\-05"),
        (promql.samples("up", 300), "up[300000ms]"),
        (promql.samples("up", 0.2), "up[200ms]"),
        (promql.samples("up", 0), "up[1ms]"),
        (promql.samples("up", 19.9996), "up[20000ms]"),
        (
            promql.quantile("d", {"job": "api"}, 0.95, 60),
            'histogram_quantile(0.95, sum by (le) (rate(d_bucket{job="api"}[60000ms])))',
        ),
        (
            promql.bounds("took", {"job": "api"}, 3),
            'count by (le) (present_over_time(took_bucket{job="api"}[3000ms]))',
        ),
    ],
    ids=str,
)
def test_a_query_is_this_text(query: str, text: str) -> None:
    """Values are quoted, each spelling of a bound is matched, ranges are whole and never empty."""
    assert query == text


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
EVALUATED = {
    "a label with quotes and backslashes selects its series": Evaluated(
        requests("503", TEN, path='a"b\\c') | requests("503", TEN, path="other"),
        promql.series_count(promql.selector("requests", {"path": 'a"b\\c'}), SECONDS),
        1,
    ),
    "a metric that is not there is nothing, and nothing is not zero": Evaluated(
        requests("200", TEN), promql.series_count(promql.selector("renamed", {}), SECONDS), None
    ),
    "of a histogram the bound, +Inf and the count are read": Evaluated(
        took({"0.2": ONE, "0.5": TEN, "+Inf": TEN}, TEN), read(0.5), 3
    ),
    "a whole bound as 1": Evaluated(
        took({"0.5": ONE, "1": TEN, "10": TEN, "+Inf": TEN}, TEN), read(1), 3
    ),
    "a whole bound as 1.0": Evaluated(
        took({"0.5": ONE, "1.0": TEN, "10.0": TEN, "+Inf": TEN}, TEN), read(1), 3
    ),
    "0x5 is not the bound 0.5": Evaluated(took({"0x5": TEN, "+Inf": TEN}, TEN), read(0.5), 2),
    "the last value before the range": Evaluated(
        requests("200", "0+10x4 _x40"),
        f"sum({promql.before(promql.selector('requests', {}), 3600, SECONDS / 2)})",
        40,
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

"""The policy of load runs as it is loaded: what could never pass or never fail is refused."""

from __future__ import annotations

import pathlib
import re
import shutil

import pytest

from environments.yaml_file import ConfigurationError
from gates.load import POLICY, load_policy
from tests.tables import cases

LOAD = (POLICY / "load.yaml").read_text(encoding="utf-8")
# What it is | what stands in the file | what stands there instead, and below it what is said of it.
REFUSED = r"""
a budget of nothing | budget: 1% | budget: 0%
    .objectives.1.target: budget 0% can never pass: no number of events proves it; raise it.
a budget of everything | budget: 1% | budget: 100%
    .objectives.1.target: budget 100% can never fail: every event may be bad; lower it.
latency without a threshold | over_seconds: 0.5, budget | budget
    .objectives.1: target.over_seconds is missing; add it.
a threshold beyond all counting | over_seconds: 0.5 | over_seconds: 1000
    .objectives.1.target: over_seconds 1000 hardly ever fails: callers give up before; at most 60.
a threshold that is not a number | over_seconds: 0.5 | over_seconds: .nan
    .objectives.1.target.over_seconds = nan: must be more than 0.
errors with a threshold | target: {budget: 0.1%} | target: {budget: 0.1%, over_seconds: 1}
    .objectives.2: target.over_seconds belongs to latency objectives; remove it.
no pattern | kind: errors | kind: errors\n      endpoint: 'a('
    .objectives.2: endpoint is not a regular expression; write it like "GET /bookings.*".
errors of one endpoint only | kind: errors | kind: errors\n      endpoint: login
    : objectives has none of kind errors over all requests, so a run of quick errors would pass; \
add one without endpoint.
latency of one endpoint only | kind: latency | kind: latency\n      endpoint: login
    : objectives has none of kind latency over all requests, so a run of slow answers would pass; \
add one without endpoint.
a title twice | p99 response time under 500 ms | p95 response time under 200 ms
    : two objectives are called “p95 response time under 200 ms”; rename one.
no rate at all | rate: 99.5% | rate: 0%
    .generator.rate = 0%: must be at least 0.9.
more than everything | rate: 99.5% | rate: 101%
    .generator.rate = 101%: must be at most 1.
a strict second | second: 95% | second: 99.9%
    .generator: second 99.9% is stricter than rate 99.5%: each second holds more chance than all of \
them; lower it.
nothing may be late | late: 0.1% | late: 0%
    .generator: late 0% can never pass: nothing is below it; raise it.
everything may be late | late: 0.1% | late: 100%
    .generator.late = 100%: must be at most 0.1.
a lag beyond use | lag_p99: 5ms | lag_p99: 2s
    .generator.lag_p99 = 2s: must be at most 1.
a lag without unit | lag_p99: 5ms | lag_p99: 5
    .generator.lag_p99 = 5: must be a duration with its unit, such as 30s, 5m or 1h.
more than a core | worker_cpu: 80% | worker_cpu: 120%
    .generator.worker_cpu = 120%: must be at most 0.95.
a limit left out | worker_cpu: | cpu:
    .generator.worker_cpu: is missing; add it.
""".replace("\\\n", "").replace(r"\n", "\n")
ROWS = re.findall(r"^(\w.*?) \| (.*?) \| (.*(?:\n      .*)?)\n    (\S.*)$", REFUSED, re.MULTILINE)


@cases("old new sentence", {name: (old, new, said) for name, old, new, said in ROWS})
def test_a_load_policy_that_could_not_be_trusted(
    old: str, new: str, sentence: str, tmp_path: pathlib.Path
) -> None:
    assert old in LOAD
    for file in POLICY.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    # What is said of all latency objectives takes all of them.
    count = -1 if "latency" in new else 1
    (tmp_path / "load.yaml").write_text(LOAD.replace(old, new, count), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_policy(tmp_path)
    assert caught.value.sentences[0] == f"{tmp_path}/load.yaml: load{sentence}"


def test_the_committed_policy_has_the_runbooks_targets() -> None:
    policy = load_policy().load
    assert policy is not None
    found = [(one.kind, one.target.over_seconds, one.target.budget) for one in policy.objectives]
    assert found == [("latency", 0.2, 0.05), ("latency", 0.5, 0.01), ("errors", None, 0.001)]
    assert policy.thresholds_seconds == (0.2, 0.5)

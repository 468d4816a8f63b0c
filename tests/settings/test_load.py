"""The policy of load runs as it is loaded: what could never pass or never fail is refused."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from environments.yaml_file import ConfigurationError
from gates.load import POLICY, load_policy

LOAD = (POLICY / "load.yaml").read_text(encoding="utf-8")
ERRORS = """    - title: Error rate under 0.1 %
      kind: errors
      target: {budget: 0.1%}
"""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        pytest.param(
            "budget: 1%",
            "budget: 0%",
            "load.objectives.1.target: budget 0% can never pass: "
            "no number of events proves it; raise it.",
            id="a budget of nothing",
        ),
        pytest.param(
            "budget: 1%",
            "budget: 100%",
            "load.objectives.1.target: budget 100% can never "
            "fail: every event may be bad; lower it.",
            id="a budget of everything",
        ),
        pytest.param(
            "over_seconds: 0.5, ",
            "",
            "load.objectives.1: target.over_seconds is missing; add it.",
            id="latency without a threshold",
        ),
        pytest.param(
            "over_seconds: 0.5",
            "over_seconds: 1000",
            "load.objectives.1.target: over_seconds 1000 hardly ever fails: callers give up before; at "
            "most 60.",
            id="a threshold beyond all counting",
        ),
        pytest.param(
            "over_seconds: 0.5",
            "over_seconds: .nan",
            "load.objectives.1.target.over_seconds = nan: must be more than 0.",
            id="a threshold that is no number",
        ),
        pytest.param(
            "target: {budget: 0.1%}",
            "target: {budget: 0.1%, over_seconds: 1}",
            "load.objectives.2: target.over_seconds belongs to latency objectives; remove it.",
            id="errors with a threshold",
        ),
        pytest.param(
            "kind: errors",
            "kind: errors\n      endpoint: 'a('",
            "load.objectives.2: endpoint "
            'is no regular expression; write it like "GET /bookings.*".',
            id="no pattern",
        ),
        pytest.param(
            "kind: errors",
            "kind: errors\n      endpoint: login",
            "load: objectives has none of "
            "kind errors over all requests, so a run of quick errors would pass; add one "
            "without endpoint.",
            id="errors of one endpoint only",
        ),
        pytest.param(
            ERRORS,
            "",
            "load: objectives has none of kind errors over all requests, so a run "
            "of quick errors would pass; add one without endpoint.",
            id="no errors",
        ),
        pytest.param(
            "p99 response time under 500 ms",
            "p95 response time under 200 ms",
            "load: two objectives are called “p95 response time under 200 ms”; rename one.",
            id="a title twice",
        ),
        pytest.param(
            "rate: 99.5%",
            "rate: 0%",
            "load.generator.rate = 0%: must be at least 0.9.",
            id="no rate at all",
        ),
        pytest.param(
            "rate: 99.5%",
            "rate: 101%",
            "load.generator.rate = 101%: must be at most 1.",
            id="more than everything",
        ),
        pytest.param(
            "second: 95%",
            "second: 99.9%",
            "load.generator: second 99.9% is stricter than rate "
            "99.5%: each second holds more chance than all of them; lower it.",
            id="a strict second",
        ),
        pytest.param(
            "late: 0.1%",
            "late: 0%",
            "load.generator: late 0% can never pass: nothing is below it; raise it.",
            id="nothing may be late",
        ),
        pytest.param(
            "late: 0.1%",
            "late: 100%",
            "load.generator.late = 100%: must be at most 0.1.",
            id="everything may be late",
        ),
        pytest.param(
            "lag_p99: 5ms",
            "lag_p99: 2s",
            "load.generator.lag_p99 = 2s: must be at most 1.",
            id="a lag beyond use",
        ),
        pytest.param(
            "lag_p99: 5ms",
            "lag_p99: 5",
            "load.generator.lag_p99 = 5: must be a duration with its unit, such as 30s, 5m or 1h.",
            id="a lag without unit",
        ),
        pytest.param(
            "worker_cpu: 80%",
            "worker_cpu: 120%",
            "load.generator.worker_cpu = 120%: must be at most 0.95.",
            id="more than a core",
        ),
        pytest.param(
            "worker_cpu:",
            "cpu:",
            "load.generator.worker_cpu: is missing; add it.",
            id="a limit left out",
        ),
    ],
)
def test_a_load_policy_that_could_not_be_trusted(
    old: str, new: str, sentence: str, tmp_path: pathlib.Path
) -> None:
    assert old in LOAD
    for file in POLICY.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    (tmp_path / "load.yaml").write_text(LOAD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_policy(tmp_path)
    assert caught.value.sentences[0] == f"{tmp_path}/load.yaml: {sentence}"


def test_the_committed_policy_has_the_runbooks_targets() -> None:
    policy = load_policy().load
    assert policy is not None
    assert [
        (one.kind, one.target.over_seconds, one.target.budget) for one in policy.objectives
    ] == [
        ("latency", 0.2, 0.05),
        ("latency", 0.5, 0.01),
        ("errors", None, 0.001),
    ]
    assert policy.thresholds_seconds == (0.2, 0.5)

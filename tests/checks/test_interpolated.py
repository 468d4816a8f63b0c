"""An interpolated objective, measured: a platform whose histogram has no bound at the target."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from checks.check import Check
from checks.objectives import Objectives
from checks.platform import Platform
from checks.traffic import TrafficLease
from environments.loader import load_file
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.quantile import RULE
from gates.decide.release import Release
from gates.load import load_policy
from probes.observation import Deadline
from tests.checks.platforms import a_platform, a_policy
from tests.checks.scripted_prometheus import (
    ONE,
    Labelled,
    ScriptedPrometheus,
    scripted_prometheus,
)
from tests.gates.decide.values import a_quantile_objective
from tests.sandbox.platforms import Sandbox

Answers = dict[str, tuple[Labelled, ...]]
SECTION = {"job": "api", "scrape_interval": "100ms"}
METRICS = {"request_duration": {"name": "took"}}
HISTOGRAM = tuple(({"le": le}, "1") for le in ("0.1", "0.2", "0.5", "1", "+Inf"))


@pytest.fixture
def server() -> Iterator[ScriptedPrometheus]:
    with scripted_prometheus() as serving:
        yield serving


def told(over_lower: str, over_upper: str, total: str, shown: str) -> Answers:
    """Return what Prometheus answers, the more special queries first."""
    return {
        "== 1": ONE,
        "timestamp(": (({}, "0.05"),),
        "by (le) (present_over_time(took": HISTOGRAM,
        "histogram_quantile(0.95": (({}, shown),) if shown else (),
        r'le=~"0\\.2"': (({}, over_lower),) if over_lower else (),
        r'le=~"0\\.5"': (({}, over_upper),) if over_upper else (),
        "sum(increase(took_count": (({}, total),),
    }


def judged(folder: pathlib.Path, server: ScriptedPrometheus) -> Judgement:
    objective = a_quantile_objective(
        check="IV-X-1", rollback=None, look_back="1s", wait_for_samples="1s"
    )
    platform = a_platform(
        folder,
        {"eu": "http://eu"},
        prometheus_at=server.url,
        prometheus=SECTION,
        metrics=METRICS,
        policy=a_policy().model_copy(update={"objectives": (objective,)}),
    )
    check = Check("IV-X-1", ("eu",))
    Objectives(platform, TrafficLease(None)).judge(check)
    (judgement,) = check.noted()["eu"].judgements
    return judgement


@pytest.mark.parametrize(
    ("answers", "outcome", "says"),
    [
        (told("30", "10", "1000", "0.19"), "PASS", "its whole bucket below 300 ms"),
        (told("100", "70", "1000", "0.7"), "FAIL", "its whole bucket above 300 ms"),
        (told("100", "20", "1000", "0.39"), "INCONCLUSIVE", "under 200 ms or over 500 ms would"),
        (told("0", "0", "58", "0.1"), "INCONCLUSIVE", "59 events would prove 5 %, 1 are missing"),
        (told("0", "0", "0", "NaN"), "INCONCLUSIVE", "no events proves nothing yet"),
        (told("30", "10", "1000", "NaN"), "INCONCLUSIVE", "the quantile is no finite number"),
        (told("30", "10", "1000", ""), "INCONCLUSIVE", "the quantile is no finite number"),
        (told("30", "", "1000", "0.19"), "INCONCLUSIVE", "its bad ones can't be counted"),
        (told("30", "10", "NaN", "0.19"), "INCONCLUSIVE", "no finite number"),
    ],
    ids=[
        "the whole bucket below",
        "the whole bucket above",
        "the target in the quantile's bucket",
        "one event too few",
        "no events",
        "no quantile",
        "an empty quantile",
        "a bound that counts nothing",
        "a total that is NaN",
    ],
)
def test_a_whole_bucket_decides_and_nothing_else(
    tmp_path: pathlib.Path,
    server: ScriptedPrometheus,
    answers: Answers,
    outcome: str,
    says: str,
) -> None:
    server.answers = answers
    judgement = judged(tmp_path, server)
    assert judgement.outcome == outcome
    assert says in judgement.sentence


def test_what_was_asked_and_found_is_in_the_evidence(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    server.answers = told("30", "10", "1000", "0.19")
    judgement = judged(tmp_path, server)
    assert (judgement.rule, judgement.observed, judgement.target) == (RULE, 0.19, 0.3)
    assert list(judgement.data["queries"]) == ["over 200 ms", "over 500 ms", "all", "quantile"]
    assert judgement.data["queries"]["quantile"].startswith("histogram_quantile(0.95, sum by (le)")
    assert judgement.data["interpolated"] is True


def test_a_prometheus_that_is_away_is_an_error(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    server.ready = 503
    assert judged(tmp_path, server).outcome is Outcome.ERROR


def test_other_bounds_than_declared_decide_nothing(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    server.answers = {
        **told("30", "10", "1000", "0.19"),
        "by (le) (present_over_time(took": HISTOGRAM[1:],
    }
    judgement = judged(tmp_path, server)
    assert judgement.outcome is Outcome.INCONCLUSIVE
    assert "other bucket bounds" in judgement.sentence


def test_a_real_prometheus_interpolates_and_its_counts_prove_it(platform: Sandbox) -> None:
    policy = load_policy()
    counted = policy.objective("IV-PERF-1")
    objective = a_quantile_objective(
        bucket_bounds=counted.bucket_bounds,
        target={"quantile": 0.95, "target_seconds": 0.6},
        rollback=None,
    )
    environment = load_file(platform.state.environment)
    measured = Platform(
        environment=environment,
        policy=policy.model_copy(update={"objectives": (objective,)}),
        release=Release.parse("v1.2.0"),
        regions=("eu",),
        switched_at=environment.settings.traffic.switched_at,
        deadline=Deadline.after(60),
        run_id="20260131T220000Z-test-abc123",
    )
    check = Check("IV-PERF-1", ("eu",))
    Objectives(measured, TrafficLease(environment.settings.traffic.lease)).judge(check)
    (judgement,) = check.noted()["eu"].judgements
    assert judgement.outcome is Outcome.PASS, judgement.sentence
    assert judgement.data["samples"] >= 59
    assert isinstance(judgement.observed, float)
    assert 0 < judgement.observed <= 0.5

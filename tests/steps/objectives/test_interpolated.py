"""An interpolated objective, measured: a platform whose histogram has no bound at the target."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import pytest

from environments.loader import load_file
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.quantile import RULE
from gates.decide.release import Release
from gates.load import load_policy
from probes.observation import Deadline
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.kit.traffic import TrafficLease
from steps.objectives.objectives import Objectives
from tests.gates.decide.values import a_quantile_objective
from tests.sandbox.platforms import Sandbox
from tests.steps.platforms import a_platform, a_policy
from tests.steps.scripted_prometheus import (
    ONE,
    TARGET,
    ScriptedPrometheus,
    scripted_prometheus,
)

SECTION = {"job": "api", "scrape_interval": "100ms"}
METRICS = {"request_duration": {"name": "took"}}
HISTOGRAM = tuple(({"le": le}, "1") for le in ("0.1", "0.2", "0.5", "1", "+Inf"))


@pytest.fixture
def server() -> Iterator[ScriptedPrometheus]:
    with scripted_prometheus() as serving:
        yield serving


@dataclasses.dataclass(frozen=True)
class Told:
    """What Prometheus answers: events in the last second over both bounds, all, and the quantile."""

    over_lower: int
    over_upper: int
    total: int
    shown: str

    def by(self, server: ScriptedPrometheus) -> None:
        """Let a server say so."""
        server.answers = {
            "count(present_over_time": ONE,
            "by (le) (present_over_time(took": HISTOGRAM,
            "histogram_quantile(0.95": (({}, self.shown),) if self.shown else (),
        }
        growing = {
            "0.2": self.total - self.over_lower,
            "0.5": self.total - self.over_upper,
            "+Inf": self.total,
        }
        buckets = tuple(
            ({**TARGET, "le": le}, counter(each_second)) for le, each_second in growing.items()
        )
        server.samples = {"took_(bucket|count)": (*buckets, (TARGET, counter(self.total)))}


def counter(each_second: int) -> Callable[[float], str]:
    """Return a counter that has grown by so much every second."""
    return lambda ago: str(1_000_000 - round(each_second * ago))


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
    ("told", "outcome", "says"),
    [
        (Told(30, 10, 1000, "0.19"), "PASS", "its whole bucket below 300 ms"),
        (Told(100, 70, 1000, "0.7"), "FAIL", "its whole bucket above 300 ms"),
        (Told(100, 20, 1000, "0.39"), "INCONCLUSIVE", "under 200 ms or over 500 ms would"),
        (Told(0, 0, 58, "0.1"), "INCONCLUSIVE", "59 events would prove 5 %, 1 are missing"),
        (Told(0, 0, 0, "NaN"), "INCONCLUSIVE", "no events proves nothing yet"),
        (Told(30, 10, 1000, "NaN"), "INCONCLUSIVE", "the quantile is no finite number"),
        (Told(30, 10, 1000, ""), "INCONCLUSIVE", "the quantile is no finite number"),
    ],
    ids=[
        "the whole bucket below",
        "the whole bucket above",
        "the target in the quantile's bucket",
        "one event too few",
        "no events",
        "no quantile",
        "an empty quantile",
    ],
)
def test_a_whole_bucket_decides_and_nothing_else(
    tmp_path: pathlib.Path,
    server: ScriptedPrometheus,
    told: Told,
    outcome: str,
    says: str,
) -> None:
    told.by(server)
    judgement = judged(tmp_path, server)
    assert judgement.outcome == outcome
    assert says in judgement.sentence


def test_what_was_asked_and_found_is_in_the_evidence(
    tmp_path: pathlib.Path, server: ScriptedPrometheus
) -> None:
    Told(30, 10, 1000, "0.19").by(server)
    judgement = judged(tmp_path, server)
    assert (judgement.rule, judgement.observed, judgement.target) == (RULE, 0.19, 0.3)
    assert list(judgement.data["queries"]) == ["counted", "quantile"]
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
    Told(30, 10, 1000, "0.19").by(server)
    server.answers["by (le) (present_over_time(took"] = HISTOGRAM[1:]
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

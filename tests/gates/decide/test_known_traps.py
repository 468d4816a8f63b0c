"""Inputs on which leading deployment gates say the wrong thing, each under the trap's own sentence.

Those without a test have no counterpart here: there are no scores and weights (T7), no comparison
with a baseline (T11), no waiting state in which failures go uncounted (T18), no webhooks (T19), and
every run has a folder of its own, so that no old result can be used again (T25). Two series for one
number, a renamed metric and queries that match nothing (T14, T15, T24) are in
tests/steps/objectives/test_instrument.py and test_promql.py.
"""

from __future__ import annotations

import math

import pydantic
import pytest

from gates.decide.catalogue import COLUMNS, CatalogueError, parse
from gates.decide.events import Counts
from gates.decide.fold import Folded, RegionResult, Stage, fold
from gates.decide.judgement import Judgement, below, equals
from gates.decide.objective import judge_rollback, judge_target, over_limit_now
from gates.decide.outcome import Decision, Outcome
from probes.observation import Failure, FailureKind
from steps.kit import failures
from tests.gates.decide.values import (
    a_judgement,
    a_result,
    a_row,
    an_objective,
    evidence,
    sustained,
    the_rollback,
)

ROWS = (a_row("IV-A-1"), a_row("IV-A-2"))
PASSED = a_result(Outcome.PASS, check="IV-A-2")


def decided(*judgements: Judgement) -> Folded:
    """Fold a run in which everything else passed."""
    return fold(ROWS, ("eu",), (PASSED, RegionResult("IV-A-1", "eu", judgements)), Stage.LIVE)


def counted(bad: float, total: float) -> Judgement:
    return judge_target(an_objective(), Counts(bad, total), evidence())


def test_t1_the_only_measurement_failed_and_the_limit_is_not_exceeded() -> None:
    assert decided(a_judgement(Outcome.FAIL)).decision is Decision.ROLLBACK


def test_t2_all_measurements_are_errors_or_failures_and_none_is_over_its_own_limit() -> None:
    results = (a_result(Outcome.ERROR), a_result(Outcome.INCONCLUSIVE, check="IV-A-2"))
    assert fold(ROWS, ("eu",), results, Stage.LIVE).decision is Decision.HOLD


def test_t3_the_run_is_terminated_before_the_first_measurement() -> None:
    assert fold(ROWS, ("eu",), (), Stage.LIVE).decision is Decision.HOLD


def test_t4_there_is_neither_a_success_nor_a_failure_condition() -> None:
    with pytest.raises(pydantic.ValidationError, match="target"):
        an_objective(target=None)
    assert decided().decision is Decision.HOLD


@pytest.mark.parametrize("nothing", [math.nan, math.inf, None, "NaN"], ids=repr)
def test_t5_nan_is_compared_with_a_limit(nothing: object) -> None:
    assert below("the latency", nothing, 50, "ms").outcome is Outcome.FAIL


def test_t6_an_objective_counts_nan() -> None:
    assert counted(math.nan, 1000).outcome is Outcome.INCONCLUSIVE
    assert decided(counted(math.nan, 1000)).decision is Decision.HOLD


def test_t8_the_first_sample_of_a_range_speaks_for_all_of_it() -> None:
    limit, fine, bad = the_rollback(an_objective()), Counts(0, 1000), Counts(500, 1000)
    assert over_limit_now(limit, sustained(bad, fine, bad))
    assert not over_limit_now(limit, sustained(bad, bad, fine))
    judgement = judge_rollback(
        an_objective(), limit, sustained(Counts(500, 2000), bad, fine), evidence()
    )
    assert judgement.outcome is Outcome.PASS


def test_t9_every_measurement_throws() -> None:
    results = (a_result(Outcome.ERROR), a_result(Outcome.ERROR, check="IV-A-2"))
    assert fold(ROWS, ("eu",), results, Stage.LIVE).decision is Decision.HOLD


def test_t10_there_are_no_samples_and_nothing_is_put_in_their_place() -> None:
    assert counted(0, 0).outcome is Outcome.INCONCLUSIVE
    assert counted(0, 0).observed is None


def test_t12_seven_of_ten_samples_are_a_hundred_times_worse() -> None:
    assert counted(7, 10).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "typo", [{"direction": "increse"}, {"kind": "erors"}, {"nan_strategy": "replce"}], ids=str
)
def test_t13_a_policy_has_a_typo(typo: dict[str, str]) -> None:
    with pytest.raises(pydantic.ValidationError):
        an_objective(**typo)


@pytest.mark.parametrize("typo", ["rolback,", "rollback,environment:promethus"])
def test_t13_a_catalogue_has_a_typo(typo: str) -> None:
    line = f"IV-A-1,post-deploy,15m,team,blocker,no,{typo}"
    with pytest.raises(CatalogueError, match="is not one of"):
        parse([("catalogue.csv", f"{','.join(COLUMNS)}\n{line}\n")])


def test_t16_prometheus_is_down_and_the_release_is_healthy() -> None:
    gone = failures.instrument_error("Prometheus", Failure(FailureKind.REFUSED, "Gone."))
    assert gone.outcome is Outcome.ERROR
    assert decided(gone).decision is Decision.HOLD


def test_t17_traffic_stops_half_way_through() -> None:
    assert counted(0, 30).outcome is Outcome.INCONCLUSIVE
    assert counted(0, 30).data["events_short"] == 29


def test_t20_the_gate_itself_times_out() -> None:
    results = (a_result(Outcome.PASS), PASSED)
    folded = fold(ROWS, ("eu",), results, Stage.LIVE, ("the checks did not end within 60 s",))
    assert folded.decision.exit_code == 20


def test_t21_a_check_is_missing_and_that_is_tolerated() -> None:
    folded = fold(ROWS, ("eu",), (PASSED,), Stage.LIVE)
    assert folded.decision is Decision.HOLD
    assert folded.reasons[0].outcome == "MISSING"


def test_t22_a_limit_stands_on_a_metric_that_got_no_samples() -> None:
    assert decided(counted(0, 0)).decision is Decision.HOLD


def test_t23_evaluating_a_limit_breaks() -> None:
    assert decided(a_judgement(Outcome.PASS), a_judgement(Outcome.ERROR)).decision is Decision.HOLD


def test_t26_an_inconclusive_check_is_waited_out_and_promoted() -> None:
    assert decided(a_judgement(Outcome.INCONCLUSIVE)).decision is Decision.HOLD


def test_t27_the_verdict_is_about_another_release() -> None:
    assert equals("api /health version", "1.1.0", "1.2.0").outcome is Outcome.FAIL


def test_t28_a_check_ends_in_error_then_well_then_in_error() -> None:
    again = [a_result(one) for one in (Outcome.ERROR, Outcome.PASS, Outcome.ERROR)]
    folded = fold(ROWS, ("eu",), (*again, PASSED), Stage.LIVE)
    assert folded.decision is Decision.HOLD
    assert {reason.outcome for reason in folded.reasons} == {"DOUBLED", "ERROR"}

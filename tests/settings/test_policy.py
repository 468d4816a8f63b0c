from __future__ import annotations

import math
from typing import Any

import pydantic
import pytest

from gates.load import load_policy
from settings.policy import Policy
from tests.gates.decide.values import a_latency_objective, a_quantile_objective, an_objective


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"target": {"budget": "0%"}}, "budget 0% can never pass"),
        ({"target": {"budget": "100%"}}, "budget 100% can never fail"),
        ({"target": {"budget": "250%"}}, "budget 100% can never fail"),
        ({"target": {"budget": 0.05}}, "must be a percentage"),
        ({"target": {"budget": "nan%"}}, "must be a percentage"),
        ({"target": {"budget": "5%", "over_seconds": 1}}, "over_seconds belongs to latency"),
        ({"target": {}}, "Field required"),
        ({"rollback": {"budget": "2%", "for": "5m"}}, "stricter than the target"),
        ({"rollback": {"budget": "5%", "for": "5m"}}, "equals the target"),
        ({"rollback": {"budget": "10%", "for": "0s"}}, "greater than 0"),
        ({"rollback": {"budget": "10%"}}, "Field required"),
        ({"rollback": {"budget": "10%", "fro": "5m"}}, "Extra inputs are not permitted"),
        ({"look_back": "0s"}, "greater than 0"),
        ({"look_back": "2h"}, "less than or equal to 3600"),
        ({"look_back": 300}, "must be a duration with its unit"),
        ({"wait_for_samples": "2d"}, "less than or equal to 3600"),
        ({"bad_status": None}, "bad_status is missing"),
        ({"bad_status": ""}, "bad_status is missing"),
        ({"bad_status": "599"}, "does not match 500, 502, 503, 504, so a platform that answers"),
        ({"bad_status": "50[0-3]"}, "does not match 504, so a platform that answers"),
        ({"bucket_bounds": [0.1]}, "belong to latency"),
        ({"kind": "latancy"}, "Input should be 'latency' or 'errors'"),
        ({"direction": "increse"}, "Extra inputs are not permitted"),
        ({"check": "perf"}, "String should match pattern"),
    ],
    ids=str,
)
def test_refuses_an_error_objective_that_could_not_judge(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=sentence):
        an_objective(**changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"target": {"over_seconds": 0.3, "budget": "5%"}}, "0.3 is not among bucket_bounds"),
        ({"target": {"budget": "5%"}}, "target.over_seconds is missing"),
        ({"target": {"over_seconds": math.inf, "budget": "5%"}}, "inf hardly ever fails"),
        ({"target": {"over_seconds": math.nan, "budget": "5%"}}, "not among|greater than 0"),
        ({"target": {"over_seconds": 0, "budget": "5%"}}, "greater than 0"),
        ({"bucket_bounds": []}, "must list the histogram's finite bounds"),
        ({"bucket_bounds": [0.2, 0.1, 0.5]}, "ascending"),
        ({"bucket_bounds": [0.2, 0.2, 0.5]}, "ascending"),
        ({"bucket_bounds": [0.2, 0.5, math.inf]}, "must be finite and positive"),
        ({"bucket_bounds": [-1, 0.2, 0.5]}, "must be finite and positive"),
        ({"bucket_bounds": [0.2, 0.5, math.nan]}, "finite"),
        ({"bad_status": "5.."}, "bad_status belongs to error objectives"),
        (
            {"rollback": {"over_seconds": 0.1, "budget": "5%", "for": "10m"}},
            "stricter than the target",
        ),
        ({"rollback": {"budget": "5%", "for": "10m"}}, "rollback.over_seconds is missing"),
        ({"shown_quantile": 1}, "less than 1"),
    ],
    ids=str,
)
def test_refuses_a_latency_objective_that_could_not_judge(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=sentence):
        a_latency_objective(**changes)


def quantile(**changes: Any) -> dict[str, Any]:
    return {"target": {"quantile": 0.95, "target_seconds": 0.3, **changes}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            quantile(target_seconds=0.2),
            "0.2 is a bucket bound, which can be counted exactly; write",
        ),
        (quantile(target_seconds=0.05), "0.05 lies in the lowest bucket, so it can never pass"),
        (quantile(target_seconds=3), "3 lies over the highest bound, so it can never fail"),
        (quantile(target_seconds=None), "quantile and target_seconds belong together"),
        (quantile(quantile=None, budget="5%"), "quantile and target_seconds belong together"),
        (quantile(budget="5%"), "budget follows from quantile; remove one of them"),
        (quantile(over_seconds=0.2), "over_seconds counts events and quantile interpolates"),
        (quantile(quantile=0), "greater than 0"),
        (quantile(quantile=1), "less than 1"),
        (quantile(quantile=95), "less than 1"),
        (quantile(quantile=math.nan), "greater than 0|less than 1"),
        (quantile(quantile="95%"), "valid number"),
        (quantile(target_seconds=0), "greater than 0"),
        (quantile(target_seconds=math.inf), "finite number"),
        (quantile(tagret_seconds=1), "Extra inputs are not permitted"),
        ({"shown_quantile": 0.95}, "shown_quantile follows from target.quantile; remove it"),
        (
            {"rollback": {"quantile": 0.95, "target_seconds": 0.4, "for": "10m"}},
            "Extra inputs are not permitted",
        ),
        (
            {"rollback": {"over_seconds": 0.2, "budget": "5%", "for": "10m"}},
            "stricter than the target",
        ),
    ],
    ids=str,
)
def test_refuses_a_quantile_objective_that_could_not_judge(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=sentence):
        a_quantile_objective(**changes)


def test_an_error_objective_has_no_quantile() -> None:
    with pytest.raises(pydantic.ValidationError, match="quantile belongs to latency objectives"):
        an_objective(**quantile(), rollback=None)


@pytest.mark.parametrize(
    ("share", "budget"), [(0.5, 0.5), (0.9, 0.1), (0.95, 0.05), (0.99, 0.01), (0.999, 0.001)]
)
def test_a_quantile_leaves_the_rest_as_its_budget(share: float, budget: float) -> None:
    objective = a_quantile_objective(
        target={"quantile": share, "target_seconds": 0.3},
        rollback={"over_seconds": 0.5, "budget": "50%", "for": "10m"},
    )
    assert objective.target.budget == pytest.approx(budget, rel=1e-9)
    assert objective.bounds_around == (0.2, 0.5)
    assert objective.quantile_to_show == share


def a_policy(**changes: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "availability": {"confirm_for": "2m", "poll_every": "5s", "on_recovery": "hold"},
        "deadlines": {"call": "5s", "run": "45m"},
        "objectives": [an_objective().model_dump(by_alias=True) | SECONDS_AS_TEXT],
        **changes,
    }


SECONDS_AS_TEXT = {
    "target": {"budget": "5%"},
    "rollback": None,
    "look_back": "5m",
    "wait_for_samples": "15m",
}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"schema": 2}, "Input should be 1"),
        ({"objectives": []}, "at least 1 item"),
        ({"objectives": a_policy()["objectives"] * 2}, "two objectives for IV-PERF-3"),
        (
            {"availability": {"confirm_for": "2m", "poll_every": "0s"}},
            "greater than 0",
        ),
        (
            {"availability": {"confirm_for": "2d", "poll_every": "5s"}},
            "less than or equal to 600",
        ),
        (
            {"availability": {"confirm_for": "2m", "poll_every": "5s", "on_recovery": "ignore"}},
            "Input should be 'hold' or 'pass'",
        ),
        ({"deadlines": {"call": "0s", "run": "45m"}}, "greater than 0"),
        ({"deadlines": {"call": "5s", "run": "3d"}}, "less than or equal to 3600"),
        ({"nanStrategy": "replce"}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_refuses_a_policy_that_could_wait_for_ever_or_judge_nothing(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=sentence):
        Policy.model_validate(a_policy(**changes))


def test_accepts_the_policy_from_which_the_rows_above_are_made() -> None:
    policy = Policy.model_validate(a_policy())
    assert policy.objective("IV-PERF-3").target.budget == 0.05
    with pytest.raises(LookupError, match="no objective for IV-PERF-9"):
        policy.objective("IV-PERF-9")


def test_this_repositorys_policy_states_the_runbooks_figures() -> None:
    policy = load_policy()
    assert policy.availability.confirm_for == 120
    figures = {one.check: (one.target.over_seconds, one.target.budget) for one in policy.objectives}
    assert figures == {
        "IV-PERF-1": (0.2, 0.05),
        "IV-PERF-2": (0.5, 0.01),
        "IV-PERF-3": (None, 0.001),
        "IV-PERF-4": (0.05, 0.05),
    }
    limits = {
        one.check: (one.rollback.over_seconds, one.rollback.budget, one.rollback.sustained)
        for one in policy.objectives
        if one.rollback
    }
    assert limits == {"IV-PERF-1": (0.5, 0.05, 600), "IV-PERF-3": (None, 0.01, 300)}

"""Policies as they are loaded, and the values that every section shares."""

from __future__ import annotations

import pytest

from gates.load import load_policy
from settings.policy import Policy
from settings.sections import parse_duration, parse_share
from tests.gates.decide.values import a_quantile_objective
from tests.settings.said import a_policy


def test_a_quantile_leaves_the_rest_as_its_budget() -> None:
    budgets = {0.5: 0.5, 0.9: 0.1, 0.95: 0.05, 0.99: 0.01, 0.999: 0.001}
    for share, budget in budgets.items():
        objective = a_quantile_objective(
            target={"quantile": share, "target_seconds": 0.3},
            rollback={"over_seconds": 0.5, "budget": "50%", "for": "10m"},
        )
        assert objective.target.budget == pytest.approx(budget, rel=1e-9)
        assert (objective.bounds_around, objective.quantile_to_show) == ((0.2, 0.5), share)


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
        "XV-APP-4": (None, 0.001),
    }
    limits = {
        one.check: (one.rollback.over_seconds, one.rollback.budget, one.rollback.sustained)
        for one in policy.objectives
        if one.rollback
    }
    assert limits == {"IV-PERF-1": (0.5, 0.05, 600), "IV-PERF-3": (None, 0.01, 300)}


def test_a_duration_has_its_unit_and_a_share_is_a_percentage() -> None:
    durations = {"500ms": 0.5, "30s": 30, "5m": 300, "1.5h": 5400, "2d": 172800, "0s": 0}
    assert {text: parse_duration(text) for text in durations} == durations
    shares = {"5%": 0.05, "0.1%": 0.001, "0.1 %": 0.001}
    assert {text: parse_share(text) for text in shares} == pytest.approx(shares)


@pytest.mark.parametrize(
    "value",
    ["", "5", 5, 5.0, "5 m", "5 minutes", "-5m", "5m\n", "5M", "\u0665m", "1e3s", None, True],
    ids=repr,
)
def test_what_has_no_unit_is_no_duration(value: object) -> None:
    with pytest.raises(
        ValueError, match=r"^must be a duration with its unit, such as 30s, 5m or 1h$"
    ):
        parse_duration(value)


@pytest.mark.parametrize(
    "value",
    ["", "5", 0.05, "-5%", "5%\n", "5\n%", "5 percent", "%", "nan%", "\u0665%", None],
    ids=repr,
)
def test_what_has_no_percent_sign_is_no_share(value: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a percentage, such as 0\.1%$"):
        parse_share(value)

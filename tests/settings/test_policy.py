from __future__ import annotations

import pytest

from gates.load import load_policy
from settings.policy import Policy
from tests.gates.decide.values import a_quantile_objective
from tests.settings.said import a_policy


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

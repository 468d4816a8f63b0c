from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.counting.objective import Looks, judge_target
from gates.decide.counting.statistics import (
    Counts,
    events_to_prove,
    lower_bound,
    poisson_tail,
    upper_bound,
)
from gates.decide.outcome import Outcome
from tests.gates.decide.values import PROPERTY, an_objective, evidence
from tests.tables import cases

totals = st.integers(1, 100_000)


@pytest.mark.parametrize(
    ("bad", "total"), [(0, 1), (0, 59), (1, 10), (3, 200), (17, 1000), (199, 200), (200, 200)]
)
def test_agrees_with_scipys_exact_binomial_test(bad: int, total: int) -> None:
    from scipy.stats import binomtest  # noqa: PLC0415 - every process of the tests loads this file

    less = binomtest(bad, total, alternative="less").proportion_ci(0.95, "exact")
    more = binomtest(bad, total, alternative="greater").proportion_ci(0.95, "exact")
    assert upper_bound(bad, total) == pytest.approx(less.high, rel=1e-9)
    assert lower_bound(bad, total) == pytest.approx(more.low, rel=1e-9)


def test_agrees_with_published_tables() -> None:
    """Published two-sided 90 % limits are these one-sided 95 % ones."""
    limits = {
        (0, 10): (0.0, 0.2589),
        (1, 10): (0.0051, 0.3942),
        (5, 10): (0.2224, 0.7776),
        (10, 10): (0.7411, 1.0),
        (0, 100): (0.0, 0.0295),
        (1, 100): (0.0005, 0.0466),
    }
    found = {one: (lower_bound(*one), upper_bound(*one)) for one in limits}
    assert found == {one: pytest.approx(limit, abs=5e-5) for one, limit in limits.items()}


def test_the_shortfall_is_the_least_number_that_proves_the_budget() -> None:
    budgets = {0.05: 59, 0.01: 299, 0.001: 2995}
    assert {budget: events_to_prove(0, budget) for budget in budgets} == budgets
    for bad in (0, 0.4, 1, 1.5, 7, 300.25):
        events = events_to_prove(bad, 0.01)
        assert upper_bound(bad, events) <= 0.01 < upper_bound(bad, events - 1)


@pytest.mark.parametrize(("events", "expected"), [(1, 0.1), (5, 0.75), (30, 12.5), (3, 8.0)])
def test_the_chance_of_so_many_events_is_poissons(events: int, expected: float) -> None:
    from scipy.stats import poisson  # noqa: PLC0415 - see above

    assert poisson_tail(events, expected) == pytest.approx(poisson.sf(events - 1, expected))
    assert poisson_tail(0, expected) == 1


def test_without_events_nothing_is_known_and_a_hair_more_bad_ones_than_events_are_all() -> None:
    for none in ((0, 0), (0, -1), (5, 0)):
        assert (lower_bound(*none), upper_bound(*none)) == (0.0, 1.0)
    for bad in (100.05, 100.1):
        assert (lower_bound(bad, 100), upper_bound(bad, 100)) == (lower_bound(100, 100), 1.0)


@PROPERTY
@given(totals, st.floats(0, 1))
def test_the_share_itself_lies_between_the_bounds(total: int, share: float) -> None:
    bad = total * share
    assert 0 <= lower_bound(bad, total) <= share + 1e-9
    assert share - 1e-9 <= upper_bound(bad, total) <= 1


@PROPERTY
@given(totals, st.floats(0, 1), st.floats(0, 5))
def test_bad_events_raise_both_bounds_and_good_ones_lower_them(
    total: int, share: float, more: float
) -> None:
    bad = total * share
    worse, larger = min(float(total), bad + more), total + math.ceil(200 * more)
    for bound in (lower_bound, upper_bound):
        assert bound(bad, larger) <= bound(bad, total) + 1e-9
        assert bound(worse, total) >= bound(bad, total) - 1e-9


@PROPERTY
@given(st.floats(0.01, 200), st.floats(0.01, 2000))
def test_fractional_counts_are_the_beta_quantiles_between_the_whole_ones(
    bad: float, good: float
) -> None:
    from scipy.stats import beta  # noqa: PLC0415 - see above

    total = bad + good
    assert upper_bound(bad, total) == pytest.approx(beta.ppf(0.95, bad + 1, good), rel=1e-6)
    assert lower_bound(bad, total) == pytest.approx(beta.ppf(0.05, bad, good + 1), rel=1e-6)


@pytest.mark.parametrize("total", [59, 300, 2000])
def test_a_platform_just_over_its_budget_passes_in_at_most_one_run_of_twenty(total: int) -> None:
    objective, kept = an_objective(), evidence()
    chance = random.Random(20260131)  # noqa: S311 - a simulation
    true_share, runs = objective.target.budget * 1.001, 1000
    verdicts = [
        judge_target(
            objective,
            Counts(sum(chance.random() < true_share for _ in range(total)), total),
            kept,
        ).outcome
        for _ in range(runs if total < 1000 else runs // 2)
    ]
    # 5 % and three standard deviations of the simulation's own noise.
    allowed = 0.05 + 3 * (0.05 * 0.95 / len(verdicts)) ** 0.5
    assert verdicts.count(Outcome.PASS) / len(verdicts) <= allowed


def test_only_a_full_look_back_decides_and_once_for_its_length() -> None:
    growing, full = Looks(20), Looks(20)
    assert [second for second in range(1, 22) if growing.due(min(second, 20), second)] == [20]
    assert [second for second in range(60) if full.due(20, second)] == [0, 20, 40]


@cases(
    "share_of_budget at_most",
    {"at the budget": (1.0, 0.12), "a tenth over it": (1.1, 0.02), "a fifth over it": (1.2, 0.01)},
)
def test_a_share_at_or_over_the_budget_is_seldom_passed(
    share_of_budget: float, at_most: float
) -> None:
    """Simulated as the local platform waits: 180 events a second, a look each second, 25 s in all."""
    chance = np.random.default_rng(20)
    passed = sum(_is_passed(chance, 0.05 * share_of_budget) for _ in range(1500))
    assert passed / 1500 <= at_most


def _is_passed(chance: np.random.Generator, share: float) -> bool:
    seconds = chance.binomial(180, share, size=25)
    looks = Looks(20)
    for second in range(5, 26):
        window = seconds[max(0, second - 20) : second]
        bad, total = float(window.sum()), 180.0 * len(window)
        if not (looks.due(min(second, 20), second) or second == 25):
            continue
        if upper_bound(bad, total) <= 0.05:
            return True
        if lower_bound(bad, total) > 0.05:
            return False
    return False

"""Looks are few, so that waiting for samples stays an honest test."""

from __future__ import annotations

import numpy as np
import pytest

from gates.decide.looks import Looks
from gates.decide.statistics import lower_bound, upper_bound

BUDGET = 0.05


def test_a_growing_look_back_decides_nothing() -> None:
    looks = Looks(20)
    assert [second for second in range(1, 22) if looks.due(min(second, 20), second)] == [20]


def test_a_full_look_back_is_looked_at_once_for_its_length() -> None:
    looks = Looks(20)
    assert [second for second in range(60) if looks.due(20, second)] == [0, 20, 40]


@pytest.mark.parametrize(
    ("share_of_budget", "at_most"),
    [(1.0, 0.12), (1.1, 0.02), (1.2, 0.01)],
    ids=["at the budget", "a tenth over it", "a fifth over it"],
)
def test_a_share_at_or_over_the_budget_is_seldom_passed(
    share_of_budget: float, at_most: float
) -> None:
    """Simulated as the local platform waits: 180 events a second, a look each second, 25 s in all."""
    chance = np.random.default_rng(20)
    passed = sum(_passes(chance, BUDGET * share_of_budget) for _ in range(1500))
    assert passed / 1500 <= at_most


def _passes(chance: np.random.Generator, share: float) -> bool:
    seconds = chance.binomial(180, share, size=25)
    looks = Looks(20)
    for second in range(5, 26):
        window = seconds[max(0, second - 20) : second]
        bad, total = float(window.sum()), 180.0 * len(window)
        if not (looks.due(min(second, 20), second) or second == 25):
            continue
        if upper_bound(bad, total) <= BUDGET:
            return True
        if lower_bound(bad, total) > BUDGET:
            return False
    return False

"""Looks are few, so that waiting for samples stays an honest test."""

from __future__ import annotations

import numpy as np
import pytest

from gates.decide.looks import Looks
from gates.decide.statistics import lower_bound, upper_bound

BUDGET = 0.05


def test_no_look_before_the_events_could_prove_anything() -> None:
    looks = Looks(BUDGET, 20)
    assert not looks.due(58, 5, 0)
    assert looks.due(59, 5, 1)


def test_a_growing_look_back_is_looked_at_whenever_its_events_doubled() -> None:
    looks = Looks(BUDGET, 20)
    due = [events for events in range(0, 1000, 10) if looks.due(events, 5, 0)]
    assert due == [60, 120, 240, 480, 960]


def test_a_full_look_back_is_looked_at_once_for_its_length() -> None:
    looks = Looks(BUDGET, 20)
    assert [second for second in range(60) if looks.due(4000, 20, second)] == [0, 20, 40]


@pytest.mark.parametrize(
    ("share_of_budget", "at_most"),
    [(1.0, 0.20), (1.1, 0.07), (1.2, 0.03)],
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
    looks = Looks(BUDGET, 20)
    for second in range(5, 26):
        window = seconds[max(0, second - 20) : second]
        bad, total = float(window.sum()), 180.0 * len(window)
        last = second == 25
        if not (looks.due(total, min(second, 20), second) or last):
            continue
        if upper_bound(bad, total) <= BUDGET:
            return True
        if lower_bound(bad, total) > BUDGET and (second >= 20 or last):
            return False
    return False

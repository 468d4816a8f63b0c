"""The comparison of two versions: what it takes to suspect the new one, and that luck alone seldom does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from gates.decide.counting.canary import Pair, Suspicion
from tests.tables import cases


def after(pairs: Sequence[Pair]) -> Suspicion:
    seen = Suspicion()
    for pair in pairs:
        seen = seen.after(pair)
    return seen


@cases(
    "pair times worse",
    {
        "equally good": (Pair(5, 1000, 5, 1000), 40, False),
        "twice as bad": (Pair(10, 1000, 5, 1000), 40, True),
        "twice as bad, seen once": (Pair(10, 1000, 5, 1000), 1, False),
        "twice as good": (Pair(5, 1000, 10, 1000), 40, False),
        "twice as bad with little traffic": (Pair(1, 100, 9, 1900), 60, True),
        "nothing bad": (Pair(0, 1000, 0, 1000), 1000, False),
        "no old traffic": (Pair(30, 1000, 0, 0), 1000, False),
        "no new traffic": (Pair(0, 0, 30, 1000), 1000, False),
        "all of the new ones are bad": (Pair(10, 10, 0, 1000), 2, True),
    },
)
def test_a_version_is_called_worse_by_what_is_proved(
    pair: Pair, times: int, *, worse: bool
) -> None:
    assert after([pair] * times).is_worse is worse


@cases(
    "new old bad",
    {"few": (30, 70, 4), "more bad than new": (3, 50, 9), "more bad than old": (50, 3, 9)},
)
def test_on_average_it_says_nothing_where_both_are_equally_good(
    new: int, old: int, bad: int
) -> None:
    """Over all ways in which so many bad events can fall on the two versions, each as likely as it is."""
    mean = sum(
        math.comb(new, at)
        * math.comb(old, bad - at)
        / math.comb(new + old, bad)
        * Suspicion().after(Pair(at, new, bad - at, old)).evidence
        for at in range(max(0, bad - old), min(new, bad) + 1)
    )
    assert mean == pytest.approx(1)


def test_the_evidence_is_the_mean_of_likelihood_ratios() -> None:
    """One bad event, on the new version, which has half the traffic: odds w make that 2w / (1 + w) likely."""
    odds = (1.25, 1.5, 2, 3, 5, 10)
    expected = sum(2 * worse / (1 + worse) for worse in odds) / len(odds)
    assert Suspicion().after(Pair(1, 10, 0, 10)).evidence == pytest.approx(expected)


def test_overwhelming_evidence_is_still_a_number() -> None:
    assert math.isfinite(after([Pair(500, 500, 0, 500)] * 20).evidence)


@cases("new_bad old_bad", {"negative": (-1, 0), "more bad than all": (0, 11)})
def test_what_is_no_count_is_refused(new_bad: int, old_bad: int) -> None:
    with pytest.raises(ValueError, match="does not count"):
        Pair(new_bad, 10, old_bad, 10)

from __future__ import annotations

import itertools

import pytest

from gates.decide.outcome import (
    Decision,
    Meaning,
    Outcome,
    mildest_meaning,
    worst_decision,
    worst_outcome,
)

WORSE_LAST = ("NOT_APPLICABLE", "PASS", "INCONCLUSIVE", "ERROR", "FAIL")
DECISIONS_WORSE_LAST = ("GO", "HOLD", "NO_GO", "STOP", "ROLLBACK")
MEANINGS_HARSHER_LAST = ("advisory", "hold", "stop", "rollback")


@pytest.mark.parametrize(("one", "other"), list(itertools.product(Outcome, repeat=2)), ids=str)
def test_the_worse_of_two_outcomes_wins_in_either_order(one: Outcome, other: Outcome) -> None:
    expected = max(one.value, other.value, key=WORSE_LAST.index)
    assert worst_outcome([one, other]) == worst_outcome([other, one]) == expected


@pytest.mark.parametrize(("one", "other"), list(itertools.product(Decision, repeat=2)), ids=str)
def test_the_worse_of_two_decisions_wins_in_either_order(one: Decision, other: Decision) -> None:
    expected = max(one.value, other.value, key=DECISIONS_WORSE_LAST.index)
    assert worst_decision([one, other]) == worst_decision([other, one]) == expected


@pytest.mark.parametrize(("one", "other"), list(itertools.product(Meaning, repeat=2)), ids=str)
def test_the_milder_of_two_meanings_wins_in_either_order(one: Meaning, other: Meaning) -> None:
    expected = min(one.value, other.value, key=MEANINGS_HARSHER_LAST.index)
    assert mildest_meaning(one, other) == mildest_meaning(other, one) == expected


def test_the_tables_above_hold_every_word_of_the_product() -> None:
    assert {word.value for word in Outcome} == set(WORSE_LAST)
    assert {word.value for word in Decision} == set(DECISIONS_WORSE_LAST)
    assert {word.value for word in Meaning} == set(MEANINGS_HARSHER_LAST)


def test_the_worst_of_nothing_is_an_error_and_never_a_pass() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst_outcome([])
    with pytest.raises(ValueError, match="empty"):
        worst_decision([])


@pytest.mark.parametrize(
    ("decision", "code"),
    [
        (Decision.GO, 0),
        (Decision.HOLD, 20),
        (Decision.NO_GO, 10),
        (Decision.STOP, 10),
        (Decision.ROLLBACK, 10),
    ],
    ids=str,
)
def test_only_go_exits_with_0_and_nothing_with_a_code_that_crashes_use(
    decision: Decision, code: int
) -> None:
    assert decision.exit_code == code

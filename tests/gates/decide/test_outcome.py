from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

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


ORDERS: tuple[tuple[Any, tuple[str, ...], Callable[[Any, Any], str], Any], ...] = (
    (Outcome, WORSE_LAST, lambda one, other: worst_outcome([one, other]), max),
    (Decision, DECISIONS_WORSE_LAST, lambda one, other: worst_decision([one, other]), max),
    (Meaning, MEANINGS_HARSHER_LAST, mildest_meaning, min),
)


@pytest.mark.parametrize(
    ("one", "other", "expected", "of"),
    [
        (one, other, chosen(one.value, other.value, key=order.index), of)
        for words, order, of, chosen in ORDERS
        for one, other in itertools.product(words, repeat=2)
    ],
    ids=lambda value: "" if callable(value) and not hasattr(value, "value") else str(value),
)
def test_of_two_words_the_worse_one_or_the_milder_meaning_wins_in_either_order(
    one: Any, other: Any, expected: str, of: Callable[[Any, Any], str]
) -> None:
    assert of(one, other) == of(other, one) == expected


def test_the_tables_above_hold_every_word_of_the_product() -> None:
    assert {word.value for word in Outcome} == set(WORSE_LAST)
    assert {word.value for word in Decision} == set(DECISIONS_WORSE_LAST)
    assert {word.value for word in Meaning} == set(MEANINGS_HARSHER_LAST)


def test_the_worst_of_nothing_is_an_error_and_never_a_pass() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst_outcome([])
    with pytest.raises(ValueError, match="empty"):
        worst_decision([])


def test_only_go_exits_with_0_and_nothing_with_a_code_that_crashes_use() -> None:
    codes = {decision.value: decision.exit_code for decision in Decision}
    assert codes == {"GO": 0, "HOLD": 20, "NO_GO": 10, "STOP": 10, "ROLLBACK": 10}

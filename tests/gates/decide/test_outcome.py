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
from tests.tables import cases

WORSE_LAST = ("NOT_APPLICABLE", "PASS", "INCONCLUSIVE", "ERROR", "FAIL")
DECISIONS_WORSE_LAST = ("GO", "HOLD", "NO_GO", "STOP", "ROLLBACK")
MEANINGS_HARSHER_LAST = ("advisory", "hold", "stop", "rollback")


@cases(
    "words order of chosen",
    {
        "outcomes": (Outcome, WORSE_LAST, lambda *two: worst_outcome(two), max),
        "decisions": (Decision, DECISIONS_WORSE_LAST, lambda *two: worst_decision(two), max),
        "meanings": (Meaning, MEANINGS_HARSHER_LAST, mildest_meaning, min),
    },
)
def test_of_two_words_the_worse_one_or_the_milder_meaning_wins_in_either_order(
    words: Any, order: tuple[str, ...], of: Callable[[Any, Any], str], chosen: Any
) -> None:
    assert {word.value for word in words} == set(order)
    for one, other in itertools.product(words, repeat=2):
        expected = chosen(one.value, other.value, key=order.index)
        assert of(one, other) == of(other, one) == expected, (one, other)


def test_the_worst_of_nothing_is_an_error_and_never_a_pass() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst_outcome([])
    with pytest.raises(ValueError, match="empty"):
        worst_decision([])
    # Only GO exits with 0, and nothing with a code that crashes use.
    codes = {decision.value: decision.exit_code for decision in Decision}
    assert codes == {"GO": 0, "HOLD": 20, "NO_GO": 10, "STOP": 10, "ROLLBACK": 10}

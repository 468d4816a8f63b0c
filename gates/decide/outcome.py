"""The words of a result and their one order: outcomes of checks, meanings of failures, decisions."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Outcome(enum.StrEnum):
    """What one check found in one region. A check that did not run has none."""

    NOT_APPLICABLE = "NOT_APPLICABLE"
    PASS = "PASS"  # noqa: S105 - an outcome, not a password
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    FAIL = "FAIL"


class Meaning(enum.StrEnum):
    """What a FAIL asks for; the catalogue's `on_fail`."""

    ADVISORY = "advisory"
    HOLD = "hold"
    STOP = "stop"
    ROLLBACK = "rollback"


class Decision(enum.StrEnum):
    """What the gate says about a release, in one region or in all."""

    GO = "GO"
    HOLD = "HOLD"
    NO_GO = "NO_GO"
    STOP = "STOP"
    ROLLBACK = "ROLLBACK"

    @property
    def exit_code(self) -> int:
        """Return the process exit code: 0 go, 20 could not be decided, 10 measured and bad."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Decision.GO: 0,
    Decision.HOLD: 20,
    Decision.NO_GO: 10,
    Decision.STOP: 10,
    Decision.ROLLBACK: 10,
}
EXIT_USAGE = 64
EXIT_OUR_FAILURE = 70
EXIT_CONFIGURATION = 78

# Declaration order is the order of badness; nothing else in the product ranks these words.
_OUTCOME_RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}
_MEANING_RANK = {meaning: rank for rank, meaning in enumerate(Meaning)}
_DECISION_RANK = {decision: rank for rank, decision in enumerate(Decision)}


def worst_outcome(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of at least one outcome; raises ValueError for none."""
    return max(outcomes, key=_OUTCOME_RANK.__getitem__)


def worst_decision(decisions: Iterable[Decision]) -> Decision:
    """Return the worst of at least one decision; raises ValueError for none."""
    return max(decisions, key=_DECISION_RANK.__getitem__)


def mildest_meaning(first: Meaning, second: Meaning) -> Meaning:
    """Return the milder of two meanings: a check never asks for more than its catalogue row."""
    return min(first, second, key=_MEANING_RANK.__getitem__)

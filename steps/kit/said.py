"""The two ways in which a step says what it found: good or bad, and what it could not tell."""

from __future__ import annotations

from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome


def missing(subject: str, sentence: str, clears: str) -> Judgement:
    """Return the INCONCLUSIVE of evidence that is not there."""
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="evidence",
        subject=subject,
        sentence=sentence,
        clears=clears,
    )


def verdict(
    *, good: bool, rule: str, subject: str, sentence: str, clears: str, **more: Any
) -> Judgement:
    """Return a PASS or FAIL; `clears` is kept for a FAIL alone."""
    return Judgement(
        outcome=Outcome.PASS if good else Outcome.FAIL,
        rule=rule,
        subject=subject,
        sentence=sentence,
        clears="" if good else clears,
        **more,
    )

"""Readings of what all regions share: taken once, kept and judged in every region of the run."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Facts, FailureKind, Observation
from steps.kit import failures
from steps.kit.check import Check

V = TypeVar("V", bound=Facts)


def noted(check: Check, observed: Observation[V], subject: str) -> V | None:
    """Keep a reading as every region's evidence; judge it, and return None, where it has no value."""
    for region in check.regions:
        check.observe(region, observed)
    if observed.value is None:
        judge_everywhere(check, unread(subject, observed))
    return observed.value


def unread(subject: str, observed: Observation[V]) -> Judgement:
    """Return the ERROR of an instrument that did not answer; one whose answer is no use decides nothing."""
    failure = failures.failure_of(observed)
    judged = failures.instrument_error(subject, failure)
    if failure.kind is FailureKind.UNUSABLE_ANSWER:
        return dataclasses.replace(judged, outcome=Outcome.INCONCLUSIVE)
    return judged


def judge_everywhere(check: Check, *judgements: Judgement) -> None:
    """Judge the same in every region."""
    for region in check.regions:
        check.judge(region, *judgements)

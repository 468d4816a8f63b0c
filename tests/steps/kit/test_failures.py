from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from probes.observation import Failure, FailureKind, Observation
from steps.kit import failures


def test_every_failure_of_a_subject_has_its_meaning(said: Callable[..., None]) -> None:
    meanings = {kind: failures.cause(Failure(kind, "A sentence.")).name for kind in FailureKind}
    said({kind.value: meaning for kind, meaning in meanings.items()})


@pytest.mark.parametrize("kind", FailureKind, ids=lambda kind: kind.value)
def test_an_instrument_that_fails_in_any_way_is_an_error_and_never_a_fail(
    kind: FailureKind,
) -> None:
    judgement = failures.instrument_error("Prometheus", Failure(kind, "A sentence.", "connect"))
    assert judgement.outcome is Outcome.ERROR
    assert judgement.sentence == f"Prometheus: {kind.value}. A sentence."
    assert judgement.data == {"phase": "connect"}


def test_a_wrong_answer_fails_and_our_own_fault_is_an_error() -> None:
    failure = Failure(FailureKind.TOO_LARGE, "Too much.")
    assert failures.subject_wrong("the api", failure).outcome is Outcome.FAIL
    assert failures.our_error("the api", failure).outcome is Outcome.ERROR


def test_neither_a_value_nor_a_failure_is_our_own_fault() -> None:
    nothing: Observation[HttpAnswer] = Observation(
        "http", "GET /", dt.datetime.now(dt.UTC), 0.1, {}, None, None
    )
    assert failures.failure_of(nothing).kind is FailureKind.OUR_FAULT

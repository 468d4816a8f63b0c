from __future__ import annotations

import datetime as dt

import pytest

from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from probes.observation import Failure, FailureKind, Observation
from steps.kit import failures
from tests.golden import Said


def test_every_failure_of_a_subject_has_its_meaning(said: Said) -> None:
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


def test_a_wrong_answer_fails_and_our_own_fault_is_an_error(said: Said) -> None:
    failure = Failure(FailureKind.TOO_LARGE, "Too much.", "transfer")
    kinds = (failures.instrument_error, failures.subject_wrong, failures.our_error)
    said([judge("the api", failure) for judge in kinds])


def test_neither_a_value_nor_a_failure_is_our_own_fault() -> None:
    nothing: Observation[HttpAnswer] = Observation(
        "http", "GET /", dt.datetime.now(dt.UTC), 0.1, {}, None, None
    )
    found = failures.failure_of(nothing)
    assert found.kind is FailureKind.OUR_FAULT
    assert found.detail == "The probe brought neither a value nor a failure."

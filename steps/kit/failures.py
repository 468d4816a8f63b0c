"""What a probe's failure means: one table, by what failed and in which role it was asked."""

from __future__ import annotations

import enum
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Failure, FailureKind, Observation


class Cause(enum.Enum):
    """Whose doing a failure is."""

    UNAVAILABLE = "the subject does not answer; counts once confirmed"
    WRONG = "the subject answers wrongly"
    OURS = "our side: credential, trust, configuration"


# A subject is what the check is about; TestFailureTable proves that every kind has its row.
_KINDS = {
    Cause.UNAVAILABLE: (
        *(FailureKind.NAME_NOT_RESOLVED, FailureKind.NO_ROUTE, FailureKind.REFUSED),
        *(FailureKind.TIMEOUT, FailureKind.CONNECTION_LOST, FailureKind.SERVER_BUSY),
        *(FailureKind.SERVER_ERROR, FailureKind.TLS_FAILED),
    ),
    Cause.WRONG: (
        *(FailureKind.CERTIFICATE_INVALID, FailureKind.PROTOCOL, FailureKind.TOO_LARGE),
        FailureKind.UNUSABLE_ANSWER,
    ),
    Cause.OURS: (
        *(FailureKind.CERTIFICATE_UNTRUSTED, FailureKind.CREDENTIAL_REFUSED),
        *(FailureKind.FORBIDDEN, FailureKind.NOT_READ_ONLY, FailureKind.QUERY_REJECTED),
        FailureKind.OUR_FAULT,
    ),
}
_AS_SUBJECT = {kind: cause for cause, kinds in _KINDS.items() for kind in kinds}


def cause(failure: Failure) -> Cause:
    """Return what a failure of the subject of a check means."""
    return _AS_SUBJECT[failure.kind]


def instrument_error(subject: str, failure: Failure) -> Judgement:
    """Return the ERROR of an instrument that could not be read: it says nothing of the platform."""
    return _judgement(Outcome.ERROR, "instrument", subject, failure)


def subject_wrong(subject: str, failure: Failure) -> Judgement:
    """Return the FAIL of a subject that answered, but wrongly."""
    return _judgement(Outcome.FAIL, "answers", subject, failure)


def our_error(subject: str, failure: Failure) -> Judgement:
    """Return the ERROR of a measurement that our own side prevented."""
    return _judgement(Outcome.ERROR, "our side", subject, failure)


def _judgement(outcome: Outcome, rule: str, subject: str, failure: Failure) -> Judgement:
    sentence, kept = f"{subject}: {failure.kind.value}. {failure.detail}", {"phase": failure.phase}
    clears, kind = f"{subject} answering as it should", failure.kind.value
    return Judgement(outcome, rule, subject, sentence, kind, clears=clears, data=kept)


def failure_of(observation: Observation[Any]) -> Failure:
    """Return an observation's failure; one that has neither value nor failure is our own fault."""
    if observation.failure is not None:
        return observation.failure
    return Failure(FailureKind.OUR_FAULT, "The probe brought neither a value nor a failure.")

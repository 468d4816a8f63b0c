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
_AS_SUBJECT = {
    FailureKind.NAME_NOT_RESOLVED: Cause.UNAVAILABLE,
    FailureKind.NO_ROUTE: Cause.UNAVAILABLE,
    FailureKind.REFUSED: Cause.UNAVAILABLE,
    FailureKind.TIMEOUT: Cause.UNAVAILABLE,
    FailureKind.CONNECTION_LOST: Cause.UNAVAILABLE,
    FailureKind.SERVER_BUSY: Cause.UNAVAILABLE,
    FailureKind.SERVER_ERROR: Cause.UNAVAILABLE,
    FailureKind.TLS_FAILED: Cause.UNAVAILABLE,
    FailureKind.CERTIFICATE_INVALID: Cause.WRONG,
    FailureKind.PROTOCOL: Cause.WRONG,
    FailureKind.TOO_LARGE: Cause.WRONG,
    FailureKind.UNUSABLE_ANSWER: Cause.WRONG,
    FailureKind.CERTIFICATE_UNTRUSTED: Cause.OURS,
    FailureKind.CREDENTIAL_REFUSED: Cause.OURS,
    FailureKind.FORBIDDEN: Cause.OURS,
    FailureKind.NOT_READ_ONLY: Cause.OURS,
    FailureKind.QUERY_REJECTED: Cause.OURS,
    FailureKind.OUR_FAULT: Cause.OURS,
}


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
    return Judgement(
        outcome=outcome,
        rule=rule,
        subject=subject,
        sentence=f"{subject}: {failure.kind.value}. {failure.detail}",
        observed=failure.kind.value,
        clears=f"{subject} answering as it should",
        data={"phase": failure.phase},
    )


def failure_of(observation: Observation[Any]) -> Failure:
    """Return an observation's failure; one that has neither value nor failure is our own fault."""
    if observation.failure is not None:
        return observation.failure
    return Failure(FailureKind.OUR_FAULT, "The probe brought neither a value nor a failure.")

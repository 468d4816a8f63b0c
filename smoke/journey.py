"""The platform's public interface as one synthetic patient uses it (runbook, "Critical User Flows").

The journey: registration, login, booking, payment, video call, in this order.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import SecretStr

from gates.decide.judgement import (
    REFUSALS,
    TOO_MANY_REQUESTS,
    Judgement,
    equals,
    from_cache,
    refuses_asker,
)
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, HttpTarget, NotJsonError
from probes.observation import Deadline, Observation

BOOKING_AHEAD = dt.timedelta(days=7)
"""The runbook's example date lies in the past; a booking is always for a week from now."""


@dataclasses.dataclass(frozen=True, slots=True)
class Patient:
    """A synthetic patient: made up, tagged, in a reserved mail domain."""

    email: str
    password: SecretStr
    tag: str

    @classmethod
    def made_up(cls, tag: str, domain: str) -> Patient:
        """Return a new patient of this tag; no two are alike."""
        name = f"{tag}-{secrets.token_hex(4)}".lower()
        return cls(f"{name}@{domain}", SecretStr(f"Aa1!{secrets.token_urlsafe(18)}"), tag)


def in_a_week() -> str:
    """Return the time of a booking, as the interface writes it."""
    at = (dt.datetime.now(dt.UTC) + BOOKING_AHEAD).replace(minute=0, second=0, microsecond=0)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass(frozen=True, slots=True)
class PatientApi:
    """Calls of the public interface; every one returns an observation and judges nothing."""

    target: HttpTarget
    patient: Patient

    def register(self, deadline: Deadline) -> Observation[HttpAnswer]:
        """Register the patient."""
        body = {**self._credentials(), "role": "patient"}
        return self._post("/v1/auth/register", body, None, deadline)

    def login(self, deadline: Deadline) -> Observation[HttpAnswer]:
        """Log the patient in; the body holds the token."""
        return self._post("/v1/auth/login", self._credentials(), None, deadline)

    def book(
        self, token: SecretStr, provider_id: str, deadline: Deadline
    ) -> Observation[HttpAnswer]:
        """Book an appointment a week from now."""
        body = {"providerId": provider_id, "date": in_a_week()}
        return self._post("/v1/appointments", body, token, deadline)

    def appointment(
        self, token: SecretStr, appointment_id: str, deadline: Deadline
    ) -> Observation[HttpAnswer]:
        """Read an appointment back."""
        path = f"/v1/appointments/{appointment_id}"
        return http.request(
            self.target, "GET", path, deadline=deadline, headers=self._headers(token)
        )

    def pay(
        self, token: SecretStr, appointment_id: str, deadline: Deadline
    ) -> Observation[HttpAnswer]:
        """Pay for an appointment in the gateway's test mode."""
        body = {
            "appointmentId": appointment_id,
            "amountCents": 100,
            "currency": "EUR",
            "mode": "test",
        }
        return self._post("/v1/payments", body, token, deadline)

    def start_call(
        self, token: SecretStr, appointment_id: str, deadline: Deadline
    ) -> Observation[HttpAnswer]:
        """Initialise the video call of an appointment."""
        return self._post("/v1/video/calls", {"appointmentId": appointment_id}, token, deadline)

    def _post(
        self, path: str, body: Mapping[str, object], token: SecretStr | None, deadline: Deadline
    ) -> Observation[HttpAnswer]:
        headers = self._headers(token)
        return http.request(
            self.target, "POST", path, deadline=deadline, json=body, headers=headers
        )

    def _credentials(self) -> dict[str, str]:
        return {"email": self.patient.email, "password": self.patient.password.get_secret_value()}

    def _headers(self, token: SecretStr | None) -> dict[str, str | SecretStr]:
        tag: dict[str, str | SecretStr] = {"X-Synthetic-Tag": self.patient.tag}
        if token is None:
            return tag
        return {**tag, "Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}


STEPS = ("registration", "login", "booking", "payment", "video call")

CREATED, OK = 201, 200


@dataclasses.dataclass(frozen=True, slots=True)
class StepTaken:
    """One step of a journey: what was observed and what is right or wrong about the answers."""

    name: str
    observations: tuple[Observation[HttpAnswer], ...]
    judgements: tuple[Judgement, ...]
    """Empty when there was no answer to judge, or only a server error."""
    record_id: str = ""
    """Id of the record that the step created."""

    @property
    def passed(self) -> bool:
        """Whether the next step can follow."""
        good = [judgement.outcome is Outcome.PASS for judgement in self.judgements]
        return bool(good) and all(good)


class Journey:
    """One walk of one synthetic patient through one region; stops at the first broken step."""

    def __init__(
        self,
        api: PatientApi,
        provider_id: str,
        deadline: Callable[[], Deadline],
        *,
        call_address: bool = True,
    ) -> None:
        self._api = api
        self._call_needs = "joinUrl" if call_address else "id"
        self._provider_id = provider_id
        self._deadline = deadline
        self._token = SecretStr("")
        self._appointment_id = ""

    def walk(self) -> Iterator[StepTaken]:
        """Yield each step taken, in the order of STEPS; nothing follows one that did not pass."""
        takes = (self._register, self._login, self._book, self._pay, self._call)
        for name, take in zip(STEPS, takes, strict=True):
            step = take(name)
            yield step
            if not step.passed:
                return

    def _register(self, name: str) -> StepTaken:
        return _judged(name, self._api.register(self._deadline()), CREATED, {})

    def _login(self, name: str) -> StepTaken:
        observed = self._api.login(self._deadline())
        step = _judged(name, observed, OK, {}, needs="token")
        token = _body(observed).get("token")
        self._token = SecretStr(token if isinstance(token, str) else "")
        return step

    def _book(self, name: str) -> StepTaken:
        observed = self._api.book(self._token, self._provider_id, self._deadline())
        step = _judged(name, observed, CREATED, {"status": "scheduled"}, needs="id")
        self._appointment_id = step.record_id
        if not step.passed:
            return step
        again = self._api.appointment(self._token, self._appointment_id, self._deadline())
        read_back = _judged(f"{name}, read back", again, OK, {"id": self._appointment_id})
        answered = bool(read_back.judgements)
        return dataclasses.replace(
            step,
            observations=(*step.observations, again),
            judgements=(*step.judgements, *read_back.judgements) if answered else (),
        )

    def _pay(self, name: str) -> StepTaken:
        observed = self._api.pay(self._token, self._appointment_id, self._deadline())
        return _judged(name, observed, CREATED, {"status": "succeeded"})

    def _call(self, name: str) -> StepTaken:
        observed = self._api.start_call(self._token, self._appointment_id, self._deadline())
        return _judged(name, observed, CREATED, {"status": "initialised"}, needs=self._call_needs)


def _judged(
    name: str,
    observed: Observation[HttpAnswer],
    status: int,
    fields: Mapping[str, str],
    needs: str = "",
) -> StepTaken:
    answer = observed.value
    if answer is None or answer.status >= 500:  # noqa: PLR2004 - the class of server errors
        return StepTaken(name, (observed,), ())
    # Before it has an account the gate is a stranger; afterwards a refusal is the platform's fault.
    refusals = REFUSALS if name == STEPS[0] else (TOO_MANY_REQUESTS,)
    if answer.status in refusals:
        return StepTaken(name, (observed,), (refuses_asker(name, answer.status),))
    if answer.from_cache is not None:
        return StepTaken(name, (observed,), (from_cache(name, answer.from_cache),))
    judgements = [equals(f"{name} status", answer.status, status)]
    body = _body(observed)
    if answer.status == status:
        judgements += [
            equals(f"{name} {key}", body.get(key), value) for key, value in fields.items()
        ]
        if needs:
            judgements.append(_present(name, needs, body.get(needs)))
    record_id = body.get("id")
    return StepTaken(
        name, (observed,), tuple(judgements), record_id if isinstance(record_id, str) else ""
    )


def _present(name: str, field: str, value: object) -> Judgement:
    present = isinstance(value, str) and bool(value)
    return Judgement(
        outcome=Outcome.PASS if present else Outcome.FAIL,
        rule="present",
        subject=f"{name} {field}",
        sentence=f"{name} answers {'a' if present else 'no'} {field}",
        observed="present" if present else "absent",
        target="present",
        clears="" if present else f"a {field} in the answer",
    )


def _body(observed: Observation[HttpAnswer]) -> Mapping[str, Any]:
    try:
        body = observed.value.json() if observed.value is not None else None
    except NotJsonError:
        return {}
    return body if isinstance(body, Mapping) else {}

"""The platform's public interface as one synthetic patient uses it (runbook, "Critical User Flows")."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from collections.abc import Mapping

from pydantic import SecretStr

from probes import http
from probes.http import HttpAnswer, HttpTarget
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
        at = (dt.datetime.now(dt.UTC) + BOOKING_AHEAD).replace(minute=0, second=0, microsecond=0)
        body = {"providerId": provider_id, "date": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
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

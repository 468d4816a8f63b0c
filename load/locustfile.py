"""The load test's scenario: what patients ask of the platform, in the shares in which they ask it.

`locust -f load/` runs it. A request more is a method more: return what to ask and say what a right
answer is. load/_user.py has the vocabulary; README.md has the options.
"""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Mapping
from typing import Any

import locust
from pydantic import SecretStr

from load import _control
from load._scenario import Ask, Expect, LoadError, Target
from load._user import EngineUser, tag, task
from probes.http import HttpAnswer, HttpTarget
from probes.observation import Deadline, Observation
from smoke.journey import BOOKING_AHEAD, Patient, PatientApi

_control.install(locust.events)

PROVIDERS = 500
"""Their patients are spread over them as a Zipf distribution: few are asked for by many."""
KEPT = 500
"""So many of the newest bookings are remembered, to be read, paid and called about."""
PREPARE_SECONDS = 15.0

HEALTHY = Expect(equal={"status": "healthy"})
LOGGED_IN = Expect(present=("token",))
RECORD = Expect(present=("id",))
LIST = Expect(present=("appointments",))
APPOINTMENT = Expect(present=("id", "status"))
BOOKED = Expect(status=201, equal={"status": "scheduled"}, present=("id",))
PAID = Expect(status=201, equal={"status": "succeeded"}, present=("id",))
CALLED = Expect(status=201, equal={"status": "initialised"}, present=("joinUrl",))


class Account:
    """A synthetic patient who is logged in, and what they have booked."""

    def __init__(self, patient: Patient, token: str, appointment: str) -> None:
        self.email = patient.email
        self.password = patient.password.get_secret_value()
        self.token = token
        self.appointments = collections.deque([appointment], maxlen=KEPT)


class PatientOnline(EngineUser):
    """A patient with the web or the mobile application."""

    weight = 1

    def prepare(self, target: Target) -> None:
        """Register, log in and book once for each synthetic patient, as a patient would."""
        self.provider = target.provider_id
        if target.imitated:
            self.accounts = [_imitated(target)]
            return
        if not target.accounts:
            raise LoadError(
                "load.accounts is 0, and this scenario asks as patients do; allow it some"
            )
        if not target.email_domain:
            raise LoadError(
                "the environment has no section synthetic; add it: no patient may be made"
            )
        api = HttpTarget(target.address, target.ca_file)
        self.accounts = [_registered(api, target) for _ in range(target.accounts)]

    @task(4)
    @tag("read", "health")
    def health(self) -> Ask:
        return self.get("/health", expect=HEALTHY)

    @task(4)
    @tag("write", "login")
    def log_in(self) -> Ask:
        who = self.anybody()
        body = {"email": who.email, "password": who.password}
        return self.post("/v1/auth/login", body, expect=LOGGED_IN)

    @task(24)
    @tag("read", "patient")
    def look_at_own_record(self) -> Ask:
        return self.get("/v1/patients/me", token=self.anybody().token, expect=RECORD)

    @task(34)
    @tag("read", "appointment")
    def look_at_a_providers_appointments(self) -> Ask:
        return self.get(
            "/v1/appointments?providerId={provider}",
            token=self.anybody().token, expect=LIST, provider=self.zipf(PROVIDERS),
        )  # fmt: skip

    @task(18)
    @tag("read", "appointment")
    def look_at_own_appointment(self) -> Ask:
        who = self.anybody()
        return self.get(
            "/v1/appointments/{appointment}",
            token=who.token, expect=APPOINTMENT, appointment=self.one_of(who),
        )  # fmt: skip

    @task(8)
    @tag("write", "booking")
    def book(self) -> Ask:
        who = self.anybody()
        at = dt.datetime.now(dt.UTC) + BOOKING_AHEAD + dt.timedelta(minutes=self.unique())
        body = {"providerId": self.provider, "date": at.strftime("%Y-%m-%dT%H:%M:00Z")}

        def remember(booked: Mapping[str, Any]) -> None:
            who.appointments.append(str(booked["id"]))

        return self.post("/v1/appointments", body, token=who.token, expect=BOOKED, seen=remember)

    @task(5)
    @tag("write", "payment")
    def pay(self) -> Ask:
        who = self.anybody()
        body = {
            "appointmentId": self.one_of(who), "amountCents": 100, "currency": "EUR", "mode": "test",
        }  # fmt: skip
        return self.post("/v1/payments", body, token=who.token, expect=PAID)

    @task(3)
    @tag("write", "video")
    def start_a_video_call(self) -> Ask:
        who = self.anybody()
        body = {"appointmentId": self.one_of(who)}
        return self.post("/v1/video/calls", body, token=who.token, expect=CALLED)

    def anybody(self) -> Account:
        """Return one of the synthetic patients."""
        return self.random.choice(self.accounts)

    def one_of(self, account: Account) -> str:
        """Return one of an account's newest appointments."""
        return self.random.choice(account.appointments)


def _registered(address: HttpTarget, target: Target) -> Account:
    patient = Patient.made_up(target.tag, target.email_domain)
    api = PatientApi(address, patient)
    _answer("registration", target, api.register(Deadline.after(PREPARE_SECONDS)), 201)
    logged_in = _answer("login", target, api.login(Deadline.after(PREPARE_SECONDS)), 200)
    token = str(logged_in.get("token"))
    booking = api.book(SecretStr(token), target.provider_id, Deadline.after(PREPARE_SECONDS))
    return Account(patient, token, str(_answer("booking", target, booking, 201).get("id")))


def _answer(
    what: str, target: Target, observed: Observation[HttpAnswer], wanted: int
) -> Mapping[str, Any]:
    """Return the body of a right answer; raises LoadError."""
    where = f"{what} of a synthetic patient in {target.region}"
    if observed.value is None:
        raise LoadError(f"{where}: {observed.failure.detail if observed.failure else 'no answer'}")
    if observed.value.status != wanted:
        raise LoadError(f"{where}: status {observed.value.status}, wanted {wanted}")
    body = observed.value.json()
    if not isinstance(body, Mapping):
        raise LoadError(f"{where}: the answer is not a JSON object")
    return body


def _imitated(target: Target) -> Account:
    patient = Patient.made_up(target.tag or "nobody", "example.org")
    return Account(patient, "x" * 43, "00000000-0000-4000-8000-000000000000")

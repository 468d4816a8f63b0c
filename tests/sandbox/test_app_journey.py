from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

import httpx

from tests.sandbox.app_servers import SYNTHETIC_DOMAIN, SYNTHETIC_TOKEN, Api, Servers
from tests.tables import cases

PASSWORD = "Planted-Secret-1!"
RECORDS = "/v1/synthetic/records"


def tomorrow() -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()


@dataclass(frozen=True)
class Patient:
    email: str
    id: str
    token: str


def register(api: Api, email: str, tag: str | None = None) -> httpx.Response:
    headers = {"X-Synthetic-Tag": tag} if tag else {}
    body = {"email": email, "password": PASSWORD, "role": "patient"}
    return api.http.post("/v1/auth/register", json=body, headers=headers)


def login(api: Api, email: str, password: str = PASSWORD) -> httpx.Response:
    return api.post("/v1/auth/login", {"email": email, "password": password})


def new_patient(api: Api, domain: str = "example.com", tag: str | None = None) -> Patient:
    email = f"{secrets.token_hex(6)}@{domain}"
    registered = register(api, email, tag)
    assert registered.status_code == 201
    return Patient(email, registered.json()["id"], login(api, email).json()["token"])


def book(api: Api, patient: Patient, **changes: str) -> httpx.Response:
    body = {"providerId": "synthetic-provider", "date": tomorrow(), **changes}
    return api.post("/v1/appointments", body, patient.token)


def pay(api: Api, patient: Patient, appointment_id: str) -> httpx.Response:
    amount = {"amountCents": 100, "currency": "EUR", "mode": "test"}
    return api.post("/v1/payments", {"appointmentId": appointment_id, **amount}, patient.token)


def call(api: Api, patient: Patient, appointment_id: str) -> httpx.Response:
    return api.post("/v1/video/calls", {"appointmentId": appointment_id}, patient.token)


def records(api: Api, tag: str) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = api.read(f"{RECORDS}?tag={tag}").json()["records"]
    return listed


def delete(api: Api, tag: str, token: str = SYNTHETIC_TOKEN) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return api.http.delete(RECORDS, params={"tag": tag}, headers=headers)


def active_calls(api: Api) -> dict[str, int]:
    counted: dict[str, int] = api.http.get("/v1/metrics/active-calls").json()
    return counted


def test_redis_holds_only_the_hash_of_a_session_token(api: Api, servers: Servers) -> None:
    patient = new_patient(api)
    with servers.redis() as redis:
        keys = list(redis.scan_iter("session:*"))
        assert keys
        assert all(patient.token not in key for key in keys)
        assert all(0 < redis.ttl(key) <= 3600 for key in keys)


def test_one_address_has_one_account_and_login_does_not_tell_which_there_are(api: Api) -> None:
    known, unknown = new_patient(api).email, "nobody@example.com"
    assert register(api, known.upper()).status_code == 409
    refusals = [login(api, known, "Wrong-Password-1!"), login(api, unknown)]
    assert [refusal.status_code for refusal in refusals] == [401, 401]
    assert refusals[0].json() == refusals[1].json()


@cases(
    "changes status",
    {
        "a date in the past": ({"date": "2024-12-20T10:00:00Z"}, 409),
        "a date without time zone": ({"date": "2099-12-20T10:00:00"}, 422),
        "a date that no table can hold": ({"date": "9999-12-31T23:59:59-14:00"}, 409),
        "an unknown provider": ({"providerId": "nobody"}, 404),
        "a text that can't be stored": ({"providerId": "a\0"}, 422),
    },
)
def test_bookings_that_make_no_sense_are_refused(
    api: Api, changes: dict[str, str], status: int
) -> None:
    assert book(api, new_patient(api), **changes).status_code == status


def test_what_is_another_patients_does_not_exist(api: Api) -> None:
    owner, other = new_patient(api), new_patient(api)
    assert api.read("/v1/patients/me", other.token).json()["region"] == "eu"
    assert api.read("/v1/patients/1", other.token).status_code == 404
    appointment_id = book(api, owner).json()["id"]
    assert api.read(f"/v1/appointments/{appointment_id}", other.token).status_code == 404
    assert pay(api, other, appointment_id).status_code == 404
    assert call(api, other, appointment_id).status_code == 404


def test_a_refused_registration_does_not_repeat_the_password(api: Api) -> None:
    body = {"email": "no address", "password": PASSWORD, "role": "king"}
    refused = api.post("/v1/auth/register", body)
    assert refused.status_code == 422
    assert PASSWORD not in refused.text


def test_everything_of_a_tag_is_listed_and_deleted_and_nothing_else(
    api: Api, servers: Servers
) -> None:
    real_before = servers.sql("SELECT count(*) FROM patients WHERE synthetic_tag IS NULL")
    ours, other = (f"run-{secrets.token_hex(4)}" for _ in range(2))
    patient = new_patient(api, SYNTHETIC_DOMAIN, ours)
    kept = new_patient(api, SYNTHETIC_DOMAIN, other)
    appointment_id = book(api, patient).json()["id"]
    payment_id = pay(api, patient, appointment_id).json()["id"]
    call_id = call(api, patient, appointment_id).json()["id"]
    assert active_calls(api)["synthetic_calls"] == 1
    assert {(each["kind"], each["id"]) for each in records(api, ours)} == {
        ("user", patient.id),
        ("appointment", appointment_id),
        ("payment", payment_id),
        ("call", call_id),
    }
    created = dt.datetime.fromisoformat(records(api, ours)[0]["created_at"])
    assert abs(dt.datetime.now(dt.UTC) - created) < dt.timedelta(minutes=5)
    assert delete(api, ours).json() == {"deleted": 4}
    assert delete(api, ours).json() == {"deleted": 0}
    assert records(api, ours) == []
    assert [each["id"] for each in records(api, other)] == [kept.id]
    assert active_calls(api)["synthetic_calls"] == 0
    assert api.read("/v1/patients/me", patient.token).status_code == 401
    assert servers.sql("SELECT count(*) FROM patients WHERE synthetic_tag IS NULL") == real_before


def test_listing_without_a_tag_finds_every_run_which_is_counted_apart(api: Api) -> None:
    before = api.metric('registrations_total{synthetic="true"}')
    tags = {f"run-{secrets.token_hex(4)}" for _ in range(2)}
    for tag in tags:
        new_patient(api, SYNTHETIC_DOMAIN, tag)
    assert api.metric('registrations_total{synthetic="true"}') == before + 2
    listed = api.read(RECORDS).json()["records"]
    assert tags <= {each["tag"] for each in listed}


def test_a_real_patient_can_not_be_tagged(api: Api, servers: Servers) -> None:
    tag = f"run-{secrets.token_hex(4)}"
    patient = new_patient(api, "example.com", tag)
    assert records(api, tag) == []
    assert delete(api, tag).json() == {"deleted": 0}
    assert servers.sql(f"SELECT 1 FROM users WHERE id = '{patient.id}'") == [(1,)]  # noqa: S608 - our own id


def test_synthetic_records_need_their_token_and_deletion_a_tag(api: Api) -> None:
    patient = new_patient(api)
    assert api.read(RECORDS, patient.token).status_code == 401
    assert delete(api, "any", patient.token).status_code == 401
    assert api.http.get(RECORDS).status_code == 401
    headers = {"Authorization": f"Bearer {SYNTHETIC_TOKEN}"}
    assert api.http.delete(RECORDS, headers=headers).status_code == 422
    assert delete(api, "").status_code == 422

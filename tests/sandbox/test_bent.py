"""Operations that break the API's own document: as the switch says, and no other."""

from __future__ import annotations

from typing import Any

import httpx

from tests.sandbox.app_servers import Api
from tests.sandbox.test_app_journey import book, new_patient
from tests.tables import cases

READ = "GET /v1/providers/{provider_id}"
LIST = "GET /v1/appointments"
LISTED = "/v1/appointments?providerId=7"


def bend(api: Api, operation: str, change: str, **how: object) -> None:
    api.fault(bent=[{"operation": operation, "change": change, **how}])


def provider(api: Api) -> Any:
    return api.read("/v1/providers/7").json()


@cases(
    "change expected",
    {
        "lacks": ("lacks", {}),
        "retyped": ("retyped", {"specialty": 7}),
        "null": ("null", {"specialty": None}),
        "gains": ("gains", {"specialty": "new"}),
    },
)
def test_a_field_of_a_good_answer_is_bent(
    api: Api, change: str, expected: dict[str, object]
) -> None:
    whole = provider(api)
    bend(api, READ, change, field="specialty")
    del whole["specialty"]
    assert provider(api) == {**whole, **expected}
    assert api.read("/v1/providers/nobody").status_code == 404
    assert all("specialty" not in one for one in api.read(LISTED).json()["appointments"])


def test_a_field_of_every_one_of_a_list_is_bent(api: Api) -> None:
    bend(api, LIST, "retyped", field="appointments[].date")
    listed = api.read(LISTED).json()["appointments"]
    assert listed
    assert {one["date"] for one in listed} == {7}


def answer(api: Api) -> httpx.Response:
    return api.read("/v1/providers/7")


def test_an_answer_has_another_status_and_media_type(api: Api) -> None:
    bend(api, READ, "status", status=203)
    assert answer(api).status_code == 203
    bend(api, READ, "media_type", name="text/html")
    assert answer(api).headers.get_list("content-type") == ["text/html"]


def test_a_header_is_gone_and_only_it(api: Api) -> None:
    bend(api, READ, "header_gone", name="WWW-Authenticate")
    refused = api.http.get("/v1/providers/7")
    assert (refused.status_code, refused.headers.get("www-authenticate")) == (401, None)
    assert refused.headers["content-type"] == "application/json"


def test_who_does_not_sign_in_is_taken_for_who_did(api: Api) -> None:
    patient = new_patient(api)
    bend(api, "GET /v1/patients/{patient_id}", "open")
    assert api.http.get("/v1/patients/me").status_code == 401  # there was nobody yet
    own = api.read("/v1/patients/me", patient.token)
    for other in (api.http.get("/v1/patients/me"), api.read("/v1/patients/me", "made-up")):
        assert (other.status_code, other.json()) == (200, own.json())


def test_an_open_operation_asks_for_a_login(api: Api) -> None:
    bend(api, "GET /v1/metrics/active-calls", "closed")
    assert api.http.get("/v1/metrics/active-calls").status_code == 401
    assert api.read("/v1/metrics/active-calls").status_code == 200
    assert api.http.get("/health").status_code == 200


def test_some_requests_fail_the_same_ones_each_time(api: Api) -> None:
    bend(api, READ, "fails", every=3)
    found = [[api.read(f"/v1/providers/{n}").status_code for n in range(1, 31)] for _ in range(2)]
    assert found[0] == found[1]
    assert 2 <= found[0].count(500) <= 20


def test_what_can_not_be_used_is_taken(api: Api) -> None:
    patient = new_patient(api)
    bend(api, "POST /v1/appointments", "accepts")
    booked = book(api, patient)
    again = book(api, patient, date="yesterday")
    assert (again.status_code, again.json()) == (201, booked.json())

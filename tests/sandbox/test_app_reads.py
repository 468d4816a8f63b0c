"""The two reads of the traffic: what they answer, to whom, and while Postgres is slow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.sandbox.app_servers import SLOW, Api, Servers, api, servers
from tests.tables import cases

__all__ = ["api", "servers"]

LONGEST = "a" * 100


@cases(
    "path status",
    {
        "a provider": ("/v1/providers/7", 200),
        "no such provider": ("/v1/providers/made-up", 404),
        "the appointments of nobody": ("/v1/appointments?providerId=made-up", 200),
        "the longest id": (f"/v1/appointments?providerId={LONGEST}", 200),
        "an id that is too long": (f"/v1/appointments?providerId={LONGEST}a", 422),
        "no id": ("/v1/appointments", 422),
    },
)
def test_a_read_has_its_status(api: Api, path: str, status: int) -> None:
    assert api.read(path).status_code == status


@pytest.mark.parametrize("path", ["/v1/providers/7", "/v1/appointments?providerId=7"])
def test_a_wrong_token_reads_nothing(api: Api, path: str) -> None:
    answer = api.read(path, "wrong")
    assert (answer.status_code, answer.json()) == (401, {"detail": "sign in first"})
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_provider_and_its_appointments_are_the_rows_of_postgres(
    api: Api, servers: Servers
) -> None:
    row = servers.sql("SELECT id, name, specialty, region FROM providers WHERE id = '7'")[0]
    assert tuple(api.read("/v1/providers/7").json().values()) == row
    listed = api.read("/v1/appointments?providerId=7").json()["appointments"]
    latest = servers.sql(
        "SELECT id, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS+00:00')"
        " FROM appointments WHERE provider_id = '7' ORDER BY starts_at DESC LIMIT 10"
    )
    assert [(one["id"], one["date"]) for one in listed] == latest
    assert {frozenset(one) for one in listed} == {frozenset(("id", "providerId", "date", "status"))}


def test_openapi_describes_both_reads(api: Api) -> None:
    described = api.http.get("/openapi.json").json()["paths"]
    for path in ("/v1/providers/{provider_id}", "/v1/appointments"):
        assert described[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert described[path]["get"]["security"] == [{"HTTPBearer": []}]


def test_more_slow_reads_at_once_than_there_are_connections_are_all_answered(
    api: Api, servers: Servers
) -> None:
    servers.sql(SLOW["broken"])
    try:
        with ThreadPoolExecutor(30) as clients:
            answers = list(clients.map(api.read, ["/v1/appointments?providerId=7"] * 60))
    finally:
        servers.sql(SLOW["fixed"])
    assert [answer.status_code for answer in answers] == [200] * 60

"""The two reads of the traffic: what they answer, to whom, and while Postgres is slow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.sandbox.app_servers import SLOW, SYNTHETIC_TOKEN, Api, Servers
from tests.tables import cases

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


@cases(
    "path tokens",
    {
        "a provider": ("/v1/providers/7", ["wrong"]),
        "a provider's appointments": ("/v1/appointments?providerId=7", ["wrong"]),
        "an appointment": ("/v1/appointments/1", ["wrong", SYNTHETIC_TOKEN]),
        "a patient": ("/v1/patients/1", ["wrong", SYNTHETIC_TOKEN]),
    },
)
def test_a_read_needs_a_token_and_patients_data_one_of_theirs(
    api: Api, path: str, tokens: list[str]
) -> None:
    for answer in (api.http.get(path), *(api.read(path, token) for token in tokens)):
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

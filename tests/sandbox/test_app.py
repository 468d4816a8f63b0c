"""The reference API: its health, the two reads of the traffic, and what it counts."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.app.__main__ import main
from tests.sandbox.app_servers import ADMIN_TOKEN, HOST, SLOW, SYNTHETIC_TOKEN, Api, Servers
from tests.tables import cases

READ_LABELS = 'method="GET",route="/v1/providers/{provider_id}"'


def test_health_names_the_version_and_every_service_and_times_the_primary_and_redis(
    api: Api,
) -> None:
    assert api.http.get("/health").json() == {"status": "healthy", "version": "1.2.0"}
    database, redis, external = (
        api.http.get(f"/health/{name}").json() for name in ("db", "redis", "external")
    )
    assert (database["status"], database["standby"]) == ("degraded", "down")  # it has no standby
    assert redis["status"] == "healthy"
    assert all(0 < one["latency_ms"] < 1000 for one in (database, redis))
    assert external["status"] == "healthy"
    assert set(external["services"]) == {"aws", "azure", "auth0", "stripe", "twilio", "sendgrid"}


def test_a_stopped_primary_is_unhealthy_and_its_return_costs_no_request(
    api: Api, servers: Servers
) -> None:
    assert api.read("/v1/providers/1").status_code == 200
    servers.stop_primary()
    try:
        answer = api.http.get("/health/db")
        assert (answer.status_code, answer.json()) == (503, {"status": "unhealthy"})
        assert api.http.get("/health").status_code == 200
        assert api.read("/v1/providers/1").status_code == 503
    finally:
        servers.start_primary()
    assert [api.read("/v1/providers/1").status_code for _ in range(30)] == [200] * 30
    # Nor does a restart so quick that nobody sees it.
    servers.stop_primary()
    servers.start_primary()
    assert [api.read("/v1/providers/1").status_code for _ in range(20)] == [200] * 20


def test_it_starts_and_says_so_while_postgres_and_redis_are_down(servers: Servers) -> None:
    """And every route has its series from the start."""
    nowhere = {"host": HOST, "port": 1}
    login = {**nowhere, "name": "x", "user": "x", "password": "x"}
    fresh = servers.start_api(database=login, redis={**nowhere, "password": "x"})
    lines = fresh.http.get("/metrics").text.splitlines()
    for status in ("200", "500"):
        assert f'http_requests_total{{{READ_LABELS},status="{status}"}} 0.0' in lines
    for bound in ("0.05", "0.2", "0.5"):
        assert f'http_request_duration_seconds_bucket{{le="{bound}",{READ_LABELS}}} 0.0' in lines
    assert 'db_query_duration_seconds_bucket{le="0.05"} 0.0' in lines
    assert 'payments_total{status="declined",synthetic="true"} 0.0' in lines
    paths = ("/health", "/health/db", "/health/redis")
    assert [fresh.http.get(path).status_code for path in paths] == [200, 503, 503]


def test_faults_need_the_token_and_known_names(api: Api) -> None:
    assert api.http.put("/_sandbox/faults", json={}).status_code == 401
    typo = api.http.put(
        "/_sandbox/faults", json={"eror_every": 3}, headers={"X-Sandbox-Token": ADMIN_TOKEN}
    )
    assert typo.status_code == 422


CONFIGURATIONS = {
    "no file is named": ([], 64, "usage: python -m sandbox.app"),
    "the file is missing": (["/nowhere/app.json"], 78, "/nowhere/app.json"),
    "a wrong file": (["{}/app.json"], 78, "port"),
}


@cases("arguments code named", CONFIGURATIONS)
def test_a_bad_configuration_is_one_sentence_without_its_secrets(
    arguments: list[str],
    code: int,
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = {"region": "eu", "admin_token": "planted-secret", "port": "x"}
    (tmp_path / "app.json").write_text(json.dumps(content))
    files = [one.format(tmp_path) for one in arguments]
    assert main(files) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(part in said for part in (named, *files))
    assert "planted-secret" not in said


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


READ = "/v1/providers/7"
READ_COUNT = f"http_request_duration_seconds_count{{{READ_LABELS}}}"
LISTS = "/v1/appointments?providerId=7"


def test_requests_and_queries_are_counted_and_health_is_not(api: Api) -> None:
    requests, queries = api.metric("http_requests_total"), api.metric("db_query_duration_seconds_c")
    in_route = api.metric(READ_COUNT)
    api.read(READ)
    for path in ("/health", "/health/db", "/health/redis"):
        api.http.get(path)
    assert api.metric("http_requests_total") == requests + 1
    assert api.metric(READ_COUNT) == in_route + 1
    # `_created` starts with the same letters and does not change.
    assert api.metric("db_query_duration_seconds_c") == queries + 1


def test_unknown_paths_share_one_route(api: Api) -> None:
    unmatched = 'http_requests_total{method="GET",route="unmatched",status="404"}'
    before = api.metric(unmatched)
    for path in ("/made/up/1", "/made/up/2"):
        api.http.get(path)
    assert api.metric(unmatched) == before + 2


def test_every_third_read_fails_exactly_and_nothing_else_does(api: Api) -> None:
    api.fault(error_every=3)
    paths = [READ, LISTS, READ] * 4
    assert [api.read(path).status_code for path in paths] == [200, 200, 500] * 4
    assert [api.http.get("/health").status_code for _ in range(5)] == [200] * 5
    assert [api.post("/v1/test/notifications", {}).status_code for _ in range(5)] == [200] * 5


def test_a_slow_overview_is_really_slow_in_postgres_and_can_be_fixed(
    api: Api, servers: Servers
) -> None:
    def list_appointments() -> tuple[float, object]:
        started = time.monotonic()
        answer = api.read(LISTS)
        return time.monotonic() - started, answer.json()

    list_appointments()  # prepares the statement
    _, usual = list_appointments()
    under_50_ms = 'db_query_duration_seconds_bucket{le="0.05"}'
    servers.sql(SLOW["broken"])
    try:
        fast_before = api.metric(under_50_ms)
        took, slow = list_appointments()
        assert took > 0.08
        assert slow == usual
        assert api.metric(under_50_ms) == fast_before
    finally:
        servers.sql(SLOW["fixed"])
    servers.sql(SLOW["fixed"])
    fast_before = api.metric(under_50_ms)
    for _ in range(10):  # on a busy machine not every one is fast
        assert list_appointments()[1] == usual
    assert api.metric(under_50_ms) > fast_before


def test_a_locked_table_ends_in_503_and_not_in_a_hang(api: Api, servers: Servers) -> None:
    with servers.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE providers")
        started = time.monotonic()
        assert api.read(READ).status_code == 503
        assert time.monotonic() - started < 9
    assert api.read(READ).status_code == 200

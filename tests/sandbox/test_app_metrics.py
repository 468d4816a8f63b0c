from __future__ import annotations

import time

from tests.sandbox.app_servers import SLOW, Api, Servers, api, servers

__all__ = ["api", "servers"]

READ = "/v1/providers/7"
READ_LABELS = 'method="GET",route="/v1/providers/{provider_id}"'
READ_COUNT = f"http_request_duration_seconds_count{{{READ_LABELS}}}"
LISTS = "/v1/appointments?providerId=7"


def test_every_route_has_its_series_from_the_start(servers: Servers) -> None:
    fresh = servers.start_api()
    lines = fresh.http.get("/metrics").text.splitlines()
    for status in ("200", "500"):
        assert f'http_requests_total{{{READ_LABELS},status="{status}"}} 0.0' in lines
    for bound in ("0.05", "0.2", "0.5"):
        assert f'http_request_duration_seconds_bucket{{le="{bound}",{READ_LABELS}}} 0.0' in lines
    assert 'db_query_duration_seconds_bucket{le="0.05"} 0.0' in lines
    assert 'payments_total{status="declined",synthetic="true"} 0.0' in lines


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
    before = api.metric('http_requests_total{method="GET",route="unmatched",status="404"}')
    api.http.get("/made/up/1")
    api.http.get("/made/up/2")
    after = api.metric('http_requests_total{method="GET",route="unmatched",status="404"}')
    assert after == before + 2


def test_every_third_read_fails_exactly_and_nothing_else_does(api: Api) -> None:
    api.fault(error_every=3)
    paths = [READ, LISTS, READ] * 4
    assert [api.read(path).status_code for path in paths] == [200, 200, 500] * 4
    assert [api.http.get("/health").status_code for _ in range(5)] == [200] * 5
    assert [api.post("/v1/test/notifications", {}).status_code for _ in range(5)] == [200] * 5


def test_journeys_of_the_gate_are_counted_apart(api: Api) -> None:
    before = api.metric('registrations_total{synthetic="true"}')
    body = {
        "email": f"counted-{time.time_ns()}@synthetic.example.org",
        "password": "Planted-Secret-1!",
        "role": "patient",
    }
    headers = {"X-Synthetic-Tag": "counted"}
    assert api.http.post("/v1/auth/register", json=body, headers=headers).status_code == 201
    assert api.metric('registrations_total{synthetic="true"}') == before + 1


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


def test_the_seed_is_as_large_as_promised(servers: Servers) -> None:
    counts = {
        table: servers.sql(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608 - names from here
        for table in ("patients", "appointments", "providers")
    }
    assert counts["patients"] >= 10_000
    assert counts["appointments"] >= 50_000
    assert counts["providers"] >= 501


def test_a_locked_table_ends_in_503_and_not_in_a_hang(api: Api, servers: Servers) -> None:
    with servers.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE providers")
        started = time.monotonic()
        assert api.read(READ).status_code == 503
        assert time.monotonic() - started < 9
    assert api.read(READ).status_code == 200

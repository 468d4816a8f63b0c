from __future__ import annotations

import time

from tests.sandbox.app_servers import SLOW, Api, Servers

READ = "/v1/providers/7"
READ_LABELS = 'method="GET",route="/v1/providers/{provider_id}"'
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

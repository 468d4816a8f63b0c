from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.app.__main__ import main
from tests.sandbox.app_servers import ADMIN_TOKEN, HOST, Api, Servers
from tests.tables import cases

READ_LABELS = 'method="GET",route="/v1/providers/{provider_id}"'


def test_health_names_the_running_version(api: Api, old_api: Api) -> None:
    assert api.http.get("/health").json() == {"status": "healthy", "version": "1.2.0"}
    assert old_api.http.get("/health").json() == {"status": "healthy", "version": "1.1.0"}


def test_health_times_the_primary_and_redis_and_names_every_service(api: Api) -> None:
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

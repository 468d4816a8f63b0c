from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.app.__main__ import main
from tests.sandbox.app_servers import (
    ADMIN_TOKEN,
    HOST,
    Api,
    Servers,
    api,
    old_api,
    servers,
)

__all__ = ["api", "old_api", "servers"]

EXTERNAL = {"aws", "azure", "auth0", "stripe", "twilio", "sendgrid"}


def test_health_names_the_running_version(api: Api, old_api: Api) -> None:
    assert api.http.get("/health").json() == {"status": "healthy", "version": "1.2.0"}
    assert old_api.http.get("/health").json() == {"status": "healthy", "version": "1.1.0"}


def test_database_health_times_the_primary_and_misses_its_standby(api: Api) -> None:
    health = api.http.get("/health/db").json()
    assert (health["status"], health["standby"]) == ("degraded", "down")
    assert 0 < health["latency_ms"] < 1000


def test_redis_health_times_a_ping(api: Api) -> None:
    health = api.http.get("/health/redis").json()
    assert health["status"] == "healthy"
    assert 0 < health["latency_ms"] < 1000


def test_external_health_names_every_service(api: Api) -> None:
    health = api.http.get("/health/external").json()
    assert health["status"] == "healthy"
    assert set(health["services"]) == EXTERNAL


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


def test_a_quick_restart_of_postgres_costs_no_request(api: Api, servers: Servers) -> None:
    assert [api.read("/v1/providers/1").status_code for _ in range(5)] == [200] * 5
    servers.stop_primary()
    servers.start_primary()
    assert [api.read("/v1/providers/1").status_code for _ in range(20)] == [200] * 20


def test_it_starts_and_says_so_while_postgres_and_redis_are_down(servers: Servers) -> None:
    nowhere = {"host": HOST, "port": 1}
    login = {**nowhere, "name": "x", "user": "x", "password": "x"}
    api = servers.start_api(database=login, redis={**nowhere, "password": "x"})
    assert api.http.get("/health").status_code == 200
    assert api.http.get("/health/db").status_code == 503
    assert api.http.get("/health/redis").status_code == 503


def test_faults_need_the_token_and_known_names(api: Api) -> None:
    assert api.http.put("/_sandbox/faults", json={}).status_code == 401
    typo = api.http.put(
        "/_sandbox/faults", json={"eror_every": 3}, headers={"X-Sandbox-Token": ADMIN_TOKEN}
    )
    assert typo.status_code == 422


def test_a_bad_configuration_is_one_sentence_without_its_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "app.json"
    path.write_text(json.dumps({"region": "eu", "admin_token": "planted-secret", "port": "x"}))
    assert main([str(path)]) == 78
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(path) in said
    assert "port" in said
    assert "planted-secret" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        pytest.param([], 64, "usage: python -m sandbox.app", id="no file is named"),
        pytest.param(["/nowhere/app.json"], 78, "/nowhere/app.json", id="the file is missing"),
    ],
)
def test_without_a_configuration_it_says_what_is_missing(
    arguments: list[str], code: int, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert named in capsys.readouterr().err

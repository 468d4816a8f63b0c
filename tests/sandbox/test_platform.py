"""The running platform: real servers, seeded, seen through the environment file alone."""

from __future__ import annotations

import json
import os
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from pydantic import SecretStr

from environments.loader import load_file
from load._options import is_loopback, permitted
from probes.observation import Deadline
from probes.postgres import PostgresTarget, rows
from sandbox.core import SandboxError
from tests.sandbox.platforms import Sandbox, eventually
from tests.sandbox.test_forks import may_serve_at_once
from tests.tables import cases


def _secret(reference: str | None) -> str:
    assert reference is not None
    return Path(reference.removeprefix("file:")).read_text(encoding="utf-8")


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def _gate_postgres(platform: Sandbox, port: int | None = None) -> PostgresTarget:
    """Return the gate's login, at another server where a port is given."""
    found = platform.environment().postgres
    assert found is not None
    password = SecretStr(_secret(found.password))
    where = (found.host, port or found.port, found.database, found.user)
    return PostgresTarget(*where, password, "disable")


def _connected(target: PostgresTarget) -> psycopg.Connection:
    assert target.password is not None
    return psycopg.connect(
        host=target.host,
        port=target.port,
        dbname=target.database,
        user=target.user,
        password=target.password.get_secret_value(),
        autocommit=True,
    )


def _ports(platform: Sandbox) -> dict[str, int]:
    return {row["name"]: row["port"] for row in platform.ask({"do": "status"})["processes"]}


def test_data_are_never_read_from_a_standby(platform: Sandbox) -> None:
    """It may show how they were a while ago: rows that are lost by now, migrations not yet there."""
    standby = _gate_postgres(platform, _ports(platform)["postgres-standby"])
    observed = rows.counted(
        standby,
        rows.TableToCount("patients", "id"),
        rows.Limits(10**9, 10_000, 100),
        deadline=Deadline.after(5),
    )
    assert observed.failure is not None
    assert "answers as a standby" in observed.failure.detail


def _as_api(platform: Sandbox, server: str) -> psycopg.Connection:
    name = "unified_health"
    password = (platform.state.secrets / "postgres-api").read_text(encoding="utf-8")
    port = _ports(platform)[server]
    return _connected(PostgresTarget("127.0.0.1", port, name, name, SecretStr(password), "disable"))


def _gate_redis(platform: Sandbox) -> redis.Redis:
    settings = platform.environment().redis
    assert settings is not None
    return redis.Redis(
        host=settings.host,
        port=settings.port,
        username=settings.user,
        password=_secret(settings.password),
    )


def test_everything_runs_and_every_link_is_open_and_status_prints_it(platform: Sandbox) -> None:
    answer = platform.ask({"do": "status"})
    assert {row["state"] for row in answer["processes"]} == {"running"}
    assert {row["mode"] for row in answer["links"]} == {"open"}
    assert answer["faults"] == []
    shown = platform.run("status")
    assert shown.returncode == 0
    assert re.search(r"^postgres-standby +running", shown.stdout, re.MULTILINE)
    assert re.search(r"^edge-eu +open +\d+ +api-eu-v1\.2\.0", shown.stdout, re.MULTILINE)
    assert platform.run("status", "--environment").stdout == f"{platform.state.environment}\n"


def test_up_again_joins_the_running_platform(platform: Sandbox) -> None:
    again = platform.run("up", "--owner", "1")
    assert again.returncode == 0
    assert again.stdout == f"{platform.state.environment}\n"
    assert "runs already" in again.stderr
    assert platform.ask({"do": "down", "owner": 1})["ending"] is False


def test_it_takes_load_in_both_regions_and_on_this_machine_alone(platform: Sandbox) -> None:
    found = permitted(load_file(platform.state.environment))
    api = {name: one.services["api"] for name, one in platform.environment().regions.items()}
    assert found.addresses == api
    assert all(is_loopback(address) for address in api.values())
    found.check_rate(10_000)


def test_the_standby_follows_the_seeded_primary(platform: Sandbox) -> None:
    count = "SELECT count(*) FROM patients"
    with _as_api(platform, "postgres-primary") as primary:
        patients = primary.execute(count).fetchone()
    assert patients is not None
    assert patients[0] >= 10_000
    with _as_api(platform, "postgres-standby") as standby:
        eventually(
            "the standby has every patient", lambda: standby.execute(count).fetchone() == patients
        )
        assert standby.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


STATEMENTS = {
    "read patients": "SELECT name FROM patients",
    "read when an appointment is": "SELECT starts_at FROM appointments",
    "change an appointment": "UPDATE appointments SET status = 'cancelled'",
    "make a table": "CREATE TABLE public.mine (id int)",
    "make a temporary table": "CREATE TEMP TABLE mine (id int)",
}


@cases("statement", STATEMENTS)
def test_the_gates_database_login_cannot(platform: Sandbox, statement: str) -> None:
    with _connected(_gate_postgres(platform)) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


@pytest.mark.parametrize("command", ["GET session:1", "SET x 1", "KEYS *", "FLUSHALL"])
def test_the_gates_redis_login_cannot(platform: Sandbox, command: str) -> None:
    with _gate_redis(platform) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command.split())


def test_secrets_are_private_and_in_no_process_list(platform: Sandbox) -> None:
    files = list(platform.state.secrets.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    pids = [row["pid"] for row in platform.ask({"do": "status"})["processes"]]
    listed = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
    assert [file.name for file in files if file.read_bytes() in listed] == []


def _served(platform: Sandbox) -> dict[str, float]:
    """Return how many requests Prometheus has counted in each region."""
    query = urllib.parse.quote("sum by (region) (http_requests_total{version='1.2.0'})")
    base = platform.environment().regions["eu"].prometheus
    rows = _get(f"{base}/api/v1/query?query={query}")["data"]["result"]
    return {row["metric"]["region"]: float(row["value"][1]) for row in rows}


def test_traffic_flows_to_both_regions_under_a_lease(platform: Sandbox) -> None:
    enough = {region: _served(platform).get(region, 0) + 50 for region in ("eu", "us")}
    assert platform.run("traffic", "--rps", "100", "--for", "2").returncode == 0
    eventually(
        "Prometheus counts 50 more requests in each region",
        lambda: all(_served(platform).get(region, 0) >= enough[region] for region in enough),
    )


ORDERS = {
    "an unknown order": ({"do": "dance"}, "there is no order 'dance'"),
    "an unknown process": ({"do": "stop", "process": "x"}, "no process 'x'"),
    "an unknown link": ({"do": "link", "name": "x"}, "no link 'x'"),
    "an order without its object": ({"do": "stop"}, "cannot be understood"),
}


@cases("order sentence", ORDERS)
def test_the_supervisor_refuses(platform: Sandbox, order: dict[str, str], sentence: str) -> None:
    with pytest.raises(SandboxError, match=re.escape(sentence)):
        platform.ask(order)


@pytest.mark.skipif(not may_serve_at_once(), reason="this user may not give priority here")
def test_every_process_of_a_platform_serves_at_once_also_after_its_restart(
    platform: Sandbox,
) -> None:
    platform.ask({"do": "restart", "process": "redis"})
    pids = {row["name"]: row["pid"] for row in platform.ask({"do": "status"})["processes"]}
    policies = {name: os.sched_getscheduler(pid) for name, pid in pids.items()}
    assert policies == dict.fromkeys(pids, os.SCHED_RR)
    # And so do those that Postgres has for each connection.
    primary = pids["postgres-primary"]
    sessions = Path(f"/proc/{primary}/task/{primary}/children").read_text().split()
    assert len(sessions) > 5
    assert {os.sched_getscheduler(int(pid)) for pid in sessions} == {os.SCHED_RR}

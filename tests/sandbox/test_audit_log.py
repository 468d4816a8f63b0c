"""The local platform's flags and audit log: changed by the API, read by the gate's own probe."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from probes import audit
from probes.audit import AuditTarget, Entries, Query
from probes.observation import Deadline, FailureKind, Observation
from sandbox.faults import catalogue
from sandbox.systems.flags.audit import make_app
from tests.probes.servers import brought, failed
from tests.probes.standin_server import listening
from tests.sandbox.app_servers import ADMIN_TOKEN, HOST, OWNER, Api, Servers

TOKEN = "reading-token"
SCRIPTS: dict[str, dict[str, str]] = {
    fault.name: fault.does["script"]
    for fault in catalogue.load()
    if "audit.entries" in str(fault.does.get("script"))
}

Read = Callable[..., Observation[Entries]]


@pytest.fixture(scope="module")
def address(servers: Servers) -> Iterator[str]:
    database = {"host": HOST, "port": servers.ports["primary"], "dbname": OWNER, "user": OWNER}
    app = make_app(SecretStr(ADMIN_TOKEN), {"token": TOKEN, "database": database})
    with listening(app) as url:
        yield url


@pytest.fixture
def read(address: str) -> Read:
    since = dt.datetime.now(dt.UTC)

    def ask(token: str = TOKEN, **query: str) -> Observation[Entries]:
        target = AuditTarget(address, "/v1/audit", SecretStr(token))
        return audit.entries(target, Query(since, **query), deadline=Deadline.after(5))

    return ask


def change(api: Api, flag: str, *, enabled: bool, percentage: int) -> httpx.Response:
    order = {"enabled": enabled, "percentage": percentage, "actor": "ops"}
    headers = {"X-Sandbox-Token": ADMIN_TOKEN}
    return api.http.put(f"/v1/operations/flags/{flag}", json=order, headers=headers)


def listed(api: Api, request_id: str) -> None:
    """List synthetic records, which the log notes."""
    headers = {"Authorization": "Bearer synthetic-token", "X-Request-Id": request_id}
    answer = api.http.get("/v1/synthetic/records?tag=none", headers=headers)
    assert answer.status_code == 200


def told(observed: Observation[Entries]) -> list[tuple[str | None, str | None, str | None]]:
    return [(one.target, one.old, one.new) for one in brought(observed).entries]


class TestFlags:
    def test_each_key_that_changes_has_one_entry(
        self, servers: Servers, api: Api, read: Read
    ) -> None:
        servers.redis().delete("feature:one", "feature:one:percentage")
        assert change(api, "one", enabled=True, percentage=0).status_code == 200
        assert change(api, "one", enabled=True, percentage=0).status_code == 200
        assert change(api, "one", enabled=False, percentage=10).status_code == 200
        assert told(read(action="flag.changed")) == [
            ("feature:one", None, "true"),
            ("feature:one", "true", "false"),
            ("feature:one:percentage", None, "10"),
        ]
        assert servers.redis().get("feature:one:percentage") == "10"

    def test_nobody_else_may_change_one(self, api: Api) -> None:
        body = {"enabled": True, "percentage": 0, "actor": "ops"}
        assert api.http.put("/v1/operations/flags/one", json=body).status_code == 401

    def test_a_change_that_cannot_be_logged_is_not_made(self, servers: Servers, api: Api) -> None:
        servers.redis().delete("feature:two")
        servers.sql("ALTER TABLE audit.entries RENAME TO away")
        try:
            assert change(api, "two", enabled=True, percentage=0).status_code == 500
        finally:
            servers.sql("ALTER TABLE audit.away RENAME TO entries")
        assert servers.redis().get("feature:two") is None


class TestLog:
    def test_a_listing_of_synthetic_records_has_its_request_id_unless_it_is_none(
        self, api: Api, read: Read
    ) -> None:
        listed(api, "unique-1")
        (entry,) = brought(read(request_id="unique-1")).entries
        assert (entry.actor, entry.action) == ("release-gate", "synthetic.records.listed")
        listed(api, "jane@example.org")
        entries = brought(read()).entries
        assert [one.request_id for one in entries] == ["unique-1", None]

    def test_pages_follow_each_other(self, servers: Servers, read: Read) -> None:
        servers.sql(
            "INSERT INTO audit.entries (region, actor, action) "
            "SELECT 'eu', 'ops', 'many' FROM generate_series(1, 450)"
        )
        found = brought(read(action="many"))
        assert (len(found.entries), found.pages) == (450, 3)

    def test_it_opens_to_the_reading_token_alone(self, address: str, read: Read) -> None:
        failed(read(token="another"), FailureKind.CREDENTIAL_REFUSED)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=address, trust_env=False, headers=headers) as client:
            assert client.get("/v1/audit").status_code == 400
            assert client.get("/v1/audit?since=2026-01-01T00:00:00").status_code == 400

    @pytest.mark.parametrize("how", ["UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
    def test_it_is_only_ever_added_to(self, servers: Servers, how: str) -> None:
        servers.sql("INSERT INTO audit.entries (region, actor, action) VALUES ('eu', 'a', 'b')")
        with pytest.raises(psycopg.errors.RaiseException):
            servers.sql(how.format("audit.entries"))


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_fault_of_the_log_leaves_nothing_behind(servers: Servers, script: dict[str, str]) -> None:
    servers.sql(
        "INSERT INTO audit.entries (region, actor, action, target, new) VALUES "
        "('eu', 'ops', 'f', 'feature:new_appointment_ui', 'false'), "
        "('eu', 'ops', 'f', 'feature:new_appointment_ui:percentage', '0')"
    )
    before = servers.sql("SELECT * FROM audit.entries ORDER BY id")
    servers.sql(script["broken"])
    servers.sql(script["fixed"])
    servers.sql(script["fixed"])
    assert servers.sql("SELECT * FROM audit.entries ORDER BY id") == before
    with pytest.raises(psycopg.errors.RaiseException):
        servers.sql("DELETE FROM audit.entries")


PREPARED_AFTER = 12
"""So many statements on few connections: the API's driver prepares those that come back."""


def test_a_log_that_was_off_is_on_again_for_statements_prepared_meanwhile(
    servers: Servers, api: Api, read: Read
) -> None:
    script = SCRIPTS["audit-log-off"]

    servers.sql(script["broken"])
    for n in range(4 * PREPARED_AFTER):
        listed(api, f"off-{n}")
    servers.sql(script["fixed"])
    for n in range(PREPARED_AFTER):
        listed(api, f"on-{n}")
    entries = brought(read()).entries
    assert [one.request_id for one in entries] == [f"on-{n}" for n in range(PREPARED_AFTER)]

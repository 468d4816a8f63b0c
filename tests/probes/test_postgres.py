from __future__ import annotations

import socket
import ssl
import threading

import psycopg
import pytest
import trustme
from psycopg import sql

from probes import postgres
from probes.observation import Deadline, FailureKind, Observation
from probes.postgres import PostgresTarget, Rows
from tests.probes import servers
from tests.probes.real_servers import Database
from tests.probes.servers import Behaviour, brought, failed, serving, soonest
from tests.tables import cases

_ID = "00000000-0000-4000-8000-000000000001"


def _read(
    target: PostgresTarget, statement: str, *params: object, seconds: float = 10
) -> Observation[Rows]:
    return postgres.read_only(target, statement, params, deadline=Deadline.after(seconds))


def test_a_read_returns_rows_and_shows_none_of_them(database: Database) -> None:
    observed = _read(database.target(), "SELECT patient, 1 AS n FROM visits WHERE id = %s", _ID)
    assert observed.failure is None
    assert brought(observed).rows == (("sentinel-9f2-patient", 1),)
    assert observed.record()["facts"] == {"row_count": 1, "columns": ["patient", "n"]}
    assert "sentinel" not in repr(observed)
    assert list(observed.phases) == ["resolve", "login", "prove", "query"]
    assert all(seconds is not None for seconds in observed.phases.values())


def test_the_transaction_is_read_only_and_bounded(database: Database) -> None:
    names = ("transaction_read_only", "lock_timeout", "search_path", "application_name")
    fields = ", ".join(f"current_setting('{name}')" for name in names)
    observed = _read(database.target(), f"SELECT {fields}, current_setting('statement_timeout')")
    (row,) = brought(observed).rows
    assert row[:4] == ("on", "500ms", "pg_catalog, public", "release-gate")
    assert 5000 < int(str(row[4]).removesuffix("ms")) <= 9030


@pytest.mark.parametrize(("record_id", "found"), [(_ID, True), (_ID[:-1] + "9", False)])
def test_a_record_is_found_by_its_id(database: Database, record_id: str, *, found: bool) -> None:
    for table in ("visits", "public.visits"):
        observed = postgres.record_exists(
            database.target(), table, "id", record_id, deadline=Deadline.after(10)
        )
        assert brought(observed).found is found


def test_an_id_cannot_smuggle_sql(database: Database) -> None:
    observed = postgres.record_exists(
        database.target(), 'visits" WHERE true --', "id", _ID, deadline=Deadline.after(10)
    )
    failed(observed, FailureKind.QUERY_REJECTED)


def test_the_server_tells_its_version(database: Database) -> None:
    observed = postgres.server_state(database.target(), deadline=Deadline.after(10))
    found = brought(observed)
    assert found.version.startswith("18")
    assert found.in_recovery is False


WRITERS = {
    "writer": "INSERT on table public.visits",
    "columnist": "UPDATE on table public.visits",
    "climber": "INSERT on table public.visits (held by writer)",
    "maker": "the role attribute CREATEROLE",
    "builder": "CREATE on schema public",
    "everywhere": "the membership in pg_write_all_data",
    "owner": "DELETE on table public.owned",
    "postgres": "the role attribute BYPASSRLS",
}


@pytest.mark.parametrize(("user", "words"), WRITERS.items(), ids=[f"as {x}" for x in WRITERS])
def test_a_login_that_may_write_is_refused(database: Database, user: str, words: str) -> None:
    # Had the query been run, its syntax error would be the failure.
    observed = _read(database.target(user), "THIS IS NOT SQL")
    failure = failed(observed, FailureKind.NOT_READ_ONLY)
    assert failure.phase == "prove"
    assert f"The login {user} has {words}" in failure.detail


@pytest.mark.parametrize(("user", "privilege"), [("reader", None), ("writer", "INSERT")])
def test_rights_are_returned_as_data(database: Database, user: str, privilege: str | None) -> None:
    observed = postgres.privileges(database.target(user), deadline=Deadline.after(10))
    assert [right.privilege for right in brought(observed).excess] == (
        [privilege] if privilege else []
    )


def test_a_right_in_a_schema_that_the_login_may_not_enter_is_none(database: Database) -> None:
    """pg_cron gives everybody DELETE on its own table, in a schema that nobody may use."""

    def excess() -> list[str]:
        found = brought(postgres.privileges(database.target("reader"), deadline=Deadline.after(10)))
        return [right.sentence() for right in found.excess]

    database.as_superuser(
        "CREATE SCHEMA cron",
        "CREATE TABLE cron.job_run_details (id int)",
        "GRANT DELETE ON cron.job_run_details TO public",
    )
    shut = excess()
    database.as_superuser("GRANT USAGE ON SCHEMA cron TO reader")
    open_ = excess()
    database.as_superuser("DROP SCHEMA cron CASCADE")
    assert shut == []
    assert open_ == ["DELETE on table cron.job_run_details (held by reader)"]


@pytest.mark.parametrize(
    ("grant", "says"),
    [
        ("GRANT TRIGGER ON visits TO reader", "TRIGGER on table public.visits"),
        ("GRANT MAINTAIN ON visits TO public", "MAINTAIN on table public.visits"),
        ("GRANT REFERENCES ON visits TO reader", "REFERENCES on table public.visits"),
        ("GRANT pg_read_server_files TO reader", "the membership in pg_read_server_files"),
        ("GRANT pg_checkpoint TO reader", "the membership in pg_checkpoint"),
        ("GRANT pg_read_all_stats TO reader", None),
    ],
)
def test_whatever_is_not_reading_is_too_much(
    database: Database, grant: str, says: str | None
) -> None:
    revoke = grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")
    database.as_superuser(grant)
    found = postgres.privileges(database.target("reader"), deadline=Deadline.after(10)).value
    database.as_superuser(revoke)
    assert found is not None
    said = [one.sentence() for one in found.excess]
    assert (said == []) if says is None else says in str(said)


REJECTED: dict[str, tuple[str, str, FailureKind, str]] = {
    "without the right": ("blind", "SELECT * FROM visits", FailureKind.FORBIDDEN, "42501"),
    "of a missing table": ("reader", "SELECT * FROM nothing", FailureKind.QUERY_REJECTED, "42P01"),
    "of a missing column": ("reader", "SELECT x FROM visits", FailureKind.QUERY_REJECTED, "42703"),
    "that is not SQL": ("reader", "THIS IS NOT SQL", FailureKind.QUERY_REJECTED, "42601"),
    "that writes": ("reader", "CREATE TEMP SEQUENCE s", FailureKind.QUERY_REJECTED, "25006"),
    "of a secret as a number": (
        "reader",
        "SELECT patient::int FROM visits",
        FailureKind.QUERY_REJECTED,
        "22P02",
    ),
    "that sleeps too long": ("reader", "SELECT pg_sleep(30)", FailureKind.TIMEOUT, "57014"),
}


@cases("user statement kind state", REJECTED)
def test_a_query_fails_with_its_sqlstate_and_no_words_of_the_server(
    database: Database, user: str, statement: str, kind: FailureKind, state: str
) -> None:
    seconds = 1 if kind is FailureKind.TIMEOUT else 10
    observed = soonest(
        seconds + 0.3, lambda: _read(database.target(user), statement, seconds=seconds)
    )
    failure = failed(observed, kind, "query")
    assert f"SQLSTATE {state}" in failure.detail
    assert "sentinel" not in failure.detail


def test_a_locked_table_is_a_busy_server(database: Database) -> None:
    with psycopg.connect(
        host="127.0.0.1",
        port=database.port,
        dbname="clinic",
        user="postgres",
        password=database.target().password.get_secret_value(),
    ) as holder:
        holder.execute(sql.SQL("LOCK TABLE visits IN ACCESS EXCLUSIVE MODE"))
        observed = _read(database.target(), "SELECT * FROM visits")
    failed(observed, FailureKind.SERVER_BUSY)


def test_too_many_rows_are_refused_without_reading_them_all(database: Database) -> None:
    observed = soonest(2, lambda: _read(database.target(), "SELECT generate_series(1, 100000000)"))
    failed(observed, FailureKind.TOO_LARGE)


LOGINS: dict[str, tuple[dict[str, str], str, FailureKind]] = {
    "with a wrong password": ({"password": "wrong"}, "reader", FailureKind.CREDENTIAL_REFUSED),
    "of an unknown user": ({}, "nobody-here", FailureKind.CREDENTIAL_REFUSED),
    "to a missing database": ({"database": "nothing"}, "reader", FailureKind.QUERY_REJECTED),
    "beyond its connection limit": ({}, "crowd", FailureKind.SERVER_BUSY),
    "to an unknown name": ({"host": "no-such.invalid"}, "reader", FailureKind.NAME_NOT_RESOLVED),
    "with a missing CA file": (
        {"sslmode": "verify-full", "sslrootcert": "/none"},
        "reader",
        FailureKind.OUR_FAULT,
    ),
    "with TLS to a server without": (
        {"sslmode": "verify-full"},
        "reader",
        FailureKind.TLS_FAILED,
    ),
}


@cases("changes user kind", LOGINS)
def test_a_login_that_fails_says_why(
    database: Database, changes: dict[str, str], user: str, kind: FailureKind
) -> None:
    observed = _read(database.target(user, **changes), "SELECT 1", seconds=3)
    assert failed(observed, kind).phase in {"resolve", "login"}


def _tls_front(port: int, certificate: trustme.LeafCert) -> Behaviour:
    """Speak Postgres' TLS before a server that was built without it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    def behave(client: socket.socket, over: threading.Event) -> None:
        client.recv(8)
        client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as secured:
            servers.relay(secured, port, over)

    return behave


TLS: dict[str, tuple[str, str, bool, FailureKind | None]] = {
    "verify-full": ("localhost", "verify-full", True, None),
    "verify-ca, which takes any name": ("other.test", "verify-ca", True, None),
    "require, which takes anything": ("other.test", "require", False, None),
    "verify-full, with another name": (
        "other.test",
        "verify-full",
        True,
        FailureKind.CERTIFICATE_INVALID,
    ),
    "verify-full, with an unknown authority": (
        "localhost",
        "verify-full",
        False,
        FailureKind.CERTIFICATE_UNTRUSTED,
    ),
    "verify-ca, with an unknown authority": (
        "localhost",
        "verify-ca",
        False,
        FailureKind.CERTIFICATE_UNTRUSTED,
    ),
}


@cases("name sslmode trusted kind", TLS)
def test_tls_is_as_strict_as_its_mode(
    *,
    database: Database,
    authority: trustme.CA,
    name: str,
    sslmode: str,
    trusted: bool,
    kind: FailureKind | None,
) -> None:
    with serving(_tls_front(database.port, authority.issue_cert(name))) as server:
        front = Database(server.port, database.ca_file if trusted else "")
        observed = _read(front.target(sslmode=sslmode), "SELECT 1")
    assert (observed.failure and observed.failure.kind) == kind


STRANGERS = {
    "hangs before TLS": (servers.hang, FailureKind.TIMEOUT),
    "has no TLS": (servers.say(b"N"), FailureKind.TLS_FAILED),
}


@cases("behaviour kind", STRANGERS)
def test_what_answers_no_tls_is_told_apart(
    database: Database, behaviour: Behaviour, kind: FailureKind
) -> None:
    with serving(behaviour) as server:
        target = Database(server.port, database.ca_file).target(sslmode="verify-full")
        seconds = 0.5 if kind is FailureKind.TIMEOUT else 5
        observed = soonest(seconds + 0.3, lambda: _read(target, "SELECT 1", seconds=seconds))
    failed(observed, kind)


def test_a_server_that_falls_silent_in_mid_query_ends_with_the_deadline(database: Database) -> None:
    def relay_until_query(client: socket.socket, over: threading.Event) -> None:
        servers.relay(client, database.port, over, last_words=b"generate_series")
        servers.hang(client, over)

    with serving(relay_until_query) as server:
        target = Database(server.port, database.ca_file).target(sslmode="disable")
        statement = "SELECT generate_series(1, 5)"
        observed = soonest(1.3, lambda: _read(target, statement, seconds=1))
    failed(observed, FailureKind.TIMEOUT, "query")


def test_text_is_text_also_where_the_database_has_no_encoding(database: Database) -> None:
    database.as_superuser(
        "CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    )
    observed = _read(
        database.target(database="plain"), "SELECT relkind::text FROM pg_class LIMIT 1"
    )
    database.as_superuser("DROP DATABASE plain")
    assert isinstance(brought(observed).rows[0][0], str)

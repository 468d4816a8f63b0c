from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme
from psycopg import sql

from probes import postgres
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
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


def _excess(database: Database, user: str = "reader") -> list[str]:
    seen = postgres.privileges(database.target(user), deadline=Deadline.after(10))
    return [right.sentence() for right in brought(seen).excess]


def test_a_read_returns_rows_and_shows_none_of_them(database: Database) -> None:
    observed = _read(database.target(), "SELECT patient, 1 AS n FROM visits WHERE id = %s", _ID)
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


def test_a_record_is_found_by_its_id_which_can_not_smuggle_sql(database: Database) -> None:
    def found(table: str, record_id: str) -> Observation[postgres.RecordFound]:
        deadline = Deadline.after(10)
        return postgres.record_exists(database.target(), table, "id", record_id, deadline=deadline)

    for table in ("visits", "public.visits"):
        assert brought(found(table, _ID)).found
        assert not brought(found(table, _ID[:-1] + "9")).found
    failed(found('visits" WHERE true --', _ID), Kind.QUERY_REJECTED)


def test_the_server_tells_its_version(database: Database) -> None:
    found = brought(postgres.server_state(database.target(), deadline=Deadline.after(10)))
    assert (found.version[:2], found.in_recovery) == ("18", False)


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


@pytest.mark.parametrize(("user", "words"), WRITERS.items(), ids=WRITERS)
def test_a_login_that_may_write_is_refused(database: Database, user: str, words: str) -> None:
    # Had the query been run, its syntax error would be the failure.
    observed = _read(database.target(user), "THIS IS NOT SQL")
    failure = failed(observed, Kind.NOT_READ_ONLY, "prove")
    assert f"The login {user} has {words}" in failure.detail
    assert words.partition(" (")[0] in _excess(database, user)[0]


def test_a_right_in_a_schema_that_the_login_may_not_enter_is_none(database: Database) -> None:
    """pg_cron gives everybody DELETE on its own table, in a schema that nobody may use."""
    database.as_superuser(
        "CREATE SCHEMA cron",
        "CREATE TABLE cron.job_run_details (id int)",
        "GRANT DELETE ON cron.job_run_details TO public",
    )
    shut = _excess(database)
    database.as_superuser("GRANT USAGE ON SCHEMA cron TO reader")
    open_ = _excess(database)
    database.as_superuser("DROP SCHEMA cron CASCADE")
    assert shut == []
    assert open_ == ["DELETE on table cron.job_run_details (held by reader)"]


GRANTS = {
    "TRIGGER ON visits TO reader": "TRIGGER on table public.visits",
    "MAINTAIN ON visits TO public": "MAINTAIN on table public.visits",
    "REFERENCES ON visits TO reader": "REFERENCES on table public.visits",
    "pg_read_server_files TO reader": "the membership in pg_read_server_files",
    "pg_checkpoint TO reader": "the membership in pg_checkpoint",
    "pg_read_all_stats TO reader": "",
}


@pytest.mark.parametrize(("grant", "says"), GRANTS.items(), ids=GRANTS)
def test_whatever_is_not_reading_is_too_much(database: Database, grant: str, says: str) -> None:
    database.as_superuser(f"GRANT {grant}")
    said = _excess(database)
    database.as_superuser(f"REVOKE {grant.replace(' TO ', ' FROM ')}")
    assert says in str(said) if says else said == []


REJECTED = {
    "without the right": ("blind", "SELECT * FROM visits", Kind.FORBIDDEN, "42501"),
    "of a missing table": ("reader", "SELECT * FROM nothing", Kind.QUERY_REJECTED, "42P01"),
    "of a missing column": ("reader", "SELECT x FROM visits", Kind.QUERY_REJECTED, "42703"),
    "that is not SQL": ("reader", "THIS IS NOT SQL", Kind.QUERY_REJECTED, "42601"),
    "that writes": ("reader", "CREATE TEMP SEQUENCE s", Kind.QUERY_REJECTED, "25006"),
    "of text as number": (
        "reader",
        "SELECT patient::int FROM visits",
        Kind.QUERY_REJECTED,
        "22P02",
    ),
    "that sleeps too long": ("reader", "SELECT pg_sleep(30)", Kind.TIMEOUT, "57014"),
}


@cases("user statement kind state", REJECTED)
def test_a_query_fails_with_its_sqlstate_and_no_words_of_the_server(
    database: Database, user: str, statement: str, kind: Kind, state: str
) -> None:
    seconds = 1 if kind is Kind.TIMEOUT else 10
    observed = soonest(
        seconds + 0.3, lambda: _read(database.target(user), statement, seconds=seconds)
    )
    failure = failed(observed, kind, "query")
    assert f"SQLSTATE {state}" in failure.detail
    assert "sentinel" not in failure.detail


def test_a_locked_table_is_a_busy_server(database: Database) -> None:
    with database.session() as holder, holder.transaction():
        holder.execute(sql.SQL("LOCK TABLE visits IN ACCESS EXCLUSIVE MODE"))
        failed(_read(database.target(), "SELECT * FROM visits"), Kind.SERVER_BUSY)


def test_too_many_rows_are_refused_without_reading_them_all(database: Database) -> None:
    observed = soonest(2, lambda: _read(database.target(), "SELECT generate_series(1, 100000000)"))
    failed(observed, Kind.TOO_LARGE)


LOGINS: dict[str, tuple[dict[str, str], Kind, str]] = {
    "with a wrong password": (
        {"password": "wrong"},
        Kind.CREDENTIAL_REFUSED,
        "it refused the password",
    ),
    "of an unknown user": ({"user": "nobody-here"}, Kind.CREDENTIAL_REFUSED, ""),
    "that may not log in": (
        {"user": "asleep"},
        Kind.CREDENTIAL_REFUSED,
        "the login may not log in; ALTER ROLE … LOGIN",
    ),
    "beyond its connection limit": (
        {"user": "crowd"},
        Kind.SERVER_BUSY,
        "the login has no connection left",
    ),
    "to a missing database": (
        {"database": "nothing"},
        Kind.QUERY_REJECTED,
        "it has no such database",
    ),
    "to a database that is shut": (
        {"database": "shut"},
        Kind.FORBIDDEN,
        "GRANT CONNECT ON DATABASE",
    ),
    "to a database that is full": (
        {"database": "small"},
        Kind.SERVER_BUSY,
        "the database has no connection left",
    ),
    "to an unknown name": ({"host": "no-such.invalid"}, Kind.NAME_NOT_RESOLVED, ""),
    "with a missing CA file": (
        {"sslmode": "verify-full", "sslrootcert": "/none"},
        Kind.OUR_FAULT,
        "",
    ),
    "with TLS to a server without": ({"sslmode": "verify-full"}, Kind.TLS_FAILED, ""),
}


@cases("changes kind words", LOGINS)
def test_a_login_that_fails_says_why(
    database: Database, changes: dict[str, str], kind: Kind, words: str
) -> None:
    failure = failed(_read(database.target(**changes), "SELECT 1", seconds=3), kind)
    assert failure.phase in {"resolve", "login"}
    assert words in failure.detail
    assert "sentinel" not in failure.detail


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


TLS = {
    "its own name": ("localhost", "verify-full", True, None),
    "any name": ("other.test", "verify-ca", True, None),
    "anything": ("other.test", "require", False, None),
    "another name": ("other.test", "verify-full", True, Kind.CERTIFICATE_INVALID),
    "an unknown authority": ("localhost", "verify-full", False, Kind.CERTIFICATE_UNTRUSTED),
    "the same for any name": ("localhost", "verify-ca", False, Kind.CERTIFICATE_UNTRUSTED),
}


@cases("name sslmode trusted kind", TLS)
def test_tls_is_as_strict_as_its_mode(
    *,
    database: Database,
    authority: trustme.CA,
    name: str,
    sslmode: str,
    trusted: bool,
    kind: Kind | None,
) -> None:
    with serving(_tls_front(database.port, authority.issue_cert(name))) as server:
        front = Database(server.port, database.ca_file if trusted else "")
        observed = _read(front.target(sslmode=sslmode), "SELECT 1")
    assert (observed.failure and observed.failure.kind) == kind


STRANGERS = {
    "hangs before TLS": (servers.hang, Kind.TIMEOUT),
    "has no TLS": (servers.say(b"N"), Kind.TLS_FAILED),
}


@cases("behaviour kind", STRANGERS)
def test_what_answers_no_tls_is_told_apart(
    database: Database, behaviour: Behaviour, kind: Kind
) -> None:
    with serving(behaviour) as server:
        target = Database(server.port, database.ca_file).target(sslmode="verify-full")
        seconds = 0.5 if kind is Kind.TIMEOUT else 5
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
    failed(observed, Kind.TIMEOUT, "query")


@pytest.fixture
def plain(database: Database) -> Iterator[PostgresTarget]:
    """Return a database without an encoding."""
    database.as_superuser(
        "CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    )
    yield database.target(database="plain")
    database.as_superuser("DROP DATABASE plain")


def test_text_is_text_also_where_the_database_has_no_encoding(plain: PostgresTarget) -> None:
    observed = _read(plain, "SELECT relkind::text FROM pg_class LIMIT 1")
    assert isinstance(brought(observed).rows[0][0], str)

"""A real PostgreSQL: what is read of it, by whom, and a sentence for each way in which it says no."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import re
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import trustme
from psycopg import sql

from probes import postgres
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from probes.postgres import PostgresTarget, Rows
from sandbox.systems.data import postgres as sandbox_postgres
from tests.probes import real_servers, servers
from tests.probes.real_servers import Database
from tests.probes.servers import Behaviour, brought, failed, reading, serving, soonest, wait_until
from tests.tables import cases

Said = Callable[..., None]
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


WRITERS = "writer columnist climber maker builder everywhere owner postgres"


def test_a_login_that_may_write_is_refused(database: Database, said: Said) -> None:
    # Had the query been run, its syntax error would be the failure.
    refused = {user: _read(database.target(user), "THIS IS NOT SQL") for user in WRITERS.split()}
    phases = {one.failure and one.failure.phase for one in refused.values()}
    assert phases == {"prove"}
    said({user: [_few(reading(one)), _excess(database, user)[0]] for user, one in refused.items()})


def _few(text: object) -> str:
    """Return a sentence without how many rights there are beside the one that it names."""
    return re.sub(r", and \d+ more", ", and more", str(text))


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


GRANTS = (
    "TRIGGER ON visits TO reader",
    "MAINTAIN ON visits TO public",
    "REFERENCES ON visits TO reader",
    "pg_read_server_files TO reader",
    "pg_checkpoint TO reader",
    "pg_read_all_stats TO reader",
)


def test_whatever_is_not_reading_is_too_much(database: Database, said: Said) -> None:
    found = {}
    for grant in GRANTS:
        database.as_superuser(f"GRANT {grant}")
        found[grant] = _excess(database)
        database.as_superuser(f"REVOKE {grant.replace(' TO ', ' FROM ')}")
    said(found)


REJECTED = {
    "without the right": ("blind", "SELECT * FROM visits"),
    "of a missing table": ("reader", "SELECT * FROM nothing"),
    "of a missing column": ("reader", "SELECT x FROM visits"),
    "that is not SQL": ("reader", "THIS IS NOT SQL"),
    "that writes": ("reader", "CREATE TEMP SEQUENCE s"),
    "of text as number": ("reader", "SELECT patient::int FROM visits"),
}


def test_a_query_fails_with_its_sqlstate_and_no_words_of_the_server(
    database: Database, said: Said
) -> None:
    seen = {name: _read(database.target(user), sql) for name, (user, sql) in REJECTED.items()}
    slow = "SELECT pg_sleep(30)"
    seen["that sleeps too long"] = soonest(1.3, lambda: _read(database.target(), slow, seconds=1))
    assert {one.failure and one.failure.phase for one in seen.values()} == {"query"}
    said({name: reading(one) for name, one in seen.items()})


def test_a_locked_table_is_a_busy_server(database: Database) -> None:
    with database.session() as holder, holder.transaction():
        holder.execute(sql.SQL("LOCK TABLE visits IN ACCESS EXCLUSIVE MODE"))
        failed(_read(database.target(), "SELECT * FROM visits"), Kind.SERVER_BUSY)


def test_too_many_rows_are_refused_without_reading_them_all(database: Database) -> None:
    observed = soonest(2, lambda: _read(database.target(), "SELECT generate_series(1, 100000000)"))
    failed(observed, Kind.TOO_LARGE)


LOGINS: dict[str, dict[str, str]] = {
    "with a wrong password": {"password": "wrong"},
    "of an unknown user": {"user": "nobody-here"},
    "that may not log in": {"user": "asleep"},
    "beyond its connection limit": {"user": "crowd"},
    "to a missing database": {"database": "nothing"},
    "to a database that is shut": {"database": "shut"},
    "to a database that is full": {"database": "small"},
    "to an unknown name": {"host": "no-such.invalid"},
    "with a missing CA file": {"sslmode": "verify-full", "sslrootcert": "/none"},
    "with TLS to a server without": {"sslmode": "verify-full"},
}


def test_a_login_that_fails_says_why(database: Database, said: Said) -> None:
    targets = {name: database.target(**changes) for name, changes in LOGINS.items()}
    seen = {name: _read(one, "SELECT 1", seconds=3) for name, one in targets.items()}
    assert {one.failure and one.failure.phase for one in seen.values()} <= {"resolve", "login"}
    said({name: reading(one) for name, one in seen.items()})


STATES = "08006 53100 53200 53400 55P03 40001 57P01 58030 XX001"


def test_every_state_has_its_own_sentence(database: Database, said: Said) -> None:
    database.as_superuser(
        "CREATE FUNCTION fail(state text) RETURNS int LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''sentinel'' USING ERRCODE = state; END'"
    )
    target, states = database.target(), STATES.split()
    said({state: reading(_read(target, "SELECT fail(%s)", state)) for state in states})
    database.as_superuser("DROP FUNCTION fail")


def _down(database: Database) -> str:
    """Return what the probe says of a server that does not let it in, nothing where it does."""
    seen = postgres.server_state(database.target(), deadline=Deadline.after(5))
    return str(reading(seen)) if seen.failure else ""


def test_a_server_without_a_connection_left_says_so(database: Database) -> None:
    with contextlib.ExitStack() as stack:
        for user in ("reader", "postgres"):  # those of everybody, then those that are reserved
            with contextlib.suppress(psycopg.OperationalError):
                for _ in range(30):
                    stack.enter_context(contextlib.closing(database.session(user)))
            found = _down(database)
            assert found.startswith("SERVER_BUSY")
            assert "all of its connections are in use" in found


def test_a_server_that_has_no_line_for_the_login_says_so(database: Database) -> None:
    with database.session() as connection:
        hba = pathlib.Path(str(connection.execute("SHOW hba_file").fetchall()[0][0]))
        before = hba.read_text()
        only_us = "host all postgres all scram-sha-256\n"
        try:
            for lines in (f"host all reader all reject\n{only_us}", only_us):
                hba.write_text(lines)
                connection.execute("SELECT pg_reload_conf()")
                wait_until(lambda: _down(database), "the new file is in force")
                assert _down(database).startswith("CREDENTIAL_REFUSED")
                assert "its pg_hba.conf has no line" in _down(database)
        finally:
            hba.write_text(before)
            connection.execute("SELECT pg_reload_conf()")
    wait_until(lambda: not _down(database), "the old file is in force again")


def test_a_server_that_stops_starts_or_only_replays_says_which(ca_file: str) -> None:
    user, programs = sandbox_postgres.ordinary_user(), sandbox_postgres.programs()
    with real_servers.postgres_server(ca_file) as database:
        with database.session() as kept:
            data = pathlib.Path(str(kept.execute("SHOW data_directory").fetchall()[0][0]))
            process = int((data / "postmaster.pid").read_text().split()[0])
            os.kill(process, signal.SIGTERM)  # waits for those who are connected
            wait_until(lambda: _down(database), "new logins are refused")
            assert "it is shutting down" in _down(database)
        wait_until(lambda: not (data / "postmaster.pid").exists(), "it has ended")
        argv = [str(programs / "postgres"), "-D", str(data), "-p", str(database.port)]
        argv += ["--listen_addresses=localhost", "--unix_socket_directories="]
        (data / "standby.signal").touch()
        for settings, words in (
            (["--restore_command=sleep 20"], "it is starting up; wait"),
            (["--restore_command=false", "--hot_standby=off"], "a standby that answers no queries"),
        ):
            where: dict[str, Any] = {"folder": data, "environment": {"LC_ALL": "C"}, "user": user}
            with real_servers.running([*argv, *settings], **where):
                says = functools.partial(lambda words: words in _down(database), words)
                wait_until(says, f"the server says: {words}")
                assert _down(database).startswith("SERVER_BUSY")


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
    "its own name": ("localhost", "verify-full", None),
    "any name": ("other.test", "verify-ca", None),
    "anything": ("other.test", "require", None),
    "another name": ("other.test", "verify-full", Kind.CERTIFICATE_INVALID),
    "an unknown authority": ("localhost", "verify-full", Kind.CERTIFICATE_UNTRUSTED),
    "the same for any name": ("localhost", "verify-ca", Kind.CERTIFICATE_UNTRUSTED),
}


@cases("name sslmode kind", TLS)
def test_tls_is_as_strict_as_its_mode(
    database: Database, authority: trustme.CA, name: str, sslmode: str, kind: Kind | None
) -> None:
    distrusted = kind is Kind.CERTIFICATE_UNTRUSTED or sslmode == "require"
    with serving(_tls_front(database.port, authority.issue_cert(name))) as server:
        front = Database(server.port, "" if distrusted else database.ca_file)
        observed = _read(front.target(sslmode=sslmode), "SELECT 1")
    assert (observed.failure and observed.failure.kind) == kind


@cases(
    "behaviour kind",
    {"hangs": (servers.hang, Kind.TIMEOUT), "no": (servers.say(b"N"), Kind.TLS_FAILED)},
)
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


def test_text_is_text_also_where_the_database_has_no_encoding(database: Database) -> None:
    made = "CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
    database.as_superuser(made)
    observed = _read(
        database.target(database="plain"), "SELECT relkind::text FROM pg_class LIMIT 1"
    )
    database.as_superuser("DROP DATABASE plain")
    assert isinstance(brought(observed).rows[0][0], str)

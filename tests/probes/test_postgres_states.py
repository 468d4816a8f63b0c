"""A real PostgreSQL that is full, locked, starting, stopping or closed to the gate: a sentence for each."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import signal
from collections.abc import Iterator

import psycopg
import pytest

from probes import postgres
from probes.observation import Deadline, Failure, FailureKind
from sandbox.systems.data import postgres as sandbox_postgres
from tests.probes import real_servers
from tests.probes.real_servers import Database, running
from tests.probes.servers import wait_until


@pytest.fixture(scope="module")
def own(ca_file: str) -> Iterator[Database]:
    """Return a server that this module may stop."""
    with real_servers.postgres_server(ca_file) as server:
        yield server


def failure(server: Database, user: str = "reader", **changes: str) -> Failure:
    target = server.target(user, **changes)
    found = postgres.server_state(target, deadline=Deadline.after(5)).failure
    assert found is not None
    assert "sentinel" not in found.detail
    return found


STATES = {
    "53100": "its disk is full; free space",
    "53200": "it is out of memory",
    "53400": "a limit of its configuration is reached",
    "55P03": "another session keeps a table locked",
    "40001": "a standby cancelled the query",
    "57P01": "an administrator ended the connection",
    "58030": "it can't read or write its files",
    "XX001": "it found damaged data",
}


@pytest.mark.parametrize(("state", "words"), STATES.items(), ids=STATES)
def test_every_state_has_its_own_sentence(state: str, words: str, own: Database) -> None:
    own.as_superuser(
        "CREATE OR REPLACE FUNCTION fail(state text) RETURNS int LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''sentinel'' USING ERRCODE = state; END'"
    )
    observed = postgres.read_only(
        own.target(), "SELECT fail(%s)", (state,), deadline=Deadline.after(5)
    )
    detail = observed.failure.detail if observed.failure else ""
    assert words in detail
    assert f"(SQLSTATE {state})" in detail
    assert "sentinel" not in detail


def test_a_server_without_a_connection_left_says_so(own: Database) -> None:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(30):
                stack.enter_context(contextlib.closing(own.session("reader")))
        reserved = failure(own)
        with contextlib.suppress(psycopg.OperationalError):
            for _ in range(30):
                stack.enter_context(contextlib.closing(own.session()))
        full = failure(own)
    for found in (reserved, full):
        assert found.kind is FailureKind.SERVER_BUSY
        assert "all of its connections are in use" in found.detail


def test_a_server_that_has_no_line_for_the_login_says_so(own: Database) -> None:
    with own.session() as connection:
        hba = pathlib.Path(str(connection.execute("SHOW hba_file").fetchall()[0][0]))
        before = hba.read_text()
        only_us = "host all postgres all scram-sha-256\n"
        try:
            for lines in (f"host all reader all reject\n{only_us}", only_us):
                hba.write_text(lines)
                connection.execute("SELECT pg_reload_conf()")
                wait_until(lambda: refused(own), "the new file is in force")
                found = failure(own)
                assert found.kind is FailureKind.CREDENTIAL_REFUSED
                assert "its pg_hba.conf has no line" in found.detail
        finally:
            hba.write_text(before)
            connection.execute("SELECT pg_reload_conf()")
    wait_until(lambda: not refused(own), "the old file is in force again")


def says(database: Database, words: str) -> bool:
    return words in failure(database).detail


def refused(database: Database) -> bool:
    found = postgres.server_state(database.target(), deadline=Deadline.after(5))
    return found.failure is not None


def test_a_server_that_stops_starts_or_only_replays_says_which(ca_file: str) -> None:
    user, programs = sandbox_postgres.ordinary_user(), sandbox_postgres.programs()
    with real_servers.postgres_server(ca_file) as database:
        with database.session() as kept:
            data = pathlib.Path(str(kept.execute("SHOW data_directory").fetchall()[0][0]))
            process = int((data / "postmaster.pid").read_text().split()[0])
            os.kill(process, signal.SIGTERM)  # waits for those who are connected
            wait_until(lambda: refused(database), "new logins are refused")
            assert "it is shutting down" in failure(database).detail
        wait_until(lambda: not (data / "postmaster.pid").exists(), "it has ended")
        argv = [str(programs / "postgres"), "-D", str(data), "-p", str(database.port)]
        argv += ["--listen_addresses=localhost", "--unix_socket_directories="]
        environment = {"LC_ALL": "C"}
        for settings, words in (
            (["--restore_command=sleep 20"], "it is starting up; wait"),
            (["--restore_command=false", "--hot_standby=off"], "a standby that answers no queries"),
        ):
            (data / "standby.signal").touch()
            with running([*argv, *settings], folder=data, environment=environment, user=user):
                wait_until(functools.partial(says, database, words), f"the server says: {words}")
                assert failure(database).kind is FailureKind.SERVER_BUSY

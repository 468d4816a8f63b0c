"""deploy/postgres/gate_role.sql: what the gate's login may do, and that everything else is refused."""

from __future__ import annotations

import pathlib

import psycopg
import pytest

from probes import postgres
from probes.observation import Deadline
from tests.probes.real_servers import PASSWORD
from tests.steps.records import Records
from tests.tables import beside

_FORBIDDEN = beside(__file__, "forbidden.yaml")


@pytest.fixture
def gate(records: Records) -> psycopg.Connection[tuple[object, ...]]:
    """Return the gate's own connection, out of its read-only mode: rights are the boundary, not that."""
    connection = psycopg.connect(
        host="127.0.0.1",
        port=records.database.port,
        dbname="clinic",
        user="release_gate",
        password=PASSWORD,
        autocommit=True,
    )
    connection.execute("SET default_transaction_read_only = off")
    return connection


@pytest.mark.parametrize("statement", _FORBIDDEN)
def test_the_gates_login_is_refused(
    statement: str, gate: psycopg.Connection[tuple[object, ...]]
) -> None:
    with gate, pytest.raises(psycopg.Error) as refused:
        gate.execute(statement.encode())
    assert refused.value.sqlstate == "42501"


def test_the_gates_login_starts_read_only(records: Records, tmp_path: pathlib.Path) -> None:
    target = records.platform(tmp_path).postgres()
    assert target is not None
    rights = postgres.privileges(target, deadline=Deadline.after(5)).value
    assert rights is not None
    assert rights.excess == ()

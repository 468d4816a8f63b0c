"""What is unfinished in a schema is a finding, whoever made it; against a real PostgreSQL."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

import psycopg

from gates.decide.outcome import Outcome
from probes.observation import Deadline
from probes.postgres import schema
from steps.data.schema_rules import nothing_unfinished
from tests.probes.servers import wait_until
from tests.steps.records import Records
from tests.tables import beside, cases

ENUM = "CREATE TYPE \"Mood_old\" AS ENUM ('good')"


def seen(records: Records) -> schema.Structure:
    target = records.database.target("release_gate")
    found = schema.structure(target, deadline=Deadline.after(10)).value
    assert found is not None
    return found


def left(records: Records, statements: Sequence[str]) -> None:
    """Run each statement by itself, so that one which fails leaves what it leaves.

    Another session holds the lock of a `LOCK`: what runs concurrently waits for it, and its own
    statement_timeout ends it half-way.
    """
    with records.superuser() as connection, records.superuser() as writer:
        writer.autocommit = False
        for statement in statements:
            session = writer if statement.startswith("LOCK") else connection
            with contextlib.suppress(psycopg.errors.UniqueViolation, psycopg.errors.QueryCanceled):
                session.execute(statement.encode())


UNFINISHED = beside(__file__, "unfinished.yaml")


@cases("row", UNFINISHED)
def test_what_is_unfinished_is_a_finding_and_evidence(
    row: dict[str, Any], records: Records
) -> None:
    try:
        left(records, row["left"])
        found = seen(records)
    finally:
        left(records, row["cleared"])
    assert row["key"] in {one.key for one in found.unfinished}
    assert row["key"] in str(found.facts()["unfinished"])
    judged = nothing_unfinished(found.unfinished, ())
    assert {one.outcome for one in judged} == {Outcome.FAIL}
    assert any(row["clears"] in one.clears for one in judged)
    assert seen(records).unfinished == ()


def test_an_index_that_is_being_built_is_undecided(records: Records) -> None:
    with records.superuser() as writer, records.superuser() as builder:
        writer.autocommit = False
        writer.execute(b"UPDATE patients SET region = region WHERE id = '1'")
        building = threading.Thread(
            target=builder.execute, args=(b"CREATE INDEX CONCURRENTLY slow ON patients (region)",)
        )
        building.start()
        try:
            wait_until(lambda: bool(seen(records).unfinished), "the index is there, invalid")
            (found,) = nothing_unfinished(seen(records).unfinished, ())
        finally:
            writer.rollback()
            building.join()
            builder.execute(b"DROP INDEX slow")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "is being built right now" in found.sentence


def test_types_and_constraints_in_use_are_no_finding(records: Records) -> None:
    statements = (ENUM, 'CREATE TABLE moods (mood "Mood_old")')
    left(records, statements)
    try:
        assert seen(records).unfinished == ()
    finally:
        left(records, ("DROP TABLE moods", 'DROP TYPE "Mood_old"'))

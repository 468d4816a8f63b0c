"""What is unfinished in a schema is a finding, whoever made it; against a real PostgreSQL."""

from __future__ import annotations

import contextlib
import threading

import psycopg
import pytest

from gates.decide.outcome import Outcome
from probes.observation import Deadline
from probes.postgres import schema
from steps.data.schema_rules import nothing_unfinished
from tests.probes.servers import wait_until
from tests.steps.records import Records

PARTS = (
    "CREATE TABLE parts (id int, day int) PARTITION BY RANGE (day)",
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)",
)
ENUM = "CREATE TYPE \"Mood_old\" AS ENUM ('good')"


def seen(records: Records) -> schema.Structure:
    target = records.database.target("release_gate")
    found = schema.structure(target, deadline=Deadline.after(10)).value
    assert found is not None
    return found


def left(records: Records, statements: tuple[str, ...]) -> None:
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


UNFINISHED = [
    pytest.param(
        (
            "CREATE UNIQUE INDEX CONCURRENTLY once ON patients (region)",
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS once ON patients (region)",
        ),
        ("DROP INDEX once",),
        "index public.patients once",
        'DROP INDEX CONCURRENTLY "once", and create it again',
        id="a unique index that failed, tried again with IF NOT EXISTS",
    ),
    pytest.param(
        (
            "CREATE INDEX by_region ON patients (region)",
            "LOCK TABLE patients IN ROW EXCLUSIVE MODE",
            "SET statement_timeout = 300",
            "REINDEX INDEX CONCURRENTLY by_region",
        ),
        ("DROP INDEX by_region_ccnew", "DROP INDEX by_region"),
        "index public.patients by_region_ccnew",
        "after _ccnew also REINDEX again",
        id="a REINDEX CONCURRENTLY that broke off",
    ),
    pytest.param(
        (*PARTS, "CREATE INDEX parts_day ON ONLY parts (day)"),
        ("DROP TABLE parts",),
        "index public.parts parts_day partitioned",
        "ATTACH PARTITION",
        id="an index on a partitioned table that its partition lacks",
    ),
    pytest.param(
        ("ALTER TABLE patients ADD CONSTRAINT named CHECK (name <> '') NOT VALID",),
        ("ALTER TABLE patients DROP CONSTRAINT named",),
        "constraint public.patients named not validated",
        'ALTER TABLE "public"."patients" VALIDATE CONSTRAINT "named"',
        id="a check that was never validated",
    ),
    pytest.param(
        ("ALTER TABLE patients ADD CONSTRAINT tagged NOT NULL synthetic_tag NOT VALID",),
        ("ALTER TABLE patients DROP CONSTRAINT tagged",),
        "constraint public.patients tagged not validated",
        "VALIDATE CONSTRAINT",
        id="a NOT NULL that was never validated",
    ),
    pytest.param(
        ("ALTER TABLE patients ADD CONSTRAINT named CHECK (name <> '') NOT ENFORCED",),
        ("ALTER TABLE patients DROP CONSTRAINT named",),
        "constraint public.patients named not enforced",
        "without NOT ENFORCED",
        id="a check that is not enforced",
    ),
    pytest.param(
        (
            "CREATE DOMAIN short AS text",
            "ALTER DOMAIN short ADD CONSTRAINT len CHECK (VALUE <> '') NOT VALID",
        ),
        ("DROP DOMAIN short",),
        "constraint public.short len not validated",
        "VALIDATE CONSTRAINT",
        id="a domain's check that was never validated",
    ),
    pytest.param(
        ("ALTER TABLE appointments DISABLE TRIGGER ALL",),
        ("ALTER TABLE appointments ENABLE TRIGGER ALL",),
        "constraint public.appointments appointments_patient_id_fkey switched off",
        "ENABLE TRIGGER ALL",
        id="a foreign key whose triggers are switched off",
    ),
    pytest.param(
        (
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER stamp BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION nothing()",
            "ALTER TABLE patients DISABLE TRIGGER stamp",
        ),
        ("DROP TRIGGER stamp ON patients", "DROP FUNCTION nothing"),
        "trigger public.patients stamp",
        'ENABLE TRIGGER "stamp"',
        id="a disabled trigger",
    ),
    pytest.param(
        (
            "CREATE RULE quiet AS ON DELETE TO patients DO INSTEAD NOTHING",
            "ALTER TABLE patients DISABLE RULE quiet",
        ),
        ("DROP RULE quiet ON patients",),
        "rule public.patients quiet",
        "ENABLE RULE",
        id="a disabled rule",
    ),
    pytest.param(
        ("CREATE MATERIALIZED VIEW seen AS SELECT id FROM patients WITH NO DATA",),
        ("DROP MATERIALIZED VIEW seen",),
        "materialized view public.seen seen",
        'REFRESH MATERIALIZED VIEW "public"."seen"',
        id="a materialized view that was never filled",
    ),
    pytest.param(
        (ENUM,),
        ('DROP TYPE "Mood_old"',),
        "type public.Mood_old Mood_old",
        'DROP TYPE "public"."Mood_old"',
        id="a type that Prisma's change of an enum left",
    ),
    pytest.param(
        (
            *PARTS,
            "LOCK TABLE parts IN ROW EXCLUSIVE MODE",
            "SET statement_timeout = 300",
            "ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY",
        ),
        ("DROP TABLE parts_1", "DROP TABLE parts"),
        "partition public.parts_1 parts_1 parts",
        "FINALIZE",
        id="a partition that is half detached",
    ),
]


@pytest.mark.parametrize(("statements", "cleared", "key", "clears"), UNFINISHED)
def test_what_is_unfinished_is_a_finding_and_evidence(
    statements: tuple[str, ...], cleared: tuple[str, ...], key: str, clears: str, records: Records
) -> None:
    try:
        left(records, statements)
        found = seen(records)
    finally:
        left(records, cleared)
    assert key in {one.key for one in found.unfinished}
    assert key in str(found.facts()["unfinished"])
    judged = nothing_unfinished(found.unfinished, ())
    assert {one.outcome for one in judged} == {Outcome.FAIL}
    assert any(clears in one.clears for one in judged)
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

"""What migrations do to a schema that old code has to run on: what is not certain is never called safe."""

from __future__ import annotations

import pytest

from gates.decide.rollback.schema import Kind, read
from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.systems.data.migrations import of_release

SCRIPTS = {
    Kind.EXPAND: """
        CREATE TABLE a (id text PRIMARY KEY, b text NOT NULL)
        CREATE INDEX CONCURRENTLY i ON a (b)
        create type mood as enum ('a')
        ALTER TABLE a ADD COLUMN b text
        ALTER TABLE a ADD b int NOT NULL DEFAULT 0
        ALTER TABLE a ADD b numeric(3, 2), ADD COLUMN c text DEFAULT ', DROP d'
        ALTER TABLE "a" ADD COLUMN "c;d" text
        ALTER TABLE a ADD b text[] NOT NULL DEFAULT ARRAY['x', 'DROP c']
        ALTER TABLE "odd name" ADD "another, one" text
        COMMENT ON TABLE a IS 'DROP TABLE a; UPDATE b'
        SET lock_timeout = '1s'; ALTER TABLE IF EXISTS ONLY a ADD b text
        CREATE TABLE a (b int); INSERT INTO a VALUES (1); ALTER TABLE a ADD UNIQUE (b)
        CREATE INDEX i ON a (b) -- only a comment: DROP TABLE a""",
    Kind.DATA: """
        UPDATE a SET b = 1
        INSERT INTO a VALUES ('; DROP TABLE b --')
        delete from a
        TRUNCATE a
        ALTER TABLE a ADD b int; UPDATE a SET b = 1""",
    Kind.UNKNOWN: """
        SELECT setval('s', 1)
        DO $$ BEGIN DROP TABLE a; END $$
        DO $do$ BEGIN NULL; END $do$
        ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0)
        ALTER TABLE a ADD UNIQUE (b)
        CREATE UNIQUE INDEX i ON a (b)
        CREATE TABLE IF NOT EXISTS a (b int); ALTER TABLE a ADD UNIQUE (b)
        CREATE TABLE a PARTITION OF b DEFAULT
        CREATE OR REPLACE VIEW v AS SELECT 1
        CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()
        ALTER TYPE mood ADD VALUE 'c'
        ALTER TABLE a ALTER b DROP NOT NULL
        ALTER TABLE a DROP CONSTRAINT c
        ALTER TABLE a ALTER b SET DEFAULT 2
        WITH x AS (DELETE FROM a RETURNING 1) SELECT 1 FROM x
        INSERT INTO a VALUES (E'it\\'s'); DROP TABLE a --'
        CREATE INDEX i ON a (b) /* a /* nested */ comment */
        VACUUM a""",
    Kind.CONTRACT: """
        DROP TABLE a
        drop table a
        DROP/**/TABLE a
        DROP TYPE mood
        ALTER TABLE a DROP COLUMN b
        ALTER TABLE a DROP b
        ALTER TABLE a ADD c text, DROP b
        ALTER TABLE a ADD c numeric(3, 2), DROP b
        CREATE TABLE "a" (id text); ALTER TABLE "b" DROP c
        ALTER TABLE a RENAME TO c
        ALTER TABLE a RENAME b TO c
        ALTER TABLE a ADD b int NOT NULL
        ALTER TABLE a ALTER COLUMN b TYPE bigint
        ALTER TABLE a ALTER b SET DATA TYPE bigint
        ALTER TABLE a ALTER COLUMN b SET NOT NULL
        ALTER TABLE a ALTER b DROP DEFAULT
        ALTER TABLE a SET SCHEMA s
        UPDATE a SET b = 1; SELECT 1; DROP TABLE a""",
}
ROWS = [
    (kind, script.strip())
    for kind, scripts in SCRIPTS.items()
    for script in scripts.strip().splitlines()
]


@pytest.mark.parametrize(("kind", "script"), ROWS, ids=[script for _, script in ROWS])
def test_a_script_is_what_its_worst_statement_is(kind: Kind, script: str) -> None:
    assert read({"m": script}).kind is kind


def test_only_what_is_certain_decides() -> None:
    runs = {kind: read({"m": next(s for k, s in ROWS if k is kind)}).old_code_runs for kind in Kind}
    assert runs == {
        Kind.EXPAND: True,
        Kind.DATA: None,
        Kind.UNKNOWN: None,
        Kind.CONTRACT: False,
    }


def test_the_worst_migration_is_named_and_no_value_is_kept() -> None:
    found = read({"1_add": "ALTER TABLE a ADD b int", "2_rows": "UPDATE users SET name = 'Maria'"})
    assert found.said == "migration 2_rows changes rows (UPDATE USERS SET)"


def test_the_local_platforms_release_only_adds() -> None:
    before = {one.name for one in of_release(PREVIOUS)}
    new = {m.name: m.script.decode() for m in of_release(RELEASE) if m.name not in before}
    assert read(new).said == "its 3 new migrations only add"
    assert read(new).old_code_runs

"""Faults of the data: migrations, schema, rows, backups, restore tests, connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.faults.actions import Action, LinksChanged, Scripted, Stopped
from sandbox.systems.data.fault_actions import (
    Crowded,
    DumpedWithout,
    Files,
    Locked,
    LockKept,
    Looped,
    RestoreTest,
    Sql,
    newest_copy,
    newest_in_both,
    restore_test,
)
from sandbox.systems.data.migrations import LOG, of_release

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.core.layout import Layout

_MIGRATIONS = [one.name for one in of_release(RELEASE) if one not in of_release(PREVIOUS)]
_FIRST, _SECOND, _LAST = _MIGRATIONS
_CHECKSUM = {one.name: one.checksum for one in of_release(RELEASE)}
_RENAMED_BACK = """
DO $$ BEGIN
    IF to_regclass('video_calls_old') IS NOT NULL THEN
        ALTER TABLE video_calls_old RENAME TO video_calls;
    END IF;
END $$"""
_COLUMN_BACK = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = 'video_calls'::regclass AND attname = 'finished_at') THEN
        ALTER TABLE video_calls RENAME COLUMN finished_at TO ended_at;
    END IF;
END $$"""
_KEY = "payments_appointment_id_fkey"
_MAKE_KEY = f"""
ALTER TABLE payments
    DROP CONSTRAINT IF EXISTS {_KEY},
    ADD CONSTRAINT {_KEY} FOREIGN KEY (appointment_id) REFERENCES appointments (id)"""
_CHECK = "ALTER TABLE appointments ADD CONSTRAINT sourced CHECK (source <> '')"
_NO_CHECK = "ALTER TABLE appointments DROP CONSTRAINT IF EXISTS sourced"


def _noted(name: str, setting: str) -> str:
    """Return the order to say something else of a migration in Prisma's table."""
    return f"UPDATE _prisma_migrations SET {setting} WHERE migration_name = '{name}'"  # noqa: S608 - all of it is written here


def _log(layout: Layout) -> tuple[Path, ...]:
    return (layout.evidence / LOG,)


def _pg_restore(layout: Layout) -> tuple[Path, ...]:
    return (layout.pg_restore,)


def _repository(layout: Layout) -> tuple[Path, ...]:
    return (layout.release_repository,)


_PHASE_1: dict[str, Action] = {
    "backup-missing": Files(newest_in_both),
    "backup-copy-missing": Files(newest_copy),
    "backup-cut-off": Files(newest_in_both, lambda data: data[: len(data) * 8 // 10]),
    "backup-cut-at-its-head": Files(newest_in_both, lambda data: data[:2000]),
    "backup-empty": Files(newest_in_both, lambda _: b""),
    "backup-without-a-table": DumpedWithout("appointments"),
    "backups-unreadable": Looped(),
    "pg-restore-missing": Files(_pg_restore),
}
_PHASE_2: dict[str, Action] = {
    "failed-migration": Scripted("failed_migration.sql", "mended_migration.sql"),
    "migration-edited": Sql(
        _noted(_SECOND, f"checksum = '{'0' * 64}'"),
        _noted(_SECOND, f"checksum = '{_CHECKSUM[_SECOND]}'"),
    ),
    "migration-missing": Sql(
        f"DELETE FROM _prisma_migrations WHERE migration_name = '{_FIRST}'",  # noqa: S608 - all of it is written here
        f"""
        INSERT INTO _prisma_migrations
            (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
        SELECT gen_random_uuid()::text, '{_CHECKSUM[_FIRST]}', '{_FIRST}',
               now() - interval '20 ms', now(), 1
        WHERE NOT EXISTS (SELECT FROM _prisma_migrations WHERE migration_name = '{_FIRST}')
        """,  # noqa: S608 - all of it is written here
    ),
    "migration-rolled-back": Sql(
        _noted(_FIRST, "rolled_back_at = now()"), _noted(_FIRST, "rolled_back_at = NULL")
    ),
    "migration-never-ran": Sql(
        _noted(_SECOND, "finished_at = started_at, applied_steps_count = 0"),
        _noted(_SECOND, "finished_at = started_at + interval '20 ms', applied_steps_count = 1"),
    ),
    "migration-of-another-release": Sql(
        """
        INSERT INTO _prisma_migrations
            (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
        VALUES ('stranger', 'ffff', '20260301000000_hotfix', now() - interval '1 s', now(), 1)
        ON CONFLICT DO NOTHING
        """,
        "DELETE FROM _prisma_migrations WHERE id = 'stranger'",
    ),
    "migration-log-tells-of-an-error": Files(
        _log, lambda data: data + b"\nError: P3018\n\nA migration failed to apply.\n"
    ),
    "migration-log-missing": Files(_log),
    "column-renamed": Sql(
        "ALTER TABLE video_calls RENAME COLUMN ended_at TO finished_at", _COLUMN_BACK
    ),
    "index-dropped": Sql(
        "DROP INDEX IF EXISTS payments_by_appointment",
        "CREATE INDEX IF NOT EXISTS payments_by_appointment ON payments (appointment_id)",
    ),
    "table-renamed": Sql("ALTER TABLE video_calls RENAME TO video_calls_old", _RENAMED_BACK),
    "payments-deleted": Scripted("payments_deleted.sql", "payments_restored.sql"),
    "patients-deleted": Sql(
        "SET LOCAL session_replication_role = replica; DELETE FROM patients WHERE id IN ('7', '8', '9')",
        """
        INSERT INTO patients (id, name, birth_date, region, created_at)
        SELECT n::text, 'Patient ' || n, date '1940-01-01' + (n * 7919 % 29000),
               (ARRAY['eu', 'us'])[1 + n % 2], timestamptz '2024-01-02 08:00:00+00' + n * interval '1 minute'
        FROM generate_series(7, 9) AS n ON CONFLICT DO NOTHING
        """,
    ),
    "rows-doubled": Sql(
        """
        INSERT INTO providers (id, name, specialty, region)
        SELECT 'double-' || id, name, specialty, region FROM providers WHERE id <> 'synthetic-provider'
        """,
        "DELETE FROM providers WHERE id LIKE 'double-%'",
    ),
    "orphans-and-a-key-switched-off": Sql(
        """
        ALTER TABLE payments DISABLE TRIGGER ALL;
        INSERT INTO payments
            (id, appointment_id, amount_cents, currency, mode, status, gateway_reference)
        VALUES ('orphan', 'nowhere', 100, 'EUR', 'live', 'succeeded', 'orphan')
        """,
        "DELETE FROM payments WHERE id = 'orphan'; ALTER TABLE payments ENABLE TRIGGER ALL",
    ),
    "foreign-key-not-validated": Sql(
        f"ALTER TABLE payments DROP CONSTRAINT {_KEY}, ADD CONSTRAINT {_KEY} "
        "FOREIGN KEY (appointment_id) REFERENCES appointments (id) NOT VALID",
        _MAKE_KEY,
    ),
    # A statement that runs concurrently can be in no script, so what a failed one leaves is noted by hand.
    "index-left-invalid": Sql(
        """
        CREATE INDEX appointments_once ON appointments (source);
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'appointments_once'::regclass
        """,
        "DROP INDEX IF EXISTS appointments_once",
    ),
    "check-not-validated": Sql(f"{_CHECK} NOT VALID", _NO_CHECK),
    "check-not-enforced": Sql(f"{_CHECK} NOT ENFORCED", _NO_CHECK),
    "trigger-disabled": Sql(
        """
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER stamp BEFORE INSERT ON appointments FOR EACH ROW EXECUTE FUNCTION stamp();
        ALTER TABLE appointments DISABLE TRIGGER stamp
        """,
        "DROP FUNCTION IF EXISTS stamp CASCADE",
    ),
    "enum-left-over": Sql(
        """CREATE TYPE "Status_old" AS ENUM ('open')""", """DROP TYPE IF EXISTS "Status_old" """
    ),
    "migration-lock-kept-idle": LockKept(),
    "foreign-key-dropped": Sql(f"ALTER TABLE payments DROP CONSTRAINT {_KEY}", _MAKE_KEY),
    "table-locked": Locked("patients"),
    "database-unreachable-after-migration": LinksChanged(("gate-postgres",), {"mode": "refuse"}),
    "release-repository-missing": Files(_repository),
}
_COUNTDOWN: dict[str, Action] = {
    "no-backup-last-night": Files(newest_in_both),
    "restore-test-failed": RestoreTest(result="failed"),
    "restore-test-40-days-old": RestoreTest(days_ago=40),
    "restore-test-10-days-old": RestoreTest(days_ago=10),
    "restore-test-unknown": Files(restore_test),
    "backups-unreadable-before": Looped(),
    "standby-down-before": Stopped(("postgres-standby",)),
    "connections-in-use": Crowded(left=12),
    "database-unreachable-before": LinksChanged(("gate-postgres",), {"mode": "refuse"}),
}
FAULTS: dict[str, Action] = {**_PHASE_1, **_PHASE_2, **_COUNTDOWN}

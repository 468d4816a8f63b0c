"""Rows, structure, sessions and Prisma's record, as a real PostgreSQL has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from psycopg.pq import ExecStatus, PGconn

from probes import postgres
from probes.observation import Deadline, FailureKind, Observation
from probes.postgres import rows, schema, sessions
from probes.postgres.rows import Counted, Limits, Link, Orphans, TableToCount
from probes.postgres.sessions import PRISMA_LOCK, Holder
from tests.probes.real_servers import PASSWORD, Database
from tests.probes.servers import brought, failed, reading, wait_until
from tests.tables import cases

ALL = Limits(exact_rows=10**9, exact_megabytes=10_000, sampled_blocks=100)
SAMPLE = Limits(exact_rows=0, exact_megabytes=0, sampled_blocks=100)
TABLE = TableToCount("big", "id", "tag", ("maybe",))
FRIENDS = Link("big", "friend", "public.big", "id")
ROWS = 40_000


@pytest.fixture(scope="module")
def big(database: Database) -> Iterator[Database]:
    """Return the database with a table of 40,000 rows over some hundred blocks, 400 of them synthetic."""
    database.as_superuser(
        "CREATE TABLE big (id int PRIMARY KEY, tag text, maybe int, friend int, filler text)",
        "INSERT INTO big SELECT n, CASE WHEN n % 100 = 0 THEN 'run' END, nullif(n % 10, 0), "
        "CASE WHEN n = 7 THEN -1 ELSE n END, repeat('x', 120) FROM generate_series(1, 40000) AS n",
        "GRANT SELECT (id, tag, maybe, friend, ctid) ON big TO reader",
        "CREATE TRIGGER noted BEFORE UPDATE ON big FOR EACH ROW "
        "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "ANALYZE big",
    )
    yield database
    database.as_superuser("DROP TABLE big")


def counted(
    database: Database, limits: Limits, table: TableToCount = TABLE
) -> Observation[Counted]:
    return rows.counted(database.target(), table, limits, deadline=Deadline.after(5))


def orphans(database: Database, limits: Limits, link: Link = FRIENDS) -> Observation[Orphans]:
    return rows.orphans(database.target(), link, limits, deadline=Deadline.after(5))


def structure(database: Database) -> schema.Structure:
    return brought(schema.structure(database.target(), deadline=Deadline.after(5)))


def test_a_small_table_is_counted_and_a_big_one_estimated_with_its_error(big: Database) -> None:
    every = Counted(there=True, rows=39_600, nulls={"maybe": 3_600})
    assert counted(big, ALL).value == every
    found = brought(counted(big, SAMPLE))
    assert not found.exact
    assert abs(found.rows - 39_600) <= max(found.error_rows, 1)
    assert found.error_rows < 0.05 * ROWS
    assert counted(big, SAMPLE).value == found  # the same sample every time


def test_orphans_are_counted_or_looked_for_in_a_sample(big: Database) -> None:
    assert orphans(big, ALL).value == Orphans(there=True, found=1)
    sampled = brought(orphans(big, SAMPLE))
    assert sampled.found in (0, 1)
    assert 1_000 < (sampled.looked_at or 0) < ROWS


def test_a_column_that_the_login_may_not_read_is_a_lack_of_rights(big: Database) -> None:
    hidden = TableToCount("big", "id", None, ("filler",))
    failed(counted(big, ALL, hidden), FailureKind.FORBIDDEN)


@pytest.fixture
def by_clinic(big: Database) -> Iterator[Database]:
    """Return the database whose rows only their own clinic sees."""
    big.as_superuser(
        "ALTER TABLE big ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own_clinic ON big USING (friend < 100)",
    )
    yield big
    big.as_superuser(
        "DROP POLICY own_clinic ON big",
        "DROP POLICY IF EXISTS gate ON big",
        "DROP POLICY IF EXISTS never ON big",
        "ALTER TABLE big DISABLE ROW LEVEL SECURITY",
    )


ENOUGH = "CREATE POLICY gate ON big FOR SELECT TO reader USING (true)"
POLICIES = {
    "none for the login": [],
    "of another role": ["CREATE POLICY gate ON big FOR SELECT TO writer USING (true)"],
    "of another command": ["CREATE POLICY gate ON big FOR UPDATE TO reader USING (true)"],
    "of some rows": ["CREATE POLICY gate ON big FOR SELECT TO reader USING (id > 0)"],
    "restricted": [ENOUGH, "CREATE POLICY never ON big AS RESTRICTIVE USING (id > 0)"],
    "of all rows": [ENOUGH],
}


@cases("policies", POLICIES)
def test_rows_that_security_hides_are_not_left_out_in_silence(
    policies: list[str], by_clinic: Database, said: Callable[..., None]
) -> None:
    by_clinic.as_superuser(*policies)
    said([reading(counted(by_clinic, ALL)), reading(orphans(by_clinic, ALL))])


def test_a_record_that_a_policy_shows_is_found(by_clinic: Database) -> None:
    by_clinic.as_superuser(ENOUGH)
    deadline = Deadline.after(5)
    record = postgres.record_exists(by_clinic.target(), "big", "id", 200, deadline=deadline)
    assert record.value == postgres.RecordFound(found=True)


def test_no_statement_runs_longer_than_its_deadline(big: Database) -> None:
    begun = time.monotonic()
    link = Link("big", "maybe", "big", "friend")
    observed = rows.orphans(big.target(), link, ALL, deadline=Deadline.after(0.15))
    assert time.monotonic() - begun < 5
    assert observed.value is not None or observed.failure is not None


BIG = "ALTER TABLE big "
CHANGES = {
    "a default": (f"{BIG} ALTER maybe SET DEFAULT 3", f"{BIG} ALTER maybe DROP DEFAULT"),
    "a trigger off": (f"{BIG} DISABLE TRIGGER noted", f"{BIG} ENABLE TRIGGER noted"),
    "row security": (f"{BIG} ENABLE ROW LEVEL SECURITY", f"{BIG} DISABLE ROW LEVEL SECURITY"),
    "a policy": ("CREATE POLICY everybody ON big USING (true)", "DROP POLICY everybody ON big"),
}


@cases("changed back", CHANGES)
def test_a_schema_has_a_fingerprint_that_changes_with_it(
    changed: str, back: str, big: Database
) -> None:
    before = structure(big).tables["public.big"]
    assert before.columns == ("filler", "friend", "id", "maybe", "tag")
    big.as_superuser(changed)
    after = structure(big).tables["public.big"]
    big.as_superuser(back)
    assert after.fingerprint != before.fingerprint
    assert structure(big).tables["public.big"] == before


def test_a_sample_that_holds_no_row_is_none(database: Database) -> None:
    database.as_superuser(
        "CREATE TABLE sparse (id int, friend int, filler text) WITH (autovacuum_enabled = off)",
        "INSERT INTO sparse SELECT n, -1, repeat('x', 400) FROM generate_series(1, 8000) AS n",
        "DELETE FROM sparse WHERE id > 3",
        "GRANT SELECT (id, friend, ctid) ON sparse TO reader",
    )
    found = counted(database, SAMPLE, TableToCount("sparse", "id")).value
    lost = orphans(database, SAMPLE, Link("sparse", "friend", "sparse", "id")).value
    database.as_superuser("DROP TABLE sparse")
    assert found == Counted(there=True, rows=3)
    assert lost == Orphans(there=True, found=3)


def test_a_table_in_parts_is_one_table_whatever_its_parts_are(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def part(n: int) -> str:
        return f"CREATE TABLE stays_{n} PARTITION OF stays FOR VALUES FROM ({n}) TO ({n + 1})"

    database.as_superuser(
        "CREATE TABLE stays (id int, month int, PRIMARY KEY (id, month)) PARTITION BY RANGE (month)",
        *map(part, range(12)),
        "CREATE TABLE notes (stay_id int, month int, "
        "CONSTRAINT of_a_stay FOREIGN KEY (stay_id, month) REFERENCES stays (id, month))",
    )
    monkeypatch.setattr(postgres, "MAX_ROWS", 10)  # parts without number are not too many rows
    before = structure(database)
    database.as_superuser(part(12))
    with_another = structure(database)
    database.as_superuser("ALTER TABLE stays_3 DISABLE TRIGGER ALL")
    switched_off = structure(database)
    database.as_superuser("DROP TABLE notes, stays")
    assert before.tables["public.stays"].indexes == ("stays_pkey",)
    assert with_another.tables == before.tables
    triggers = [
        [key.triggers for key in found.foreign_keys if key.name == "of_a_stay"]
        for found in (before, switched_off)
    ]
    assert triggers == [[True], [False]]


def test_names_are_taken_to_the_letter_as_prisma_makes_them(database: Database) -> None:
    database.as_superuser(
        'CREATE TABLE "Visit" (id int PRIMARY KEY, "priorVisit" int, "syntheticTag" text)',
        """INSERT INTO "Visit" VALUES (1, NULL, NULL), (2, 1, NULL), (3, 9, NULL), (4, 1, 'run')""",
        'GRANT SELECT ON "Visit" TO reader',
    )
    table = TableToCount("Visit", "id", "syntheticTag", ("priorVisit",))
    found = counted(database, ALL, table).value
    lost = orphans(database, ALL, Link("Visit", "priorVisit", "Visit", "id")).value
    database.as_superuser('DROP TABLE "Visit"')
    assert found == Counted(there=True, rows=3, nulls={"priorVisit": 1})
    assert lost == Orphans(there=True, found=1)


def test_connections_leave_the_gates_own_out(big: Database) -> None:
    found = brought(sessions.sessions(big.target(), deadline=Deadline.after(5)))
    assert (found.in_recovery, found.available, found.used) == (False, 17, 0)
    assert (found.standbys, found.may_look) == ((), False)


def test_who_copies_changes_or_archives_the_log_is_no_standby_that_keeps_up(
    database: Database,
) -> None:
    """A copy of its changes for another system, and an archive of its log."""
    database.as_superuser("GRANT pg_read_all_stats TO reader", "CREATE PUBLICATION changes")
    words = f"host=127.0.0.1 port={database.port} user=postgres password={PASSWORD} dbname=clinic"
    capture = PGconn.connect(f"{words} replication=database".encode())
    archive = PGconn.connect(f"{words} replication=true".encode())
    capture.exec_(b"CREATE_REPLICATION_SLOT capture TEMPORARY LOGICAL pgoutput")
    place = archive.exec_(b"IDENTIFY_SYSTEM").get_value(0, 2) or b""
    options = b"(proto_version '1', publication_names 'changes')"
    started = [
        capture.exec_(b"START_REPLICATION SLOT capture LOGICAL 0/0 " + options),
        archive.exec_(b"START_REPLICATION PHYSICAL " + place),
    ]
    assert {one.status for one in started} == {ExecStatus.COPY_BOTH}

    def states() -> list[tuple[str, int | None]]:
        found = brought(sessions.sessions(database.target(), deadline=Deadline.after(5)))
        return [(one.state, one.behind_bytes) for one in found.standbys]

    wait_until(lambda: ("streaming", None) in states(), "the archive streams")
    found = states()
    capture.finish()
    archive.finish()
    database.as_superuser("DROP PUBLICATION changes", "REVOKE pg_read_all_stats FROM reader")
    assert found == [("streaming", None)]


RECORD = "prisma_record"


@pytest.fixture(scope="module")
def recorded(database: Database) -> Iterator[Database]:
    """Return the database with an empty table of Prisma's, and a login that sees other sessions."""
    database.as_superuser(
        f"CREATE TABLE {RECORD} (migration_name text, checksum text, started_at timestamptz, "
        "finished_at timestamptz, rolled_back_at timestamptz, applied_steps_count int)",
        f"GRANT SELECT ON {RECORD} TO reader, blind",
        "GRANT pg_read_all_stats TO reader",
    )
    yield database
    # Other files of this process ask the same server.
    database.as_superuser(f"DROP TABLE {RECORD}", "REVOKE pg_read_all_stats FROM reader")


def holder(database: Database, login: str = "reader") -> Holder | None:
    target = database.target(login)
    found = brought(sessions.record(target, RECORD, None, deadline=Deadline.after(5)))
    assert found.facts()["lock_holder"] == (found.holder and found.holder.value)
    return found.holder


TAKE = "SELECT pg_advisory_lock"
OURS = f"{TAKE}({PRISMA_LOCK})"
LOCKS: dict[str, tuple[str, str, str, Holder | None]] = {
    "of two numbers": ("clinic", f"{TAKE}(5, {PRISMA_LOCK})", "reader", None),
    "of nought and it": ("clinic", f"{TAKE}(0, {PRISMA_LOCK})", "reader", None),
    "of a longer number": ("clinic", f"{TAKE}((7::bigint << 32) + {PRISMA_LOCK})", "reader", None),
    "that is shared": ("clinic", f"{TAKE}_shared({PRISMA_LOCK})", "reader", None),
    "of another database": ("postgres", OURS, "reader", None),
    "of a session in a transaction": ("clinic", OURS, "reader", Holder.MIGRATING),
    # It is not called idle.
    "of a session that the login may not see": ("clinic", OURS, "blind", Holder.HIDDEN),
}


@cases("where lock login held", LOCKS)
def test_who_holds_the_lock_is_told_from_who_holds_another(
    where: str, lock: str, login: str, held: Holder | None, recorded: Database
) -> None:
    with recorded.session(database=where) as session:
        session.execute("BEGIN")
        session.execute(lock.encode())
        assert holder(recorded, login) is held


def test_an_idle_session_migrates_nothing_after_a_moment(recorded: Database) -> None:
    with recorded.session() as pooled:
        pooled.execute(OURS.encode())
        assert holder(recorded) is Holder.MIGRATING
        idle = "the session counts as idle"
        wait_until(lambda: holder(recorded) is Holder.IDLE, idle, seconds=20)

"""Whether a migration runs, as a real PostgreSQL tells of the lock that Prisma takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from probes.observation import Deadline
from probes.postgres import sessions
from probes.postgres.sessions import PRISMA_LOCK, Holder
from tests.probes.real_servers import Database
from tests.probes.servers import brought, wait_until
from tests.tables import cases

TABLE = "prisma_record"


@pytest.fixture(scope="module")
def recorded(database: Database) -> Iterator[Database]:
    """Return the database with an empty table of Prisma's, and a login that sees other sessions."""
    database.as_superuser(
        f"CREATE TABLE {TABLE} (migration_name text, checksum text, started_at timestamptz, "
        "finished_at timestamptz, rolled_back_at timestamptz, applied_steps_count int)",
        f"GRANT SELECT ON {TABLE} TO reader, blind",
        "GRANT pg_read_all_stats TO reader",
    )
    yield database
    # Other files of this process ask the same server.
    database.as_superuser(f"DROP TABLE {TABLE}", "REVOKE pg_read_all_stats FROM reader")


def holder(database: Database, login: str = "reader") -> Holder | None:
    target = database.target(login)
    found = brought(sessions.record(target, TABLE, None, deadline=Deadline.after(5)))
    assert found.facts()["lock_holder"] == (found.holder and found.holder.value)
    return found.holder


OTHER_LOCKS = {
    "of two numbers": f"SELECT pg_advisory_lock(5, {PRISMA_LOCK})",
    "of nought and it": f"SELECT pg_advisory_lock(0, {PRISMA_LOCK})",
    "of a longer number": f"SELECT pg_advisory_lock((7::bigint << 32) + {PRISMA_LOCK})",
    "that is shared": f"SELECT pg_advisory_lock_shared({PRISMA_LOCK})",
}


@cases("lock", OTHER_LOCKS)
def test_the_number_in_another_key_space_is_another_lock(lock: str, recorded: Database) -> None:
    with recorded.session() as other:
        other.execute("BEGIN")
        other.execute(lock.encode())
        assert holder(recorded) is None


def test_the_lock_of_another_database_is_another_lock(recorded: Database) -> None:
    with recorded.session(database="postgres") as other:
        other.execute("SELECT pg_advisory_lock(%s)", (PRISMA_LOCK,))
        assert holder(recorded) is None


def test_a_session_in_a_transaction_migrates(recorded: Database) -> None:
    with recorded.session() as prisma:
        prisma.execute("SELECT pg_advisory_lock(%s)", (PRISMA_LOCK,))
        prisma.execute("BEGIN")
        prisma.execute("SELECT 1")
        assert holder(recorded) is Holder.MIGRATING


def test_an_idle_session_migrates_nothing_after_a_moment(recorded: Database) -> None:
    with recorded.session() as pooled:
        pooled.execute("SELECT pg_advisory_lock(%s)", (PRISMA_LOCK,))
        assert holder(recorded) is Holder.MIGRATING
        wait_until(
            lambda: holder(recorded) is Holder.IDLE, "the session counts as idle", seconds=20
        )


def test_a_session_that_the_login_may_not_see_is_not_called_idle(recorded: Database) -> None:
    with recorded.session() as prisma:
        prisma.execute("SELECT pg_advisory_lock(%s)", (PRISMA_LOCK,))
        assert holder(recorded, "blind") is Holder.HIDDEN

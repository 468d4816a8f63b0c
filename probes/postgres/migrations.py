"""Prisma's own record of its migrations; never its `logs`, which may quote a patient's data."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping
from typing import Final

from psycopg import sql

from probes import postgres
from probes.observation import Deadline, Observation
from probes.postgres import PostgresTarget, Reader

PRISMA_LOCK: Final = 72707369
"""The advisory lock, `pg_advisory_lock(bigint)`, that Prisma's session holds while it migrates."""

# A bigint's key has its upper half in classid and objsubid 1; two integers have objsubid 2.
_HOLDER: Final = """
SELECT CASE WHEN bool_or(a.state NOT IN ('idle', 'disabled')
                         OR clock_timestamp() - a.state_change < %s) THEN 'migrating'
            WHEN bool_or(coalesce(a.state, 'disabled') = 'disabled') THEN 'hidden'
            WHEN count(*) > 0 THEN 'idle' END
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = %s AND l.objsubid = 1
  AND l.mode = 'ExclusiveLock' AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_BETWEEN_STATEMENTS: Final = dt.timedelta(seconds=3)
"""For so long a session that migrates may be idle."""


class Holder(enum.Enum):
    """What the session does that holds Prisma's lock."""

    MIGRATING = "migrating"
    """It runs something, is in a transaction, or was a moment ago."""
    IDLE = "idle"
    """A pooled connection that nobody gave the lock back of: it migrates nothing."""
    HIDDEN = "hidden"
    """The gate's login may not see it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One row of Prisma's table."""

    name: str
    checksum: str
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    rolled_back_at: dt.datetime | None
    steps: int | None
    has_logs: bool | None
    """Whether Prisma logged an error; None where the gate is not told."""


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """What the database says of its migrations."""

    applied: tuple[Row, ...]
    """Every row, the oldest first; a migration may have several."""
    holder: Holder | None
    """Of Prisma's lock; None when nobody holds it."""

    @property
    def running(self) -> bool:
        """Whether a migration runs now, as far as the gate may see."""
        return self.holder in {Holder.MIGRATING, Holder.HIDDEN}

    def facts(self) -> Mapping[str, object]:
        """Return names, times and states."""
        return {
            "running": self.running,
            "lock_holder": self.holder and self.holder.value,
            "applied": [
                {
                    "name": one.name,
                    "checksum": one.checksum,
                    "finished": one.finished_at is not None,
                    "rolled_back": one.rolled_back_at is not None,
                    "has_logs": one.has_logs,
                }
                for one in self.applied
            ],
        }


def record(
    target: PostgresTarget, table: str, has_logs_column: str | None, *, deadline: Deadline
) -> Observation[Record]:
    """Return Prisma's rows from its table or a view of it."""
    has_logs: sql.Composable = sql.Identifier(has_logs_column) if has_logs_column else sql.NULL
    query = sql.SQL(
        "SELECT migration_name, checksum, started_at, finished_at, rolled_back_at, "
        "applied_steps_count, {} FROM {} ORDER BY started_at, migration_name"
    ).format(has_logs, sql.Identifier(*table.split(".")))

    def ask(reader: Reader) -> Record:
        reader.want_primary()
        rows = reader.rows(query)
        ((holder,),) = reader.rows(_HOLDER, (_BETWEEN_STATEMENTS, PRISMA_LOCK))
        return Record(tuple(map(_row, rows)), None if holder is None else Holder(holder))

    return postgres.asked(target, ask, deadline=deadline)


def _row(row: tuple[object, ...]) -> Row:
    name, checksum, started_at, finished_at, rolled_back_at, steps, has_logs = row
    return Row(
        name=str(name),
        checksum=str(checksum),
        started_at=_moment(started_at),
        finished_at=_moment(finished_at),
        rolled_back_at=_moment(rolled_back_at),
        steps=steps if isinstance(steps, int) else None,
        has_logs=has_logs if isinstance(has_logs, bool) else None,
    )


def _moment(value: object) -> dt.datetime | None:
    return value if isinstance(value, dt.datetime) else None

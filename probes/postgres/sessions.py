"""A primary's sessions: connections, standbys, what runs, who migrates; what the gate may not read.

Of Prisma's record never its `logs`, which may quote a patient's data.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import time
from collections.abc import Mapping, Sequence
from typing import Final

from psycopg import sql

from probes import postgres
from probes.observation import EVERYTHING, Deadline, Observation, Shown, pause
from probes.postgres import STATEMENTS, PostgresTarget, Reader
from probes.postgres.schema import qualified, quoted


@dataclasses.dataclass(frozen=True, slots=True)
class Standby(Shown):
    """One standby as the primary sees it."""

    KEPT = EVERYTHING

    state: str
    behind_bytes: int | None
    """None while it has not said what it replayed; what only archives the log never does."""
    behind_seconds: float | None
    """None while it is idle and has caught up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sessions(Shown):
    """The primary's connections and standbys."""

    KEPT = EVERYTHING

    in_recovery: bool
    """True on a standby."""
    available: int
    """How many connections ordinary logins can have."""
    used: int
    """How many are in use, the gate's own left out."""
    may_look: bool
    """Whether the login is shown other sessions and standbys; without that right it sees only its own."""
    standbys: tuple[Standby, ...]


def sessions(target: PostgresTarget, *, deadline: Deadline) -> Observation[Sessions]:
    """Return connections and standbys of the primary."""

    def ask(reader: Reader) -> Sessions:
        ((in_recovery, available, used),) = reader.rows(STATEMENTS["connections"])
        ((may_look,),) = reader.rows(STATEMENTS["may_look"])
        standbys = () if in_recovery else reader.rows(STATEMENTS["standbys"])
        found = tuple(Standby(str(state), *behind) for state, *behind in standbys)
        return Sessions(in_recovery, available, used, may_look, found)

    return postgres.asked(target, ask, deadline=deadline)


@dataclasses.dataclass(frozen=True, slots=True)
class Busy(Shown):
    """One session that is not idle; of what it runs nothing is told."""

    KEPT = EVERYTHING

    user: str
    state: str
    """As Postgres says it; `disabled` where it does not tell, `prepared` of a prepared transaction."""
    seconds: float | None
    """For how long it has run its statement, or the transaction that it is in; None where that is hidden."""


@dataclasses.dataclass(frozen=True, slots=True)
class Running(Shown):
    """The primary's sessions that are not idle, the gate's own left out."""

    KEPT = EVERYTHING

    in_recovery: bool
    may_look: bool
    busy: tuple[Busy, ...]


def running(target: PostgresTarget, *, deadline: Deadline) -> Observation[Running]:
    """Return which sessions of the login's database run something, and for how many seconds."""

    def ask(reader: Reader) -> Running:
        ((in_recovery, *_),) = reader.rows(STATEMENTS["connections"])
        ((may_look,),) = reader.rows(STATEMENTS["may_look"])
        busy = tuple(Busy(*row) for row in reader.rows(STATEMENTS["busy"]))
        return Running(in_recovery, may_look, busy)

    return postgres.asked(target, ask, deadline=deadline)


@dataclasses.dataclass(frozen=True, slots=True)
class Followed(Shown):
    """How the standbys followed what the primary had written at the first look."""

    KEPT = EVERYTHING

    may_look: bool
    standbys: int
    """How many stream at the last look."""
    caught_up: int
    """How many of them have replayed it."""
    seconds: float
    """From the first look to the answer of the last one."""
    behind_seconds: float
    """From the first look to the last time at which a look began that found one behind; 0 where none did."""


_LOOK_SECONDS: Final = 0.05


def followed(
    target: PostgresTarget, within_seconds: float, *, deadline: Deadline
) -> Observation[Followed]:
    """Look at what the primary has written, then until every standby has replayed that, or time is up."""

    def ask(reader: Reader) -> Followed:
        reader.want_primary()
        ((may_look,),) = reader.rows(STATEMENTS["may_look"])
        ((written, _),) = reader.rows(STATEMENTS["replayed"])
        began, behind = time.monotonic(), 0.0
        while True:
            asked_after = time.monotonic() - began
            ((_, standbys),) = reader.rows(STATEMENTS["replayed"])
            seconds = time.monotonic() - began
            caught_up = sum(one >= written for one in standbys)
            if caught_up < len(standbys):
                behind = asked_after
            if caught_up == len(standbys) or asked_after >= within_seconds:
                return Followed(may_look, len(standbys), caught_up, seconds, behind)
            pause(_LOOK_SECONDS)

    return postgres.asked(target, ask, deadline=deadline)


@dataclasses.dataclass(frozen=True, slots=True)
class Writers(Shown):
    """The sessions of this database whose login may write the platform's tables."""

    KEPT = EVERYTHING

    may_look: bool
    since: tuple[tuple[str, dt.datetime | None], ...]
    """Login and beginning of each, the oldest first; None where the server hides it."""


def writers(
    target: PostgresTarget, tables: Sequence[str], *, deadline: Deadline
) -> Observation[Writers]:
    """Return who is connected that could write one of these tables, and since when."""

    def ask(reader: Reader) -> Writers:
        reader.want_primary()
        ((may_look,),) = reader.rows(STATEMENTS["may_look"])
        found = reader.rows(STATEMENTS["writers"], ([*map(quoted, tables)],))
        return Writers(may_look, tuple((str(login), at) for login, at in found))

    return postgres.asked(target, ask, deadline=deadline)


@dataclasses.dataclass(frozen=True, slots=True)
class Lacking(Shown):
    """What a login may not read."""

    KEPT = ("columns", "schemas", "sessions")

    columns: tuple[tuple[str, str, str], ...]
    """Schema, table and column; one of a schema that it may not use among them."""
    schemas: tuple[str, ...]
    """Those that it may not use."""
    sessions: bool
    """Whether it may not see the sessions of others."""


def lacking(
    target: PostgresTarget, wanted: Mapping[str, Sequence[str]], *, deadline: Deadline
) -> Observation[Lacking]:
    """Return what of `wanted`, columns by table, may not be read; no row is."""
    asked = [
        (*qualified(table).split("."), column)
        for table, columns in wanted.items()
        for column in columns
    ]

    def ask(reader: Reader) -> Lacking:
        found = reader.rows(
            STATEMENTS["columns"], [list(part) for part in zip(*asked, strict=True)]
        )
        ((may_look,),) = reader.rows(STATEMENTS["may_look"])
        columns = tuple((schema, table, column) for schema, table, column, _ in found)
        shut = sorted({schema for schema, *_, may_use in found if not may_use})
        return Lacking(columns, tuple(shut), not may_look)

    return postgres.asked(target, ask, deadline=deadline)


PRISMA_LOCK: Final = 72707369
"""The advisory lock, `pg_advisory_lock(bigint)`, that Prisma's session holds while it migrates."""

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
    """One row of Prisma's table.

    It is written before its migration runs. `finished_at` says that it ended well, `rolled_back_at` that
    the row no longer counts; with neither it failed. One declared applied by hand has both times equal.
    """

    name: str
    checksum: str
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    rolled_back_at: dt.datetime | None = None
    steps: int | None = None
    """How many steps ran; 0 for one that was declared applied."""
    has_logs: bool | None = None
    """Whether Prisma logged an error; None where the gate is not told."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended well and counts."""
        return self.finished_at is not None and self.rolled_back_at is None

    @property
    def failed(self) -> bool:
        """Whether it began and never ended."""
        return self.finished_at is None and self.rolled_back_at is None

    @property
    def never_ran(self) -> bool:
        """Whether somebody declared it applied instead of running it."""
        return self.succeeded and (self.finished_at == self.started_at or self.steps == 0)


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
        ((holder,),) = reader.rows(STATEMENTS["holder"], (_BETWEEN_STATEMENTS, PRISMA_LOCK))
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

"""Ways to break the platform's data: its rows and schema, its backups, the evidence about them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from sandbox.core.child import Child
from sandbox.core.errors import SandboxError
from sandbox.core.layout import DATABASE
from sandbox.systems.data import backups
from sandbox.systems.data.migrations import ADVISORY_LOCK
from sandbox.systems.data.postgres import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.core.layout import Layout
    from sandbox.faults.holds import Holds

_ASIDE = ".aside-"
"""Followed by the name of the fault that put a file aside."""
_IDLE_SECONDS = 4
_FREE = b"""
SELECT current_setting('max_connections')::int
     - current_setting('superuser_reserved_connections')::int
     - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"""


@dataclass(frozen=True, slots=True)
class Sql:
    """Statements to the primary by its superuser, in one transaction, and what takes them back."""

    broken: str
    mended: str

    async def apply(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Run them."""
        await holds.platform.postgres.as_superuser(f"BEGIN;{self.broken};COMMIT".encode())

    async def revert(self, holds: Holds, fault: str) -> None:  # noqa: ARG002 - the protocol's
        """Run the others."""
        await holds.platform.postgres.as_superuser(f"BEGIN;{self.mended};COMMIT".encode())


@dataclass(frozen=True, slots=True)
class Crowded:
    """Connections to the primary are open until only some are left."""

    left: int

    async def apply(self, holds: Holds, fault: str) -> None:
        """Open them."""
        postgres = holds.platform.postgres
        try:
            first = await postgres.connect(OWNER, "postgres-api")
            holds.keep(fault, first)
            cursor = await first.execute(_FREE)
            for _ in range(int((await cursor.fetchall())[0][0]) - self.left):
                holds.keep(fault, await postgres.connect(OWNER, "postgres-api"))
        except psycopg.Error as exc:
            raise SandboxError(f"the primary refused a connection: {exc}") from exc

    async def revert(self, holds: Holds, fault: str) -> None:
        """Close them."""
        await holds.close_kept(fault)


@dataclass(frozen=True, slots=True)
class Locked:
    """Somebody holds a table for themselves."""

    table: str

    async def apply(self, holds: Holds, fault: str) -> None:
        """Lock it."""
        try:
            connection = await holds.platform.postgres.connect(OWNER, "postgres-api")
            holds.keep(fault, connection)
            await connection.set_autocommit(False)
            statement = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
            await connection.execute(statement.format(sql.Identifier(self.table)))
        except psycopg.Error as exc:
            raise SandboxError(f"the primary refused a lock: {exc}") from exc

    async def revert(self, holds: Holds, fault: str) -> None:
        """Let go of it."""
        await holds.close_kept(fault)


@dataclass(frozen=True, slots=True)
class LockKept:
    """A pooled connection keeps Prisma's lock, idle, long after its migration; others use the number too."""

    async def apply(self, holds: Holds, fault: str) -> None:
        """Take it, and leave the connection alone until it counts as idle."""
        try:
            connection = await holds.platform.postgres.connect(OWNER, "postgres-api")
            holds.keep(fault, connection)
            await connection.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
            await connection.execute("SELECT pg_advisory_lock(5, %s)", (ADVISORY_LOCK,))
            await asyncio.sleep(_IDLE_SECONDS)
        except psycopg.Error as exc:
            raise SandboxError(f"the primary refused a lock: {exc}") from exc

    async def revert(self, holds: Holds, fault: str) -> None:
        """Let go of it."""
        await holds.close_kept(fault)


@dataclass(frozen=True, slots=True)
class Files:
    """Files that are altered or gone; each is kept aside and put back."""

    chosen: Callable[[Layout], tuple[Path, ...]]
    altered: Callable[[bytes], bytes] | None = None
    """What a file holds instead; None: it is gone."""

    async def apply(self, holds: Holds, fault: str) -> None:
        """Move each aside and, if it is altered, write the other one in its place and of its time."""
        for path in self.chosen(holds.platform.layout):
            _put_aside(path, fault, self.altered)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Put back whatever lies aside in their folders."""
        layout = holds.platform.layout
        for folder in (layout.backups, layout.backups_apart, layout.evidence, layout.state.path):
            _put_back(folder, fault)


@dataclass(frozen=True, slots=True)
class Looped:
    """A backup folder that can't be read: a link that leads to itself."""

    async def apply(self, holds: Holds, fault: str) -> None:
        """Put the link in the folder's place."""
        folder = holds.platform.layout.backups
        folder.rename(folder.with_name(folder.name + _ASIDE + fault))
        folder.symlink_to(folder)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Put the folder back."""
        _put_back(holds.platform.layout.state.path, fault)


@dataclass(frozen=True, slots=True)
class DumpedWithout:
    """The newest backup is a sound dump that lacks the rows of a table."""

    table: str

    async def apply(self, holds: Holds, fault: str) -> None:
        """Dump again in its place, in both folders."""
        layout = holds.platform.layout
        for path in newest_in_both(layout):
            _put_aside(path, fault, None)
            dump = holds.platform.postgres.client(
                *("pg_dump", OWNER, "--format=custom", "--compress=1", f"--dbname={DATABASE}"),
                *(f"--exclude-table-data={self.table}", f"--file={path}"),
            )
            await Child(dump).run()

    async def revert(self, holds: Holds, fault: str) -> None:
        """Put the whole ones back."""
        await Files(newest_in_both).revert(holds, fault)


@dataclass(frozen=True, slots=True)
class RestoreTest:
    """The evidence of the last restore test tells something else."""

    result: str = "passed"
    days_ago: float = 0

    async def apply(self, holds: Holds, fault: str) -> None:
        """Alter it."""

        def alter(data: bytes) -> bytes:
            moment = dt.datetime.now(dt.UTC) - dt.timedelta(days=self.days_ago)
            said = {**json.loads(data), "result": self.result, "finished_at": moment.isoformat()}
            return json.dumps(said).encode()

        await Files(restore_test, alter).apply(holds, fault)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Put the true one back."""
        await Files(restore_test).revert(holds, fault)


def newest(layout: Layout) -> tuple[Path, ...]:
    """Return the newest backup."""
    found = sorted(layout.backups.glob("*.dump"), key=lambda path: path.stat().st_mtime)
    return tuple(found[-1:])


def newest_copy(layout: Layout) -> tuple[Path, ...]:
    """Return the newest backup's copy."""
    return tuple(layout.backups_apart / path.name for path in newest(layout))


def newest_in_both(layout: Layout) -> tuple[Path, ...]:
    """Return the newest backup and its copy."""
    return (*newest(layout), *newest_copy(layout))


def restore_test(layout: Layout) -> tuple[Path, ...]:
    """Return the evidence of the last restore test."""
    return (layout.evidence / backups.RESTORE_TEST,)


def _put_aside(path: Path, fault: str, altered: Callable[[bytes], bytes] | None) -> None:
    aside = path.with_name(path.name + _ASIDE + fault)
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if altered is not None:
            path.write_bytes(altered(aside.read_bytes()))
            backups.same_time(aside, path)


def _put_back(folder: Path, fault: str) -> None:
    suffix = f"{_ASIDE}{fault}"
    for aside in folder.glob(f"*{suffix}"):
        place = aside.with_name(aside.name.removesuffix(suffix))
        if place.is_symlink():
            place.unlink()
        aside.replace(place)

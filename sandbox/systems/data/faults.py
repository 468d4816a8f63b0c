"""Ways to break the platform's data: its rows and schema, its backups, the evidence about them."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql as composed

from sandbox.core import SandboxError
from sandbox.core.layout import RELEASE
from sandbox.systems.data import backups, postgres, restore
from sandbox.systems.data.migrations import ADVISORY_LOCK, LOG, of_release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.core.breakage import Breakage
    from sandbox.core.layout import Layout

_IDLE_SECONDS = 4
_LONG_SECONDS = 6
_FREE = b"""
SELECT current_setting('max_connections')::int
     - current_setting('superuser_reserved_connections')::int
     - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"""


async def sql(it: Breakage, broken: str, fixed: str) -> None:
    """Run statements on the primary as its superuser, in one transaction, and others in the end."""
    it.undo(postgres.as_superuser, it.layout, f"BEGIN;{fixed};COMMIT".encode())
    await postgres.as_superuser(it.layout, f"BEGIN;{broken};COMMIT".encode())


async def recorded(it: Breakage, action: str) -> None:
    """Have the audit log tell of an action once the release is live; nothing is ever taken out of it."""
    it.go_live()
    entry = f"('eu', 'security-monitor', '{action}')"
    statement = f"INSERT INTO audit.entries (region, actor, action) VALUES {entry}"  # noqa: S608 - all of it is written here
    await postgres.as_superuser(it.layout, statement.encode())


async def script(it: Breakage, broken: str, fixed: str) -> None:
    """Run a script as the owner of the database, and another one in the end."""
    it.undo(postgres.as_owner, it.layout, fixed.encode())
    await postgres.as_owner(it.layout, broken.encode())


async def migration(it: Breakage, name: str, broken: str, fixed: str) -> None:
    """Have Prisma's table say something else of a migration; `{checksum}` is the true one."""
    checksum = next(one.checksum for one in of_release(RELEASE) if one.name == name)

    def noted(setting: str) -> str:
        true = setting.format(checksum=checksum)
        return f"UPDATE _prisma_migrations SET {true} WHERE migration_name = '{name}'"  # noqa: S608 - all of it is written here

    await sql(it, noted(broken), noted(fixed))


async def migration_missing(it: Breakage, name: str) -> None:
    """Have Prisma's table know nothing of a migration."""
    checksum = next(one.checksum for one in of_release(RELEASE) if one.name == name)
    again = f"""
    INSERT INTO _prisma_migrations
        (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
    SELECT gen_random_uuid()::text, '{checksum}', '{name}', now() - interval '20 ms', now(), 1
    WHERE NOT EXISTS (SELECT FROM _prisma_migrations WHERE migration_name = '{name}')"""  # noqa: S608 - all of it is written here
    await sql(it, f"DELETE FROM _prisma_migrations WHERE migration_name = '{name}'", again)  # noqa: S608 - all of it is written here


async def connections_left(it: Breakage, count: int) -> None:
    """Open connections to the primary until only so many are left."""
    ((free,),) = await (await _kept(it, _FREE)).fetchall()
    for _ in range(free - count):
        await _kept(it, b"")


async def locked(it: Breakage, table: str) -> None:
    """Hold a table for oneself."""
    statement = composed.SQL("BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
    await _kept(it, statement.format(composed.Identifier(table)))


async def transaction_left_open(it: Breakage) -> None:
    """Leave a transaction open for longer than the local policy allows any."""
    await _kept(it, b"BEGIN; SELECT 1")
    await asyncio.sleep(_LONG_SECONDS)


async def standby_paused(it: Breakage) -> None:
    """Have the standby replay nothing any more, and write something that it has not replayed then."""
    it.undo(_standby, it.layout, b"SELECT pg_wal_replay_resume()")
    await _standby(it.layout, b"SELECT pg_wal_replay_pause()")
    await postgres.as_superuser(it.layout, b"SELECT pg_logical_emit_message(false, 'fault', 'x')")


async def _standby(layout: Layout, statement: bytes) -> None:
    try:
        async with await postgres.connect(
            layout, postgres.SUPERUSER, port="postgres-standby"
        ) as connection:
            await connection.execute(statement)
    except psycopg.Error as exc:
        raise SandboxError(f"the standby refused an order: {type(exc).__name__}.") from None


async def migration_lock_kept(it: Breakage) -> None:
    """Keep Prisma's lock on an idle pooled connection long after its migration, and another of its number."""
    number = str(ADVISORY_LOCK).encode()
    await _kept(it, b"SELECT pg_advisory_lock(%b), pg_advisory_lock(5, %b)" % (number, number))
    await asyncio.sleep(_IDLE_SECONDS)


async def _kept(it: Breakage, statement: postgres.Query) -> psycopg.AsyncCursor:
    """Run a statement on a connection that stays open for as long as the fault holds."""
    try:
        connection = await postgres.connect(it.layout)
        it.undo(connection.close)
        return await connection.execute(statement)
    except psycopg.Error as exc:
        raise SandboxError(f"the primary refused a connection: {exc}") from exc


def _newest(layout: Layout) -> tuple[Path, ...]:
    found = sorted(layout.backups.glob("*.dump"), key=lambda path: path.stat().st_mtime)
    return tuple(found[-1:])


def _newest_copy(layout: Layout) -> tuple[Path, ...]:
    return tuple(layout.backups_apart / path.name for path in _newest(layout))


_FILES: Mapping[str, Callable[[Layout], tuple[Path, ...]]] = {
    "newest backup": lambda layout: (*_newest(layout), *_newest_copy(layout)),
    "newest copy": _newest_copy,
    "restore test": lambda layout: (layout.evidence / backups.RESTORE_TEST,),
    "restore": lambda layout: (restore.document(layout),),
    "migration log": lambda layout: (layout.evidence / LOG,),
    "pg_restore": lambda layout: (layout.pg_restore,),
    "approvers file": lambda layout: (layout.approvers,),
    "release file": lambda layout: (layout.release_file,),
    "release repository": lambda layout: (layout.release_repository,),
}
"""By what a faults.yaml calls them; the newest backup is meant with its copy."""


async def gone(it: Breakage, files: str) -> None:
    """Put files aside."""
    for path in _FILES[files](it.layout):
        it.aside(path)


async def cut(it: Breakage, files: str, share: float = 1.0, most_bytes: int | None = None) -> None:
    """Leave of files only the first share, or so many bytes."""
    _alter(it, files, lambda data: data[: int(len(data) * share)][:most_bytes])


async def appended(it: Breakage, files: str, text: str) -> None:
    """Have files go on with a text."""
    _alter(it, files, lambda data: data + text.encode())


async def reworded(it: Breakage, files: str, old: str, new: str) -> None:
    """Have files say something else in one place."""
    _alter(it, files, lambda data: data.replace(old.encode(), new.encode()))


async def restore_test(it: Breakage, result: str = "passed", days_ago: int = 0) -> None:
    """Have the evidence of the last restore test tell another result, or another day."""
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)
    told = {"result": result, "finished_at": moment.isoformat()}
    _alter(it, "restore test", lambda data: json.dumps({**json.loads(data), **told}).encode())


async def restored_from(it: Breakage, pattern: str) -> None:
    """Have whoever restored say that it was the newest backup with such a name."""
    file = max(it.layout.backups.glob(pattern), key=lambda path: path.stat().st_mtime)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    told = {"artefacts": [{"name": file.name, "digest": f"sha256:{digest}"}]}
    _alter(it, "restore", lambda data: json.dumps({**json.loads(data), **told}).encode())


async def restored_lately(it: Breakage, seconds: float) -> None:
    """Have whoever restored say that it was just now, for so many seconds; the application ran."""
    now = dt.datetime.now(dt.UTC)
    began = now - dt.timedelta(seconds=seconds)

    def told(data: bytes) -> bytes:
        document = json.loads(data)
        times = {"began_at": began.isoformat(), "ended_at": now.isoformat()}
        document["facts"] |= times
        return json.dumps({**document, "created_at": now.isoformat()}).encode()

    _alter(it, "restore", told)


def _alter(it: Breakage, files: str, altered: Callable[[bytes], bytes]) -> None:
    for path in _FILES[files](it.layout):
        aside = it.aside(path)
        if aside.exists():
            path.write_bytes(altered(aside.read_bytes()))
            backups.same_time(aside, path)


async def backups_unreadable(it: Breakage) -> None:
    """Put a link that leads to itself in the place of the backup folder."""
    folder = it.layout.backups
    it.aside(folder)
    folder.symlink_to(folder)


async def dumped_without(it: Breakage, table: str) -> None:
    """Have the newest backup, and its copy, be a sound dump that lacks the rows of a table."""
    for path in _FILES["newest backup"](it.layout):
        it.aside(path)
        await backups.dump(it.layout, path, f"--exclude-table-data={table}")


KINDS = (
    *(sql, recorded, script, migration, migration_missing, connections_left, locked),
    migration_lock_kept,
    *(transaction_left_open, standby_paused),
    *(gone, cut, appended, restore_test, reworded, backups_unreadable, dumped_without),
    *(restored_from, restored_lately),
)

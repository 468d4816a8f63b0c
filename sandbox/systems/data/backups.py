"""Backups of the database: really dumped, copied apart, and really restored into a scratch database."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from sandbox.core import SandboxError
from sandbox.core.layout import DATABASE
from sandbox.core.state import write_private
from sandbox.systems.data import postgres
from sandbox.systems.data.postgres import OWNER, SUPERUSER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform

RESTORE_TEST = "restore-test.json"
_TABLES = ("users", "patients", "providers", "appointments", "payments", "video_calls")
_EARLIER_HOURS = (8, 32, 56)
_SCRATCH = "restore_test"


@dataclass(frozen=True, slots=True)
class Backup:
    """One dump, and how many rows there were when it began."""

    file: Path
    counts: Mapping[str, int]


async def back_up(platform: Platform) -> None:
    """Phase 1.1: dump the database, and prove by a restore that the dump is good."""
    await make_history(platform)
    await test_restore(platform.layout, await take(platform.layout, "pre-migration"))


async def make_history(platform: Platform) -> None:
    """Leave the nightly backups of three days and one restore test; does nothing where they are.

    Only the last night's is a dump of its own; the others are copies of it under older dates.
    """
    layout = platform.layout
    if layout.backups.exists():
        return
    first = await take(layout, "nightly", hours_ago=_EARLIER_HOURS[0])
    for hours in _EARLIER_HOURS[1:]:
        _copy(first.file, layout.backups / _name("nightly", hours), hours)
        _copy(first.file, layout.backups_apart / _name("nightly", hours), hours)
    if platform.progress.pending:
        await test_restore(layout, first)


async def take(layout: Layout, kind: str, *, hours_ago: int = 0) -> Backup:
    """Dump the database into the backup folder and copy the dump apart; raises SandboxError."""
    for folder in (layout.backups, layout.backups_apart):
        folder.mkdir(mode=0o700, exist_ok=True)
    file = layout.backups / _name(kind, hours_ago)
    unfinished = file.with_suffix(".part")
    counts = await count_rows(layout, DATABASE)
    await dump(layout, unfinished)
    unfinished.rename(file)
    _date(file, hours_ago)
    _copy(file, layout.backups_apart / file.name, hours_ago)
    return Backup(file, counts)


async def test_restore(layout: Layout, backup: Backup) -> None:
    """Restore a backup into a scratch database, compare, drop it, and write what was found."""
    begun = time.monotonic()
    scratch = sql.Identifier(_SCRATCH)
    await postgres.as_superuser(
        layout,
        sql.SQL("DROP DATABASE IF EXISTS {}").format(scratch),
        sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(scratch),
        database=SUPERUSER,
    )
    try:
        await postgres.run_client(
            *(layout, "pg_restore", SUPERUSER, "--exit-on-error", "--no-owner"),
            *("--no-privileges", f"--dbname={_SCRATCH}", str(backup.file)),
        )
        restored = await count_rows(layout, _SCRATCH)
    finally:
        drop = sql.SQL("DROP DATABASE {} (FORCE)").format(scratch)
        await postgres.as_superuser(layout, drop, database=SUPERUSER)
    result = _result(backup, restored, round(time.monotonic() - begun, 3))
    layout.evidence.mkdir(mode=0o700, exist_ok=True)
    write_private(layout.evidence / RESTORE_TEST, json.dumps(result, indent=2))


async def dump(layout: Layout, file: Path, *more: str) -> None:
    """Dump the database into a file, with more options of pg_dump; raises SandboxError."""
    whole = ("--format=custom", "--compress=1", f"--dbname={DATABASE}", f"--file={file}")
    await postgres.run_client(layout, "pg_dump", OWNER, *whole, *more)


def _result(backup: Backup, restored: Mapping[str, int], seconds: float) -> dict[str, Any]:
    # Rows may have come while the dump began; none may be missing.
    good = all(restored.get(table, 0) >= count for table, count in backup.counts.items())
    return {
        "schema": 1,
        "what": "restore test",
        "backup": backup.file.name,
        "sha256": hashlib.sha256(backup.file.read_bytes()).hexdigest(),
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "result": "passed" if good else "failed",
        "tables": {
            table: {"before": count, "restored": restored.get(table, 0)}
            for table, count in backup.counts.items()
        },
    }


async def count_rows(layout: Layout, database: str) -> dict[str, int]:
    """Return how many rows each of the first tables has; raises SandboxError."""
    parts = [
        sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(name), sql.Identifier(name))
        for name in _TABLES
    ]
    try:
        async with await postgres.connect(layout, SUPERUSER, database) as connection:
            cursor = await connection.execute(sql.SQL(" UNION ALL ").join(parts))
            return {str(name): int(count) for name, count in await cursor.fetchall()}
    except psycopg.Error as exc:
        raise SandboxError(f"the tables of {database} can't be counted: {exc}") from exc


def same_time(source: Path, target: Path) -> None:
    """Give a file the time of another one."""
    moment = source.stat().st_mtime
    os.utime(target, (moment, moment))


def _name(kind: str, hours_ago: int) -> str:
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours_ago)
    return f"{kind}-{moment:%Y%m%d-%H%M%S}.dump"


def _copy(source: Path, target: Path, hours_ago: int) -> None:
    shutil.copyfile(source, target)
    _date(target, hours_ago)


def _date(file: Path, hours_ago: int) -> None:
    moment = time.time() - hours_ago * 3600
    os.utime(file, (moment, moment))

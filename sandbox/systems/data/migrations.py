"""Prisma's migrations, carried out as `prisma migrate deploy` does: in order, each noted in its table.

A row is written before its migration runs and finished after it, so that one that broke half-way stays
visible. What Prisma would print goes to the migration log, which the gate reads as evidence.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from sandbox.core import SandboxError
from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.systems.data import postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform

LOG = "migrate-deploy.log"
PRISMA_FOLDER = Path(__file__).parent / "database" / "prisma"
_LAST = {
    PREVIOUS: "20250617140000_appointment_overview",
    RELEASE: "20260126150000_appointment_source",
}
ADVISORY_LOCK = 72707369
"""The number of the lock that Prisma holds while it migrates."""

# As Prisma makes it.
_CREATE_TABLE = b"""
CREATE TABLE IF NOT EXISTS _prisma_migrations (
    id varchar(36) PRIMARY KEY NOT NULL,
    checksum varchar(64) NOT NULL,
    finished_at timestamptz,
    migration_name varchar(255) NOT NULL,
    logs text,
    rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(),
    applied_steps_count integer NOT NULL DEFAULT 0
)"""
_BEGIN = b"""
INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at)
VALUES (gen_random_uuid()::text, %s, %s, clock_timestamp())"""
_FINISH = b"""
UPDATE _prisma_migrations SET finished_at = clock_timestamp(), applied_steps_count = 1
WHERE migration_name = %s AND rolled_back_at IS NULL"""
_FAIL = b"""
UPDATE _prisma_migrations SET logs = %s
WHERE migration_name = %s AND finished_at IS NULL AND rolled_back_at IS NULL"""
_NOTED = b"SELECT migration_name FROM _prisma_migrations WHERE rolled_back_at IS NULL"


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration as its release ships it."""

    name: str
    script: bytes

    @property
    def checksum(self) -> str:
        """The sha256 that Prisma keeps of it."""
        return hashlib.sha256(self.script).hexdigest()


def of_release(version: str) -> tuple[Migration, ...]:
    """Return all migrations that a version ships, the first one first."""
    return tuple(
        Migration(file.parent.name, file.read_bytes())
        for file in sorted(PRISMA_FOLDER.glob("migrations/*/migration.sql"))
        if file.parent.name <= _LAST[version]
    )


async def deploy(
    connection: psycopg.AsyncConnection[Any], migrations: Sequence[Migration], log: Path
) -> None:
    """Apply what is not applied yet and write the log; raises SandboxError naming the failed one."""
    lines = [
        "Prisma schema loaded from prisma/schema.prisma",
        f'Datasource "db": PostgreSQL database "{connection.info.dbname}", schema "public"',
        "",
        f"{len(migrations)} migrations found in prisma/migrations",
        "",
    ]
    try:
        async with _locked(connection):
            lines += await _apply_pending(connection, migrations)
    except _FailedError as exc:
        lines += exc.lines
        raise SandboxError(f"the migration {exc.name} failed; see {log}.") from exc
    finally:
        _write_log(log, lines)


async def migrate(platform: Platform) -> None:
    """Phase 2.1: apply the release's migrations and write the migration log; raises SandboxError."""
    await deploy_release(platform.layout, RELEASE)


async def deploy_release(layout: Layout, version: str) -> None:
    """Apply what a version ships, as the owner of the database; raises SandboxError."""
    log = layout.evidence / LOG
    try:
        async with await postgres.connect(layout) as connection:
            await deploy(connection, of_release(version), log)
    except psycopg.Error as exc:
        raise SandboxError(f"the primary refused a migration: {exc}") from exc


def _write_log(log: Path, lines: Sequence[str]) -> None:
    log.parent.mkdir(mode=0o700, exist_ok=True)
    log.write_text("\n".join([*lines, ""]), encoding="utf-8")


class _FailedError(Exception):
    def __init__(self, name: str, cause: psycopg.Error) -> None:
        super().__init__(name)
        self.name = name
        words = cause.diag.message_primary or type(cause).__name__
        self.lines = [
            f"Applying migration `{name}`",
            "Error: P3018",
            "",
            "A migration failed to apply.",
            "",
            f"Migration name: {name}",
            "",
            f"Database error code: {cause.sqlstate}",
            "",
            "Database error:",
            f"ERROR: {words}",
        ]


@contextlib.asynccontextmanager
async def _locked(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    await connection.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (ADVISORY_LOCK,))


async def _apply_pending(
    connection: psycopg.AsyncConnection[Any], migrations: Sequence[Migration]
) -> list[str]:
    await connection.execute(_CREATE_TABLE)
    cursor = await connection.execute(_NOTED)
    noted = {name for (name,) in await cursor.fetchall()}
    pending = [migration for migration in migrations if migration.name not in noted]
    if not pending:
        return ["No pending migrations to apply."]
    for migration in pending:
        await _apply(connection, migration)
    return [
        *(f"Applying migration `{migration.name}`" for migration in pending),
        "",
        "The following migration(s) have been applied:",
        "",
        *(f"migrations/{migration.name}/migration.sql" for migration in pending),
        "",
        "All migrations have been successfully applied.",
    ]


async def _apply(connection: psycopg.AsyncConnection[Any], migration: Migration) -> None:
    await connection.execute(_BEGIN, (migration.checksum, migration.name))
    try:
        # One message is one transaction: a migration is applied whole or not at all.
        await connection.execute(migration.script)
    except psycopg.Error as exc:
        words = exc.diag.message_primary or type(exc).__name__
        await connection.execute(_FAIL, (words, migration.name))
        raise _FailedError(migration.name, exc) from exc
    await connection.execute(_FINISH, (migration.name,))


MIGRATIONS = "prisma/migrations"
BRANCH = "main"
_RELEASED_AT = {PREVIOUS: 1_750_200_000, RELEASE: 1_769_700_000}
"""Seconds since 1970: with a fixed time the commits have the same ids everywhere."""
_AUTHOR = "Release manager <release@unifiedhealth.example>"
_COMMAND_SECONDS = 20


def prisma_files(version: str) -> Mapping[str, bytes]:
    """Return the migrations of a version as their files."""
    files = {f"{MIGRATIONS}/{one.name}/migration.sql": one.script for one in of_release(version)}
    lock = (PRISMA_FOLDER / "migrations" / "migration_lock.toml").read_bytes()
    return {**files, f"{MIGRATIONS}/migration_lock.toml": lock}


PARTS: Sequence[Callable[[str], Mapping[str, bytes]]] = (prisma_files,)
"""Each returns files of a version: path below the repository to content."""


def make(folder: Path) -> None:
    """Make the repository with its branch and tags and check it out; raises SandboxError."""
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    stream = b"".join(_commit(version) for version in (PREVIOUS, RELEASE))
    _git(folder, "fast-import", "--quiet", stream=stream)
    _git(folder, "reset", "--quiet", "--hard")


def _commit(version: str) -> bytes:
    files = {path: data for part in PARTS for path, data in part(version).items()}
    when = f"{_AUTHOR} {_RELEASED_AT[version]} +0000"
    message = f"Release {version}"
    head = (
        f"commit refs/heads/{BRANCH}\ncommitter {when}\ndata {len(message)}\n{message}\ndeleteall\n"
    )
    tag = (
        f"tag v{version}\nfrom refs/heads/{BRANCH}\ntagger {when}\ndata {len(message)}\n{message}\n"
    )
    body = b"".join(_file(path, data) for path, data in sorted(files.items()))
    return head.encode() + body + b"\n" + tag.encode()


def _file(path: str, data: bytes) -> bytes:
    return f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"


def _git(folder: Path, *arguments: str, stream: bytes = b"") -> None:
    # The settings of whoever starts the platform (hooks, signing) have no say here.
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        subprocess.run(  # noqa: S603 - our own arguments
            ("git", "-C", str(folder), *arguments),  # noqa: S607 - the PATH's own git
            input=stream,
            env={**os.environ, **quiet},
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise SandboxError(f"git can't make the release repository {folder}: {exc}.") from exc

"""Prisma's migrations, carried out as `prisma migrate deploy` does: in order, each noted in its table.

A row is written before its migration runs and finished after it, so that one that broke half-way stays
visible. What Prisma would print goes to the migration log, which the gate reads as evidence.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from probes.postgres import statements
from reports.texts import drawn
from sandbox.core import SandboxError
from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.systems.data import postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform

LOG = "migrate-deploy.log"
_LOG = Path(__file__).parent / "database" / "migrate-deploy.log.j2"
PRISMA_FOLDER = Path(__file__).parent / "database" / "prisma"
_LAST = {
    PREVIOUS: "20250617140000_appointment_overview",
    RELEASE: "20260126150000_appointment_source",
}
ADVISORY_LOCK = 72707369
"""The number of the lock that Prisma holds while it migrates."""

_STATEMENTS = statements(Path(__file__).parent / "database" / "migrations.sql")


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
    told: dict[str, Any] = {"database": connection.info.dbname, "count": len(migrations)}
    try:
        async with _locked(connection):
            told["applied"] = await _apply_pending(connection, migrations)
    except _FailedError as exc:
        told["failed"] = exc
        raise SandboxError(f"the migration {exc.name} failed; see {log}.") from exc
    finally:
        _write_log(log, **told)


def _write_log(log: Path, *, failed: object = None, applied: object = None, **told: Any) -> None:
    log.parent.mkdir(mode=0o700, exist_ok=True)
    log.write_text(drawn(_LOG, str, failed=failed, applied=applied, **told), encoding="utf-8")


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


class _FailedError(Exception):
    def __init__(self, name: str, cause: psycopg.Error) -> None:
        super().__init__(name)
        self.name = name
        self.code, self.words = cause.sqlstate, cause.diag.message_primary or type(cause).__name__


@contextlib.asynccontextmanager
async def _locked(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    await connection.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (ADVISORY_LOCK,))


async def _apply_pending(
    connection: psycopg.AsyncConnection[Any], migrations: Sequence[Migration]
) -> list[Migration]:
    await connection.execute(_STATEMENTS["create"])
    cursor = await connection.execute(_STATEMENTS["noted"])
    noted = {name for (name,) in await cursor.fetchall()}
    pending = [migration for migration in migrations if migration.name not in noted]
    for migration in pending:
        await _apply(connection, migration)
    return pending


async def _apply(connection: psycopg.AsyncConnection[Any], migration: Migration) -> None:
    await connection.execute(_STATEMENTS["begin"], (migration.checksum, migration.name))
    try:
        # One message is one transaction: a migration is applied whole or not at all.
        await connection.execute(migration.script)
    except psycopg.Error as exc:
        failed = _FailedError(migration.name, exc)
        await connection.execute(_STATEMENTS["fail"], (failed.words, migration.name))
        raise failed from exc
    await connection.execute(_STATEMENTS["finish"], (migration.name,))


MIGRATIONS = "prisma/migrations"


def prisma_files(version: str) -> Mapping[str, bytes]:
    """Return the migrations of a version as their files."""
    files = {f"{MIGRATIONS}/{one.name}/migration.sql": one.script for one in of_release(version)}
    lock = (PRISMA_FOLDER / "migrations" / "migration_lock.toml").read_bytes()
    return {**files, f"{MIGRATIONS}/migration_lock.toml": lock}

"""Phases 1.1 and 2.1: the database is backed up, then migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core.layout import RELEASE
from sandbox.systems.data import backups, migrations

if TYPE_CHECKING:
    from sandbox.parts import Platform


async def back_up(platform: Platform) -> None:
    """Dump the database, and prove by a restore that the dump is good."""
    await backups.make_history(platform)
    taken = await backups.take(platform, "pre-migration")
    await backups.test_restore(platform, taken)


async def migrate(platform: Platform) -> None:
    """Apply the release's migrations and write the migration log."""
    await migrations.deploy_release(platform, RELEASE)

"""Method 4 of the runbook: the backup really restored, beside the live database, and put in its place.

Whoever restores notes what was restored when, and how many rows were there before: what a restore lost
nobody can count afterwards.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any

from psycopg import sql

from sandbox.core import SandboxError
from sandbox.core.layout import DATABASE, RELEASE
from sandbox.core.state import write_private
from sandbox.systems.data import backups, postgres
from sandbox.systems.data.postgres import GATE, OWNER, SUPERUSER

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform

KIND = "database-restore"
_SCRAPED_SECONDS = 2.2
"""So long Prometheus must have seen the application stopped: it scrapes each second."""


def document(layout: Layout) -> Path:
    """Return the evidence of the last restore."""
    return layout.evidence / f"v{RELEASE}" / f"{KIND}.json"


async def restore_backup(platform: Platform) -> None:
    """Restore the backup of phase 1.1 into a fresh database and swap it in; raises SandboxError.

    The application has to be stopped.
    """
    layout = platform.layout
    found = sorted(layout.backups.glob("pre-migration-*.dump"))
    if not found:
        raise SandboxError("there is no backup of this deployment: phase 1 makes it.")
    before = await backups.count_rows(layout, DATABASE)
    began = dt.datetime.now(dt.UTC)
    await _swap_in(layout, found[-1])
    seen = began + dt.timedelta(seconds=_SCRAPED_SECONDS)
    await asyncio.sleep(max(0.0, (seen - dt.datetime.now(dt.UTC)).total_seconds()))
    note(layout, found[-1], began, before)


async def _swap_in(layout: Layout, backup: Path) -> None:
    moment = f"{dt.datetime.now(dt.UTC):%Y%m%d_%H%M%S}"
    live, restored = sql.Identifier(DATABASE), sql.Identifier(f"{DATABASE}_restored_{moment}")
    owner, gate = sql.Identifier(OWNER), sql.Identifier(GATE)
    aside = sql.Identifier(f"{DATABASE}_aside_{moment}")
    create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(restored, owner)
    await postgres.as_superuser(layout, create, database=SUPERUSER)
    await postgres.run_client(
        *(layout, "pg_restore", SUPERUSER, "--exit-on-error"),
        *(f"--dbname={DATABASE}_restored_{moment}", str(backup)),
    )
    orders = (
        sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(live),
        sql.SQL(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {}"
        ).format(sql.Literal(DATABASE)),
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(live, aside),
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(restored, live),
        # The rights of the database itself are in no dump.
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(live),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(live, gate),
    )
    await postgres.as_superuser(layout, *orders, database=SUPERUSER)


def note(layout: Layout, backup: Path, began: dt.datetime, before: dict[str, int]) -> None:
    """Write the evidence of a restore that ends now."""
    now = dt.datetime.now(dt.UTC)
    digest = hashlib.sha256(backup.read_bytes()).hexdigest()
    facts: dict[str, Any] = {"began_at": began.isoformat(), "ended_at": now.isoformat()}
    told = {
        "schema": 1,
        "kind": KIND,
        "release": f"v{RELEASE}",
        "commit": layout.release_commit,
        "created_at": now.isoformat(),
        "result": "passed",
        "artefacts": [{"name": backup.name, "digest": f"sha256:{digest}"}],
        "facts": facts | {f"before.{table}": rows for table, rows in before.items()},
    }
    document(layout).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(document(layout), json.dumps(told, indent=2))

"""The API's part of the audit log: it adds entries, and the audit service shows them."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass
from typing import Any, cast

from starlette.requests import Request

from sandbox.app.config import Redis as Login
from sandbox.app.database import Database, Transaction
from sandbox.app.sessions import OnRedis

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,100}")


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did."""

    actor: str
    action: str
    target: str | None = None
    old: str | None = None
    new: str | None = None
    request_id: str | None = None


class Audit:
    """Adds entries in the name of one region; raises psycopg.Error, and then nothing was done."""

    def __init__(self, region: str) -> None:
        self._region = region

    async def record(self, where: Database | Transaction, deed: Deed) -> None:
        """Add an entry, in the transaction of what it tells of where there is one."""
        await where.rows(
            "INSERT INTO audit.entries (region, actor, action, target, old, new, request_id) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            self._region,
            *astuple(deed),
        )


def request_id_of(request: Request) -> str | None:
    """Return the caller's own id of a request, where it is one."""
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else None


CHANGED = "flag.changed"


class FlagStore(OnRedis):
    """Reads flags, changes them and logs each change; raises redis.RedisError or psycopg.Error."""

    def __init__(self, login: Login, database: Database, audit: Audit) -> None:
        super().__init__(login)
        self._database = database
        self._audit = audit

    async def state(self, flag: str) -> tuple[bool, int]:
        """Return a flag's switch and its percentage; one that was never set is off."""
        keys = (f"feature:{flag}", f"feature:{flag}:percentage")
        switch, share = cast("list[str | None]", await self._redis.mget(keys))
        return switch == "true", int(share) if share and share.isdecimal() else 0

    async def change(self, flag: str, *, enabled: bool, percentage: int, actor: str) -> None:
        """Set both keys of a flag. A key that holds the value already is left alone, and not logged."""
        await self._set(f"feature:{flag}", "true" if enabled else "false", actor)
        await self._set(f"feature:{flag}:percentage", str(percentage), actor)

    async def _set(self, key: str, new: str, actor: str) -> None:
        old: Any = await self._redis.get(key)
        if old == new or (old is None and new == "0"):
            return
        deed = Deed(actor=actor, action=CHANGED, target=key, old=old, new=new)
        # Logged first: a change that can't be logged is not made.
        async with self._database.transaction() as transaction:
            await self._audit.record(transaction, deed)
            await self._redis.set(key, new)

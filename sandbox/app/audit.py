"""The API's part of the audit log: it adds entries, and the audit service shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.requests import Request

from sandbox.app.database import Database, Transaction

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
            deed.actor,
            deed.action,
            deed.target,
            deed.old,
            deed.new,
            deed.request_id,
        )


def request_id_of(request: Request) -> str | None:
    """Return the caller's own id of a request, where it is one."""
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID.fullmatch(given) else None

"""Feature flags in Redis: a switch and a percentage of users, each under a key of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import redis.asyncio as redis_client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sandbox.app.audit import Audit, Deed
from sandbox.app.config import Redis as Login
from sandbox.app.database import Database

CHANGED = "flag.changed"
_SOCKET_SECONDS = 2.0


class FlagStore:
    """Changes flags and logs each change; raises redis.RedisError or psycopg.Error."""

    def __init__(self, login: Login, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit
        self._redis = redis_client.Redis(
            host=login.host,
            port=login.port,
            password=login.password.get_secret_value() if login.password else None,
            socket_timeout=_SOCKET_SECONDS,
            socket_connect_timeout=_SOCKET_SECONDS,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Close the connections at the end; they are opened when they are needed."""
        try:
            yield
        finally:
            await self._redis.aclose()

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

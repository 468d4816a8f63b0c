"""Sessions and running video calls: the API's part of Redis."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import math
import secrets
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import redis.asyncio as redis_client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sandbox.app.config import Redis as Login

_SESSION_SECONDS = 3600
_SOCKET_SECONDS = 2.0
_TIMED_EVERY_SECONDS, _TIMED_PINGS, _SCANNED_AT_ONCE = 1.0, 3, 1000
_REAL_CALLS = "calls:active"
_SYNTHETIC_CALLS = "calls:active:synthetic"


class User(NamedTuple):
    """Who a session belongs to; `synthetic_tag` marks the deployment gate's own users."""

    id: str
    role: str
    patient_id: str | None
    synthetic_tag: str | None


class OnRedis:
    """A part of the API with a client that connects when it is needed, tries once and waits two seconds."""

    def __init__(self, login: Login) -> None:
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


class Sessions(OnRedis):
    """Reads and writes Redis; every method raises redis.RedisError when it cannot be reached."""

    round_trip_seconds = math.nan
    """To Redis and back, the last time; NaN where it did not answer."""
    active = math.nan
    """How many sessions there were then."""

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Time the way to Redis and count sessions for as long as the API runs."""
        async with super().opened():
            timing = asyncio.create_task(self._look())
            try:
                yield
            finally:
                timing.cancel()

    async def _look(self) -> None:
        while True:
            try:
                # The quickest: what the process itself is busy with is not the network.
                self.round_trip_seconds = min([await self.ping() for _ in range(_TIMED_PINGS)])
                found = self._redis.scan_iter(_session_key_of("*"), count=_SCANNED_AT_ONCE)
                self.active = len([key async for key in found])
            except redis_client.RedisError:
                self.round_trip_seconds = self.active = math.nan
            await asyncio.sleep(_TIMED_EVERY_SECONDS)

    async def ping(self) -> float:
        """Return the seconds that Redis took to answer PING, connecting apart."""
        await self._redis.ping()
        started = time.perf_counter()
        await self._redis.ping()
        return time.perf_counter() - started

    async def open_session(self, user: User) -> str:
        """Store a session and return its token, of which Redis holds only the hash."""
        token = secrets.token_urlsafe(32)
        key = _session_key(token)
        await self._redis.set(key, json.dumps(user), ex=_SESSION_SECONDS)
        if user.synthetic_tag is not None:
            index = _sessions_of(user.synthetic_tag)
            await self._redis.sadd(index, key)
            await self._redis.expire(index, _SESSION_SECONDS)
        return token

    async def find(self, token: str) -> User | None:
        """Return whose session it is, or None when there is none any more."""
        stored = await self._redis.get(_session_key(token))
        return None if stored is None else User(*json.loads(stored))

    async def close_session(self, token: str) -> None:
        """Drop a session."""
        await self._redis.delete(_session_key(token))

    async def forget_synthetic(self, tag: str, call_ids: list[str]) -> None:
        """Drop the sessions of a tag's users and their calls."""
        index = _sessions_of(tag)
        await self._redis.delete(index, *await self._redis.smembers(index))
        if call_ids:
            await self._redis.srem(_SYNTHETIC_CALLS, *call_ids)

    async def call_began(self, call_id: str, *, synthetic: bool) -> None:
        """Count a video call as running."""
        await self._redis.sadd(_SYNTHETIC_CALLS if synthetic else _REAL_CALLS, call_id)

    async def call_ended(self, call_id: str) -> None:
        """Count a video call as over."""
        await self._redis.srem(_REAL_CALLS, call_id)
        await self._redis.srem(_SYNTHETIC_CALLS, call_id)

    async def running_calls(self) -> tuple[int, int]:
        """Return how many video calls run: patients' and synthetic ones."""
        real = await self._redis.scard(_REAL_CALLS)
        return real, await self._redis.scard(_SYNTHETIC_CALLS)


def _session_key(token: str) -> str:
    return _session_key_of(hashlib.sha256(token.encode()).hexdigest())


def _session_key_of(hashed: str) -> str:
    return f"session:{hashed}"


def _sessions_of(tag: str) -> str:
    return f"synthetic-sessions:{tag}"

"""The feature flags of the local platform: what they are before, during and after the deployment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import redis.asyncio as redis_client
from redis.exceptions import RedisError

from sandbox.core import SandboxError
from sandbox.core.layout import HOST, PREVIOUS_APIS
from sandbox.core.readiness import put

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from sandbox.core.layout import Layout
    from sandbox.core.platform import Platform

    State = tuple[bool, int]
    """Its switch and its percentage."""
    from sandbox.core.breakage import Breakage

ALWAYS: Mapping[str, State] = {"ai_triage_v2": (False, 0)}
STATES: Mapping[str, Mapping[str, State]] = {
    # Friendly users try both features before the release that brings them to everybody.
    "before": {"new_appointment_ui": (True, 0), "enhanced_analytics": (False, 5)},
    "safe": {"new_appointment_ui": (False, 0), "enhanced_analytics": (False, 0)},
    "test": {"new_appointment_ui": (False, 10), "enhanced_analytics": (False, 10)},
}
_SAFE_SINCE, _TEST_SINCE = 1, 5
_OPERATOR = "release-manager"
_PATIENCE_SECONDS = 2.0

_TRIES, _PAUSE_SECONDS = 6, 1.0


async def lay_down(platform: Platform) -> None:
    """Put the flags there as they are meant to be now: nothing of it is a change. Raises SandboxError."""
    for key, value in _keys(meant(platform)).items():
        await order(platform.layout, "SET", key, value)


async def put_back(platform: Platform, key: str) -> None:
    """Give one key what it is meant to hold now, or nothing, past the log; raises SandboxError."""
    value = _keys(meant(platform)).get(key)
    words = ("DEL", key) if value is None else ("SET", key, value)
    await order(platform.layout, *words)


def _keys(flags: Mapping[str, State]) -> dict[str, str]:
    switches = {f"feature:{flag}": "true" if state[0] else "false" for flag, state in flags.items()}
    shares = {
        f"feature:{flag}:percentage": str(state[1]) for flag, state in flags.items() if state[1]
    }
    return switches | shares


async def make_safe(platform: Platform) -> None:
    """Phase 1.2: new features off; their percentages too, which the runbook's own commands leave."""
    await _set(platform, "safe")


async def enable_for_some(platform: Platform) -> None:
    """Phase 5.2: new features for a few users of a hundred."""
    await _set(platform, "test")


async def turn_off(platform: Platform) -> None:
    """Roll the flags back: every feature off, by both keys."""
    await _set(platform, "safe")


async def _set(platform: Platform, moment: str) -> None:
    for flag, state in {**ALWAYS, **STATES[moment]}.items():
        await change(platform, flag, state)


async def change(platform: Platform, flag: str, state: State) -> None:
    """Change one flag the platform's own way, which logs it; raises SandboxError."""
    enabled, percentage = state
    wanted = {"enabled": enabled, "percentage": percentage, "actor": _OPERATOR}
    # Both versions do this alike, and the previous one runs all the time.
    path = f"/v1/operations/flags/{flag}"
    for _ in range(_TRIES - 1):
        try:
            return await put(platform.layout, PREVIOUS_APIS[0], path, wanted)
        except SandboxError:
            # Its pool may still hold connections that an earlier fault has broken.
            await asyncio.sleep(_PAUSE_SECONDS)
    return await put(platform.layout, PREVIOUS_APIS[0], path, wanted)


def described(flags: Mapping[str, State]) -> dict[str, dict[str, object]]:
    """Return flags as an environment file describes them."""
    return {
        flag: {"enabled": enabled, "percentage": percentage}
        for flag, (enabled, percentage) in flags.items()
    }


def meant(platform: Platform) -> Mapping[str, State]:
    """Return what every flag is meant to be now, so far as the deployment has come."""
    done = platform.progress.done
    testing = done >= _TEST_SINCE and not platform.progress.taken_back
    moment = "before" if done < _SAFE_SINCE else "test" if testing else "safe"
    return {**ALWAYS, **STATES[moment]}


async def order(layout: Layout, *words: str) -> None:
    """Give Redis an order past the API, as an administrator's redis-cli would; raises SandboxError."""
    client = redis_client.Redis(
        host=HOST,
        port=layout.ports["redis"],
        password=layout.passwords["redis-api"],
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
    )
    try:
        send: Callable[..., Any] = client.execute_command
        await send(*words)
    except RedisError as exc:
        raise SandboxError(f"Redis did not take the order {words[0]}: {exc}.") from exc
    finally:
        await client.aclose()


_LOSE_SESSIONS = """
for _, key in ipairs(redis.call('KEYS', 'session:*')) do
  if redis.call('TTL', key) < 3598 and math.random() < tonumber(ARGV[1]) then redis.call('DEL', key) end
end"""


async def flag(it: Breakage, name: str, *, enabled: bool, percentage: int) -> None:
    """Change a flag the platform's own way: it is logged, and wrong all the same."""

    async def change_back() -> None:
        # To what it is meant to be at this phase.
        await change(it.platform, name, meant(it.platform)[name])

    it.undo(change_back)
    await change(it.platform, name, (enabled, percentage))


async def key(it: Breakage, name: str, value: str) -> None:
    """Set a key with redis-cli, past the platform and its log."""
    it.undo(put_back, it.platform, name)
    await order(it.layout, "SET", name, value)


async def redis(it: Breakage, broken: str, fixed: str) -> None:
    """Give Redis an order as an administrator, and another one in the end."""
    it.undo(order, it.layout, *fixed.split())
    await order(it.layout, *broken.split())


async def sessions_lost(it: Breakage, share: float, again: float) -> None:
    """Have such a share of all sessions lost, and then every second another one.

    Those that just began are kept: who signs in is served, and signed out a little later.
    """
    await order(it.layout, "EVAL", _LOSE_SESSIONS, "0", f"{share}")
    if again:
        it.again(lambda: order(it.layout, "EVAL", _LOSE_SESSIONS, "0", f"{again}"), 1.0)


KINDS = (flag, key, redis, sessions_lost)

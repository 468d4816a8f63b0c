"""Ways to break feature flags; their log is broken by scripts on its table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.systems.flags import feature_flags

if TYPE_CHECKING:
    from sandbox.core.breakage import Breakage


async def flag(it: Breakage, name: str, *, enabled: bool, percentage: int) -> None:
    """Change a flag the platform's own way: it is logged, and wrong all the same."""

    async def change_back() -> None:
        # To what it is meant to be at this phase.
        await feature_flags.change(it.platform, name, feature_flags.meant(it.platform)[name])

    it.undo(change_back)
    await feature_flags.change(it.platform, name, (enabled, percentage))


async def key(it: Breakage, name: str, value: str) -> None:
    """Set a key with redis-cli, past the platform and its log."""
    it.undo(feature_flags.put_back, it.platform, name)
    await feature_flags.order(it.layout, "SET", name, value)


async def redis(it: Breakage, broken: str, fixed: str) -> None:
    """Give Redis an order as an administrator, and another one in the end."""
    it.undo(feature_flags.order, it.layout, *fixed.split())
    await feature_flags.order(it.layout, *broken.split())


KINDS = (flag, key, redis)

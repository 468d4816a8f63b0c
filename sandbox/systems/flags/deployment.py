"""Phases 1.2 and 5.2: new features off while the release is deployed, then on for some users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.systems.flags import feature_flags

if TYPE_CHECKING:
    from sandbox.parts import Platform


async def make_safe(platform: Platform) -> None:
    """Switch new features off, and clear their percentages: the runbook's own commands leave those."""
    await _set(platform, "safe")


async def enable_for_some(platform: Platform) -> None:
    """Give new features to a few users of a hundred."""
    await _set(platform, "test")


async def _set(platform: Platform, moment: str) -> None:
    for flag, state in {**feature_flags.ALWAYS, **feature_flags.STATES[moment]}.items():
        await feature_flags.change(platform, flag, state)

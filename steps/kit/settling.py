"""Settling: what is in progress gets its time; what has ended badly is not waited for."""

from __future__ import annotations

import dataclasses
import enum
import functools
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from probes.observation import Observation, pause
from steps.kit.failures import Cause, cause, failure_of
from steps.kit.platform import Platform

FLOOR_SECONDS = 5.0
"""A scaled settle time is never shorter than this."""
LOOK_EVERY_SECONDS = 5.0
LOOK_FLOOR_SECONDS = 0.2

T = TypeVar("T")


class Progress(enum.Enum):
    """How far something is that converges."""

    DONE = "as it should be"
    MOVING = "in progress"
    UNREADABLE = "could not be read this time; the next look may show it"
    BROKEN = "ended badly; no waiting changes that"


class Ended(enum.Enum):
    """Why the waiting ended."""

    DONE = "it is done"
    BROKEN = "it ended badly"
    TIME_UP = "its time is up"
    RUN_ENDED = "the run's deadline came first"


@dataclasses.dataclass(frozen=True, slots=True)
class Settled(Generic[T]):
    """The last look at something that converges."""

    value: T
    ended: Ended
    waited_seconds: float
    """From the first look of the run at this thing to the last."""

    @property
    def waited(self) -> str:
        """Return ` after N s of waiting` where the time is up, for a sentence."""
        up = self.ended is Ended.TIME_UP
        return f" after {self.waited_seconds:.0f} s of waiting" if up else ""


class SettleClocks:
    """One clock for each thing that converges, started by the first look, shared by all its checks.

    Five checks of one rollout wait for it once, not five times.
    """

    def __init__(self) -> None:
        self._since: dict[Hashable, float] = {}

    def running_seconds(self, thing: Hashable) -> float:
        """Return the seconds since the first look at a thing."""
        now = time.monotonic()
        return now - self._since.setdefault(thing, now)


def settle_seconds(platform: Platform, policy_seconds: float) -> float:
    """Return a settle time of the policy, or of the thing itself, in the environment's scale."""
    return platform.scaled(policy_seconds, FLOOR_SECONDS)


def settled(
    platform: Platform,
    look: Callable[[], T],
    progress: Callable[[T], Progress],
    seconds: float,
    *,
    clock: Callable[[], float] | None = None,
) -> Settled[T]:
    """Look until it is done, has ended badly, or its time (`seconds`, already scaled) is up.

    The caller judges the last look: time up is a FAIL, a run that ended first INCONCLUSIVE. `clock`
    tells the seconds already waited, e.g. `lambda: clocks.running_seconds((region, "rollout"))`.
    """
    running = clock or functools.partial(SettleClocks().running_seconds, "it")
    between = platform.scaled(LOOK_EVERY_SECONDS, LOOK_FLOOR_SECONDS)
    while True:
        began = running()
        value = look()
        state = progress(value)
        if state not in (Progress.MOVING, Progress.UNREADABLE):
            ended = Ended.DONE if state is Progress.DONE else Ended.BROKEN
            return Settled(value, ended, began)
        if began >= seconds:
            return Settled(value, Ended.TIME_UP, began)
        if platform.deadline.remaining_seconds() <= 0:
            return Settled(value, Ended.RUN_ENDED, began)
        left = min(seconds - running(), platform.deadline.remaining_seconds())
        pause(min(between, left))


def missed(observed: Observation[Any]) -> Progress:
    """Return how to go on after a look that brought no value.

    An instrument's blip is waited out like the platform's own: kubectl survives it, so does the gate.
    """
    # The next look may not meet an absence again; a refused token or a wrong address stays.
    passes = cause(failure_of(observed)) is Cause.UNAVAILABLE
    return Progress.UNREADABLE if passes else Progress.BROKEN

"""The profiles of a load run: which rates, one after the other, for how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from load._run import Stage

MANUAL: Final = "manual"
"""Users, spawn rate and time as Locust's own options or its page say."""

SPIKE_TIMES: Final = 3.0
RAMP_SHARES: Final = tuple(share / 10 for share in range(5, 16))
"""Of the rate that is wanted: it is passed on the way, and the end lies half as high again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What a profile is asked for."""

    rps: float
    seconds: float
    """How long is measured; of a ramp, each of its steps."""


Shape = Callable[[Wanted], Iterator[Stage]]


def warm_up_seconds(seconds: float) -> float:
    """Return how long it is warmed up: a tenth of what is measured, from 3 to 30 seconds."""
    return min(30.0, max(3.0, seconds / 10))


def _steady(wanted: Wanted) -> Iterator[Stage]:
    yield _warm_up(wanted.rps, wanted.seconds)
    yield Stage(1, wanted.rps, wanted.seconds, title="steady")


def _ramp(wanted: Wanted) -> Iterator[Stage]:
    yield _warm_up(wanted.rps * RAMP_SHARES[0], wanted.seconds)
    for number, share in enumerate(RAMP_SHARES, start=1):
        rps = wanted.rps * share
        beyond = share > 1
        yield Stage(
            number, rps, wanted.seconds, title=f"{rps:,.0f} requests/s", required=not beyond
        )


def _spike(wanted: Wanted) -> Iterator[Stage]:
    yield _warm_up(wanted.rps, wanted.seconds)
    yield Stage(1, wanted.rps, wanted.seconds, title="before the spike")
    yield Stage(2, wanted.rps * SPIKE_TIMES, wanted.seconds / 2, measured=False, title="spike")
    yield Stage(3, wanted.rps, wanted.seconds, title="after the spike")


def _warm_up(rps: float, measured_seconds: float) -> Stage:
    seconds = warm_up_seconds(measured_seconds)
    return Stage(0, rps, seconds, measured=False, title="warm-up")


@dataclasses.dataclass(frozen=True, slots=True)
class Profile:
    """A profile, and what it does without further words."""

    shape: Shape
    usual: Wanted
    about: str


PROFILES: Final[Mapping[str, Profile]] = {
    "smoke": Profile(
        # Enough to prove an error rate of 0.1 % in each of two regions.
        _steady,
        Wanted(120, 60),
        "a minute at a low rate: does the scenario work?",
    ),
    "ramp": Profile(
        _ramp, Wanted(10_000, 30), "from half to one and a half of the rate; finds the highest one"
    ),
    "steady": Profile(_steady, Wanted(10_000, 300), "the proof: one rate, held"),
    "spike": Profile(_spike, Wanted(10_000, 60), "three times the rate for a while, and after it"),
    "soak": Profile(_steady, Wanted(1_000, 4 * 3600), "one rate for hours"),
}


def stages(name: str, *, rps: float | None, seconds: float | None) -> tuple[Stage, ...]:
    """Return the stages of a profile; what is not asked for is as usual. Raises KeyError."""
    profile = PROFILES[name]
    wanted = Wanted(rps or profile.usual.rps, seconds or profile.usual.seconds)
    return tuple(profile.shape(wanted))

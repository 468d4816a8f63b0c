"""A load run as the judge needs it: counts, and how the generator itself was."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal


@dataclasses.dataclass(frozen=True, slots=True)
class EndpointFacts:
    """One kind of request in one stage and region."""

    name: str
    requests: int
    """That ended, one way or another."""
    failed: int
    own: int
    """Failed by the generator's machine: no free port, descriptor, route, address for a name, or trust in
    the certificate's authority."""
    timeouts: int
    """Failed by their deadline; a generator that lags may be the cause."""
    slow: Mapping[float, int]
    """Threshold in seconds → requests that may have reached it, from the time they were due."""
    slow_service: Mapping[float, int]
    """The same from the time they were sent: what the platform took."""


@dataclasses.dataclass(frozen=True, slots=True)
class StageFacts:
    """One measured stage in one region."""

    number: int
    title: str
    region: str
    rps: float
    """What the plan asks for in this region."""
    planned_seconds: float
    lasted_seconds: float | None
    """None: it never began."""
    sent_by_second: tuple[int, ...]
    """Of each second that lies wholly within the stage."""
    due: int
    sent: int
    late: int
    dropped: int
    lag_p99_seconds: float
    """NaN: nobody measured it."""
    paused_seconds: float
    """By how much the engine's clock lagged beyond what makes a request late, in all."""
    cpu_share: float
    """Of the busiest worker in its busiest ten seconds, of one core; NaN: nobody measured it."""
    endpoints: tuple[EndpointFacts, ...]
    unreached: tuple[str, ...] = ()
    """Addresses of the target's name that took no connection, while others of their kind did."""
    required: bool = True
    """False: beyond what is wanted. It is judged, and the run may pass without it."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One process that sent."""

    name: str
    lost: bool
    """It went silent before it had told everything: what it sent is partly unknown."""
    clock_skew_seconds: float
    """Its clock less the master's; positive is ahead."""
    throttled_periods: int
    """In how many periods its control group was denied the processor; 0 where there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoadFacts:
    """The whole run."""

    model: Literal["open", "closed"]
    arrivals: Literal["poisson", "uniform"]
    ramp: bool
    """Its stages climb until one does not hold: those behind it may be missing."""
    stages: tuple[StageFacts, ...]
    """Every measured stage of the plan in every region, also one that never began."""
    workers: tuple[WorkerFacts, ...]
    expected_workers: int
    interrupted: str
    """Why it ended before its plan did; empty if it did not."""

"""A load run as values: what was meant, what was counted, and what Locust's nodes tell each other of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

from load._engine._tally import Recorded, Tally
from load._scenario import Target
from load.verdict import WorkerFacts

Model = Literal["open", "closed"]
Place = tuple[int, str]
"""A stage's number and a region."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of a run with one rate."""

    number: int
    rps: float
    """Requests a second over all regions and workers, an equal share in each region; of a closed model,
    its connections."""
    seconds: float
    """How long it was meant to last."""
    measured: bool = True
    """False of a warm-up or a recovery: it is shown and not judged."""
    title: str = ""
    """As people call it: warm-up, steady, spike."""
    required: bool = True
    """False of a measured stage beyond what is wanted, as of a ramp: it shows how far the platform goes,
    and the run may pass without it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What was meant."""

    environment: str
    release: str | None
    profile: str
    """smoke, ramp, steady, spike, soak, or manual (users and times as Locust's own options say)."""
    model: Model
    arrivals: Literal["poisson", "uniform"]
    seed: int
    regions: Mapping[str, str]
    """Region → the address that was sent to."""
    stages: tuple[Stage, ...]
    """Empty where Locust's users say the rate."""
    command: str
    """As it was typed, secrets masked."""
    most_rps: float = math.inf
    """What the environment allows."""
    run_seconds: float | None = None
    """How long is measured where users say the rate and no page ends the run; None: no limit."""

    def least_events(self, users: int) -> float | None:
        """Return the fewest requests that a region gets in a stage that must hold; None: nobody can say."""
        amounts = [one.rps * one.seconds for one in self.stages if one.measured and one.required]
        if not self.stages and self.run_seconds is not None:
            amounts = [users * self.run_seconds]
        known = amounts and self.model == "open" and self.regions
        return min(amounts) / len(self.regions) if known else None

    @property
    def peak(self) -> float:
        """Return the highest amount of all stages; 0 where users say it."""
        return max((stage.rps for stage in self.stages), default=0.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Moment:
    """A second of a worker, by its clock: how the generator itself was."""

    second: int
    """Of the Unix epoch."""
    cpu_share: float
    """Of one core, of the worker's whole process."""
    in_flight: int
    lag_seconds: float
    """The longest delay of the engine's own clock in that second."""


@dataclasses.dataclass(frozen=True, slots=True)
class Worker(WorkerFacts):
    """One process that sent, with what is shown of it beside what it is judged by."""

    peak_rss_bytes: int
    moments: tuple[Moment, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """Everything that was counted."""

    plan: Plan
    started_at: float
    """Unix time."""
    ended_at: float
    tallies: Mapping[Place, Tally]
    """Seconds within are of the Unix epoch; a request belongs to the stage in which it was due."""
    begun: Mapping[int, tuple[float, float]]
    """Stage → Unix times at which the last worker had begun it and the first one ended it: in the whole
    seconds between, everybody sent. A stage that never began is missing."""
    workers: tuple[Worker, ...]
    expected_workers: int
    calibration: Tally | None = None
    """The same generators against null servers of their own machines."""
    interrupted: str = ""
    """Why it ended before its plan did; empty if it did not."""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Package → version; git, python and kernel among them."""
    machine: Mapping[str, str | int | float] = dataclasses.field(default_factory=dict)

    def measured(self) -> tuple[Stage, ...]:
        """Return the stages that are judged and really began."""
        return tuple(one for one in self.plan.stages if one.measured and one.number in self.begun)


BEGIN, STAGE, STOP = "load-begin", "load-stage", "load-stop"
"""From the master to its workers."""
READY, PART = "load-ready", "load-part"
"""From a worker to its master."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting(Recorded):
    """How every worker of a run sends, and where: a message."""

    run: str
    plan: Plan
    headers: Mapping[str, str]
    targets: tuple[Target, ...]
    calibrate_seconds: float
    """How long each worker first sends to a null server of its own machine; 0: not at all."""
    calibrate_amount: float
    """Requests a second, or connections, of each worker meanwhile."""
    connections: int
    deadline_seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Part(Recorded):
    """What a worker has counted since its last message."""

    worker: str
    sequence: int
    """0, 1, 2 and so on: a gap is a message that was lost."""
    clock: float
    """Unix time of the worker as it sent this."""
    tallies: tuple[tuple[Place, Tally], ...]
    moments: tuple[Moment, ...]
    peak_rss_bytes: int
    throttled_periods: int
    final: bool = False
    """Nothing comes after it."""
    broke: str = ""
    """Why the worker's engine ended before it was stopped."""

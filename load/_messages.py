"""What Locust's nodes tell each other about a load run: values, and how they travel as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from load._engine._tally import Tally
from load._run import Model, Moment, Place
from load._target import Target

BEGIN, STAGE, STOP = "load-begin", "load-stage", "load-stop"
"""From the master to its workers."""
READY, PART = "load-ready", "load-part"
"""From a worker to its master."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """How every worker of a run sends, and where."""

    run: str
    model: Model
    arrivals: Literal["poisson", "uniform"]
    seed: int
    headers: Mapping[str, str]
    targets: tuple[Target, ...]
    calibrate_seconds: float
    """How long each worker first sends to a null server of its own machine; 0: not at all."""
    calibrate_amount: float
    """Requests a second, or connections, of each worker meanwhile."""
    connections: int
    deadline_seconds: float

    def data(self) -> dict[str, Any]:
        """Return it as a message carries it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read a message; raises TypeError or KeyError for one of another version."""
        return cls(**{**data, "targets": tuple(Target(**one) for one in data["targets"])})


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
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

    def data(self) -> dict[str, Any]:
        """Return it as a message carries it."""
        return {
            "worker": self.worker,
            "sequence": self.sequence,
            "clock": self.clock,
            "tallies": [[stage, region, one.record()] for (stage, region), one in self.tallies],
            "moments": [dataclasses.asdict(moment) for moment in self.moments],
            "peak_rss_bytes": self.peak_rss_bytes,
            "throttled_periods": self.throttled_periods,
            "final": self.final,
            "broke": self.broke,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read a message; raises TypeError, KeyError or ValueError for a damaged one."""
        tallies = tuple(
            ((int(stage), str(region)), Tally.from_record(one))
            for stage, region, one in data["tallies"]
        )
        moments = tuple(Moment(**moment) for moment in data["moments"])
        return cls(**{**data, "tallies": tallies, "moments": moments})


def merged(
    parts: Iterable[tuple[Place, Tally]],
) -> dict[Place, Tally]:
    """Return one tally for each stage and region of several."""
    made: dict[Place, Tally] = {}
    for place, tally in parts:
        if place in made:
            made[place].merge(tally)
        else:
            made[place] = tally
    return made

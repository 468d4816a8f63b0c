"""When requests are due: by an absolute schedule that nothing moves, or when callers have their answers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Literal

Arrivals = Literal["poisson", "uniform"]


class Schedule:
    """An open model: callers who know nothing of each other, at a rate that may change."""

    def __init__(self, *, begins_at: float, arrivals: Arrivals, seed: int | str) -> None:
        """Begin at a time of a monotonic clock, with no rate: nothing is due before `set_rate`."""
        self._chance = random.Random(seed)  # noqa: S311 - a schedule that can be repeated, no secret
        self._uniform = arrivals == "uniform"
        self._rate = 0.0
        self._since = begins_at
        self._left = self._draw()
        """How much of the way to the next arrival is left, in mean intervals, at `_since`."""

    def set_rate(self, rate: float, *, now: float) -> None:
        """Change the rate from now on; the way already gone to the next arrival is kept.

        Raises ValueError for a rate that is negative or no number.
        """
        if not math.isfinite(rate) or rate < 0:
            raise ValueError(f"a rate of {rate} requests/s")
        now = max(now, self._since)
        self._left -= (now - self._since) * self._rate
        self._since, self._rate = now, rate

    def due(self, now: float) -> Iterator[float]:
        """Yield the intended time of every arrival up to now, each of them once, oldest first."""
        while self._rate > 0:
            at = self._since + max(0.0, self._left) / self._rate
            if at > now:
                return
            self._since, self._left = at, self._draw()
            yield at

    def _draw(self) -> float:
        return 1.0 if self._uniform else self._chance.expovariate(1.0)


class Closed:
    """Callers who wait for their answer: a slow server slows them down, and that hides its slowness.

    It measures how much a server or an engine can do at most; it proves no rate. What is sent is
    due when it is sent: nothing is ever late or dropped.
    """

    connections = 0
    """How many callers there are."""

    def __init__(self, connections: int) -> None:
        """Let so many callers ask, each on a connection of its own; raises ValueError below 0."""
        self.set_connections(connections)

    def set_connections(self, connections: int) -> None:
        """Change how many callers there are; none send nothing. Raises ValueError below 0."""
        if connections < 0:
            raise ValueError(f"{connections} connections")
        self.connections = connections

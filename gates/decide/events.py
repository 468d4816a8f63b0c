"""Counted events: how many there were, how many were bad, and where and when each group of them fell."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """The events that one source counted between two of its scrapes."""

    source: str
    """The pod or instance that served them."""
    at: float
    """When the later of the two scrapes was taken, in seconds since 1970."""
    bad: float
    total: float


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """Events in a look-back, and the cells that they came in."""

    bad: float
    total: float
    cells: tuple[Cell, ...] = ()
    """One for each source and scrape step; empty where that is not known, as in a load test."""

    def problem(self) -> str | None:
        """Return why these are no counts at all, or None."""
        if not (math.isfinite(self.bad) and math.isfinite(self.total)):
            return "a count is not a finite number"
        if self.bad < 0 or self.total < 0:
            return "a count is negative"
        if self.bad > self.total * 1.001:
            return "more bad events than events"
        return None

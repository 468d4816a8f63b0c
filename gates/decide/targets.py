"""What Prometheus scraped: each target with its scrapes, and when its process was started."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Mapping

MISSED_SCRAPES = 2.5
"""So long without a scrape, and at least one was missed."""
CLOCKS_SECONDS = 30.0
"""A platform's clocks and that of Prometheus may differ by so much."""
_SAME_START_SECONDS = 1.0
"""Some exporters compute their start from the uptime, and it wavers."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One scraped endpoint. Times are in seconds since 1970, ascending."""

    labels: Mapping[str, str]
    """Of its series `up`."""
    scrapes: tuple[float, ...]
    """When it answered."""
    failed: tuple[float, ...]
    """When it did not."""
    starts: tuple[tuple[float, float], ...]
    """Scrape, and process_start_time_seconds as it said then; empty where it exposes none."""
    scrape_seconds: float
    seen_before: bool = False
    """The same address was scraped before, under other labels."""

    @property
    def name(self) -> str:
        """Return how people know it: its pod, else its address."""
        return self.labels.get("pod") or self.labels.get("instance", "a target without address")

    @property
    def address(self) -> tuple[str, str]:
        """Return its job and address."""
        return self.labels.get("job", ""), self.labels.get("instance", "")

    @property
    def last(self) -> float:
        """Return when it was scraped last, successfully or not."""
        return max((*self.scrapes[-1:], *self.failed[-1:]))

    @property
    def is_up(self) -> bool:
        """Return whether its newest scrape went well."""
        return bool(self.scrapes) and self.scrapes[-1] == self.last

    def may_bear(self, labels: Mapping[str, str]) -> bool:
        """Return whether series with these labels can come from it: its own do not say otherwise."""
        return all(self.labels.get(name, value) == value for name, value in labels.items())

    def scraped_before(self, at: float) -> bool:
        """Return whether it answered a scrape before that one."""
        return bool(self.scrapes) and self.scrapes[0] < at

    def scrape_before(self, at: float) -> float:
        """Return when it answered the scrape before, or would have if it is new."""
        place = bisect.bisect_left(self.scrapes, at)
        return self.scrapes[place - 1] if place else at - self.scrape_seconds

    def started_at(self, at: float) -> float | None:
        """Return the start of its process as it said at that scrape or the one before."""
        place = bisect.bisect_right(self.starts, (at, float("inf")))
        return self.starts[place - 1][1] if place else None

    def restarted(self, since: float, at: float) -> bool:
        """Return whether its process was started again between two scrapes."""
        earlier, later = self.started_at(since), self.started_at(at)
        if earlier is None or later is None:
            return False
        return later - earlier > _SAME_START_SECONDS

    def was_down(self, since: float, at: float) -> bool:
        """Return whether a process that does not say its start may have been started again in between.

        One that does is believed: it was not.
        """
        if self.started_at(at) is not None:
            return False
        missed = at - since > MISSED_SCRAPES * self.scrape_seconds
        return missed or any(since < one < at for one in self.failed)

    def answers_in_turn(self) -> bool:
        """Return whether several processes answer its scrapes: a start that lies back again, or far back."""
        for (since, earlier), (_, later) in zip(self.starts, self.starts[1:], strict=False):
            if earlier - later > _SAME_START_SECONDS:
                return True
            if later - earlier > _SAME_START_SECONDS and later < since - CLOCKS_SECONDS:
                return True
        return False

"""What Prometheus scraped: targets, their samples, and how far counters grew between two of them."""

from __future__ import annotations

import bisect
import dataclasses
import enum
import math
from collections.abc import Iterator, Mapping, Sequence

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


class Patience(enum.Enum):
    """What waiting can change of a reading that can't be believed."""

    NONE = "nothing: a setting or the platform has to change"
    SCRAPES = "it may pass with the next scrapes"
    SAMPLES = "it passes with traffic, or once the look-back has moved on"


class NotCountableError(Exception):
    """The samples do not say how many events there were; the text says why, and what to do about it."""

    def __init__(self, why: str, patience: Patience = Patience.SCRAPES) -> None:
        super().__init__(why)
        self.patience = patience


@dataclasses.dataclass(frozen=True, slots=True)
class Samples:
    """One series: its labels and its samples, oldest first; times in seconds since 1970."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]

    def without(self, *names: str) -> frozenset[tuple[str, str]]:
        """Return the labels but those."""
        return frozenset((name, value) for name, value in self.labels.items() if name not in names)


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """The time whose events count, in seconds since 1970; a few scrapes before it are read too."""

    begin: float
    end: float
    scrape_seconds: float
    known_since: float
    """Prometheus had found all its targets by then: one that appears later is new."""


@dataclasses.dataclass(frozen=True, slots=True)
class Growth:
    """What a counter grew by, up to one scrape."""

    at: float
    amount: float
    first: bool = False
    """The whole value of a counter that began, or began again, since the scrape before."""
    begins: bool = False
    """Nobody saw the counter before."""
    fell: bool = False
    """The counter fell, and nothing says that its process was started again."""


def growths(series: Samples, target: Target, span: Span, earlier: float | None) -> Iterator[Growth]:
    """Yield what the counter grew by at each of its scrapes after `span.begin`; raises NotCountableError.

    `earlier` is its value in the hour before what was read. A counter without one began inside of the
    range: what it shows at first are events of the range too, and its first error is often all it has.
    """
    if not all(math.isfinite(value) and value >= 0 for value in series.values):
        raise NotCountableError(
            f"a counter of {target.name} is negative or not a finite number; fix what exposes it"
        )
    before: tuple[float, float] | None = None
    for at, value in zip(series.times, series.values, strict=True):
        if at > span.begin:
            yield _growth(at, value, before, earlier, (target, span))
        before = at, value


def _growth(
    at: float,
    value: float,
    before: tuple[float, float] | None,
    earlier: float | None,
    where: tuple[Target, Span],
) -> Growth:
    target, span = where
    if before is None:
        amount = _first_value(at, value, earlier, target, span)
        return Growth(at, amount, first=True, begins=True)
    since, was = before
    if target.restarted(since, at):
        return Growth(at, value, first=True)
    if value < was:
        return Growth(at, value, first=True, fell=not target.was_down(since, at))
    return Growth(at, value - was)


def _first_value(
    at: float, value: float, earlier: float | None, target: Target, span: Span
) -> float:
    """Return how much of a counter's first value in the range are events of the range."""
    if target.scraped_before(at):
        return value if earlier is None or value < earlier else value - earlier
    started = target.started_at(at)
    if started is not None:
        # A process older than the range brings its history with it.
        return value if started >= span.begin - (span.end - span.begin) else 0.0
    known = earlier is not None or target.seen_before or at < span.known_since
    return 0.0 if known else value


def newest(series: Sequence[Samples]) -> float:
    """Return the time of the newest sample, minus infinity where there is none."""
    return max((one.times[-1] for one in series if one.times), default=-math.inf)

"""Samples as Prometheus keeps them, and how far the counters that they belong to grew between two of them."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterator, Mapping, Sequence

from gates.decide.targets import Target


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
    first: bool
    """The whole value of a counter that began, or began again, since the scrape before."""
    begins: bool
    """Nobody saw the counter before."""
    fell: bool
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
        return Growth(at, amount, first=True, begins=True, fell=False)
    since, was = before
    if target.restarted(since, at):
        return Growth(at, value, first=True, begins=False, fell=False)
    if value < was:
        return Growth(at, value, first=True, begins=False, fell=not target.was_down(since, at))
    return Growth(at, value - was, first=False, begins=False, fell=False)


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

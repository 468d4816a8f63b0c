"""What counted events prove about the true share of bad ones: exact binomial bounds, and bursts.

The bounds take events for independent. Bad ones often come together (a dead connection, a lost pod), so a
burst counts as one event: of `bad` in `total` with bursts of `size` the bounds are those of bad/size in
total/size. How large bursts are is read from the cells of the counts, and every rule is such that another
bad event never improves a verdict.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any


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


CONFIDENCE = 0.95


def upper_bound(bad: float, total: float) -> float:
    """Return the one-sided 95 % Clopper-Pearson upper bound of the share bad/total.

    Without events nothing is known and the bound is 1. Counts may be fractional, as Prometheus
    extrapolates them.
    """
    if total <= 0 or bad >= total:
        return 1.0
    return _beta_quantile(bad + 1, total - bad, CONFIDENCE)


def lower_bound(bad: float, total: float) -> float:
    """Return the one-sided 95 % Clopper-Pearson lower bound of the share bad/total.

    A hair more bad events than events, as extrapolation makes them, counts as all of them.
    """
    if total <= 0 or bad <= 0:
        return 0.0
    bad = min(bad, total)
    return _beta_quantile(bad, total - bad + 1, 1 - CONFIDENCE)


def events_to_prove(bad: float, budget: float) -> int:
    """Return how many events prove a share below `budget` if no further one is bad.

    0 bad events need 59 for 5 %, 299 for 1 % and 2,995 for 0.1 %.
    """
    few, many = int(bad), int(bad) + 1
    while upper_bound(bad, many) > budget:
        few, many = many, many * 2
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if upper_bound(bad, middle) > budget else (few, middle)
    return many


def poisson_tail(events: float, expected: float) -> float:
    """Return how likely so many independent events or more are where so many are expected."""
    from scipy.special import gammainc  # noqa: PLC0415 - late, as below

    return float(gammainc(events, expected)) if events > 0 else 1.0


def _beta_quantile(first: float, second: float, share: float) -> float:
    # Imported late: numpy and scipy take a fifth of a second that the first checks do not need.
    from scipy.special import betaincinv  # noqa: PLC0415 - see above

    return float(betaincinv(first, second, share))


_SPREAD = 1.645
"""Independent events of a block stay under their mean and so many standard deviations: 95 %."""
_COARSE_BLOCKS = 5
_NOTHING = 1e-6


@dataclasses.dataclass(frozen=True, slots=True)
class Burst:
    """The most bad events that count as one."""

    size: float = 1.0
    source: str = ""
    """The source that they were seen at; empty for all together, or where none was seen."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Burst:
        """Return the one that a judgement kept; none where it kept none."""
        return cls(data.get("burst", 1.0), data.get("burst_source", ""))

    def data(self) -> dict[str, Any]:
        """Return it as JSON values, for a judgement to keep."""
        return {"burst": self.size, "burst_source": self.source}

    def or_larger(self, other: Burst) -> Burst:
        """Return this one, or the other if that is larger."""
        return self if self.size >= other.size else other

    @property
    def words(self) -> str:
        """Return it as part of a sentence; empty for independent events."""
        if self.size <= 1:
            return ""
        return f", up to {self.size:,.0f} of them together" + (self.source and f" ({self.source})")


NONE_SEEN = Burst()


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """What counts prove of the true share: one-sided 95 % bounds."""

    low: float
    high: float
    burst: Burst


def proof(counts: Counts, budget: float, assumed: float, seen: Burst = NONE_SEEN) -> Proof:
    """Return the bounds for bursts as the counts show them, and none smaller than those assumed.

    Bursts `seen` earlier keep a budget from being proved, and nothing from being disproved.
    """
    burst = seen.or_larger(Burst(assumed)).or_larger(_largest(counts.cells, budget))
    high = upper_bound(counts.bad / burst.size, counts.total / burst.size)
    return Proof(_low(counts, assumed), high, burst)


def proved_size(counts: Counts, budget: float) -> int:
    """Return up to which size of bursts the counts prove the budget; 0 if not even for single events."""
    few, many = 0, max(1, int(counts.total)) + 1
    while many - few > 1:
        middle = (few + many) // 2
        proved = upper_bound(counts.bad / middle, counts.total / middle) <= budget
        few, many = (middle, many) if proved else (few, middle)
    return few


def events_wanted(bad: float, budget: float, size: float) -> float:
    """Return how many events would prove the budget if no further one is bad."""
    return events_to_prove(bad / size, budget) * size


def _largest(cells: Sequence[Cell], budget: float) -> Burst:
    """Return the most bad events in a stretch that independent ones at the budget would not bring.

    Stretches are 1, 2, 4, … scrape steps of one source and of all together, and all of one source.
    """
    largest = Burst()
    for bad, total, width, source in _stretches(cells):
        if bad > largest.size:
            unlikely = (1 - CONFIDENCE) * width / len(cells)
            if poisson_tail(bad, budget * total) < unlikely:
                largest = Burst(bad, source)
    return largest


def _stretches(cells: Sequence[Cell]) -> Iterator[tuple[float, float, int, str]]:
    """Yield bad and all events of every stretch, its width in cells, and its source."""
    by_source: dict[str, list[Cell]] = {}
    for cell in cells:
        by_source.setdefault(cell.source, []).append(cell)
    for source, own in sorted(by_source.items()):
        yield from _windows(own, 1, source, whole=len(by_source) > 1)
    yield from _windows(cells, len(by_source), "", whole=False)


def _windows(
    cells: Sequence[Cell], step: int, source: str, *, whole: bool
) -> Iterator[tuple[float, float, int, str]]:
    in_time = _in_time(cells)
    bad = list(accumulate((cell.bad for cell in in_time), initial=0.0))
    total = list(accumulate((cell.total for cell in in_time), initial=0.0))
    width = step
    while 0 < 2 * width <= len(in_time):
        for end in range(width, len(bad)):
            yield bad[end] - bad[end - width], total[end] - total[end - width], width, source
        width *= 2
    if whole:
        yield bad[-1], total[-1], len(in_time), source


def _in_time(cells: Sequence[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: (cell.at, cell.source))


def _low(counts: Counts, at_least: float) -> float:
    """Return the lower bound of what is left when bursts count as one event each.

    However the range is cut into blocks, the share must be proved: a burst may lie across a cut.
    """
    return min(
        (
            max(
                lower_bound(_trimmed(block, size), counts.total / size)
                for size in _sizes(at_least, max(block))
            )
            for block in _blocks(counts.cells)
        ),
        default=lower_bound(counts.bad / at_least, counts.total / at_least),
    )


def _sizes(smallest: float, largest: float) -> Iterator[float]:
    yield max(smallest, largest)
    while smallest < largest:
        yield smallest
        smallest *= 2


def _blocks(cells: Sequence[Cell]) -> Iterator[list[float]]:
    """Yield the bad events of the range cut into scrape steps, and twice into a few longer blocks."""
    bad = [cell.bad for cell in _in_time(cells)]
    step = len({cell.source for cell in cells})
    coarse = max(step, -(-len(bad) // _COARSE_BLOCKS))
    for width, first in ((step, step), (coarse, coarse), (coarse, coarse // 2)):
        if bad:
            cuts = [0, *range(max(1, first), len(bad), width), len(bad)]
            yield [sum(bad[start:end]) for start, end in pairwise(cuts)]


def _trimmed(bad: Sequence[float], size: float) -> float:
    """Return the bad events in units of `size`, without what independent ones would not bring to a block.

    What they would bring follows from what is left, so it is trimmed until nothing changes.
    """
    left, before = sum(bad) / size, math.inf
    while before - left > _NOTHING * left:
        mean, before = left / len(bad), left
        most = max(1.0, mean + _SPREAD * math.sqrt(mean))
        left = sum(min(one / size, most) for one in bad)
    return left

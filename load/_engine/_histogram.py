"""Counts of durations in buckets of one per cent: small, exact to merge, true at p99.99."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROWTH = 1.01
"""Each bucket ends this much above its beginning: a percentile is off by half a per cent at most."""
FLOOR_SECONDS = 1e-5
"""All that is shorter is counted in the first bucket."""
CEILING_SECONDS = 1_000.0
"""All that is longer is counted in the last one."""
_LAST = math.ceil(math.log(CEILING_SECONDS / FLOOR_SECONDS) / math.log(GROWTH))
_ENDS = [FLOOR_SECONDS * GROWTH**bucket for bucket in range(_LAST)]
"""Of every bucket but the last: looked up, so that one duration and many find the same bucket."""
_ENDS_ARRAY = np.array(_ENDS)
_MOST = 2**53
"""Of one bucket: up to here JSON's readers agree on a whole number."""
_NOTHING = np.zeros(0, np.int64)
_ONE = np.ones(1, np.int64)


class Histogram:
    """Durations in seconds, counted by bucket; equal to any other way of counting the same ones."""

    __slots__ = ("_counts", "_first", "longest_seconds", "sum_seconds")

    def __init__(self) -> None:
        self._first = 0
        self._counts = _NOTHING
        """Of every bucket from the first that counted something to the last: eight bytes each."""
        self.sum_seconds = 0.0
        self.longest_seconds = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration; a negative one, which a stepping clock may bring, as nothing at all."""
        seconds = max(0.0, seconds)
        bucket = _bucket(seconds)
        if 0 <= bucket - self._first < len(self._counts):
            self._counts[bucket - self._first] += 1
        else:
            self._add(bucket, _ONE)
        self.sum_seconds += seconds
        self.longest_seconds = max(self.longest_seconds, seconds)

    def record_all(self, seconds: NDArray[np.float64]) -> None:
        """Count many durations, as if each were counted by itself."""
        if not len(seconds):
            return
        # In their order they are looked up in a third of the time.
        seconds = np.sort(np.maximum(seconds, 0.0))
        buckets = np.searchsorted(_ENDS_ARRAY, seconds)
        first = int(buckets[0])
        self._add(first, np.bincount(buckets - first))
        self.sum_seconds += float(seconds.sum())
        self.longest_seconds = max(self.longest_seconds, float(seconds[-1]))

    def merge(self, other: Histogram) -> None:
        """Count everything that another histogram has counted."""
        self._add(other._first, other._counts)
        self.sum_seconds += other.sum_seconds
        self.longest_seconds = max(self.longest_seconds, other.longest_seconds)

    def _add(self, first: int, counts: NDArray[np.int64]) -> None:
        """Add to the counts of the buckets from `first` on, and make room for them."""
        if not len(counts):
            return
        if not len(self._counts):
            self._first, self._counts = first, counts.copy()
            return
        begins = min(self._first, first)
        ends = max(self._first + len(self._counts), first + len(counts))
        if ends - begins > len(self._counts):
            wider = np.zeros(ends - begins, np.int64)
            wider[self._first - begins :][: len(self._counts)] = self._counts
            self._first, self._counts = begins, wider
        self._counts[first - self._first :][: len(counts)] += counts

    def _items(self) -> Iterator[tuple[int, int]]:
        """Yield each bucket that counted something, and its count, in their order."""
        found = np.flatnonzero(self._counts)
        yield from zip((found + self._first).tolist(), self._counts[found].tolist(), strict=True)

    def middles(self) -> Iterator[tuple[float, int]]:
        """Yield the middle of each bucket in seconds and its count, in their order."""
        for bucket, count in self._items():
            yield _middle_seconds(bucket), count

    @property
    def count(self) -> int:
        """Return how many durations were counted."""
        return int(self._counts.sum())

    @property
    def mean_seconds(self) -> float:
        """Return their mean; NaN of none."""
        return self.sum_seconds / self.count if len(self._counts) else math.nan

    def percentile(self, percent: float) -> float:
        """Return the duration in seconds that so many per cent do not exceed; NaN of none.

        The middle of its bucket, never above the longest duration: 100 is the longest itself.
        Raises ValueError outside of 0 to 100.
        """
        if not 0 <= percent <= 100:  # noqa: PLR2004 - per cent
            raise ValueError(f"{percent} is not a percentage")
        if not len(self._counts):
            return math.nan
        total = self.count
        wanted = max(1, math.ceil(total * percent / 100 - 1e-9))
        if wanted == total:
            return self.longest_seconds
        bucket = self._first + int(np.searchsorted(self._counts.cumsum(), wanted))
        return min(_middle_seconds(bucket), self.longest_seconds)

    def not_below(self, seconds: float) -> int:
        """Return how many durations may have reached a limit: those of its own bucket count too.

        So up to one per cent below the limit may be counted as well, and nothing above it is missed.
        """
        limit = _bucket(seconds)
        return sum(count for bucket, count in self._items() if bucket >= limit)

    def seconds_beyond(self, seconds: float) -> float:
        """Return by how much the durations exceed a limit, all of them together."""
        return sum(
            count * max(0.0, min(_middle_seconds(bucket), self.longest_seconds) - seconds)
            for bucket, count in self._items()
        )

    def record_of(self) -> dict[str, object]:
        """Return it as JSON values, from which `from_record` makes the same histogram."""
        return {
            "growth": GROWTH,
            "floor_seconds": FLOOR_SECONDS,
            "counts": {str(bucket): count for bucket, count in self._items()},
            "sum_seconds": self.sum_seconds,
            "longest_seconds": self.longest_seconds,
        }

    @classmethod
    def from_record(cls, record: object) -> Histogram:
        """Read a histogram back; raises ValueError for a damaged one or one with other buckets."""
        if not isinstance(record, Mapping):
            raise ValueError("the histogram is damaged")  # noqa: TRY004 - it came in a message
        counts = record.get("counts")
        total, longest = record.get("sum_seconds"), record.get("longest_seconds")
        if (record.get("growth"), record.get("floor_seconds")) != (GROWTH, FLOOR_SECONDS):
            raise ValueError("the histogram has other buckets than this version's")
        if not isinstance(counts, Mapping) or not _number(total) or not _number(longest):
            raise ValueError("the histogram is damaged")
        for bucket, count in counts.items():
            whole = isinstance(count, int) and 1 <= count <= _MOST
            if not whole or not 0 <= int(bucket) <= _LAST:
                raise ValueError("the histogram is damaged")
        made = cls()
        if counts:
            buckets = np.array([int(bucket) for bucket in counts])
            dense = np.zeros(buckets.max() - buckets.min() + 1, np.int64)
            dense[buckets - buckets.min()] = [*counts.values()]
            made._add(int(buckets.min()), dense)
        made.sum_seconds, made.longest_seconds = float(str(total)), float(str(longest))
        return made


def _bucket(seconds: float) -> int:
    return bisect.bisect_left(_ENDS, seconds)


def _middle_seconds(bucket: int) -> float:
    return FLOOR_SECONDS * GROWTH ** (bucket - 0.5) if bucket else FLOOR_SECONDS


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

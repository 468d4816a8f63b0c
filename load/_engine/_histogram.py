"""Counts of durations in buckets of one per cent: small, exact to merge, true at p99.99."""

from __future__ import annotations

import array
import bisect
import math
from collections.abc import Iterable, Iterator, Mapping
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


class Histogram:
    """Durations in seconds, counted by bucket; equal to any other way of counting the same ones."""

    __slots__ = ("_open", "_packed", "longest_seconds", "sum_seconds")

    def __init__(self) -> None:
        self._open: dict[int, int] | None = {}
        self._packed = b""
        self.sum_seconds = 0.0
        self.longest_seconds = 0.0

    @property
    def _counts(self) -> dict[int, int]:
        if self._open is None:
            numbers = array.array("Q", self._packed)
            self._open, self._packed = dict(zip(numbers[::2], numbers[1::2], strict=True)), b""
        return self._open

    @property
    def is_packed(self) -> bool:
        """Whether it takes less room just now."""
        return self._open is None

    def pack(self) -> None:
        """Take less room until somebody asks or counts again."""
        if self._open is not None:
            pairs = (number for pair in self._open.items() for number in pair)
            self._open, self._packed = None, array.array("Q", pairs).tobytes()

    def record(self, seconds: float) -> None:
        """Count one duration; a negative one, which a stepping clock may bring, as nothing at all."""
        seconds = max(0.0, seconds)
        bucket = _bucket(seconds)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1
        self.sum_seconds += seconds
        self.longest_seconds = max(self.longest_seconds, seconds)

    def record_all(self, seconds: NDArray[np.float64]) -> None:
        """Count many durations, as if each were counted by itself."""
        if not len(seconds):
            return
        seconds = np.maximum(seconds, 0.0)
        counts = np.bincount(np.searchsorted(_ENDS_ARRAY, seconds))
        found = np.flatnonzero(counts)
        for bucket, count in zip(found.tolist(), counts[found].tolist(), strict=True):
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self.sum_seconds += float(seconds.sum())
        self.longest_seconds = max(self.longest_seconds, float(seconds.max()))

    def merge(self, other: Histogram) -> None:
        """Count everything that another histogram has counted."""
        for bucket, count in other._counts.items():
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self.sum_seconds += other.sum_seconds
        self.longest_seconds = max(self.longest_seconds, other.longest_seconds)

    def middles(self) -> Iterator[tuple[float, int]]:
        """Yield the middle of each bucket in seconds and its count, in their order."""
        for bucket in sorted(self._counts):
            yield _middle_seconds(bucket), self._counts[bucket]

    @property
    def count(self) -> int:
        """Return how many durations were counted."""
        return sum(self._counts.values())

    @property
    def mean_seconds(self) -> float:
        """Return their mean; NaN of none."""
        return self.sum_seconds / self.count if self._counts else math.nan

    def percentile(self, percent: float) -> float:
        """Return the duration in seconds that so many per cent do not exceed; NaN of none.

        The middle of its bucket, never above the longest duration: 100 is the longest itself.
        Raises ValueError outside of 0 to 100.
        """
        if not 0 <= percent <= 100:  # noqa: PLR2004 - per cent
            raise ValueError(f"{percent} is no percentage")
        if not self._counts:
            return math.nan
        total = self.count
        wanted = max(1, math.ceil(total * percent / 100 - 1e-9))
        if wanted == total:
            return self.longest_seconds
        reached = 0
        for bucket in sorted(self._counts):
            reached += self._counts[bucket]
            if reached >= wanted:
                return min(_middle_seconds(bucket), self.longest_seconds)
        return self.longest_seconds

    def above(self, seconds: float) -> int:
        """Return how many durations lie in buckets that begin at or above a limit's own bucket's end."""
        limit = _bucket(seconds)
        return sum(count for bucket, count in self._counts.items() if bucket > limit)

    def not_below(self, seconds: float) -> int:
        """Return how many durations may have reached a limit: those of its own bucket count too.

        So up to one per cent below the limit may be counted as well, and nothing above it is missed.
        """
        limit = _bucket(seconds)
        return sum(count for bucket, count in self._counts.items() if bucket >= limit)

    def seconds_beyond(self, seconds: float) -> float:
        """Return by how much the durations exceed a limit, all of them together."""
        return sum(
            count * max(0.0, min(_middle_seconds(bucket), self.longest_seconds) - seconds)
            for bucket, count in self._counts.items()
        )

    def record_of(self) -> dict[str, object]:
        """Return it as JSON values, from which `from_record` makes the same histogram."""
        return {
            "growth": GROWTH,
            "floor_seconds": FLOOR_SECONDS,
            "counts": {str(bucket): self._counts[bucket] for bucket in sorted(self._counts)},
            "sum_seconds": self.sum_seconds,
            "longest_seconds": self.longest_seconds,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Histogram:
        """Read a histogram back; raises ValueError for a damaged one or one with other buckets."""
        counts = record.get("counts")
        total, longest = record.get("sum_seconds"), record.get("longest_seconds")
        if (record.get("growth"), record.get("floor_seconds")) != (GROWTH, FLOOR_SECONDS):
            raise ValueError("the histogram has other buckets than this version's")
        if not isinstance(counts, Mapping) or not _number(total) or not _number(longest):
            raise ValueError("the histogram is damaged")
        made = cls()
        for bucket, count in counts.items():
            if not isinstance(count, int) or count < 1 or not 0 <= int(bucket) <= _LAST:
                raise ValueError("the histogram is damaged")
            made._counts[int(bucket)] = count
        made.sum_seconds, made.longest_seconds = float(str(total)), float(str(longest))
        return made


def merged(parts: Iterable[Histogram]) -> Histogram:
    """Return one histogram of everything that the parts have counted."""
    whole = Histogram()
    for part in parts:
        whole.merge(part)
    return whole


def _bucket(seconds: float) -> int:
    return bisect.bisect_left(_ENDS, seconds)


def _middle_seconds(bucket: int) -> float:
    return FLOOR_SECONDS * GROWTH ** (bucket - 0.5) if bucket else FLOOR_SECONDS


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

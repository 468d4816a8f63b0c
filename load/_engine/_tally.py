"""What an engine counts, by stage, second and kind of request, until somebody takes it away."""

from __future__ import annotations

import array
import collections
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
import pydantic

from gates.decide.plain_text import one_line
from load._engine._histogram import Histogram
from load._engine._wire import Answer, Flight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.float64]


def _none_negative(counts: collections.Counter[Any]) -> collections.Counter[Any]:
    if any(count < 0 for count in counts.values()):
        raise ValueError("a count is negative")
    return counts


_Count = Annotated[int, pydantic.Field(ge=0, strict=True)]
_Seconds = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
_Statuses = Annotated[collections.Counter[int], pydantic.AfterValidator(_none_negative)]
_Counts = Annotated[collections.Counter[str], pydantic.AfterValidator(_none_negative)]
_Histogram = Annotated[
    Histogram,
    pydantic.PlainValidator(Histogram.from_record),
    pydantic.PlainSerializer(Histogram.record_of),
]
"""Types of fields as a record has them."""


class Recorded:
    """A dataclass that can be told as JSON values, and is read back whole or not at all."""

    __slots__ = ()

    def record(self) -> dict[str, Any]:
        """Return it as JSON values, from which `from_record` makes the same."""
        record: dict[str, Any] = _types(type(self)).dump_python(self, mode="json")
        return record

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read it back; raises ValueError for a record that is damaged, not whole or of another version."""
        try:
            read: Self | None = _types(cls).validate_python(record)
        except pydantic.ValidationError:
            read = None
        if read is None or read.record() != record:
            raise ValueError(f"the {cls.__name__.lower()} is damaged")
        return read


_types: Callable[[Any], Any] = functools.cache(pydantic.TypeAdapter)


class Summed(Recorded):
    """Fields that count: whole numbers are added, a number of seconds is the longest."""

    __slots__: tuple[str, ...] = ()

    @classmethod
    def whole(cls, parts: Iterable[Self]) -> Self:
        """Return one of everything that several have counted."""
        made = cls()
        for part in parts:
            made.merge(part)
        return made

    def merge(self, other: Self) -> None:
        """Add what another one counted; sums are exact in any order."""
        for name in self.__slots__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Histogram):
                mine.merge(theirs)
            elif isinstance(mine, collections.Counter):
                mine.update(theirs)
            elif isinstance(mine, dict):
                for key, one in theirs.items():
                    mine.setdefault(key, type(one)()).merge(one)
            else:
                longest = isinstance(mine, float)
                setattr(self, name, max(mine, theirs) if longest else mine + theirs)


@dataclasses.dataclass(slots=True)
class Endpoint(Summed):
    """One kind of request."""

    response: _Histogram = dataclasses.field(default_factory=Histogram)
    """From the intended time of sending: what a caller waits who does not know of the others."""
    service: _Histogram = dataclasses.field(default_factory=Histogram)
    """From the real time of sending: what the server took."""
    statuses: _Statuses = dataclasses.field(default_factory=collections.Counter)
    troubles: _Counts = dataclasses.field(default_factory=collections.Counter)
    """Requests without an answer, or with one that is not what it should be, by reason."""
    size_bytes: _Count = 0

    @property
    def failed(self) -> int:
        """Return how many requests had no answer, or a wrong one."""
        return self.troubles.total()


@dataclasses.dataclass(slots=True)
class Second(Summed):
    """One second: of the engine's monotonic clock, or of the Unix epoch where it was told its offset."""

    due: _Count = 0
    sent: _Count = 0
    completed: _Count = 0
    failed: _Count = 0
    response: _Histogram = dataclasses.field(default_factory=Histogram)
    """Of the requests that were completed in it, from their intended times."""
    longest_lag_seconds: _Seconds = 0.0
    """The latest tick of the engine's own clock in it."""


@dataclasses.dataclass(slots=True)
class Tally(Summed):
    """Everything that was counted."""

    endpoints: dict[str, Endpoint] = dataclasses.field(default_factory=dict)
    seconds: dict[int, Second] = dataclasses.field(default_factory=dict)
    due: _Count = 0
    """Arrivals that the schedule asked for."""
    sent: _Count = 0
    late: _Count = 0
    """Sent more than the allowed delay behind their time."""
    dropped: _Count = 0
    """Never sent: too many waited already."""
    lag: _Histogram = dataclasses.field(default_factory=Histogram)
    """How much later than meant the engine's own clock ticked."""
    connects: _Counts = dataclasses.field(default_factory=collections.Counter)
    """New connections, by the address of the server."""
    refused: _Counts = dataclasses.field(default_factory=collections.Counter)
    """Addresses that took no connection, and how often; another one may have."""
    resent: _Count = 0
    """Sent once more on a new connection, as the kept one had ended unannounced."""

    def endpoint(self, name: str) -> Endpoint:
        """Return the counts of one kind of request."""
        found = self.endpoints.get(name)
        if found is None:
            found = self.endpoints[name] = Endpoint()
        return found

    def every(self) -> Endpoint:
        """Return the counts of all kinds of requests together."""
        return Endpoint.whole(self.endpoints.values())

    def second(self, at: float) -> Second:
        """Return the counts of the second that holds a time."""
        found = self.seconds.get(int(at))
        if found is None:
            found = self.seconds[int(at)] = Second()
        return found


MOST = 2000
"""So many are counted in a third of a millisecond: no request is late for it."""


class Samples:
    """Requests that are over, of one kind and one stage."""

    __slots__ = ("_failures", "_name", "_size_bytes", "_statuses", "_times")

    def __init__(self, name: str) -> None:
        self._name = one_line(name)
        self._times: list[float] = []
        """Three of each request: when it was due, was sent, was over."""
        self._statuses: list[int] = []
        self._failures: list[tuple[float, str]] = []
        self._size_bytes = 0

    def add(self, flight: Flight, answer: Answer, now: float) -> bool:
        """Keep the end of a request; tell whether it is time to count."""
        self._times += (flight.due_at, flight.sent_at, now)
        self._size_bytes += answer.size_bytes
        if answer.status is not None:
            self._statuses.append(answer.status)
        wrong = flight.request.wrong(answer)
        if wrong:
            self._failures.append((now, wrong))
        return len(self._times) >= 3 * MOST

    def count(self, tally: Tally, *, offset_seconds: float, late_seconds: float) -> None:
        """Count everything that is kept, and keep it no more."""
        if not self._times:
            return
        due, sent, over = np.frombuffer(array.array("d", self._times)).reshape(-1, 3).T
        endpoint = tally.endpoint(self._name)
        endpoint.service.record_all(over - sent)
        endpoint.statuses.update(self._statuses)
        endpoint.size_bytes += self._size_bytes
        tally.due += len(due)
        tally.sent += len(sent)
        tally.late += int(np.count_nonzero(sent - due > late_seconds))
        for at, which in _by_second(due + offset_seconds):
            tally.second(at).due += len(due[which])
        for at, which in _by_second(sent + offset_seconds):
            tally.second(at).sent += len(sent[which])
        for at, which in _by_second(over + offset_seconds):
            second = tally.second(at)
            second.completed += len(over[which])
            response = Histogram()
            response.record_all((over - due)[which])
            second.response.merge(response)
            endpoint.response.merge(response)
        for moment, wrong in self._failures:
            tally.second(moment + offset_seconds).failed += 1
            endpoint.troubles[one_line(wrong)] += 1
        self._times, self._statuses, self._failures, self._size_bytes = [], [], [], 0


def _by_second(times: Times) -> Iterator[tuple[int, NDArray[np.bool_] | slice]]:
    """Yield each second that holds some of the times, and which; mostly it is one for all."""
    first, last = int(times.min()), int(times.max())
    if first == last:
        yield first, slice(None)
        return
    seconds = times.astype(np.int64)
    for at in range(first, last + 1):
        which = seconds == at
        if which.any():
            yield at, which


class Book:
    """Counts on the engine's loop; only `drain` may be called from any thread.

    An arrival is counted when it is over, whatever became of it: every look at the counts adds up.
    What was counted is handed over whole and never touched again: nothing is lost between a count
    and a look at it, nothing is counted twice.
    """

    def __init__(self, *, offset_seconds: float, late_seconds: float) -> None:
        """Count by seconds of the engine's clock plus an offset."""
        self._offset_seconds, self._late_seconds = offset_seconds, late_seconds
        self._samples: dict[int, dict[str, Samples]] = {}
        self._open: dict[int, Tally] = {}
        self._ready: collections.deque[dict[int, Tally]] = collections.deque()

    def over(self, flight: Flight, answer: Answer, now: float) -> None:
        """Count the end of a request: how long it took, and what is wrong with it."""
        try:
            samples = self._samples[flight.stage][flight.request.name]
        except KeyError:
            kinds = self._samples.setdefault(flight.stage, {})
            samples = kinds[flight.request.name] = Samples(flight.request.name)
        if samples.add(flight, answer, now):
            self._count(flight.stage, samples)

    def dropped(self, stage: int, due_at: float) -> None:
        """Count an arrival that was never sent."""
        tally = self.of(stage)
        tally.due += 1
        tally.dropped += 1
        tally.second(due_at + self._offset_seconds).due += 1

    def lag(self, stage: int, now: float, seconds: float) -> None:
        """Count how late the engine's own clock ticked."""
        tally = self.of(stage)
        tally.lag.record(seconds)
        second = tally.second(now + self._offset_seconds)
        second.longest_lag_seconds = max(second.longest_lag_seconds, seconds)

    def hand_over(self, *, last: bool = False) -> None:
        """Make ready what was counted, if nothing is ready any more or this is the end."""
        if self._ready and not last:
            return
        for stage, kinds in self._samples.items():
            for samples in kinds.values():
                self._count(stage, samples)
        self._samples = {}
        if self._open:
            self._ready.append(self._open)
            self._open = {}

    def drain(self) -> dict[int, Tally]:
        """Take away what was made ready since the last call, by stage."""
        taken: dict[int, Tally] = {}
        while self._ready:
            for stage, tally in self._ready.popleft().items():
                taken.setdefault(stage, Tally()).merge(tally)
        return taken

    def of(self, stage: int) -> Tally:
        """Return the counts of a stage, to add to on the engine's loop."""
        found = self._open.get(stage)
        if found is None:
            found = self._open[stage] = Tally()
        return found

    def _count(self, stage: int, samples: Samples) -> None:
        samples.count(
            self.of(stage), offset_seconds=self._offset_seconds, late_seconds=self._late_seconds
        )

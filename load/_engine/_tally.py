"""What an engine counts, by stage, second and kind of request, until somebody takes it away."""

from __future__ import annotations

import array
import collections
import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Self

import numpy as np

from gates.decide.plain_text import one_line
from load._engine._histogram import Histogram
from load._engine._wire import Answer, Flight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.float64]


@dataclasses.dataclass(slots=True)
class Endpoint:
    """One kind of request."""

    response: Histogram = dataclasses.field(default_factory=Histogram)
    """From the intended time of sending: what a caller waits who does not know of the others."""
    service: Histogram = dataclasses.field(default_factory=Histogram)
    """From the real time of sending: what the server took."""
    statuses: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    troubles: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """Requests without an answer, or with one that is not what it should be, by reason."""
    size_bytes: int = 0

    def merge(self, other: Endpoint) -> None:
        """Add what another one counted."""
        self.response.merge(other.response)
        self.service.merge(other.service)
        self.statuses.update(other.statuses)
        self.troubles.update(other.troubles)
        self.size_bytes += other.size_bytes

    def record(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "response": self.response.record_of(),
            "service": self.service.record_of(),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "troubles": dict(sorted(self.troubles.items())),
            "size_bytes": self.size_bytes,
        }

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read it back; raises ValueError for a damaged record."""
        fields = _mapping(record)
        statuses = _counts(fields.get("statuses"))
        return cls(
            response=Histogram.from_record(_mapping(fields.get("response"))),
            service=Histogram.from_record(_mapping(fields.get("service"))),
            statuses=collections.Counter({int(one): count for one, count in statuses.items()}),
            troubles=collections.Counter(_counts(fields.get("troubles"))),
            size_bytes=_count(fields.get("size_bytes")),
        )


@dataclasses.dataclass(slots=True)
class Second:
    """One second: of the engine's monotonic clock, or of the Unix epoch where it was told its offset."""

    due: int = 0
    sent: int = 0
    completed: int = 0
    failed: int = 0
    response: Histogram = dataclasses.field(default_factory=Histogram)
    """Of the requests that were completed in it, from their intended times."""
    longest_lag_seconds: float = 0.0
    """The latest tick of the engine's own clock in it."""

    def merge(self, other: Second) -> None:
        """Add what another one counted."""
        self.due += other.due
        self.sent += other.sent
        self.completed += other.completed
        self.failed += other.failed
        self.response.merge(other.response)
        self.longest_lag_seconds = max(self.longest_lag_seconds, other.longest_lag_seconds)

    def record(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "due": self.due,
            "sent": self.sent,
            "completed": self.completed,
            "failed": self.failed,
            "response": self.response.record_of(),
            "longest_lag_seconds": self.longest_lag_seconds,
        }

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read it back; raises ValueError for a damaged record."""
        fields = _mapping(record)
        return cls(
            due=_count(fields.get("due")),
            sent=_count(fields.get("sent")),
            completed=_count(fields.get("completed")),
            failed=_count(fields.get("failed")),
            response=Histogram.from_record(_mapping(fields.get("response"))),
            longest_lag_seconds=_seconds(fields.get("longest_lag_seconds")),
        )


@dataclasses.dataclass(slots=True)
class Tally:
    """Everything that was counted."""

    endpoints: dict[str, Endpoint] = dataclasses.field(default_factory=dict)
    seconds: dict[int, Second] = dataclasses.field(default_factory=dict)
    due: int = 0
    """Arrivals that the schedule asked for."""
    sent: int = 0
    late: int = 0
    """Sent more than the allowed delay behind their time."""
    dropped: int = 0
    """Never sent: too many waited already."""
    lag: Histogram = dataclasses.field(default_factory=Histogram)
    """How much later than meant the engine's own clock ticked."""
    connects: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """New connections, by the address of the server."""
    refused: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """Addresses that took no connection, and how often; another one may have."""
    resent: int = 0
    """Sent once more on a new connection, as the kept one had ended unannounced."""

    def endpoint(self, name: str) -> Endpoint:
        """Return the counts of one kind of request."""
        found = self.endpoints.get(name)
        if found is None:
            found = self.endpoints[name] = Endpoint()
        return found

    def second(self, at: float) -> Second:
        """Return the counts of the second that holds a time."""
        found = self.seconds.get(int(at))
        if found is None:
            found = self.seconds[int(at)] = Second()
        return found

    def merge(self, other: Tally) -> None:
        """Add what another tally counted; sums are exact in any order."""
        for name, endpoint in other.endpoints.items():
            self.endpoint(name).merge(endpoint)
        for at, theirs in other.seconds.items():
            self.second(at).merge(theirs)
        self.due += other.due
        self.sent += other.sent
        self.late += other.late
        self.dropped += other.dropped
        self.connects.update(other.connects)
        self.refused.update(other.refused)
        self.resent += other.resent
        self.lag.merge(other.lag)

    def record(self) -> dict[str, object]:
        """Return it as JSON values, from which `from_record` makes the same tally: a worker's message."""
        return {
            "endpoints": {name: self.endpoints[name].record() for name in sorted(self.endpoints)},
            "seconds": {str(at): self.seconds[at].record() for at in sorted(self.seconds)},
            "due": self.due,
            "sent": self.sent,
            "late": self.late,
            "dropped": self.dropped,
            "lag": self.lag.record_of(),
            "connects": dict(sorted(self.connects.items())),
            "refused": dict(sorted(self.refused.items())),
            "resent": self.resent,
        }

    @classmethod
    def from_record(cls, record: object) -> Self:
        """Read a tally back; raises ValueError for a damaged record."""
        fields = _mapping(record)
        endpoints, seconds = _mapping(fields.get("endpoints")), _mapping(fields.get("seconds"))
        return cls(
            endpoints={name: Endpoint.from_record(one) for name, one in endpoints.items()},
            seconds={int(at): Second.from_record(one) for at, one in seconds.items()},
            due=_count(fields.get("due")),
            sent=_count(fields.get("sent")),
            late=_count(fields.get("late")),
            dropped=_count(fields.get("dropped")),
            lag=Histogram.from_record(_mapping(fields.get("lag"))),
            connects=collections.Counter(_counts(fields.get("connects"))),
            refused=collections.Counter(_counts(fields.get("refused"))),
            resent=_count(fields.get("resent")),
        )


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("the tally is damaged")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("the tally is damaged")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise ValueError("the tally is damaged")
    return float(value)


def _counts(value: object) -> dict[str, int]:
    return {name: _count(count) for name, count in _mapping(value).items()}


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
        tally = self._of(stage)
        tally.due += 1
        tally.dropped += 1
        tally.second(due_at + self._offset_seconds).due += 1

    def connected(self, stage: int, address: str) -> None:
        """Count a new connection to an address."""
        self._of(stage).connects[address] += 1

    def refused(self, stage: int, address: str) -> None:
        """Count an address that took no connection."""
        self._of(stage).refused[address] += 1

    def resent(self, stage: int) -> None:
        """Count a request that is sent once more."""
        self._of(stage).resent += 1

    def lag(self, stage: int, now: float, seconds: float) -> None:
        """Count how late the engine's own clock ticked."""
        tally = self._of(stage)
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
                if stage in taken:
                    taken[stage].merge(tally)
                else:
                    taken[stage] = tally
        return taken

    def _of(self, stage: int) -> Tally:
        found = self._open.get(stage)
        if found is None:
            found = self._open[stage] = Tally()
        return found

    def _count(self, stage: int, samples: Samples) -> None:
        samples.count(
            self._of(stage), offset_seconds=self._offset_seconds, late_seconds=self._late_seconds
        )

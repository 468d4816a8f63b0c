"""What an engine has sent and got back since somebody last took it away."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Mapping
from typing import Self

from load._engine._histogram import Histogram


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

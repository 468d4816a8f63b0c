"""What an engine has sent and got back since somebody last took it away."""

from __future__ import annotations

import collections
import dataclasses

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


@dataclasses.dataclass(slots=True)
class Second:
    """One second of the engine's monotonic clock."""

    due: int = 0
    sent: int = 0
    completed: int = 0
    failed: int = 0


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
    connects: int = 0

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
            mine = self.second(at)
            mine.due += theirs.due
            mine.sent += theirs.sent
            mine.completed += theirs.completed
            mine.failed += theirs.failed
        self.due += other.due
        self.sent += other.sent
        self.late += other.late
        self.dropped += other.dropped
        self.connects += other.connects
        self.lag.merge(other.lag)

"""What an engine counts, by the stage in which a request was due; taken away without a lock."""

from __future__ import annotations

import collections

from load._engine._histogram import bucket_of
from load._engine._request import Flight
from load._engine._tally import Tally
from load._engine._wire import Answer


class Book:
    """Counts on the engine's loop; only `drain` may be called from any thread.

    What was counted is handed over whole and never touched again: nothing is lost between a count
    and a look at it, nothing is counted twice.
    """

    def __init__(self, offset_seconds: float) -> None:
        """Count by seconds of the engine's clock plus an offset."""
        self._offset_seconds = offset_seconds
        self._open: dict[int, Tally] = {}
        self._ready: collections.deque[dict[int, Tally]] = collections.deque()

    def of(self, stage: int) -> Tally:
        """Return the counts of a stage since the last hand-over."""
        found = self._open.get(stage)
        if found is None:
            found = self._open[stage] = Tally()
        return found

    def due(self, flight: Flight) -> None:
        """Count an arrival that the model asks for."""
        tally = self.of(flight.stage)
        tally.due += 1
        tally.second(flight.due_at + self._offset_seconds).due += 1

    def sent(self, flight: Flight, *, late: bool) -> None:
        """Count a request that goes out."""
        tally = self.of(flight.stage)
        tally.sent += 1
        tally.late += late
        tally.second(flight.sent_at + self._offset_seconds).sent += 1

    def lag(self, stage: int, now: float, seconds: float) -> None:
        """Count how late the engine's own clock ticked."""
        tally = self.of(stage)
        tally.lag.record(seconds)
        second = tally.second(now + self._offset_seconds)
        second.longest_lag_seconds = max(second.longest_lag_seconds, seconds)

    def answered(self, flight: Flight, answer: Answer, now: float) -> None:
        """Count the end of a request: how long it took, and what is wrong with it."""
        tally = self.of(flight.stage)
        endpoint = tally.endpoint(flight.request.name)
        response = now - flight.due_at
        bucket = bucket_of(response)
        endpoint.response.add(bucket, response)
        endpoint.service.record(now - flight.sent_at)
        endpoint.size_bytes += answer.size_bytes
        second = tally.second(now + self._offset_seconds)
        second.completed += 1
        second.response.add(bucket, response)
        if answer.status is not None:
            endpoint.statuses[answer.status] += 1
        wrong = flight.request.wrong(answer)
        if wrong:
            second.failed += 1
            endpoint.troubles[wrong] += 1

    def hand_over(self, *, last: bool = False) -> None:
        """Make ready what was counted, if nothing is ready any more or this is the end."""
        if self._open and (last or not self._ready):
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

"""What an engine counts, by the stage in which a request was due; taken away without a lock."""

from __future__ import annotations

import collections

from load._engine._request import Flight
from load._engine._samples import Samples
from load._engine._tally import Tally
from load._engine._wire import Answer


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

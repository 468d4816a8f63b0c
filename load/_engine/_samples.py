"""What became of requests of one kind, kept as numbers and counted many at a time: that costs a tenth."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gates.decide.plain_text import one_line
from load._engine._histogram import Histogram
from load._engine._request import Flight
from load._engine._tally import Tally
from load._engine._wire import Answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.float64]

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

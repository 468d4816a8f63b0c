"""SIGTERM ends a load test as Ctrl-C does: stopped, cleaned up after, judged and kept."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import gevent

_STILL = (
    "locust: it is ending already: the last answers are waited for, synthetic records removed, the report "
    "kept. That takes some minutes at most; SIGKILL leaves it undone.\n"
)


class Interrupts:
    """The first signal ends the run; whoever is impatient is told what still goes on.

    Locust itself listens only once a shape is over, and a second Ctrl-C would break off its end.
    Whatever greenlet a signal meets, the main one is told.
    """

    def __init__(self) -> None:
        """Listen from now on; the greenlet that is running is the main one."""
        self._main: Any = gevent.getcurrent()
        self._heard = False
        self.end: Callable[[], None] = self.throw
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def throw(self, exception: BaseException | None = None) -> None:
        """Raise in the main greenlet: what Ctrl-C raises, or something else."""
        gevent.get_hub().loop.run_callback(self._main.throw, exception or KeyboardInterrupt())

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._heard:
            sys.stderr.write(_STILL)
            return
        self._heard = True
        gevent.get_hub().loop.run_callback(self.end)

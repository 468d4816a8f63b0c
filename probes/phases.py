"""Times the phases of one probe: each ends where the next begins."""

from __future__ import annotations

import time
from collections.abc import Mapping


class PhaseClock:
    """A stopwatch with named laps; `current` is the phase in which a failure happened."""

    def __init__(self, *names: str) -> None:
        self.current: str | None = None
        self._seconds: dict[str, float | None] = dict.fromkeys(names)
        self._since = time.monotonic()

    def enter(self, name: str) -> None:
        """End the running phase and begin `name`; entering a phase again adds to it."""
        self.stop()
        self.current = name

    def stop(self) -> None:
        """End the running phase."""
        now = time.monotonic()
        if self.current is not None:
            before = self._seconds[self.current] or 0.0
            self._seconds[self.current] = before + now - self._since
        self._since = now

    def seconds(self) -> Mapping[str, float | None]:
        """Return the seconds by phase in order; None for a phase that never ran."""
        return dict(self._seconds)

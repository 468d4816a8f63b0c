"""Which measurements of a growing look-back may decide: every look is one more chance to be wrong."""

from __future__ import annotations

from gates.decide.statistics import events_to_prove

GROWTH = 2.0


class Looks:
    """Spaces the looks at one objective.

    While the look-back still grows, a look is due when its events could prove the target for the first
    time, and then whenever they have doubled. A full look-back is due once, and again only when it has
    moved on by its whole length: overlapping windows are hardly new evidence.
    """

    def __init__(self, budget: float, look_back_seconds: float) -> None:
        self._look_back_seconds = look_back_seconds
        self._next_events = float(events_to_prove(0, budget))
        self._next_full_at: float | None = None

    def due(self, events: float, look_back_seconds: float, now_seconds: float) -> bool:
        """Return whether this measurement may decide, and count it as a look if so."""
        if look_back_seconds < self._look_back_seconds - 0.001:
            if events < self._next_events:
                return False
            self._next_events = events * GROWTH
            return True
        if self._next_full_at is not None and now_seconds < self._next_full_at:
            return False
        self._next_full_at = now_seconds + self._look_back_seconds
        return True

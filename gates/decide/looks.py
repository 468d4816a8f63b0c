"""Which measurements may decide: every look is one more chance to be wrong."""

from __future__ import annotations


class Looks:
    """Spaces the looks at one objective.

    Nothing is decided while the look-back still grows: to stop at the first answer would favour it. A
    full look-back is due once, and again only when it has moved on by its whole length: overlapping
    windows are hardly new evidence.
    """

    def __init__(self, look_back_seconds: float) -> None:
        self._look_back_seconds = look_back_seconds
        self._next_at: float | None = None

    def due(self, look_back_seconds: float, now_seconds: float) -> bool:
        """Return whether this measurement may decide, and count it as a look if so."""
        if look_back_seconds < self._look_back_seconds - 0.001:
            return False
        if self._next_at is not None and now_seconds < self._next_at:
            return False
        self._next_at = now_seconds + self._look_back_seconds
        return True

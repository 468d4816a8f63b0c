"""How an application behaves: MOOD in its environment, as every worker of it reads."""

from __future__ import annotations

import os
import random

MOOD = os.environ.get("MOOD", "healthy")
ERRORS, SLOW, SLOW_SECONDS = 0.03, 0.10, 0.6


def fails() -> bool:
    """Return whether this answer is an error."""
    return MOOD == "errors" and random.random() < ERRORS  # noqa: S311 - a mood, no secret


def pause_seconds() -> float:
    """Return how long this answer takes."""
    return SLOW_SECONDS if MOOD == "slow" and random.random() < SLOW else 0.0  # noqa: S311 - as above

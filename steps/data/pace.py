"""Reads of large tables, spread out: most of the time the platform's own work has its database to itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from probes.observation import pause

MOST_SECONDS = 5.0
"""No pause is longer: a slow database must not hold a run up for minutes."""

T = TypeVar("T")


def paced(
    read: Callable[[], T],
    share: float,
    is_large: Callable[[T], bool],
    sleep: Callable[[float], object] = pause,
) -> T:
    """Read, and pause after a large read: such reads take no more of the time than a share."""
    began = time.monotonic()
    found = read()
    if is_large(found):
        sleep(min(MOST_SECONDS, (time.monotonic() - began) * (1 / share - 1)))
    return found

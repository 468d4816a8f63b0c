"""Durations as Prometheus writes them, in its configuration and in files of rules."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "y": 31_536_000.0,
}
_PART: Final = re.compile(r"(\d+)(ms|[smhdwy])")


def seconds_of(text: object) -> float:
    """Read a duration such as 1m30s, or 0; raises ValueError."""
    parts = _PART.findall(str(text))
    if text not in (0, "0") and (not parts or "".join(map("".join, parts)) != text):
        raise ValueError("no duration of Prometheus's")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)

"""Spans of time and sizes as people say them."""

from __future__ import annotations

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def age(seconds: float) -> str:
    """Return a time span as people say it: 35 d, 7.5 h, 12 min, 8 s."""
    for size, unit in _UNITS:
        if abs(seconds) >= 2 * size or (unit == "min" and abs(seconds) >= size):
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def megabytes(size: float) -> str:
    """Return a size as people say it."""
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size:,.0f} bytes"  # noqa: PLR2004 - a tenth of the unit

"""The promised numbers: a figure and the bound that it keeps; what was not measured (NaN) keeps none."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

_THOUSANDS = 1000
"""From here on all digits are shown."""


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A number, its unit, and the most or the least it may be."""

    name: str
    value: float
    bound: float
    unit: str
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the bound is kept."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def line(self) -> str:
        """Return the figure as a line for people."""
        bound = f"at {'least' if self.at_least else 'most'} {self.bound:g} {self.unit}"
        if math.isnan(self.value):
            return f"NONE {self.name}: not measured ({bound})"
        mark = "ok  " if self.kept else "LOW " if self.at_least else "OVER"
        value = f"{self.value:,.0f}" if self.value >= _THOUSANDS else f"{self.value:.3g}"
        return f"{mark} {self.name}: {value} {self.unit} ({bound})"

    def record(self) -> dict[str, Any]:
        """Return the figure as JSON values."""
        value = None if math.isnan(self.value) else self.value
        return {**dataclasses.asdict(self), "value": value, "kept": self.kept}

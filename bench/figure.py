"""One measured figure and the bound it promises to keep."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A number, its unit, and the most it may be."""

    name: str
    value: float
    bound: float
    unit: str

    @property
    def kept(self) -> bool:
        """Whether the bound is kept."""
        return self.value <= self.bound

    def line(self) -> str:
        """Return the figure as a line for people."""
        mark = "ok  " if self.kept else "OVER"
        return (
            f"{mark} {self.name}: {self.value:.3g} {self.unit} (at most {self.bound:g} {self.unit})"
        )

    def record(self) -> dict[str, Any]:
        """Return the figure as JSON values."""
        return {**dataclasses.asdict(self), "kept": self.kept}

"""A limit on counted events: what objectives of a live platform and of a load run are stated in."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from settings.sections import Section, Share

MOST_BUDGET = 0.5
MOST_OVER_SECONDS = 60.0


class Limit(Section):
    """Bad events / all events must stay below `budget`."""

    over_seconds: float | None = Field(default=None, gt=0)
    """Latency objectives: an event slower than this is bad."""
    budget: Share
    assumed_burst: float = Field(default=1.0, ge=1, le=10_000, allow_inf_nan=False)
    """So many bad events may come at once and count as one, although the counts show no such burst."""

    @model_validator(mode="after")
    def _can_fail_and_pass(self) -> Self:
        if self.budget <= 0:
            raise ValueError("budget 0% can never pass: no number of events proves it; raise it")
        if self.budget >= 1:
            raise ValueError("budget 100% can never fail: every event may be bad; lower it")
        if self.budget > MOST_BUDGET:
            raise ValueError(
                f"budget {self.budget * 100:g}% hardly ever fails: most events may be bad; at most "
                f"{MOST_BUDGET * 100:g}%"
            )
        over = self.over_seconds
        if over is not None and over > MOST_OVER_SECONDS:
            raise ValueError(
                f"over_seconds {over:g} hardly ever fails: callers give up before; at most "
                f"{MOST_OVER_SECONDS:g}"
            )
        return self

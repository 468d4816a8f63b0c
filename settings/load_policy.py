"""The policy of a load run: what the platform has to hold, and when its generator can be believed."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from settings.limit import Limit
from settings.sections import Seconds, Section, Share

MOST_SECONDS = 1000.0
"""The last bucket of a run's histograms: nothing is counted as longer."""
_MOST_LAG_SECONDS = 1.0
_MOST_SKEW_SECONDS = 60.0


class LoadObjective(Section):
    """What every measured stage has to hold in every region, stated as the gates' objectives are."""

    title: str = Field(min_length=1)
    kind: Literal["latency", "errors"]
    target: Limit
    endpoint: str | None = None
    """Regular expression: each endpoint whose whole name matches is judged on its own. Without one
    the objective is of all requests together."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        over = self.target.over_seconds
        if self.kind == "errors" and over is not None:
            raise ValueError("target.over_seconds belongs to latency objectives; remove it")
        if self.kind == "latency" and over is None:
            raise ValueError("target.over_seconds is missing; add it")
        return self

    @model_validator(mode="after")
    def _a_pattern(self) -> Self:
        if self.endpoint is None:
            return self
        try:
            re.compile(self.endpoint)
        except re.error:
            raise ValueError(
                'endpoint is no regular expression; write it like "GET /bookings.*"'
            ) from None
        return self

    def covers(self, endpoint: str) -> bool:
        """Return whether an endpoint is judged on its own by this objective."""
        return self.endpoint is not None and re.fullmatch(self.endpoint, endpoint) is not None


_SmallShare = Annotated[Share, Field(le=0.1)]


class GeneratorLimits(Section):
    """Beyond these the generator proves nothing: neither that the platform holds nor how slow it is."""

    rate: Annotated[Share, Field(ge=0.9, le=1)]
    """Sent of what the plan asks for, over the whole seconds of a stage; at least."""
    second: Annotated[Share, Field(ge=0.5, le=1)]
    """The same in each of these seconds; at least."""
    late: _SmallShare
    """Arrivals sent too long after their time; fewer."""
    lag_p99: Seconds = Field(le=_MOST_LAG_SECONDS)
    """How much later than meant the engine's clock ticks, in 99 of 100 cases; at most."""
    worker_cpu: Annotated[Share, Field(le=0.95)]
    """Of one core, the busiest ten seconds of a worker; at most."""
    clock_skew: Seconds = Field(le=_MOST_SKEW_SECONDS)
    """Between a worker's clock and the master's, either way; at most."""
    throttled_periods: int = Field(ge=0, le=1000)
    """In how many scheduling periods a worker may be denied the processor."""

    @model_validator(mode="after")
    def _can_pass(self) -> Self:
        for name, unit in (
            ("late", "%"),
            ("lag_p99", "s"),
            ("worker_cpu", "%"),
            ("clock_skew", "s"),
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} 0{unit} can never pass: nothing is below it; raise it")
        if self.second > self.rate:
            raise ValueError(
                f"second {self.second * 100:g}% is stricter than rate {self.rate * 100:g}%: each "
                "second holds more chance than all of them; lower it"
            )
        return self


class LoadPolicy(Section):
    """The section `load` of the policy."""

    objectives: tuple[LoadObjective, ...] = Field(min_length=1)
    generator: GeneratorLimits

    @model_validator(mode="after")
    def _nothing_goes_unseen(self) -> Self:
        titles = [one.title for one in self.objectives]
        doubled = sorted({title for title in titles if titles.count(title) > 1})
        if doubled:
            raise ValueError(f"two objectives are called “{doubled[0]}”; rename one")
        of_all = {one.kind for one in self.objectives if one.endpoint is None}
        if "errors" not in of_all:
            raise ValueError(
                "objectives has none of kind errors over all requests, so a run of quick errors "
                "would pass; add one without endpoint"
            )
        if "latency" not in of_all:
            raise ValueError(
                "objectives has none of kind latency over all requests, so a run of slow answers "
                "would pass; add one without endpoint"
            )
        return self

    @property
    def thresholds_seconds(self) -> tuple[float, ...]:
        """Return every duration that an objective counts from, ascending."""
        return tuple(
            sorted({one.target.over_seconds for one in self.objectives if one.target.over_seconds})
        )

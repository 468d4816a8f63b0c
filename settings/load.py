"""A load test: whether it may send to an environment and how much, and the policy its run is judged by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.objectives import Limit
from settings.sections import Name, Seconds, Section, Share, compiled, doubled

_HOLDS_A_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]
HeaderValue = Annotated[str, Field(pattern=r"^[!-~]([ -~]*[!-~])?$")]
_MOST_LAG_SECONDS = 1.0
_MOST_SKEW_SECONDS = 60.0


class Load(Section):
    """Whether `locust -f load/` may send to this environment, and how much."""

    allowed: bool = False
    """Nothing is sent unless this is true. Production says no: a load test is not a reason to be slow for
    patients."""
    service: Name | None = None
    """Its name under `regions.*.services`; every region has an address for it, and load goes there alone."""
    max_rps: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """More requests a second, over all regions together, are refused before anything is sent."""
    accounts: int = Field(default=100, ge=0, le=100_000)
    """Synthetic accounts in each region, made and logged in before the load begins and removed after it;
    they are `synthetic` ones. 0: for a scenario that needs none; that of `load/locustfile.py` does."""
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=lambda: {"X-Synthetic-Traffic": "1"}
    )
    """Sent with every request, so that the platform's people can tell load from patients; without it
    `X-Synthetic-Traffic: 1`. Never a secret."""

    def _refusals(self) -> Iterator[str]:
        secret = next((name for name in self.headers if name.lower() in _HOLDS_A_SECRET), None)
        if secret is not None:
            yield f"headers.{secret} would hold a secret; remove it"
        for key in ("service", "max_rps"):
            if self.allowed and getattr(self, key) is None:
                yield f"allowed needs {key}; add it"


class LoadObjective(Section):
    """What every measured stage has to hold in every region, stated as the gates' objectives are."""

    title: str = Field(min_length=1)
    """What the report calls it."""
    kind: Literal["latency", "errors"]
    """Whether slow answers are bad, or failed ones."""
    target: Limit
    endpoint: str | None = None
    """Regular expression: each endpoint whose whole name matches is judged on its own. Without one
    the objective is of all requests together."""

    def _refusals(self) -> Iterator[str]:
        over = self.target.over_seconds
        if self.kind == "errors" and over is not None:
            yield "target.over_seconds belongs to latency objectives; remove it"
        if self.kind == "latency" and over is None:
            yield "target.over_seconds is missing; add it"
        if self.endpoint is not None:
            compiled(
                self.endpoint,
                'endpoint is not a regular expression; write it like "GET /bookings.*"',
            )

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

    def _refusals(self) -> Iterator[str]:
        units = {"late": "%", "lag_p99": "s", "worker_cpu": "%", "clock_skew": "s"}
        for name, unit in units.items():
            if getattr(self, name) <= 0:
                yield f"{name} 0{unit} can never pass: nothing is below it; raise it"
        if self.second > self.rate:
            yield (
                f"second {self.second * 100:g}% is stricter than rate {self.rate * 100:g}%: each "
                "second holds more chance than all of them; lower it"
            )


class LoadPolicy(Section):
    """The section `load` of the policy."""

    objectives: tuple[LoadObjective, ...] = Field(min_length=1)
    """What every measured stage has to hold."""
    run_time: Seconds = Field(default=60.0, gt=0)
    """Of a run without a page, where neither -t nor a profile says how long."""
    generator: GeneratorLimits

    def _refusals(self) -> Iterator[str]:
        titles = [one.title for one in self.objectives]
        for title in doubled(titles):
            yield f"two objectives are called “{title}”; rename one"
        of_all = {one.kind for one in self.objectives if one.endpoint is None}
        for kind, run in (("errors", "quick errors"), ("latency", "slow answers")):
            if kind not in of_all:
                yield (
                    f"objectives has none of kind {kind} over all requests, so a run of {run} would "
                    "pass; add one without endpoint"
                )

    @property
    def thresholds_seconds(self) -> tuple[float, ...]:
        """Return every duration that an objective counts from, ascending."""
        return tuple(
            sorted({one.target.over_seconds for one in self.objectives if one.target.over_seconds})
        )

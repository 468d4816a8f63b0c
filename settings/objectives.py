"""Objectives: the limits on counted events, the metrics that count them, and the traffic they count."""

from __future__ import annotations

import bisect
import datetime as dt
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from settings.sections import (
    CheckId,
    Command,
    Matcher,
    Name,
    Seconds,
    SecretReference,
    Section,
    Share,
    Skew,
    compiled,
    selects,
)

MOST_BUDGET = 0.5
MOST_OVER_SECONDS = 60.0
MAX_LOOK_BACK_SECONDS = 3600.0
MAX_WAIT_SECONDS = 3600.0
_STATUSES = range(100, 600)
_ALWAYS_BAD = ("500", "502", "503", "504")
"""What a platform in trouble answers; no objective of errors may leave one out."""
BoundedLookBack = Annotated[Seconds, Field(gt=0, le=MAX_LOOK_BACK_SECONDS)]
BoundedWait = Annotated[Seconds, Field(ge=0, le=MAX_WAIT_SECONDS)]
_ERRORS = frozenset({"500", "502", "503", "504", "5xx"})
"""What a platform in trouble answers: a metric spells each status, or their class."""


def _moment(value: object) -> object:
    # A bare number would be read as seconds since 1970, which nobody means who writes it here.
    if isinstance(value, bool | int | float):
        raise ValueError("must be a time, such as 2026-01-31T22:00:00Z")  # noqa: TRY004 - pydantic turns ValueError, not TypeError, into its sentence
    return value


class Lease(Section):
    """How the gate asks for traffic while it needs samples (tagged synthetic reads)."""

    command: Command
    """Run by the gate; `{seconds}` is replaced by how long the samples are needed."""
    requests_per_second: float = Field(gt=0, allow_inf_nan=False)
    """What the command adds in each region."""


class Traffic(Section):
    """Since when the release carries traffic, and where more samples come from."""

    switched_at: Annotated[dt.datetime, BeforeValidator(_moment)] | None = None
    """With time zone. Samples from before belong to the old version and never count. `--switched-at`
    says it for one run."""
    rolled_back_at: Annotated[dt.datetime, BeforeValidator(_moment)] | None = None
    """With time zone: when a rollback was carried out to its end. `gate post-rollback` counts no sample from
    before; there, `--switched-at` says it for one run."""
    lease: Lease | None = None
    """Without it only real traffic counts, and a quiet platform may not prove its targets."""

    def _refusals(self) -> Iterator[str]:
        for name in ("switched_at", "rolled_back_at"):
            at = getattr(self, name)
            if at is not None and at.tzinfo is None:
                yield f"{name} needs a time zone, such as 2026-01-31T22:00:00Z"


class Metric(Section):
    """A metric of the platform by its meaning: its name here and the labels that select it."""

    name: str = Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
    """Of a histogram without its `_bucket`; of a counter with its `_total`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """What selects the platform's series. `{release}` in a value becomes the release, such as 1.2.0."""
    match: tuple[Matcher, ...] = ()
    """More that selects them, as PromQL writes it, such as 'route!~"/metrics|/health.*"': scrapes, probes
    and the gate's own requests are no traffic and must not count."""
    status_label: str | None = Field(default=None, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")
    """The label with the HTTP status; needed by the metric that counts errors."""

    def _refusals(self) -> Iterator[str]:
        """Refuse a choice of series that leaves errors out: they would never be counted."""
        label = self.status_label or ""
        chosen = [f'{name}="{value}"' for name, value in self.labels.items()]
        for matcher in (*chosen, *self.match):
            seen = {one for one in _ERRORS if selects(matcher, label, one)}
            if not seen or seen not in (_ERRORS, _ERRORS - {"5xx"}, {"5xx"}):
                yield f"{matcher} leaves out errors, which would then never be counted; remove it"


class Prometheus(Section):
    """How Prometheus behaves here."""

    job: str
    """The scrape job of the platform's API; each region's targets must be up and fresh."""
    scrape_interval: Annotated[Seconds, Field(gt=0, le=300)]
    """As Prometheus is configured for that job; samples are fresh up to three of it."""
    target_labels: dict[str, str] = Field(default_factory=dict)
    """More labels of the `up` series that carry the release, such as version: "{release}"."""
    token: SecretReference | None = None
    """Sent as a bearer token, where Prometheus asks for one."""
    ca_file: str | None = None
    """File of the authority that signs its certificate, where it is not a public one."""
    max_clock_skew: Skew = 30.0
    """The gate's clock and Prometheus's may differ by so much."""


class Canary(Section):
    """Which objectives a watch compares with the previous version's, while both versions serve."""

    objectives: Annotated[tuple[CheckId, ...], Field(min_length=1)] = ("IV-PERF-3",)
    """By their checks. Their metrics need {release} in their labels, and release.yaml names the
    previous version."""


class Limit(Section):
    """Bad events / all events must stay below `budget`."""

    over_seconds: float | None = Field(default=None, gt=0)
    """Latency objectives: an event slower than this is bad."""
    budget: Share
    """The share of bad events, such as 0.1%. PASS needs an upper 95 % bound at or below it,
    FAIL a lower one above."""
    assumed_burst: float = Field(default=1.0, ge=1, le=10_000, allow_inf_nan=False)
    """So many bad events may come at once and count as one, although the counts show no such burst."""

    def _refusals(self) -> Iterator[str]:
        if self.budget <= 0:
            yield "budget 0% can never pass: no number of events proves it; raise it"
        if self.budget >= 1:
            yield "budget 100% can never fail: every event may be bad; lower it"
        if self.budget > MOST_BUDGET:
            yield (
                f"budget {self.budget * 100:g}% hardly ever fails: most events may be bad; at most "
                f"{MOST_BUDGET * 100:g}%"
            )
        over = self.over_seconds
        if over is not None and over > MOST_OVER_SECONDS:
            yield (
                f"over_seconds {over:g} hardly ever fails: callers give up before; at most "
                f"{MOST_OVER_SECONDS:g}"
            )


class Target(Limit):
    """A limit on counted events; or, where no bound stands at the threshold, on a quantile."""

    quantile: float | None = Field(default=None, gt=0, lt=1)
    """Latency objectives without a bucket bound at the threshold: this quantile, interpolated, must
    stay below `target_seconds`. The budget is then what is left to 1."""
    target_seconds: float | None = Field(
        default=None, gt=0, le=MOST_OVER_SECONDS, allow_inf_nan=False
    )
    """Lies between two bounds; a quantile in the bucket around it is undecided."""

    @model_validator(mode="before")
    @classmethod
    def _budget_of_the_quantile(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("quantile") is None:
            return data
        if data.get("budget") is not None:
            raise ValueError("budget follows from quantile; remove one of them")
        quantile = data["quantile"]
        fits = isinstance(quantile, int | float) and 0 < quantile < 1
        # What does not fit is refused by the field itself, which needs no second sentence here.
        share = 100 * (1 - quantile) if fits else 50
        return {**data, "budget": f"{share:.9f}%"}

    def _refusals(self) -> Iterator[str]:
        yield from super()._refusals()
        if (self.quantile is None) != (self.target_seconds is None):
            yield "quantile and target_seconds belong together; add the other one"
        if self.quantile is not None and self.over_seconds is not None:
            yield "over_seconds counts events and quantile interpolates; remove one"

    @property
    def threshold_seconds(self) -> float | None:
        """Return what an event, or the quantile, has to stay below."""
        return self.over_seconds if self.quantile is None else self.target_seconds


class RollbackLimit(Limit):
    """Over this limit for `for` the release has to go."""

    sustained: Seconds = Field(alias="for", gt=0, le=MAX_WAIT_SECONDS)
    """How long the limit must have been exceeded."""


class Objective(Section):
    """One service level objective: its target (missed → hold) and its rollback limit."""

    check: CheckId
    """Its row of the catalogue."""
    also: tuple[CheckId, ...] = ()
    """More checks that ask for the same, at another step of the deployment."""
    title: str = Field(min_length=1)
    """What reports call it."""
    kind: Literal["latency", "errors"]
    """Whether slow events are bad, or those with a bad status."""
    metric: Name
    """Key under `metrics` of the environment."""
    bad_status: str | None = None
    """Error objectives: regular expression of the status label's bad values."""
    bucket_bounds: tuple[float, ...] = ()
    """Latency objectives: the histogram's finite bounds in seconds; thresholds must be among them."""
    shown_quantile: float | None = Field(default=None, gt=0, lt=1)
    """Shown to people as an interpolated figure; never decides. That of `target.quantile` is shown too."""
    target: Target
    rollback: RollbackLimit | None = None
    """Without it a missed target holds, however far it is missed."""
    look_back: BoundedLookBack
    """The range of its queries, cut at the switch of the traffic."""
    wait_for_samples: BoundedWait
    """How long the gate waits for the samples that a decision needs."""

    def _refusals(self) -> Iterator[str]:
        yield from self._of_latency() if self.kind == "latency" else self._of_errors()
        yield from self._of_rollback()

    def _of_latency(self) -> Iterator[str]:
        bounds = self.bucket_bounds
        if not bounds or list(bounds) != sorted(set(bounds)):
            yield "bucket_bounds must list the histogram's finite bounds, ascending"
        if not all(math.isfinite(bound) and bound > 0 for bound in bounds):
            yield "bucket_bounds must be finite and positive; +Inf is implied"
        if self.bad_status is not None:
            yield "bad_status belongs to error objectives; remove it"
        for name, limit in self._limits():
            if limit.over_seconds is None:
                if limit is self.target and self.target.quantile is not None:
                    yield from self._of_quantile()
                    continue
                yield f"{name}.over_seconds is missing; add it"
            if limit.over_seconds not in bounds:
                yield (
                    f"{name}.over_seconds {limit.over_seconds:g} is not among bucket_bounds; "
                    "only a bucket bound can be counted exactly, choose one of them"
                    + _or_interpolate(name, limit)
                )

    def _of_quantile(self) -> Iterator[str]:
        """Yield why a threshold can be counted, or that no bucket lies wholly below or above."""
        bounds, target = self.bucket_bounds, self.target.target_seconds or 0.0
        key = f"target.target_seconds {target:g}"
        if target in bounds:
            yield (
                f"{key} is a bucket bound, which can be counted exactly; write "
                f"{{over_seconds: {target:g}, budget: {self.target.budget * 100:g}%}} instead"
            )
        if target < bounds[0]:
            yield (
                f"{key} lies in the lowest bucket, so it can never pass; it needs a bound below it"
            )
        if target > bounds[-1]:
            yield (
                f"{key} lies over the highest bound, so it can never fail; it needs a bound above it"
            )
        if self.shown_quantile is not None:
            yield "shown_quantile follows from target.quantile; remove it"

    def _of_errors(self) -> Iterator[str]:
        if not self.bad_status:
            yield 'bad_status is missing; add it, for example "5.."'
        yield from _of_bad_status(self.bad_status or "")
        if self.bucket_bounds or self.shown_quantile is not None:
            yield "bucket_bounds and shown_quantile belong to latency; remove them"
        if self.target.quantile is not None:
            yield "quantile belongs to latency objectives; remove it"
        if any(limit.over_seconds is not None for _, limit in self._limits()):
            yield "over_seconds belongs to latency objectives; remove it"

    def _of_rollback(self) -> Iterator[str]:
        if self.rollback is None:
            return
        wider = (self.rollback.over_seconds or 0.0) >= (self.target.threshold_seconds or 0.0)
        if not wider or self.rollback.budget < self.target.budget:
            yield "the rollback limit is stricter than the target; swap or widen it"
        if (self.rollback.over_seconds, self.rollback.budget) == (
            self.target.threshold_seconds,
            self.target.budget,
        ):
            yield "the rollback limit equals the target; widen it or leave it out"

    @property
    def bounds_around(self) -> tuple[float, float] | None:
        """Return the two bounds around an interpolated target, in seconds; None for a counted one."""
        target = self.target.target_seconds
        if target is None:
            return None
        place = bisect.bisect(self.bucket_bounds, target)
        return self.bucket_bounds[place - 1], self.bucket_bounds[place]

    @property
    def quantile_to_show(self) -> float | None:
        """Return the quantile that people are shown, if any."""
        return self.shown_quantile if self.target.quantile is None else self.target.quantile

    def _limits(self) -> list[tuple[str, Limit]]:
        limits: list[tuple[str, Limit]] = [("target", self.target)]
        return limits if self.rollback is None else [*limits, ("rollback", self.rollback)]


def _or_interpolate(name: str, limit: Limit) -> str:
    """Return the other remedy for a target that is not a bound; a rollback limit has none."""
    seconds = limit.over_seconds or math.nan
    if name != "target" or not math.isfinite(seconds):
        return ""
    quantile = round(1 - limit.budget, 9)
    return f", or interpolate: {{quantile: {quantile:g}, target_seconds: {seconds:g}}}"


def _of_bad_status(pattern: str) -> Iterator[str]:
    """Yield why a pattern no status matches, or every one: such a gate decides nothing."""
    matcher = compiled(pattern, 'bad_status is not a regular expression; write it like "5.."')
    bad = sum(matcher.fullmatch(str(status)) is not None for status in _STATUSES)
    if bad == 0:
        yield 'bad_status matches no HTTP status, so it can never fail; try "5.."'
    missed = [status for status in _ALWAYS_BAD if matcher.fullmatch(status) is None]
    if missed:
        yield (
            f"bad_status does not match {', '.join(missed)}, so a platform that answers with it is green; "
            'try "5.."'
        )
    if bad == len(_STATUSES):
        yield 'bad_status matches every HTTP status, so it can never pass; try "5.."'

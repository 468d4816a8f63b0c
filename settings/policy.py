"""The policy: objectives and how long an unavailability lasts before it counts.

Parsed once from gates/policy/*.yaml. Whatever could make a gate unable to fail, unable to pass or
unbounded is refused here, at load, with the reason and the remedy.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from settings.capacity_policy import StoragePolicy
from settings.data_policy import DataPolicy
from settings.deployment_policy import DeploymentPolicy
from settings.limit import MOST_OVER_SECONDS, Limit
from settings.load import LoadPolicy
from settings.monitoring_policy import MonitoringPolicy, PeoplePolicy
from settings.network_policy import CertificatePolicy, DnsPolicy
from settings.sections import CheckId, Name, Seconds, Section

MAX_LOOK_BACK_SECONDS = 3600.0
MAX_WAIT_SECONDS = 3600.0
MAX_CONFIRM_SECONDS = 600.0
MAX_EVIDENCE_SECONDS = 92 * 86400.0
MAX_SECRET_SECONDS = 366 * 86400.0
_STATUSES = range(100, 600)
_ALWAYS_BAD = ("500", "502", "503", "504")
"""What a platform in trouble answers; no objective of errors may leave one out."""

_EvidenceAge = Annotated[Seconds, Field(gt=0, le=MAX_EVIDENCE_SECONDS)]
BoundedLookBack = Annotated[Seconds, Field(gt=0, le=MAX_LOOK_BACK_SECONDS)]
BoundedWait = Annotated[Seconds, Field(ge=0, le=MAX_WAIT_SECONDS)]


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

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.quantile is None) != (self.target_seconds is None):
            raise ValueError("quantile and target_seconds belong together; add the other one")
        if self.quantile is not None and self.over_seconds is not None:
            raise ValueError("over_seconds counts events and quantile interpolates; remove one")
        return self

    @property
    def threshold_seconds(self) -> float | None:
        """Return what an event, or the quantile, has to stay below."""
        return self.over_seconds if self.quantile is None else self.target_seconds


class RollbackLimit(Limit):
    """Over this limit for `for` the release has to go."""

    sustained: Seconds = Field(alias="for", gt=0, le=MAX_WAIT_SECONDS)


class Objective(Section):
    """One service level objective: its target (missed → hold) and its rollback limit."""

    check: CheckId
    also: tuple[CheckId, ...] = ()
    """More checks that ask for the same, at another step of the deployment."""
    title: str = Field(min_length=1)
    kind: Literal["latency", "errors"]
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
    look_back: BoundedLookBack
    wait_for_samples: BoundedWait

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "latency":
            self._check_latency()
        else:
            self._check_errors()
        self._check_rollback()
        return self

    def _check_latency(self) -> None:
        bounds = self.bucket_bounds
        if not bounds or list(bounds) != sorted(set(bounds)):
            raise ValueError("bucket_bounds must list the histogram's finite bounds, ascending")
        if not all(math.isfinite(bound) and bound > 0 for bound in bounds):
            raise ValueError("bucket_bounds must be finite and positive; +Inf is implied")
        if self.bad_status is not None:
            raise ValueError("bad_status belongs to error objectives; remove it")
        for name, limit in self._limits():
            if limit.over_seconds is None:
                if limit is self.target and self.target.quantile is not None:
                    self._check_quantile()
                    continue
                raise ValueError(f"{name}.over_seconds is missing; add it")
            if limit.over_seconds not in bounds:
                raise ValueError(
                    f"{name}.over_seconds {limit.over_seconds:g} is not among bucket_bounds; "
                    "only a bucket bound can be counted exactly, choose one of them"
                    + _or_interpolate(name, limit)
                )

    def _check_quantile(self) -> None:
        """Refuse a threshold that can be counted, or that no bucket lies wholly below or above."""
        bounds, target = self.bucket_bounds, self.target.target_seconds or 0.0
        key = f"target.target_seconds {target:g}"
        if target in bounds:
            raise ValueError(
                f"{key} is a bucket bound, which can be counted exactly; write "
                f"{{over_seconds: {target:g}, budget: {self.target.budget * 100:g}%}} instead"
            )
        if target < bounds[0]:
            raise ValueError(
                f"{key} lies in the lowest bucket, so it can never pass; it needs a bound below it"
            )
        if target > bounds[-1]:
            raise ValueError(
                f"{key} lies over the highest bound, so it can never fail; it needs a bound above it"
            )
        if self.shown_quantile is not None:
            raise ValueError("shown_quantile follows from target.quantile; remove it")

    def _check_errors(self) -> None:
        if not self.bad_status:
            raise ValueError('bad_status is missing; add it, for example "5.."')
        _check_bad_status(self.bad_status)
        if self.bucket_bounds or self.shown_quantile is not None:
            raise ValueError("bucket_bounds and shown_quantile belong to latency; remove them")
        if self.target.quantile is not None:
            raise ValueError("quantile belongs to latency objectives; remove it")
        if any(limit.over_seconds is not None for _, limit in self._limits()):
            raise ValueError("over_seconds belongs to latency objectives; remove it")

    def _check_rollback(self) -> None:
        if self.rollback is None:
            return
        wider = (self.rollback.over_seconds or 0.0) >= (self.target.threshold_seconds or 0.0)
        if not wider or self.rollback.budget < self.target.budget:
            raise ValueError("the rollback limit is stricter than the target; swap or widen it")
        if (self.rollback.over_seconds, self.rollback.budget) == (
            self.target.threshold_seconds,
            self.target.budget,
        ):
            raise ValueError("the rollback limit equals the target; widen it or leave it out")

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
    """Return the other remedy for a target that is no bound; a rollback limit has none."""
    seconds = limit.over_seconds or math.nan
    if name != "target" or not math.isfinite(seconds):
        return ""
    quantile = round(1 - limit.budget, 9)
    return f", or interpolate: {{quantile: {quantile:g}, target_seconds: {seconds:g}}}"


def _check_bad_status(pattern: str) -> None:
    """Refuse a pattern that no status matches, or every one: such a gate decides nothing."""
    try:
        matcher = re.compile(pattern)
    except re.error:
        raise ValueError('bad_status is no regular expression; write it like "5.."') from None
    bad = sum(matcher.fullmatch(str(status)) is not None for status in _STATUSES)
    if bad == 0:
        raise ValueError('bad_status matches no HTTP status, so it can never fail; try "5.."')
    missed = [status for status in _ALWAYS_BAD if matcher.fullmatch(status) is None]
    if missed:
        raise ValueError(
            f"bad_status does not match {', '.join(missed)}, so a platform that answers with it is green; "
            'try "5.."'
        )
    if bad == len(_STATUSES):
        raise ValueError('bad_status matches every HTTP status, so it can never pass; try "5.."')


class Availability(Section):
    """When an unavailability counts."""

    confirm_for: Annotated[Seconds, Field(ge=0, le=MAX_CONFIRM_SECONDS)]
    """One clock per region and service; still down after it → FAIL (runbook: 2 minutes)."""
    poll_every: Seconds = Field(gt=0, le=60)
    on_recovery: Literal["hold", "pass"] = "hold"
    """What a service that came back within `confirm_for` means."""
    answer_overhead: Seconds = Field(default=0.25, ge=0, le=5)
    """What network and application may add to the latency that a health answer reports of itself."""


class Deadlines(Section):
    """How long one call may take, and how long a whole run."""

    call: Seconds = Field(gt=0, le=60)
    run: Seconds = Field(gt=0, le=MAX_WAIT_SECONDS)


class EvidenceAge(Section):
    """How old evidence of another tool may be."""

    max_age: _EvidenceAge = 7 * 86400.0
    """Older evidence decides nothing."""
    max_age_of: dict[Name, _EvidenceAge] = Field(default_factory=dict)
    """By kind of evidence, where it differs."""

    def of(self, kind: str) -> float:
        """Return the most seconds that evidence of a kind may be old."""
        return self.max_age_of.get(kind, self.max_age)


class SecretAge(Section):
    """How old a secret may be before it has to be rotated."""

    max_age: Seconds = Field(default=90 * 86400.0, gt=0, le=MAX_SECRET_SECONDS)


class Invalidation(Section):
    """How long the invalidation of a content delivery network may take."""

    settle_for: BoundedWait = 900.0


class Policy(Section):
    """All of gates/policy/*.yaml together."""

    schema_version: Literal[1] = Field(alias="schema")
    availability: Availability
    deadlines: Deadlines
    objectives: tuple[Objective, ...] = Field(min_length=1)
    deployment: DeploymentPolicy | None = None
    """Without it a stopped deployment is not told what to undo, and no time is planned."""
    data: DataPolicy | None = None
    storage: StoragePolicy = StoragePolicy()
    load: LoadPolicy | None = None
    """Without it no load run can be judged, so none is begun."""
    dns: DnsPolicy = DnsPolicy()
    certificates: CertificatePolicy = CertificatePolicy()
    monitoring: MonitoringPolicy = MonitoringPolicy()
    people: PeoplePolicy = PeoplePolicy()
    evidence: EvidenceAge = EvidenceAge()
    secrets: SecretAge = SecretAge()
    invalidation: Invalidation = Invalidation()

    @model_validator(mode="after")
    def _one_objective_per_check(self) -> Self:
        checks = [check for one in self.objectives for check in (one.check, *one.also)]
        doubled = sorted({check for check in checks if checks.count(check) > 1})
        if doubled:
            raise ValueError(f"two objectives for {', '.join(doubled)}; keep one of each")
        return self

    def objective(self, check: str) -> Objective:
        """Return the objective of a check; raises LookupError when the policy has none."""
        for objective in self.objectives:
            if check in (objective.check, *objective.also):
                return objective
        raise LookupError(f"the policy has no objective for {check}")

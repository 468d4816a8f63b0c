"""The runbook's rollback criteria, as policy: conditions that have to last before they ask for a rollback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.people import MOST_COMPLAINTS
from settings.sections import CheckId, Seconds, Section, doubled

MOST_WATCH_SECONDS = 86_400.0
"""A watch sees a release through its first day at most."""


class Trigger(Section):
    """One criterion: what asks for a rollback once it has lasted."""

    check: CheckId
    """Its row of the catalogue."""
    title: str = Field(min_length=1)
    """What reports call it."""
    objective: CheckId | None = None
    """The check of an objective: over its rollback limit, in its look-back, for the limit's `for`."""
    unavailable_for: Annotated[Seconds, Field(gt=0, le=3600)] | None = None
    """Any service of the environment that does not answer for so long."""
    complaints_over: Annotated[int, Field(ge=0, lt=MOST_COMPLAINTS)] | None = None
    """More complaints about critical functionality at the support desk since the traffic switch."""
    watches: Literal["data", "security"] | None = None
    """data: rows that are lost or changed, orphans and broken references, against the baseline. security:
    the alerts and events of the environment's section security."""
    least_events: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Fewer events in an objective's look-back decide nothing."""
    read_every: Annotated[Seconds, Field(gt=0, le=600)] = 60.0
    """Between two readings of data, audit log and support desk, which cost more than a query; one that takes
    longer has no answer. More often while one is bad."""

    def _refusals(self) -> Iterator[str]:
        kinds = (self.objective, self.unavailable_for, self.complaints_over, self.watches)
        if sum(kind is not None for kind in kinds) != 1:
            yield "name what is watched: objective, unavailable_for, complaints_over or watches, one of them"


class TriggersPolicy(Section):
    """What `gate watch` watches, and how closely."""

    every: Annotated[Seconds, Field(gt=0, le=300)] = 15.0
    """Between two evaluations."""
    gap: Annotated[Seconds, Field(gt=0, le=3600)] = 45.0
    """Evaluations may be without an answer for so long: then what was pending begins again, and the watch
    is not GO."""
    confounders: Literal["hold", "show"] = "hold"
    """A flag, rollout, scaling or configuration that was changed meanwhile, or a Prometheus that was
    restarted, leaves the watch undecided, or is only shown."""
    objectives: tuple[CheckId, ...] = ()
    """The checks of objectives whose targets have to be met when the watch ends, or it is not GO."""
    watched: tuple[Trigger, ...] = ()
    """By row of the catalogue."""

    def _refusals(self) -> Iterator[str]:
        if self.gap < self.every:
            yield "gap must be at least as long as every: one evaluation is missed easily"
        twice = doubled([one.check for one in self.watched])
        if twice:
            yield f"two triggers for {', '.join(twice)}; keep one of each"


class Fixture(Section):
    """What the policy has to say of a series, or of counted events; read from fixtures/*.yaml beside it."""

    says: str = Field(min_length=1)
    """What it stands for."""
    trigger: CheckId | None = None
    objective: CheckId | None = None
    series: str = ""
    """Of a trigger: its evaluations, such as "0.1% x20, 3% x21, gap x2"; bad and good where it is
    no share."""
    bad: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Of an objective: so many bad events in its look-back,"""
    events: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """of so many."""
    expect: Literal["fires", "quiet", "undecided", "pass", "fail"]
    after: Annotated[Seconds, Field(ge=0)] | None = None
    """Where it fires: so long after the first evaluation."""

    def _refusals(self) -> Iterator[str]:
        if (self.trigger is None) == (self.objective is None):
            yield "name what is meant: trigger or objective, one of them"
        if self.trigger is not None and (not self.series or self.events is not None):
            yield "a trigger is shown a series, and no events"
        if self.objective is not None and (self.series or self.events is None):
            yield "an objective is shown bad and events, and no series"
        known = ("fires", "quiet") if self.trigger is not None else ("pass", "fail")
        if self.expect not in (*known, "undecided"):
            yield f"expect {', '.join(known)} or undecided"
        if self.after is not None and self.expect != "fires":
            yield "after is when it fires; remove it"


class Fixtures(Section):
    """One file of them."""

    fixtures: tuple[Fixture, ...] = Field(min_length=1)

"""The way back from a release: what triggers it, what only an environment knows of it, what policy plans."""

from __future__ import annotations

import datetime as dt
import string
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.people import MOST_COMPLAINTS
from settings.sections import CheckId, Name, Seconds, Section, Share, Text, doubled

METHODS = ("feature flags", "kubernetes", "dns", "roll forward", "database")
Method = Literal["feature flags", "kubernetes", "dns", "roll forward", "database"]
Way = Literal[Method, "configuration", "assets", "alert rules"]
WAYS = (*METHODS, "configuration", "assets", "alert rules")
Each = Literal["plan", "flag", "cluster", "kept", "replaced", "release", "running", "records"]
Takes = Annotated[Seconds, Field(gt=0, le=86_400)]
_OF_THE_PLAN = frozenset(
    {
        *("env", "release", "previous", "fix", "hosted_zone"),
        *("configuration", "assets", "alert_rules"),
        *(
            "psql",
            "server",
            "database",
            "restored",
            "aside",
            "backup",
            "open_backup",
            "counts",
            "counted",
        ),
    }
)
_OF_A_CLUSTER = frozenset({"region", "kubectl", "service", "selector", "pods"})
_OF_A_WORKLOAD = _OF_A_CLUSTER | {"workload", "replicas", "revision", "version", "digests"}
FIELDS: dict[str, frozenset[str]] = {
    "plan": _OF_THE_PLAN,
    "flag": frozenset({"redis", "order", "key", "now"}),
    "cluster": _OF_A_CLUSTER,
    "kept": _OF_A_WORKLOAD,
    "replaced": _OF_A_WORKLOAD,
    "release": _OF_A_WORKLOAD,
    "running": _OF_A_WORKLOAD,
    "records": frozenset({"hosted_zone", "batch"}),
}
"""What a step's commands may name: `{kubectl}`; each is written so that a shell takes it as one word, or
is a command by itself."""


class Rollback(Section):
    """What the commands of a rollback plan need and nothing else tells. The gate executes none of them."""

    contexts: dict[Name, Text] = Field(default_factory=dict)
    """By region: what kubectl calls its cluster where people roll back; else the plan names its server."""
    hosted_zone: Text | None = None
    """Of Route 53; without it a release that changed a record has no way back."""
    configuration: Text | None = None
    """The command that puts the ConfigMap back; `{previous}` becomes the version before, such as 1.1.0."""
    assets: Text | None = None
    """The command that puts the web application of the version before back."""
    alert_rules: Text | None = None
    """The command that puts the alert rules and dashboards of the version before back."""


class PlannedStep(Section):
    """One step of a rollback."""

    title: Text
    """What it does."""
    way: Way
    """It belongs to every plan that goes this way."""
    each: Each = "plan"
    """Once in a plan, or once for each of these."""
    commands: tuple[Text, ...] = Field(min_length=1)
    """As a shell takes them."""
    expect: str = ""
    """What is to be seen before the next step."""
    erratum: str = ""
    """What the runbook says here, and what is wrong with it."""
    no_return: bool = False
    """From here on, going back loses what was written since."""

    def _refusals(self) -> Iterator[str]:
        known = FIELDS[self.each]
        for command in (self.title, self.expect, *self.commands):
            named = {name for _, name, _, _ in string.Formatter().parse(command) if name}
            for name in sorted(named - known - _OF_THE_PLAN):
                yield f"“{self.title}” names {{{name}}}, which no step for each {self.each} has"


class Authority(Section):
    """Who may order a rollback."""

    planned: Text
    """Of a planned deployment."""
    emergency: Text
    """In an emergency."""
    approves: dict[Literal["standard", "major", "hotfix"], Text] = Field(default_factory=dict)
    """By kind of release: whose signed approval it needs besides."""


class Level(Section):
    """One level of the escalation path."""

    role: Text
    """Who is called."""
    after: Annotated[Seconds, Field(ge=0, le=86_400)]
    """So long after the incident began."""
    when_critical: bool = False
    """Called at once where the incident is critical."""


class Unattended(Section):
    """The standing authorisation to carry a plan out without a person, of a release that is not major."""

    authorised_by: Text
    """Who answers for it, such as VP Engineering."""
    until: dt.date
    """The last day on which it holds; at most 92 days ahead, or it holds not at all."""
    methods: tuple[Literal["feature flags", "kubernetes"], ...] = Field(min_length=1)
    """A plan that goes another way, too, waits for a person."""


class RollbackPolicy(Section):
    """gates/policy/rollback.yaml."""

    order: tuple[Method, ...] = Field(min_length=len(METHODS), max_length=len(METHODS))
    """From the least harmful method to the most harmful: of two that fit, the earlier one is chosen."""
    takes: dict[Way, Takes]
    """What `deployment.rollback` has no time for."""
    backup_max_age: Takes
    """An older backup is not restored over live data without a person's word."""
    slower_by: Annotated[Share, Field(ge=0, le=4)] = 0.5
    """After a rollback the p95 may be so much higher than before the release, in whole buckets."""
    authority: Authority
    escalation: tuple[Level, ...] = Field(min_length=1)
    """In order of time."""
    unattended: Unattended | None = None
    """Left out: every rollback waits for a person."""
    steps: tuple[PlannedStep, ...] = Field(min_length=1)
    """In safe order; a plan takes those of its ways."""

    def _refusals(self) -> Iterator[str]:
        if twice := doubled(self.order):
            yield f"order names {twice[0]} twice; each method stands there once"
        times = [one.after for one in self.escalation]
        if times != sorted(times) or times[0]:
            yield "escalation begins at 0m and goes on in order of time"
        without = sorted(set(WAYS) - {one.way for one in self.steps})
        if without:
            yield f"steps has none for {without[0]}, so a plan of it would be empty"


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

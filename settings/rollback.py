"""The way back from a release: what only an environment knows of it, and what the policy plans."""

from __future__ import annotations

import datetime as dt
import string
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import Name, Seconds, Section, Share, Text, doubled

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

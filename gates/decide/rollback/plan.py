"""From facts to the plan of a rollback: which method fits a release and what is true now.

A fact is true, false or unknown. What is unknown never chooses: neither a method that needs it, nor
another one instead. Where nothing fits, the choice says why, and what would make it fit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gates.decide.kept import Kept
from settings.rollback import METHODS

if TYPE_CHECKING:
    from settings.people import DeploymentPolicy
    from settings.rollback import PlannedStep, RollbackPolicy

FLAGS, KUBERNETES, DNS, FORWARD, DATABASE = METHODS
CONFIGURATION, ASSETS, ALERT_RULES = "configuration", "assets", "alert rules"
SCHEMA = "schema"
WAYS: Mapping[str, str] = {
    "flags": FLAGS,
    "configuration": CONFIGURATION,
    "code": KUBERNETES,
    "dns": DNS,
    "assets": ASSETS,
    "alert_rules": ALERT_RULES,
}
"""What leads back from what a release changed. The schema stays, or takes the database with it."""
PARTS = (*WAYS, SCHEMA)
"""What a release can change, as release.yaml calls it."""
OLD_CODE_RUNS, FIX_READY = "old code runs", "fix ready"
NEEDS: Mapping[str, tuple[str, ...]] = {
    FLAGS: ("flags before",),
    KUBERNETES: ("old image", "old workload"),
    DNS: ("records before",),
    DATABASE: ("backup", "backup readable", "backup young", "restore tested", "loss counted"),
    CONFIGURATION: ("configuration before",),
    ASSETS: ("assets before",),
    ALERT_RULES: ("alert rules before",),
    FORWARD: (FIX_READY,),
}
"""The facts that have to be true before a way is taken."""
FACTS = tuple(dict.fromkeys((OLD_CODE_RUNS, *(one for needs in NEEDS.values() for one in needs))))


@dataclasses.dataclass(frozen=True, slots=True)
class Facts(Kept):
    """What a release changed that is in force now, and what is true of the ways back."""

    changed: Mapping[str, bool | None]
    """By part; None, or a part that is missing: unknown."""
    true: Mapping[str, bool | None]
    """By fact; None, or a fact that is missing: unknown."""
    why: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """By part or fact: a sentence where it is not simply so."""
    seconds_left: float | None = None
    """In the deployment window; 0 while none is open, None where none ends."""
    lost: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """By table: rows written since the baseline, which a restore loses."""
    values: Mapping[str, tuple[Mapping[str, str], ...]] = dataclasses.field(default_factory=dict)
    """What commands are filled with: for each `each` of the policy's steps, one mapping an item."""

    def reason(self, name: str) -> str:
        """Return why a fact is not true, or that nobody knows."""
        unknown = f"{name.replace('_', ' ')}: unknown"
        return self.why.get(name) or (unknown if self.known(name) is None else f"{name}: no")

    def known(self, name: str) -> bool | None:
        """Return a part or a fact; None where it is unknown or nobody read it."""
        return self.changed.get(name) if name in PARTS else self.true.get(name)


@dataclasses.dataclass(frozen=True, slots=True)
class Step(Kept):
    """One step with today's values."""

    title: str
    way: str
    commands: tuple[str, ...]
    expect: str
    erratum: str
    no_return: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Plan(Kept):
    """How to go back, or on."""

    ways: tuple[str, ...]
    """In safe order."""
    minutes: float
    steps: tuple[Step, ...]
    stays: tuple[str, ...]
    """What of the release is left as it is, and why."""
    lost: Mapping[str, int]
    restores: str = ""
    """Which backup, and how old it is."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Return the runbook's methods among its ways."""
        return tuple(way for way in self.ways if way in METHODS)

    @property
    def no_return(self) -> str:
        """Return the step from which on going back loses data; empty where there is none."""
        return next((one.title for one in self.steps if one.no_return), "")


@dataclasses.dataclass(frozen=True, slots=True)
class Choice(Kept):
    """What was chosen, or why nothing was."""

    plan: Plan | None
    """Also one that lacks only time: people may give it that."""
    against: tuple[str, ...] = ()
    """Why nothing is chosen; empty for a plan that holds."""
    unknown: bool = False
    """Whether that is because something is unknown; else it is known that nothing fits."""

    @property
    def fits(self) -> bool | None:
        """Whether the plan may be followed once it is approved; None where that is unknown."""
        return None if self.unknown else self.plan is not None and not self.against


def choose(facts: Facts, policy: RollbackPolicy, planned: DeploymentPolicy | None) -> Choice:
    """Return the least harmful way that fits."""
    unknown = [facts.reason(part) for part in PARTS if facts.known(part) is None]
    in_force = [part for part in PARTS if facts.known(part)]
    if SCHEMA in in_force and facts.known(OLD_CODE_RUNS) is None:
        unknown.append(facts.reason(OLD_CODE_RUNS))
    if unknown:
        return Choice(None, tuple(dict.fromkeys(unknown)), unknown=True)
    if not in_force:
        return Choice(
            None, ("nothing of the release is in force, so there is nothing to take back",)
        )
    if in_force == [SCHEMA] and facts.known(OLD_CODE_RUNS):
        return Choice(None, ("of the release only the schema is in force, and it may stay",))
    return _least_harmful(_candidates(facts, in_force, policy), facts, policy, planned)


def _candidates(
    facts: Facts, in_force: Sequence[str], policy: RollbackPolicy
) -> list[tuple[str, ...]]:
    """Return the way back and the way forward, the less harmful one first."""
    back = {WAYS[part] for part in in_force if part in WAYS}
    if SCHEMA in in_force and not facts.known(OLD_CODE_RUNS):
        back |= {DATABASE, KUBERNETES}
    harm: dict[str, int] = {method: rank for rank, method in enumerate(policy.order)}
    order = dict.fromkeys(step.way for step in policy.steps)
    ways = [tuple(way for way in order if way in back), (FORWARD,)]
    return sorted(ways, key=lambda one: max(harm.get(way, 0) for way in one))


def _least_harmful(
    candidates: Iterable[tuple[str, ...]],
    facts: Facts,
    policy: RollbackPolicy,
    planned: DeploymentPolicy | None,
) -> Choice:
    against: list[str] = []
    short: Plan | None = None
    for ways in candidates:
        needs = [fact for way in ways for fact in NEEDS[way]]
        false = [facts.reason(one) for one in needs if facts.known(one) is False]
        unknown = [facts.reason(one) for one in needs if facts.known(one) is None]
        if false:
            against.append(f"no way by {_named(ways)}: {'; '.join(false)}")
            continue
        if unknown:
            open_way = f"the way by {_named(ways)} is open: {'; '.join(unknown)}"
            return Choice(short, (*against, open_way), unknown=True)
        plan = _plan(ways, facts, policy, planned)
        late = _too_long(plan, facts)
        if not late:
            return Choice(plan)
        against.append(late)
        short = short or plan
    return Choice(short, tuple(against))


def _plan(
    ways: tuple[str, ...], facts: Facts, policy: RollbackPolicy, planned: DeploymentPolicy | None
) -> Plan:
    takes: dict[str, float] = {str(way): seconds for way, seconds in policy.takes.items()}
    takes |= {} if planned is None else planned.rollback
    steps = tuple(
        one for step in policy.steps if step.way in ways for one in _filled(step, facts.values)
    )
    stays = facts.known(SCHEMA) and DATABASE not in ways
    said = facts.why.get(OLD_CODE_RUNS, "the version before runs on it")
    return Plan(
        ways=ways,
        minutes=sum(takes[way] for way in ways) / 60,
        steps=steps,
        stays=(f"the schema: {said}",) if stays and ways != (FORWARD,) else (),
        lost=dict(facts.lost) if DATABASE in ways else {},
        restores=facts.why.get("backup", "") if DATABASE in ways else "",
    )


def _filled(step: PlannedStep, values: Mapping[str, Sequence[Mapping[str, str]]]) -> Iterator[Step]:
    common = dict(next(iter(values.get("plan", ())), {}))
    for item in values.get(step.each, ()):
        named = {**common, **item}
        yield Step(
            title=step.title.format_map(named),
            way=step.way,
            commands=tuple(one.format_map(named) for one in step.commands),
            expect=step.expect.format_map(named),
            erratum=step.erratum,
            no_return=step.no_return,
        )


def _too_long(plan: Plan, facts: Facts) -> str:
    """Return why a plan does not fit into the deployment window; empty where it does."""
    if facts.seconds_left is None or plan.minutes * 60 <= facts.seconds_left:
        return ""
    needs = f"the way by {_named(plan.ways)} takes {plan.minutes:.0f} min"
    if not facts.seconds_left:
        return f"{needs}, and no deployment window is open; an emergency window has to be approved"
    left = facts.seconds_left / 60
    return f"{needs}, and the deployment window closes in {left:.0f} min; it has to be extended"


def _named(ways: Sequence[str]) -> str:
    *most, last = ways
    return f"{', '.join(most)} and {last}" if most else last

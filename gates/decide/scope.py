"""What a gate asks: which rows, what a failure of each can still mean; what it does not, and must, ask."""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import TYPE_CHECKING, ClassVar

from gates.decide.catalogue import EVERY_PHASE, TRIGGER, Row, in_window
from gates.decide.fold import Stage
from gates.decide.kept import Kept
from gates.decide.times import (
    COUNTDOWN,
    DECISION,
    ROLLED_BACK,
    ROLLOUT,
    ROLLOUT_DAYS,
    WINDOW,
    WINDOWS,
)
from settings.people import LAST_PHASE
from settings.sections import parse_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gates.decide.verdict import Verdict

NEVER_LIVE = ("1", "3.1")
"""What these change carries no traffic, wherever traffic is: a failure stops and rolls nothing back."""
BEFORE_THE_SWITCH = ("1", "2", "3.1", "3.2")
MIXED = "deploying, traffic is being switched"
LAST_WINDOW = tuple(WINDOWS)[-1]
_PHASE = re.compile(r"([1-7])(?:\.([1-9]))?")


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """The rows that a run must answer, each with its stage."""

    rows: tuple[Row, ...]
    stages: Mapping[str, Stage]
    """By check."""

    @property
    def stage(self) -> str:
        """Return the stage in words; where the rows differ, that traffic is being switched."""
        found = {stage.value for stage in self.stages.values()}
        return found.pop() if len(found) == 1 else MIXED

    def only(self, checks: Collection[str]) -> Scope:
        """Return the part of it that these checks are; all of it for none."""
        rows = tuple(row for row in self.rows if not checks or row.id in checks)
        return Scope(rows, {row.id: self.stages[row.id] for row in rows})


@dataclasses.dataclass(frozen=True, slots=True)
class Deferred(Kept):
    """What a hotfix does once it is live instead of before."""

    checks: tuple[str, ...]
    until: str
    """By when, as people say it."""


class Gate:
    """One gate with its question: knows its rows, its name, and what comes after it."""

    __slots__ = ()
    name: ClassVar[str]
    """The command: post-deploy, pre-deploy, phase."""
    remarks: ClassVar[tuple[str, ...]] = ()
    """What every verdict of this gate has to say of itself."""
    heeds_declared: ClassVar[bool] = False
    """Whether a trigger that somebody declared keeps it from being GO."""

    @property
    def asked(self) -> Mapping[str, str | None]:
        """What the verdict keeps of the question: window, phase, at."""
        raise NotImplementedError

    @property
    def number(self) -> int | None:
        """The phase of the deployment, or None."""
        return None

    @property
    def seconds(self) -> float:
        """How long it takes by itself, beside what its checks take."""
        return 0.0

    @property
    def kind(self) -> str:
        """How runs of this gate are called, such as phase-2.1."""
        return self.name

    def scope(self, rows: Iterable[Row], *, switched: bool) -> Scope:
        """Return what is asked; `switched` says that the release carries traffic."""
        raise NotImplementedError

    def follows(self, rows: Iterable[Row]) -> str | None:  # noqa: ARG002 - the windows say it themselves
        """Return the gate to ask after a GO, as on the command line, or None after the last one."""
        return None

    def needs(self, rows: Iterable[Row]) -> tuple[Phase, ...]:  # noqa: ARG002 - only a phase needs any
        """Return the parts of phases that must be GO before this one."""
        return ()

    def earlier(self, rows: Iterable[Row]) -> tuple[str, ...]:  # noqa: ARG002 - as above
        """Return the parts of all phases before those that it needs."""
        return ()

    def parts(self, rows: Iterable[Row]) -> tuple[str, ...]:  # noqa: ARG002 - only a phase has any
        """Return the parts of a phase that a run answers for, as the history keeps them."""
        return ()


@dataclasses.dataclass(frozen=True, slots=True)
class PostDeploy(Gate):
    """The live release, in a validation window."""

    window: str
    deferred: Deferred | None = None
    """What the countdown left for the last window."""

    name = "post-deploy"
    heeds_declared = True

    @property
    def asked(self) -> Mapping[str, str | None]:
        """Return the window."""
        return {"window": self.window, "phase": None, "at": None}

    def scope(self, rows: Iterable[Row], *, switched: bool) -> Scope:  # noqa: ARG002 - a live release is live
        """Return the rows that are due within the window, in the last one what was deferred to it."""
        rows = tuple(rows)
        late = self.deferred.checks if self.deferred and self.window == LAST_WINDOW else ()
        mine = (*in_window(rows, self.window), *(row for row in rows if row.id in late))
        return _all_at(mine, Stage.LIVE)


@dataclasses.dataclass(frozen=True, slots=True)
class Watch(Gate):
    """The live release over time: does a rollback trigger fire?"""

    window: str
    """How long, such as 1h or 60s."""

    name = "watch"

    @property
    def asked(self) -> Mapping[str, str | None]:
        """Return how long."""
        return {"window": self.window, "phase": None, "at": None}

    @property
    def seconds(self) -> float:
        """Return how long; raises ValueError for what is not a duration."""
        return parse_duration(self.window)

    def scope(self, rows: Iterable[Row], *, switched: bool) -> Scope:  # noqa: ARG002 - a live release is live
        """Return the triggers."""
        return _all_at((row for row in rows if row.when == TRIGGER), Stage.LIVE)


@dataclasses.dataclass(frozen=True, slots=True)
class PreDeploy(Gate):
    """The countdown, up to one of its times."""

    at: str
    deferred: Deferred | None = None
    """What a hotfix does afterwards."""

    name = "pre-deploy"

    @property
    def asked(self) -> Mapping[str, str | None]:
        """Return the time of the countdown."""
        return {"window": None, "phase": None, "at": self.at}

    def scope(self, rows: Iterable[Row], *, switched: bool) -> Scope:  # noqa: ARG002 - nothing is begun
        """Return the rows that are due by that time, the earlier ones too."""
        due = COUNTDOWN[: COUNTDOWN.index(self.at) + 1]
        later = self.deferred.checks if self.deferred else ()
        mine = (row for row in rows if row.phase == "pre-deploy" and row.due in due)
        return _all_at((row for row in mine if row.id not in later), Stage.BEFORE)

    def follows(self, rows: Iterable[Row]) -> str | None:
        """Return the next time of the countdown that asks anything, then phase 1."""
        later = COUNTDOWN[COUNTDOWN.index(self.at) + 1 :]
        asked = {row.due for row in rows if row.phase == "pre-deploy"}
        return next((f"pre-deploy --at {at}" for at in later if at in asked), "phase 1")


@dataclasses.dataclass(frozen=True, slots=True)
class Phase(Gate):
    """One phase of the deployment, or one part of it."""

    number: int
    part: int | None = None

    name = "phase"
    heeds_declared = True

    @classmethod
    def parse(cls, text: str) -> Phase:
        """Parse `2` or `2.1`; raises ValueError for anything else."""
        match = _PHASE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"“{text}” is not a phase; write it like 2 or 2.1, from 1 to {LAST_PHASE}"
            )
        return cls(int(match[1]), int(match[2]) if match[2] else None)

    def __str__(self) -> str:
        return str(self.number) if self.part is None else f"{self.number}.{self.part}"

    @property
    def kind(self) -> str:
        """Return the name of its runs."""
        return f"phase-{self}"

    @property
    def asked(self) -> Mapping[str, str | None]:
        """Return the phase."""
        return {"window": None, "phase": str(self), "at": None}

    def scope(self, rows: Iterable[Row], *, switched: bool) -> Scope:
        """Return the rows of the phase, and those of every phase; none where it has none of its own."""
        rows = tuple(rows)
        parts = self.parts(rows)
        own = [row for row in rows if row.phase == "deploy" and row.when in parts]
        every = [row for row in rows if row.when in (EVERY_PHASE, WINDOW)] * bool(own)
        stages = {row.id: stage_of(row.when, switched=switched) for row in own}
        stages |= {row.id: stage_of(parts[-1], switched=switched) for row in every}
        return Scope((*own, *every), stages)

    def parts(self, rows: Iterable[Row]) -> tuple[str, ...]:
        """Return the parts that the catalogue asks anything of, in order."""
        mine = {row.when for row in rows if row.phase == "deploy" and self._has(row.when)}
        return tuple(sorted(mine))

    def _has(self, when: str) -> bool:
        if self.part is not None:
            return when == str(self)
        return when.startswith(f"{self.number}.")

    def follows(self, rows: Iterable[Row]) -> str | None:
        """Return the next part or phase that asks anything, after the last one the live release."""
        rows = tuple(rows)
        parts = Phase(self.number).parts(rows)
        later = [part for part in parts if self.part is not None and part > str(self)]
        phases = [n for n in range(self.number + 1, LAST_PHASE + 1) if Phase(n).parts(rows)]
        return next((f"phase {one}" for one in (*later, *phases)), "post-deploy")

    def needs(self, rows: Iterable[Row]) -> tuple[Phase, ...]:
        """Return all parts of the phase before, or of the nearest one that asks anything."""
        rows = tuple(rows)
        for number in range(self.number - 1, 0, -1):
            parts = Phase(number).parts(rows)
            if parts:
                return tuple(Phase.parse(part) for part in parts)
        return ()

    def earlier(self, rows: Iterable[Row]) -> tuple[str, ...]:
        """Return the parts of all phases before those that it needs."""
        rows = tuple(rows)
        first = next((phase.number for phase in self.needs(rows)), 0)
        return tuple(part for number in range(1, first) for part in Phase(number).parts(rows))


@dataclasses.dataclass(frozen=True, slots=True)
class RollbackPlan(Gate):
    """The way back from the release: which, who may order it, who is called."""

    name = "rollback plan"
    remarks = (
        "GO here means that a way back is chosen and may be ordered; it says nothing good of the release.",
    )

    @property
    def kind(self) -> str:
        """Return the name of its runs."""
        return "rollback-plan"

    @property
    def asked(self) -> Mapping[str, str | None]:
        """Return that there is nothing to choose."""
        return {"window": None, "phase": None, "at": None}

    def scope(self, rows: Iterable[Row], *, switched: bool) -> Scope:  # noqa: ARG002 - wherever traffic is
        """Return the rows of the decision."""
        mine = (row for row in rows if (row.phase, row.when) == ("rollback", DECISION))
        return _all_at(mine, Stage.LIVE)


@dataclasses.dataclass(frozen=True, slots=True)
class Rollout(Gate):
    """A new feature on its way to everybody: does it have the percentage of its day, and no more?"""

    number: int
    """The day."""

    name = "rollout"
    heeds_declared = True

    @property
    def asked(self) -> Mapping[str, str | None]:
        """Return the day."""
        return {"window": None, "phase": None, "at": str(self.number)}

    def scope(self, rows: Iterable[Row], *, switched: bool) -> Scope:  # noqa: ARG002 - a live release is live
        """Return the rows of the rollout."""
        return _all_at((row for row in rows if row.when == ROLLOUT), Stage.LIVE)


@dataclasses.dataclass(frozen=True, slots=True)
class PostRollback(Gate):
    """The platform after a rollback, up to one of its times: is it back, and is everybody told?"""

    methods: tuple[str, ...]
    """By which it was taken back: flags, kubernetes, dns, database, forward."""
    at: str = ROLLED_BACK[0]

    name = "post-rollback"
    remarks = (
        "GO here means that what was there before serves again; it says nothing good of the release.",
    )

    @property
    def asked(self) -> Mapping[str, str | None]:
        """Return the methods, and by which time."""
        return {"window": None, "phase": ",".join(self.methods), "at": self.at}

    def scope(self, rows: Iterable[Row], *, switched: bool) -> Scope:  # noqa: ARG002 - wherever traffic is
        """Return the rows of the methods, and those that are due by that time, the earlier ones too."""
        due = (*self.methods, *ROLLED_BACK[: ROLLED_BACK.index(self.at) + 1])
        mine = (row for row in rows if row.phase == "rollback" and row.when in due)
        return _all_at(mine, Stage.TAKEN_BACK)

    def follows(self, rows: Iterable[Row]) -> str | None:
        """Return the next time after a rollback that asks anything, None after the last one."""
        asked = {row.when for row in rows if row.phase == "rollback"}
        later = ROLLED_BACK[ROLLED_BACK.index(self.at) + 1 :]
        named = " ".join(f"--method {one}" for one in self.methods)
        return next((f"{self.name} {named} --at {at}" for at in later if at in asked), None)


def gate_of(verdict: Verdict) -> Gate:
    """Return the gate that a verdict is of; raises ValueError for one that there is not."""
    if verdict.gate == PostRollback.name and verdict.phase and verdict.at in ROLLED_BACK:
        return PostRollback(tuple(verdict.phase.split(",")), verdict.at)
    known = {f"{Rollout.name} {day}": Rollout(day) for day in ROLLOUT_DAYS}
    asked = " ".join(filter(None, (verdict.gate, verdict.at)))
    if asked in {**known, RollbackPlan.name: RollbackPlan()}:
        return known.get(asked, RollbackPlan())
    if verdict.gate == PostDeploy.name and verdict.window in WINDOWS:
        return PostDeploy(verdict.window, verdict.deferred)
    if verdict.gate == Watch.name and verdict.window is not None:
        return Watch(verdict.window)
    if verdict.gate == PreDeploy.name and verdict.at in COUNTDOWN:
        return PreDeploy(verdict.at, verdict.deferred)
    if verdict.gate == Phase.name and verdict.phase is not None:
        return Phase.parse(verdict.phase)
    raise ValueError(f"gate {verdict.gate!r}")


def no_such_part(gate: Gate, rows: Iterable[Row]) -> str | None:
    """Return what is wrong where a part is asked for that its phase does not have, else None."""
    if not isinstance(gate, Phase) or gate.part is None:
        return None
    parts = Phase(gate.number).parts(rows)
    if not parts or str(gate) in parts:
        return None
    return f"phase {gate}: there is no such part; phase {gate.number} has {', '.join(parts)}."


def stage_of(part: str, *, switched: bool) -> Stage:
    """Return what a failure in a part of the deployment can mean, by what it changes and where traffic is."""
    if part.startswith(NEVER_LIVE):
        return Stage.NOT_SWITCHED
    if part.startswith(BEFORE_THE_SWITCH) and not switched:
        return Stage.NOT_SWITCHED
    return Stage.LIVE


def _all_at(rows: Iterable[Row], stage: Stage) -> Scope:
    kept = tuple(rows)
    return Scope(kept, {row.id: stage for row in kept})


NO_SECTION = "the environment has no such section"
NOTHING_APPLIES = "nothing of it applies to this environment"
LATER = "due later"
OTHER_PARTS = "asked on their own"
OTHER_REGIONS = "another run's regions"
OWN_CATALOGUE = "the environment has its own checks"


@dataclasses.dataclass(frozen=True, slots=True)
class NotAsked(Kept):
    """One thing of which a decision says nothing."""

    what: str
    """A section of the environment, a window, a part of a phase, a region, the gate's own catalogue."""
    why: str
    checks: tuple[str, ...] = ()
    """The checks that nobody asked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What a gate could have asked here, and what the environment has."""

    catalogue: Sequence[Row]
    """Of the platform's own checks, where it has them."""
    standard: Sequence[Row]
    """The gate's own."""
    sections: Collection[str]
    other_regions: Sequence[str]
    """That the run was not asked about."""


def not_asked(gate: Gate, around: Surroundings) -> tuple[NotAsked, ...]:
    """Return what the decision of a gate says nothing of."""
    scope = gate.scope(around.catalogue, switched=False).rows
    found = _grouped(
        (row.section, row) for row in scope if row.section and not row.applies(around.sections)
    )
    had = {row.id for row in around.catalogue}
    replaced = gate.scope(around.standard, switched=False).rows
    left_out = tuple(row.id for row in replaced if row.id not in had)
    later = _grouped((what, row) for row in around.catalogue if (what := _later(gate, row)))
    why = OTHER_PARTS if isinstance(gate, Phase) else LATER
    return (
        *_put_off(gate, around),
        *(NotAsked(what, NO_SECTION, ids) for what, ids in found.items()),
        *([NotAsked("the gate's own catalogue", OWN_CATALOGUE, left_out)] if left_out else []),
        *(NotAsked(one, OTHER_REGIONS) for one in around.other_regions),
        *_empty_parts(gate, around),
        *(NotAsked(what, why, ids) for what, ids in later.items()),
    )


def _put_off(gate: Gate, around: Surroundings) -> Iterator[NotAsked]:
    """Yield what each owner does after a hotfix instead of before it."""
    if not isinstance(gate, PreDeploy) or gate.deferred is None:
        return
    whole = PreDeploy(gate.at).scope(around.catalogue, switched=False).rows
    put_off = [row for row in whole if row.id in gate.deferred.checks]
    owed = _grouped((row.owner, row) for row in put_off if row.applies(around.sections))
    why = f"a hotfix defers it until {gate.deferred.until}; post-deploy --window {LAST_WINDOW} asks it"
    yield from (NotAsked(f"what {owner} owes", why, ids) for owner, ids in owed.items())


def unmet(must_ask: Iterable[str], gate: Gate, around: Surroundings) -> Iterator[str]:
    """Yield why what an environment must be asked is not asked, with the remedy."""
    scope = {row.id for row in gate.scope(around.catalogue, switched=False).rows}
    for name in must_ask:
        rows = [row for row in around.catalogue if name in (row.id, row.section)]
        lacking = [row.section for row in rows if not row.applies(around.sections)]
        if not rows:
            yield f"policy.must_ask names {name}, and no row of the catalogue asks for it; add the row"
        elif lacking and (name == lacking[0] or name in scope):
            yield f"policy.must_ask names {name}, and the environment has no section {lacking[0]}; add it"


def _empty_parts(gate: Gate, around: Surroundings) -> Iterator[NotAsked]:
    """Yield the parts of a phase of which no check applies: its GO says nothing of them."""
    scope = gate.scope(around.catalogue, switched=False).rows
    for part in gate.parts(around.catalogue):
        rows = [row for row in scope if row.when == part]
        if not any(row.applies(around.sections) for row in rows):
            yield NotAsked(f"phase {part}", NOTHING_APPLIES, tuple(row.id for row in rows))


def _later(gate: Gate, row: Row) -> str:
    """Return when the same gate asks a row, where that is another time or part; else nothing."""
    if isinstance(gate, PostDeploy) and row.phase == "post-deploy":
        return f"the first {row.when}" if WINDOWS.get(row.when, 0) > WINDOWS[gate.window] else ""
    if isinstance(gate, PostRollback) and row.phase == "rollback" and row.when in ROLLED_BACK:
        later = ROLLED_BACK.index(row.when) > ROLLED_BACK.index(gate.at)
        return f"{row.when} after the rollback" if later else ""
    if isinstance(gate, PreDeploy) and row.phase == "pre-deploy":
        return row.due if COUNTDOWN.index(row.due) > COUNTDOWN.index(gate.at) else ""
    if isinstance(gate, Phase) and row.phase == "deploy" and gate.part is not None:
        other = row.when.startswith(f"{gate.number}.") and row.when != str(gate)
        return f"phase {row.when}" if other else ""
    return ""


def _grouped(found: Iterable[tuple[str, Row]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for what, row in found:
        groups[what].append(row.id)
    return {what: tuple(ids) for what, ids in sorted(groups.items())}

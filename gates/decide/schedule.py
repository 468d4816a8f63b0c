"""Time during a deployment: how long a phase took, and whether the rest and a rollback still fit."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Protocol

from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome
from gates.decide.scope import Phase
from settings.people import parse_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gates.decide.history import PhaseRun
    from settings.people import DeploymentPolicy

WEEK = dt.timedelta(days=7)
RULE = "schedule"


class Window(Protocol):
    """A time in which one may deploy; as a text it says when that is."""

    def left(self, now: dt.datetime) -> dt.timedelta | None:
        """Return how long it stays open, or None while it is closed."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """A part of each week, in UTC, in which one may deploy."""

    opens: str
    closes: str
    """The same as `opens`: the whole week."""

    def left(self, now: dt.datetime) -> dt.timedelta | None:
        """Return how long it stays open, or None while it is closed."""
        open_for = _since(self.opens, now)
        length = (parse_moment(self.closes) - parse_moment(self.opens)) % WEEK or WEEK
        return length - open_for if open_for < length else None

    def __str__(self) -> str:
        return f"{self.opens} to {self.closes} UTC"


def time_left(windows: Iterable[Window], now: dt.datetime) -> dt.timedelta | None:
    """Return how long one may deploy from now on, None while no window is open.

    Where one window closes and another is open, or opens, nothing ends; a week and more is for ever.
    """
    every, until = tuple(windows), now
    while until - now < WEEK:
        left = max((found for one in every if (found := one.left(until))), default=None)
        if left is None:
            break
        until += left
    return min(until - now, WEEK) or None


def closing(left: dt.timedelta) -> str:
    """Say when the window closes."""
    return "is always open" if left >= WEEK else f"closes in {minutes(left)}"


def _since(moment: str, now: dt.datetime) -> dt.timedelta:
    """Return how long ago a time of the week was last reached."""
    now = now.astimezone(dt.UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = midnight - dt.timedelta(days=now.weekday())
    return (now - monday - parse_moment(moment)) % WEEK


@dataclasses.dataclass(frozen=True, slots=True)
class Spent:
    """What a phase took so far, together with phases before it that nobody asked about."""

    phases: str
    taken: dt.timedelta
    planned: dt.timedelta

    @property
    def over(self) -> bool:
        """Whether it took longer than planned."""
        return self.taken > self.planned

    def __str__(self) -> str:
        have = "have" if self.phases.startswith("phases") else "has"
        said = (
            f"{self.phases} {have} taken {minutes(self.taken)}, planned are {minutes(self.planned)}"
        )
        return f"{said}: {minutes(self.taken - self.planned)} over" if self.over else said


@dataclasses.dataclass(frozen=True, slots=True)
class Needed:
    """How much time what is left of a deployment may take, the longest way back too."""

    phases: dt.timedelta
    validation: dt.timedelta
    rollback: dt.timedelta
    method: str
    """Of the rollback."""

    @classmethod
    def after(cls, phase: int, policy: DeploymentPolicy) -> Needed:
        """Return it for what follows a phase; 0: for the whole plan."""
        method, longest = max(policy.rollback.items(), key=lambda item: item[1])
        phases = policy.planned(range(phase + 1, len(policy.phases) + 1))
        validation = dt.timedelta(seconds=policy.validation)
        return cls(phases, validation, dt.timedelta(seconds=longest), method)

    @property
    def total(self) -> dt.timedelta:
        """Return all of it, one after the other."""
        return self.phases + self.validation + self.rollback

    def __str__(self) -> str:
        return (
            f"{minutes(self.phases)} are planned for the rest and {minutes(self.validation)} to validate "
            f"it, and a rollback of the {self.method} takes up to {minutes(self.rollback)}"
        )


def current_phase(runs: Iterable[PhaseRun]) -> int:
    """Return the phase that is under way by the history alone: after the last one that was GO."""
    return min(max(_ends(runs), default=0) + 1, 7)


def spent(
    phase: int, runs: Sequence[PhaseRun], now: dt.datetime, policy: DeploymentPolicy
) -> Spent | None:
    """Return what a phase took since the one before was GO; None where nobody knows when it began."""
    ends = {number: at for number, at in _ends(runs).items() if number < phase}
    if ends:
        before = max(ends)
        begun = ends[before]
    else:
        earliest = min((run.started_at for run in runs), default=None)
        if earliest is None:
            return None
        before, begun = 0, earliest
    end = min((at for number, at in _ends(runs).items() if number == phase), default=now)
    numbers = range(before + 1, phase + 1)
    named = f"phase {phase}" if len(numbers) == 1 else f"phases {numbers[0]} to {phase}"
    return Spent(named, end - begun, policy.planned(numbers))


def judge(
    phase: int,
    took: Spent | None,
    now: dt.datetime,
    windows: Sequence[Window],
    policy: DeploymentPolicy,
) -> Judgement:
    """PASS while the rest of the plan, its validation and a rollback fit into an open window, else FAIL.

    A phase over its plan is told and judges nothing: what counts is whether there is time left.
    """
    plan = Needed.after(phase, policy)
    left = time_left(windows, now)
    told = {"remark": f"{took}."} if took is not None and took.over else {}
    known = f"{took}; {plan}" if took is not None else str(plan)
    if not windows:
        return _judgement(Outcome.PASS, known, told)
    if left is None:
        named = " or ".join(map(str, windows))
        return _judgement(Outcome.FAIL, f"no deployment window is open ({named}); {plan}", told)
    closes = f"the deployment window {closing(left)}"
    if plan.total > left:
        short = f"{closes}; {plan}: {minutes(plan.total - left)} too much"
        return _judgement(Outcome.FAIL, short, told)
    return _judgement(Outcome.PASS, f"{known}; {closes}", told)


def minutes(time: dt.timedelta) -> str:
    """Write a length of time in minutes, or hours and minutes."""
    whole = round(time.total_seconds() / 60)
    return f"{whole} min" if whole < 120 else f"{whole // 60} h {whole % 60:02d} min"  # noqa: PLR2004 - two hours


def _judgement(outcome: Outcome, sentence: str, told: Mapping[str, str]) -> Judgement:
    clears = (
        "" if outcome is Outcome.PASS else "a window that is long enough; who may extend it decides"
    )
    return Judgement(
        outcome=outcome,
        rule=RULE,
        subject="the time left",
        sentence=sentence,
        clears=clears,
        data=dict(told),
    )


def _ends(runs: Iterable[PhaseRun]) -> dict[int, dt.datetime]:
    """Return when each phase was first found GO, as far as one run asked."""
    ends: dict[int, dt.datetime] = {}
    for run in runs:
        decisions = {said for by_region in run.parts.values() for said in by_region.values()}
        number = Phase.parse(run.phase).number
        if decisions == {Decision.GO}:
            ends[number] = min(run.started_at, ends.get(number, run.started_at))
    return ends

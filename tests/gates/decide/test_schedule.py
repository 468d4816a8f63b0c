from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from gates.decide.history import PhaseRun
from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision
from gates.decide.schedule import (
    WeeklyWindow,
    current_phase,
    judge,
    minutes,
    spent,
    time_left,
)
from settings.people import DeploymentPolicy, parse_moment

SATURDAY_22 = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
PRIMARY = WeeklyWindow("Saturday 22:00", "Sunday 06:00")
ALWAYS = WeeklyWindow("Monday 00:00", "Monday 00:00")
PLAN = DeploymentPolicy.model_validate(
    {
        "phases": [
            {"title": f"phase {n}", "planned": f"{planned}m"}
            for n, planned in enumerate((15, 20, 30, 20, 10, 15, 10), start=1)
        ],
        "validation": "60m",
        "rollback": {"feature flags": "1m", "database": "60m"},
    }
)


def at(minute: float) -> dt.datetime:
    return SATURDAY_22 + dt.timedelta(minutes=minute)


def a_run(phase: str, minute: float, said: Decision = Decision.GO) -> PhaseRun:
    name = f"run-{minute:04.0f}"
    return PhaseRun(name, phase, at(minute), at(minute + 1), {phase: {"eu": said}})


LEFT: dict[str, list[tuple[str, str]]] = {
    "the whole week": [("Monday 00:00", "Monday 00:00")],
    "overlap": [("Saturday 20:00", "Saturday 23:00"), ("Saturday 22:30", "Sunday 01:00")],
    "meet": [("Sunday 00:00", "Sunday 04:00"), ("Saturday 21:00", "Sunday 00:00")],
    "a gap": [("Saturday 21:00", "Sunday 00:00"), ("Sunday 00:01", "Sunday 04:00")],
    "later": [("Sunday 00:00", "Sunday 04:00")],
    "none": [],
}


def left_said() -> Iterator[str]:
    """Yield how long windows stay open on Saturday at 22:00, and lengths of time; said.json has it."""
    for minute in (-1, 0, 90, 479, 480, 7 * 24 * 60):
        yield f"{PRIMARY}, {minute} min later: {PRIMARY.left(at(minute))}"
    for name, windows in LEFT.items():
        yield f"{name}: {time_left([WeeklyWindow(*one) for one in windows], at(0))}"
    for length in (59.6, 119, 150):
        yield f"{length} min is written {minutes(dt.timedelta(minutes=length))}"


def test_a_window_from_a_moment_to_itself_is_the_whole_week_and_no_other_time_is_one() -> None:
    assert all(ALWAYS.left(at(minute)) for minute in range(0, 7 * 24 * 60, 333))
    for text in ("Saturday", "Saturday 24:00", "Sat 22:00", "22:00", ""):
        with pytest.raises(ValueError, match=r"write it like Saturday 22:00"):
            parse_moment(text)


RUNS = [a_run("1", 15), a_run("2", 45)]


SPENT: dict[str, tuple[int, list[PhaseRun]]] = {
    "nothing is known": (1, []),
    "from the first question on": (1, [a_run("1", 0, Decision.STOP), a_run("1", 12)]),
    "over its plan": (2, RUNS),
    "under way": (2, RUNS[:1]),
    "with phases that nobody asked about": (4, RUNS[:1]),
    "asked again after it was done": (2, [*RUNS, a_run("2", 50)]),
}
"""A phase takes from the end of the one before until it is GO."""


def spent_said() -> Iterator[str]:
    """Yield how long each phase took; said.json has it."""
    for name, (phase, runs) in SPENT.items():
        yield f"{name}: {spent(phase, runs, at(60), PLAN)}"


UNDER_WAY = {
    "nothing yet": [],
    "two are done": RUNS,
    "the third is not": [*RUNS, a_run("3", 60, Decision.HOLD)],
    "all are done": [a_run("7", 99)],
}
FIT = {
    "it fits": (2, 60, (PRIMARY,)),
    "the rest just fits": (2, 480 - 205, (PRIMARY,)),
    "a minute too late": (2, 480 - 204, (PRIMARY,)),
    "a rollback after the last phase fits": (7, 480 - 121, (PRIMARY,)),
    "a rollback after the last phase does not": (7, 480 - 119, (PRIMARY,)),
    "outside of every window": (2, -5, (PRIMARY, WeeklyWindow("Monday 00:00", "Monday 01:00"))),
    "without a window nothing is judged": (2, -5, ()),
    "at the end of the week a whole week does not close": (7, 25.9 * 60, (ALWAYS,)),
}
"""The rest and the longest rollback must fit: the phase, when it is asked, and the windows."""


def fit_said() -> Iterator[str | Judgement]:
    """Yield which phase is under way, and whether the rest fits; said.json has it."""
    for name, runs in UNDER_WAY.items():
        yield f"{name}: phase {current_phase(runs)}"
    for name, (phase, minute, windows) in FIT.items():
        for took in (spent(phase, RUNS, at(minute), PLAN), None):
            judgement = judge(phase, took, at(minute), windows, PLAN)
            yield f"{name}: {judgement.outcome}"
            yield judgement


def test_a_plan_that_lacks_a_phase_is_refused() -> None:
    phases = [{"title": one.title, "planned": "5m"} for one in PLAN.phases[:6]]
    with pytest.raises(ValueError, match="phases has 6 entries; the runbook has 7"):
        DeploymentPolicy.model_validate(
            {"phases": phases, "validation": "60m", "rollback": {"database": "60m"}}
        )

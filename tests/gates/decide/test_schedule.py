from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from gates.decide.history import PhaseRun
from gates.decide.outcome import Decision, Outcome
from gates.decide.schedule import (
    WeeklyWindow,
    current_phase,
    judge,
    minutes,
    spent,
    time_left,
)
from settings.people import DeploymentPolicy, parse_moment
from tests.tables import cases

SATURDAY_22 = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
PRIMARY = WeeklyWindow("Saturday 22:00", "Sunday 06:00")
PLAN = DeploymentPolicy.model_validate(
    {
        "phases": [
            {"title": f"phase {n}", "planned": f"{planned}m"}
            for n, planned in enumerate((15, 20, 30, 20, 10, 15, 10), start=1)
        ],
        "rollback": {"feature flags": "1m", "database": "60m"},
    }
)


def at(minute: float) -> dt.datetime:
    return SATURDAY_22 + dt.timedelta(minutes=minute)


def a_run(phase: str, minute: float, said: Decision = Decision.GO) -> PhaseRun:
    name = f"run-{minute:04.0f}"
    return PhaseRun(name, phase, at(minute), at(minute + 1), {phase: {"eu": said}})


@pytest.mark.parametrize(
    ("minute", "left"),
    [(-1, None), (0, 480), (90, 390), (479, 1), (480, None), (7 * 24 * 60, 480)],
)
def test_a_window_closes_when_it_says_every_week(minute: int, left: int | None) -> None:
    found = PRIMARY.left(at(minute))
    assert found == (None if left is None else dt.timedelta(minutes=left))


def test_a_window_from_a_moment_to_itself_is_the_whole_week() -> None:
    always = WeeklyWindow("Monday 00:00", "Monday 00:00")
    assert all(always.left(at(minute)) for minute in range(0, 7 * 24 * 60, 333))


@cases(
    "windows left",
    {
        "the whole week": ([("Monday 00:00", "Monday 00:00")], 7 * 24 * 60),
        "overlap": (
            [("Saturday 20:00", "Saturday 23:00"), ("Saturday 22:30", "Sunday 01:00")],
            180,
        ),
        "meet": ([("Sunday 00:00", "Sunday 04:00"), ("Saturday 21:00", "Sunday 00:00")], 360),
        "a gap": ([("Saturday 21:00", "Sunday 00:00"), ("Sunday 00:01", "Sunday 04:00")], 120),
        "later": ([("Sunday 00:00", "Sunday 04:00")], None),
        "none": ([], None),
    },
)
def test_the_time_left_goes_on_where_windows_meet(
    windows: list[tuple[str, str]], left: int | None
) -> None:
    found = time_left([WeeklyWindow(*one) for one in windows], at(0))
    assert found == (None if left is None else dt.timedelta(minutes=left))


def test_at_the_end_of_the_week_a_whole_week_does_not_close() -> None:
    sunday_night = at(25.9 * 60)
    found = judge(7, None, sunday_night, [WeeklyWindow("Monday 00:00", "Monday 00:00")], PLAN)
    assert (found.outcome, found.sentence.split("; ")[-1]) == (
        Outcome.PASS,
        "the deployment window is always open",
    )


@pytest.mark.parametrize("text", ["Saturday", "Saturday 24:00", "Sat 22:00", "22:00", ""])
def test_what_is_no_time_of_the_week_is_refused(text: str) -> None:
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


@cases(
    "runs phase",
    {
        "nothing yet": ([], 1),
        "two are done": (RUNS, 3),
        "the third is not": ([*RUNS, a_run("3", 60, Decision.HOLD)], 3),
        "all are done": ([a_run("7", 99)], 7),
    },
)
def test_the_phase_under_way_follows_the_last_one_that_was_go(
    runs: list[PhaseRun], phase: int
) -> None:
    assert current_phase(runs) == phase


@cases(
    "phase minute windows outcome",
    {
        "it fits": (2, 60, (PRIMARY,), "PASS"),
        "the rest just fits": (2, 480 - 145, (PRIMARY,), "PASS"),
        "a minute too late": (2, 480 - 144, (PRIMARY,), "FAIL"),
        "a rollback after the last phase fits": (7, 480 - 61, (PRIMARY,), "PASS"),
        "a rollback after the last phase does not": (7, 480 - 59, (PRIMARY,), "FAIL"),
        "outside of every window": (2, -5, (PRIMARY,), "FAIL"),
        "without a window nothing is judged": (2, -5, (), "PASS"),
    },
)
def test_the_rest_and_the_longest_rollback_must_fit(
    phase: int, minute: float, windows: tuple[WeeklyWindow, ...], outcome: str
) -> None:
    took = spent(phase, RUNS, at(minute), PLAN)
    assert judge(phase, took, at(minute), windows, PLAN).outcome == outcome


@pytest.mark.parametrize(
    ("length", "text"), [(59.6, "60 min"), (119, "119 min"), (150, "2 h 30 min")]
)
def test_a_length_of_time_is_written_in_minutes(length: float, text: str) -> None:
    assert minutes(dt.timedelta(minutes=length)) == text


def test_a_plan_that_lacks_a_phase_is_refused() -> None:
    data = PLAN.model_dump()
    with pytest.raises(ValueError, match="phases has 6 entries; the runbook has 7"):
        DeploymentPolicy.model_validate(
            {
                "phases": [{"title": p["title"], "planned": "5m"} for p in data["phases"][:6]],
                "rollback": {"database": "60m"},
            }
        )

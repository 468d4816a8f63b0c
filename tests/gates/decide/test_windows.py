"""When one may deploy, at every boundary: the primary window, its latest start, and blackout days."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from gates.decide.outcome import Outcome
from gates.decide.schedule import Needed, WeeklyWindow
from gates.decide.windows import DAY, Span, blackout_days, fits
from settings.people import Blackout
from tests.gates.decide.test_schedule import PLAN, PRIMARY
from tests.golden import Said
from tests.tables import cases

CHRISTMAS = Blackout(name="Christmas", first="Dec 24", last="Dec 26")
RUNBOOK = (CHRISTMAS, Blackout(name="New Year", first="Jan 1", last="Jan 1"))
TURN = Blackout(name="the turn of the year", first="Dec 31", last="Jan 1")
LEAP = Blackout(name="leap day", first="Feb 29", last="Feb 29")
SECOND = dt.timedelta(seconds=1)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def needed(phase: int) -> Needed:
    return Needed.after(phase, PLAN)


@cases(
    "phase start good",
    {
        "a second before it opens": (0, "2026-01-31T21:59:59", False),
        "as it opens": (0, "2026-01-31T22:00:00", True),
        "over midnight": (0, "2026-02-01T00:00:00", True),
        "the latest start of the whole plan": (0, "2026-02-01T02:00:00", True),
        "a second after the latest start": (0, "2026-02-01T02:00:01", False),
        "after the last phase, validation and a rollback still fit": (
            7,
            "2026-02-01T04:00:00",
            True,
        ),
        "after the last phase, a second too late": (7, "2026-02-01T04:00:01", False),
        "a second before it closes": (7, "2026-02-01T05:59:59", False),
        "as it closes": (7, "2026-02-01T06:00:00", False),
        "on Saturday morning": (0, "2026-01-31T06:00:00", False),
        "on a Wednesday": (0, "2026-02-04T23:00:00", False),
        "over the end of a year": (0, "2022-12-31T22:00:00", True),
        "on the first day of a year": (0, "2023-01-01T02:00:00", True),
        "too late on the first day of a year": (0, "2023-01-01T02:00:01", False),
    },
)
def test_the_primary_window(phase: int, start: str, *, good: bool, said: Said) -> None:
    judged = fits(at(start), needed(phase), [PRIMARY])
    assert (judged.outcome is Outcome.PASS) is good
    said([judged.sentence, judged.clears])


def test_an_emergency_opens_a_window_from_its_first_receipt_to_its_end() -> None:
    wednesday = at("2026-02-04T12:00:00")
    emergency = Span(wednesday, wednesday + needed(0).total, "emergency")
    for start, good in ((-1, False), (0, True), (1, False)):
        judged = fits(wednesday + start * SECOND, needed(0), [PRIMARY, emergency])
        assert (judged.outcome is Outcome.PASS) is good, start
    # It lengthens the primary window where they meet.
    late = at("2026-02-01T04:00:00")
    long = Span(late, late + needed(0).total, "emergency")
    assert fits(late, needed(0), [PRIMARY, long]).outcome is Outcome.PASS
    assert fits(late, needed(0), [PRIMARY]).outcome is Outcome.FAIL


@given(st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2032, 1, 1)), st.integers(0, 7))  # noqa: DTZ001 - its zone follows
def test_a_start_is_good_exactly_from_saturday_22_to_what_is_needed_before_sunday_6(
    moment: dt.datetime, phase: int
) -> None:
    start = moment.replace(tzinfo=dt.UTC)
    saturday = start.replace(hour=22, minute=0, second=0, microsecond=0)
    saturday -= (start.weekday() - 5) % 7 * DAY
    if saturday > start:
        saturday -= 7 * DAY
    good = saturday <= start <= saturday + dt.timedelta(hours=8) - needed(phase).total
    assert (fits(start, needed(phase), [PRIMARY]).outcome is Outcome.PASS) is good
    # A platform whose window is the whole week may deploy at any time.
    assert fits(start, needed(phase), [WeeklyWindow("Monday 00:00", "Monday 00:00")]).outcome is (
        Outcome.PASS
    )


@cases(
    "blackouts begins ends names",
    {
        "a day before": (RUNBOOK, "2022-12-23T22:00:00", "2022-12-24T00:00:00", []),
        "a second into it": (RUNBOOK, "2022-12-23T22:00:00", "2022-12-24T00:00:01", ["Christmas"]),
        "its first moment": (RUNBOOK, "2022-12-24T00:00:00", "2022-12-24T00:00:01", ["Christmas"]),
        "its last moment": (RUNBOOK, "2022-12-26T23:59:59", "2022-12-27T04:00:00", ["Christmas"]),
        "right after it": (RUNBOOK, "2022-12-27T00:00:00", "2022-12-27T04:00:00", []),
        "the eve of New Year, into it": (
            RUNBOOK,
            "2022-12-31T22:00:00",
            "2023-01-01T02:00:00",
            ["New Year"],
        ),
        "the eve of New Year, before it": (
            RUNBOOK,
            "2022-12-31T20:00:00",
            "2023-01-01T00:00:00",
            [],
        ),
        "right after New Year": (RUNBOOK, "2023-01-02T00:00:00", "2023-01-02T04:00:00", []),
        "over the turn of the year": (
            (TURN,),
            "2022-12-30T23:00:00",
            "2023-01-02T01:00:00",
            [TURN.name] * 2,
        ),
        "the day before the turn": ((TURN,), "2022-12-30T20:00:00", "2022-12-31T00:00:00", []),
        "the day after the turn": ((TURN,), "2023-01-02T00:00:00", "2023-01-02T01:00:00", []),
        "a leap day": ((LEAP,), "2028-02-28T22:00:00", "2028-02-29T02:00:00", ["leap day"]),
        "a year without a leap day": ((LEAP,), "2027-02-27T00:00:00", "2027-03-02T00:00:00", []),
        "one day for each of three": (
            RUNBOOK,
            "2022-12-20T00:00:00",
            "2022-12-30T00:00:00",
            ["Christmas"] * 3,
        ),
        "none are named": ((), "2022-12-24T00:00:00", "2022-12-26T00:00:00", []),
    },
)
def test_days_on_which_nobody_deploys(
    blackouts: tuple[Blackout, ...], begins: str, ends: str, names: list[str]
) -> None:
    span = Span(at(begins), at(ends))
    found = list(blackout_days(blackouts, span))
    assert [one.name for one in found] == names
    assert all(one.meets(span) for one in found)


def test_what_begins_as_the_other_ends_does_not_meet_it_and_a_moment_is_met() -> None:
    night = Span(at("2026-01-31T22:00:00"), at("2026-02-01T02:00:00"))
    before = Span(night.begins - SECOND, night.begins)
    moments = {-1: False, 0: True, 1: True, 4 * 3600 - 1: True, 4 * 3600: False}
    assert not before.meets(night)
    assert not Span(night.ends, night.ends + SECOND).meets(night)
    assert Span(before.begins, night.ends + SECOND).meets(night)
    for seconds, met in moments.items():
        moment = night.begins + seconds * SECOND
        assert Span(moment, moment).meets(night) is met, seconds

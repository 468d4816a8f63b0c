"""When a rate was kept, a figure is as before and within its limit; and what may never pass."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.outcome import Outcome
from probes.postgres.sessions import Busy, Followed, Running
from settings.monitoring import FigureLimit
from steps.stability import rules, sessions
from steps.stability.rules import Counted, Points, Was
from tests.tables import cases

pytestmark = pytest.mark.usefixtures("judgements_said")
PASS, FAIL, OPEN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


def was(events: float, failed: float = 0, seconds: float = 900) -> Was:
    return Was({"events": events, "failed": failed, "seconds": seconds}, "the baseline of then")


def now(events: float, failed: float = 0, seconds: float = 900) -> Counted:
    return Counted(events, failed, seconds)


@cases(
    "later earlier outcome",
    {
        "as many": (now(40), was(40), PASS),
        "more": (now(80), was(40), PASS),
        "as many a second in half the time": (now(40, seconds=450), was(80), PASS),
        "none": (now(0), was(40), FAIL),
        "all of them fail": (now(40, 40), was(40), FAIL),
        "a quarter": (now(100), was(400), FAIL),
        "just over the limit, by many": (now(54_000), was(100_000), PASS),
        "just under the limit, by many": (now(46_000), was(100_000), FAIL),
        "at the limit": (now(50), was(100), OPEN),
        "too few to prove it kept": (now(9), was(9), OPEN),
        "none of too few": (now(0), was(5), OPEN),
        "none, and none before": (now(0), was(0), OPEN),
        "some, and none before: what is usual is not known": (now(9), was(0), OPEN),
        "some, and all failed before": (now(9), was(40, 40), OPEN),
        "the baseline could not count": (now(40), Was({"unknown": "no metric"}, "it"), OPEN),
        "the baseline has nothing": (now(40), Was({}, "it"), OPEN),
        "the baseline is no number": (now(40), was(math.nan), OPEN),
        "the baseline contradicts itself": (now(40), was(4, 5), OPEN),
        "the baseline took no time": (now(40), was(40, seconds=0), OPEN),
        "what is counted is no number": (now(math.nan), was(40), OPEN),
        "more failed than there were": (now(4, 5), was(40), OPEN),
    },
)
def test_a_rate_is_kept_where_half_of_it_is_proved(
    later: Counted, earlier: Was, outcome: Outcome
) -> None:
    assert rules.rate_kept("bookings", later, earlier, 0.5).outcome is outcome


@cases(
    "events own outcome",
    {
        "none of the gate's own": (400, 0, PASS),
        "enough without them": (1000, 500, PASS),
        "mostly the gate's own": (1000, 900, OPEN),
        "all of them may be its own": (400, 400, OPEN),
        "so few that they are not among them": (400, 4000, PASS),
        "too few with them": (100, 90, FAIL),
    },
)
def test_reads_of_the_gate_itself_keep_no_rate(events: float, own: float, outcome: Outcome) -> None:
    assert rules.rate_kept("requests", now(events), was(400), 0.7, own).outcome is outcome


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 500))
def test_fewer_events_never_make_a_rate_better(events: int, before: int, fewer: int) -> None:
    order = [PASS, OPEN, FAIL]
    best = rules.rate_kept("x", now(events), was(before), 0.5).outcome
    worse = rules.rate_kept("x", now(max(0, events - fewer)), was(before), 0.5).outcome
    assert order.index(worse) >= order.index(best)


@cases(
    "later earlier few outcome",
    {
        "as many": (now(40), was(40), 0, PASS),
        "none, as before": (now(0), was(0), 0, PASS),
        "ten times as many": (now(400), was(40), 0, FAIL),
        "some where there were none, and a few are no spike": (now(5), was(0), 5, PASS),
        "many where there were none": (now(50), was(0), 5, FAIL),
        "too few to tell": (now(6), was(4), 5, OPEN),
        "failed ones count as well": (now(400, 400), was(40), 0, FAIL),
        "no baseline": (now(0), Was({}, "it"), 5, OPEN),
        "no number": (now(math.inf), was(40), 5, OPEN),
    },
)
def test_a_spike_is_twice_as_many(
    later: Counted, earlier: Was, few: float, outcome: Outcome
) -> None:
    assert rules.rate_not_risen("failures", later, earlier, 2, few).outcome is outcome


@cases(
    "found outcome",
    {
        "none of many": (now(100, 0), PASS),
        "none of too few": (now(10, 0), OPEN),
        "half": (now(100, 50), FAIL),
        "about as many as may": (now(100, 10), OPEN),
        "nothing was tried": (now(0, 0), OPEN),
        "no number": (now(math.nan, 0), OPEN),
    },
)
def test_few_failed(found: Counted, outcome: Outcome) -> None:
    assert rules.few_failed("payments", found, 0.1).outcome is outcome


@cases(
    "later earlier outcome",
    {
        "none, as before": (now(30, 0), was(30, 0), PASS),
        "as many of as many": (now(1000, 10), was(1000, 10), PASS),
        "half as many events, half as many failed": (now(500, 10), was(1000, 20), PASS),
        "too few to tell, and too many for that": (now(100, 4), was(100, 4), OPEN),
        "as many failed of a tenth of the events": (now(1000, 100), was(10_000, 100), FAIL),
        "all of them where none were": (now(30, 30), was(30, 0), FAIL),
        "one where none were": (now(30, 1), was(30, 0), OPEN),
        "nothing happened": (now(0), was(30, 0), OPEN),
        "nothing happened before": (now(30), was(0), OPEN),
        "no baseline": (now(30), Was({}, "it"), OPEN),
        "no number": (now(math.inf), was(30), OPEN),
    },
)
def test_the_share_that_breaks_off_does_not_double(
    later: Counted, earlier: Was, outcome: Outcome
) -> None:
    assert rules.share_not_risen("calls", later, earlier, 2, 0.05).outcome is outcome


def a_limit(**changes: Any) -> FigureLimit:
    fields = {"check": "XV-X-1", "title": "CPU", "figure": "cpu", "unit": "%", "limit": "70%"}
    return FigureLimit.model_validate({**fields, **changes})


def a_look(*values: float, at_least: int = 1) -> Points:
    return Points(tuple({"a": value} for value in values), at_least)


GAP = Points((*({"a": 0.1},) * 3, {}, *({"a": 0.1},) * 3), 1)
ONE_MISSING = Points((*({"a": 0.1, "b": 0.1},) * 5, {"a": 0.1}), 2)


@cases(
    "points outcome",
    {
        "below": (a_look(*[0.1] * 6), PASS),
        "at the limit": (a_look(*[0.1] * 5, 0.7), FAIL),
        "once above": (a_look(0.1, 0.8, *[0.1] * 4), FAIL),
        "one of two above": (Points(({"a": 0.1, "b": 0.9},) * 6, 2), FAIL),
        "above, beside a gap": (Points((*GAP.steps, {"a": 0.9}), 1), FAIL),
        "a gap": (GAP, OPEN),
        "one of two is missing for a step": (ONE_MISSING, OPEN),
        "fewer than there are": (a_look(*[0.1] * 6, at_least=2), OPEN),
        "not a number": (a_look(*[0.1] * 5, math.nan), OPEN),
        "infinite": (a_look(*[0.1] * 5, math.inf), OPEN),
        "above, and not a number": (a_look(*[0.1] * 5, math.nan, 0.9), FAIL),
        "too few values": (a_look(*[0.1] * 4), OPEN),
        "none": (Points((), 1), OPEN),
        "no series at all": (Points(({},) * 6, 1), OPEN),
    },
)
def test_a_figure_is_within_its_limit(points: Points, outcome: Outcome) -> None:
    assert rules.within(a_limit(), points).outcome is outcome


def test_where_lower_is_worse_the_least_value_counts() -> None:
    limit = a_limit(worse="lower", limit="20%")
    assert rules.within(limit, a_look(*[0.5] * 5, 0.3)).outcome is PASS
    assert rules.within(limit, a_look(*[0.5] * 5, 0.1)).outcome is FAIL


STABLE = a_limit(unit="s", limit=None, change="50%", slack="10ms")
BEFORE = Was({"value": 0.1}, "the baseline of then")


@cases(
    "points earlier outcome",
    {
        "as before": (a_look(*[0.1] * 6), BEFORE, PASS),
        "better": (a_look(*[0.01] * 6), BEFORE, PASS),
        "half as much more": (a_look(*[0.149] * 6), BEFORE, PASS),
        "more than that": (a_look(*[0.151] * 6), BEFORE, FAIL),
        "a spike is none": (a_look(*[0.1] * 5, 9.0), BEFORE, PASS),
        "the worst of its series": (Points(({"a": 0.1, "b": 0.4},) * 6, 2), BEFORE, FAIL),
        "within the slack of a tiny value": (a_look(*[0.010] * 6), Was({"value": 0.001}, ""), PASS),
        "over it": (a_look(*[0.012] * 6), Was({"value": 0.001}, ""), FAIL),
        "a gap": (GAP, BEFORE, OPEN),
        "not a number": (a_look(*[0.1] * 5, math.nan), BEFORE, OPEN),
        "the baseline could not read it": (a_look(*[0.1] * 6), Was({"unknown": "x"}, ""), OPEN),
        "the baseline is no number": (a_look(*[0.1] * 6), Was({"value": math.nan}, ""), OPEN),
        "the baseline is a text": (a_look(*[0.1] * 6), Was({"value": "0.1"}, ""), OPEN),
    },
)
def test_a_figure_is_as_it_was(points: Points, earlier: Was, outcome: Outcome) -> None:
    assert rules.unchanged(STABLE, points, earlier).outcome is outcome


FLAT = tuple(0.5 + 0.01 * (-1) ** number for number in range(20))
RISING = tuple(0.30 + 0.015 * number for number in range(20))
SESSIONS = a_limit(unit="users", worse="lower", limit=None, change="30%")


@cases(
    "limit points earlier outcome",
    {
        "flat": (a_limit(), a_look(*FLAT), None, PASS),
        "a burst is no trend": (a_limit(), a_look(*FLAT[:10], 0.69, *FLAT[10:]), None, PASS),
        "beyond the limit in as long again": (a_limit(), a_look(*RISING), None, FAIL),
        "rising, and far from it": (a_limit(), a_look(*(one / 3 for one in RISING)), None, PASS),
        "falling, which is good": (a_limit(), a_look(*RISING[::-1]), None, PASS),
        "noise near the limit": (a_limit(), a_look(*([0.2, 0.68] * 5)), None, OPEN),
        "too few for a trend": (a_limit(), a_look(*FLAT[:9]), None, OPEN),
        "a gap": (a_limit(), GAP, None, OPEN),
        "a slow leak": (SESSIONS, a_look(*range(1000, 800, -10)), Was({"value": 900}, "it"), FAIL),
        "as many as before": (SESSIONS, a_look(*[900] * 20), Was({"value": 900}, "it"), PASS),
        "none before": (SESSIONS, a_look(*[0] * 20), Was({"value": 0}, "it"), OPEN),
        "more and more": (SESSIONS, a_look(*range(20)), Was({"value": 1}, "it"), PASS),
        "beyond the limit still, and falling": (
            *(a_limit(), a_look(*(0.9 - 0.015 * number for number in range(20))), None, OPEN),
        ),
        "noise near what is left of it": (
            *(SESSIONS, a_look(*([900, 400] * 5)), Was({"value": 900}, "it"), OPEN),
        ),
        "no baseline": (SESSIONS, a_look(*[900] * 20), Was({}, "it"), OPEN),
        "nothing to compare with": (SESSIONS, a_look(*[900] * 20), None, OPEN),
    },
)
def test_a_figure_is_not_on_the_way_beyond_its_limit(
    limit: FigureLimit, points: Points, earlier: Was | None, outcome: Outcome
) -> None:
    assert rules.trend(limit, points, earlier).outcome is outcome


@given(st.lists(st.floats(0, 0.6), min_size=10, max_size=40))
def test_without_a_value_over_the_limit_a_falling_figure_never_fails(values: list[float]) -> None:
    falling = sorted(values, reverse=True)
    assert rules.trend(a_limit(), a_look(*falling), None).outcome is PASS


def test_a_baseline_of_nothing_is_none_to_fall_below() -> None:
    before = Was({"value": 0}, "the baseline of then")
    assert rules.unchanged(SESSIONS, a_look(*[0] * 6), before).outcome is OPEN


def busy(*some: Busy, in_recovery: bool = False) -> Running:
    return Running(in_recovery=in_recovery, may_look=True, busy=some)


@cases(
    "found outcome",
    {
        "nothing runs": (busy(), PASS),
        "short ones": (busy(Busy("api", "active", 0.2)), PASS),
        "a long statement": (busy(Busy("api", "active", 301.0)), FAIL),
        "a transaction left open": (busy(Busy("api", "idle in transaction", 301.0)), FAIL),
        "a prepared one": (busy(Busy("api", "prepared", 90_000.0)), FAIL),
        "one that does not say what it does": (busy(Busy("api", "disabled", None)), OPEN),
        "a long one, and one that does not say": (
            busy(Busy("api", "disabled", None), Busy("api", "active", 301.0)),
            FAIL,
        ),
        "a standby": (busy(in_recovery=True), OPEN),
    },
)
def test_nothing_runs_for_long(found: Running, outcome: Outcome) -> None:
    assert sessions.none_long(found, 300).outcome is outcome


def followed(standbys: int, caught_up: int, seconds: float, behind: float = 0.0) -> Followed:
    return Followed(
        may_look=True,
        standbys=standbys,
        caught_up=caught_up,
        seconds=seconds,
        behind_seconds=behind,
    )


@cases(
    "found wanted outcome",
    {
        "at once": (followed(1, 1, 0.01), 1, PASS),
        "after a while": (followed(1, 1, 0.6, 0.5), 1, PASS),
        "late": (followed(1, 1, 1.4, 1.2), 1, FAIL),
        "not yet": (followed(1, 0, 1.1, 1.0), 1, FAIL),
        "one of two": (followed(2, 1, 1.1, 1.0), 2, FAIL),
        "a slow look": (followed(1, 1, 1.4, 0.4), 1, OPEN),
        "a standby is missing": (followed(1, 1, 0.01), 2, FAIL),
        "none is there": (followed(0, 0, 0.01), 1, FAIL),
        "there is none": (followed(0, 0, 0.01), 0, PASS),
    },
)
def test_standbys_follow(found: Followed, wanted: int, outcome: Outcome) -> None:
    assert sessions.close(found, wanted, 1.0).outcome is outcome

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load._engine._engine import Closed, Schedule
from tests.gates.decide.values import PROPERTY

rates = st.floats(min_value=1, max_value=5_000)
looks = st.lists(st.floats(min_value=0, max_value=2), max_size=30)


def seen(schedule: Schedule, times: Iterable[float]) -> list[float]:
    """Return every arrival as somebody sees it who looks at these times."""
    return [at for now in times for at in schedule.due(now)]


def running(rate: float, arrivals: str = "uniform", seed: int = 7) -> Schedule:
    schedule = Schedule(begins_at=0.0, arrivals=arrivals, seed=seed)  # type: ignore[arg-type]  # one of two words
    schedule.set_rate(rate, now=0.0)
    return schedule


@PROPERTY
@given(rates, looks, st.sampled_from(["uniform", "poisson"]))
def test_arrivals_do_not_depend_on_when_somebody_looks(
    rate: float, times: list[float], arrivals: str
) -> None:
    at_once = seen(running(rate, arrivals), [2.0])
    now_and_then = seen(running(rate, arrivals), [*sorted(times), 2.0])
    assert now_and_then == at_once == sorted(at_once)


@PROPERTY
@given(rates)
def test_uniform_arrivals_lie_evenly(rate: float) -> None:
    at = seen(running(rate), [2.0])
    assert abs(len(at) - 2 * rate) <= 1
    assert all(
        later - earlier == pytest.approx(1 / rate, rel=1e-6)
        for earlier, later in itertools.pairwise(at)
    )


def test_poisson_arrivals_have_the_rate_and_the_spread_and_a_seed_repeats_itself() -> None:
    at = seen(running(10_000, "poisson"), [10.0])
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert len(at) == pytest.approx(100_000, rel=0.01)
    assert statistics.stdev(gaps) == pytest.approx(statistics.fmean(gaps), rel=0.02)
    once, again = (seen(running(100, "poisson", seed=1), [1.0]) for _ in range(2))
    assert once == again != seen(running(100, "poisson", seed=2), [1.0])


def test_a_pause_is_caught_up_with_its_intended_times() -> None:
    schedule = running(100)
    assert len(seen(schedule, [0.1])) == pytest.approx(10, abs=1)
    late = seen(schedule, [1.1])
    assert len(late) == pytest.approx(100, abs=1)
    assert late[0] < 0.12


def test_a_new_rate_holds_from_now_on() -> None:
    schedule = running(10)
    before = seen(schedule, [1.05])
    schedule.set_rate(1_000, now=1.05)
    after = seen(schedule, [2.05])
    assert len(before) == 10
    assert len(after) == pytest.approx(1_000, abs=2)
    # Half of the way to the next arrival was gone, and half an interval of the new rate is left.
    assert after[0] == pytest.approx(1.05 + 0.5 / 1_000, abs=1e-6)


def test_without_a_rate_nothing_is_due() -> None:
    schedule = running(10)
    schedule.set_rate(0, now=0.0)
    assert seen(schedule, [100.0]) == []
    schedule.set_rate(10, now=100.0)
    assert len(seen(schedule, [101.01])) == 10


def test_no_rate_and_less_than_no_caller_are_refused() -> None:
    for rate in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="a rate of"):
            running(rate)
    with pytest.raises(ValueError, match="-1 connections"):
        Closed(-1)

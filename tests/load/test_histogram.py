from __future__ import annotations

import json
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from load._engine._histogram import FLOOR_SECONDS, GROWTH, Histogram
from tests.gates.decide.values import PROPERTY

durations = st.floats(min_value=FLOOR_SECONDS, max_value=900, allow_nan=False)
HALF_A_BUCKET = math.sqrt(GROWTH) - 1 + 1e-9


def counted(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@PROPERTY
@given(st.lists(durations, min_size=1), st.floats(min_value=0, max_value=100))
def test_a_percentile_is_true_to_half_a_bucket(values: list[float], percent: float) -> None:
    exact = sorted(values)[max(1, math.ceil(len(values) * percent / 100 - 1e-9)) - 1]
    assert counted(values).percentile(percent) == pytest.approx(exact, rel=HALF_A_BUCKET)


@PROPERTY
@given(st.lists(st.lists(durations)))
def test_the_sum_of_the_parts_is_the_whole(parts: list[list[float]]) -> None:
    whole = counted([value for part in parts for value in part])
    records = [json.loads(json.dumps(counted(part).record_of())) for part in parts]
    summed = Histogram()
    for record in records:
        summed.merge(Histogram.from_record(record))
    assert summed.record_of()["counts"] == whole.record_of()["counts"]
    assert summed.longest_seconds == whole.longest_seconds
    assert summed.sum_seconds == pytest.approx(whole.sum_seconds)


@PROPERTY
@given(st.lists(durations | st.floats(max_value=0, min_value=-1)))
def test_many_at_once_are_counted_as_each_by_itself(values: list[float]) -> None:
    at_once = Histogram()
    at_once.record_all(np.array(values))
    assert at_once.record_of() == {
        **counted(values).record_of(),
        "sum_seconds": pytest.approx(counted(values).sum_seconds),
    }


def test_the_tail_of_a_million_is_kept_apart_in_little_room() -> None:
    """A soak keeps a histogram of each second, for hours."""
    histogram = Histogram()
    histogram.record_all(np.full(999_900, 0.002))
    histogram.record_all(np.full(100, 0.9))
    assert histogram.percentile(99.98) == pytest.approx(0.002, rel=HALF_A_BUCKET)
    assert histogram.percentile(99.995) == pytest.approx(0.9, rel=HALF_A_BUCKET)
    assert histogram.not_below(0.1) == 100
    histogram.record_all(np.random.default_rng(1).lognormal(-6, 1, 10_000))
    assert histogram._counts.nbytes < 8_000


def test_what_is_too_short_or_too_long_is_counted_all_the_same() -> None:
    histogram = counted([0.0, -1e-9, 1e-7, 5_000.0])
    assert histogram.count == 4
    assert histogram.percentile(50) <= FLOOR_SECONDS
    assert histogram.percentile(100) == 5_000.0


def test_the_mean_is_exact_nothing_has_a_percentile_and_no_percentage_is_refused() -> None:
    values = [0.001, 0.002, 0.009]
    assert counted(values).mean_seconds == pytest.approx(statistics.fmean(values))
    assert math.isnan(Histogram().percentile(99))
    assert math.isnan(Histogram().mean_seconds)
    for percent in (-0.1, 100.1, math.nan):
        with pytest.raises(ValueError, match="percentage"):
            counted([1.0]).percentile(percent)


@pytest.mark.parametrize(
    "change",
    [
        {"growth": 1.02}, {"floor_seconds": 0.001}, {"counts": [1]}, {"counts": {"1": 0}},
        {"counts": {"1": 2.5}}, {"counts": {"1": 10**30}}, {"counts": {"-1": 2}},
        {"counts": {"99999": 2}}, {"counts": {"x": 2}}, {"sum_seconds": None},
        {"longest_seconds": math.inf},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_record_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"histogram|invalid literal"):
        Histogram.from_record({**counted([0.1]).record_of(), **change})


@PROPERTY
@given(st.lists(durations), st.floats(min_value=0.001, max_value=100))
def test_whatever_reached_a_limit_is_counted_and_little_else_with_the_time_beyond_it(
    values: list[float], limit: float
) -> None:
    reached = sum(1 for value in values if value >= limit)
    nearly = sum(1 for value in values if value >= limit / GROWTH * (1 - 1e-9))
    assert reached <= counted(values).not_below(limit) <= nearly
    beyond = sum(max(0.0, value - limit) for value in values)
    error = sum(value * HALF_A_BUCKET for value in values if value * GROWTH > limit)
    assert counted(values).seconds_beyond(limit) == pytest.approx(beyond, abs=error + 1e-9)

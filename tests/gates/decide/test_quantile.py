from __future__ import annotations

import bisect
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.decide.quantile import RULE, Bucket, Over, judge_quantile
from gates.decide.statistics import Counts
from tests.gates.decide.values import PROPERTY, a_quantile_objective, evidence
from tests.tables import cases

LOWER, UPPER = 0.2, 0.5
"""The bounds around the target of 300 ms."""


def a_bucket(
    over_lower: float, over_upper: float, total: float, shown: float | None = 0.25
) -> Bucket:
    return Bucket(
        Over(LOWER, Counts(over_lower, total)), Over(UPPER, Counts(over_upper, total)), shown
    )


def judged(
    over_lower: float, over_upper: float, total: float, shown: float | None = 0.25
) -> Judgement:
    bucket = a_bucket(over_lower, over_upper, total, shown)
    judgement = judge_quantile(a_quantile_objective(), bucket, evidence())
    json.dumps(judgement.record(), allow_nan=False)
    return judgement


@cases(
    "over_lower over_upper total shown outcome",
    {
        "the fewest events that prove it": (0, 0, 59, 0.1, "PASS"),
        "one too few": (0, 0, 58, 0.1, "INCONCLUSIVE"),
        "too few, and all of them slow": (58, 58, 58, 1.0, "INCONCLUSIVE"),
        "the fewest events that may fail": (59, 59, 59, 1.0, "FAIL"),
        "no events": (0, 0, 0, None, "INCONCLUSIVE"),
        "the whole bucket lies below": (30, 10, 1000, 0.19, "PASS"),
        "below, but not proved": (49, 0, 1000, 0.199, "INCONCLUSIVE"),
        "the whole bucket lies above": (100, 70, 1000, 0.7, "FAIL"),
        "above, but not proved": (100, 51, 1000, 0.51, "INCONCLUSIVE"),
        "in the target's own bucket": (100, 20, 1000, 0.39, "INCONCLUSIVE"),
        "counts below, the figure not": (30, 10, 1000, 0.4, "INCONCLUSIVE"),
        "counts above, the figure not": (100, 70, 1000, 0.4, "INCONCLUSIVE"),
        "no figure": (30, 10, 1000, None, "INCONCLUSIVE"),
        "a figure that is NaN": (30, 10, 1000, math.nan, "INCONCLUSIVE"),
        "a figure that is infinite": (30, 10, 1000, math.inf, "INCONCLUSIVE"),
        "a count that is NaN": (math.nan, 0, 1000, 0.1, "INCONCLUSIVE"),
        "a negative count": (0, -1, 1000, 0.1, "INCONCLUSIVE"),
        "more over the higher bound": (0, 500, 1000, 0.1, "INCONCLUSIVE"),
        "infinitely many events": (0, math.inf, math.inf, 0.1, "INCONCLUSIVE"),
    },
)
def test_only_a_whole_bucket_that_is_proved_decides(
    over_lower: float, over_upper: float, total: float, shown: float | None, outcome: str
) -> None:
    judgement = judged(over_lower, over_upper, total, shown)
    assert judgement.outcome == outcome
    assert (judgement.rule, judgement.data["interpolated"]) == (RULE, True)
    assert "interpolated" in judgement.sentence or total == 0 or outcome == "INCONCLUSIVE"


def test_a_missed_quantile_holds_and_never_rolls_back() -> None:
    assert judged(100, 70, 1000, 0.7).means is Meaning.HOLD


def test_a_quantile_in_the_targets_bucket_says_for_good_which_bounds_would_decide() -> None:
    judgement = judged(100, 20, 1000, 0.39)
    assert judgement.data["settled"] is True
    assert judgement.sentence == (
        "p95: p95 is 390 ms (interpolated), in the bucket from 200 ms to 500 ms, and so is the "
        "target of 300 ms: a p95 under 200 ms or over 500 ms would decide, or a bucket bound at "
        "the target"
    )
    assert judgement.clears == "a bucket bound at 0.3 s, or a p95 under 200 ms"


def test_what_more_samples_may_decide_is_not_settled() -> None:
    assert "settled" not in judged(52, 0, 1000, 0.21).data
    assert judged(0, 0, 40, 0.1).data["events_short"] == 19


# --- and samples, whose truth is known -------------------------------------------------------------

BOUNDS = [0.1, 0.2, 0.5, 1.0]
latencies = st.lists(
    st.one_of(st.floats(0.001, 2.0), st.sampled_from([0.05, 0.15, 0.25, 0.299, 0.301, 0.4, 0.8])),
    min_size=1,
    max_size=12,
)


def histogram_quantile(share: float, sample: list[float]) -> float:
    """Interpolate as Prometheus does."""
    cumulative = [sum(one <= bound for one in sample) for bound in BOUNDS]
    rank = share * len(sample)
    place = bisect.bisect_left(cumulative, rank)
    if place == len(BOUNDS):
        return BOUNDS[-1]
    start, before = (BOUNDS[place - 1], cumulative[place - 1]) if place else (0.0, 0)
    inside = cumulative[place] - before
    return start + (BOUNDS[place] - start) * (rank - before) / inside


@PROPERTY
@given(latencies, st.integers(1, 300), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_decision_never_contradicts_the_sample_itself(
    kinds: list[float], times: int, share: float
) -> None:
    sample = kinds * times
    objective = a_quantile_objective(
        target={"quantile": share, "target_seconds": 0.3}, rollback=None
    )
    over = {bound: sum(one > bound for one in sample) for bound in (LOWER, UPPER)}
    shown = histogram_quantile(share, sample)
    bucket = a_bucket(over[LOWER], over[UPPER], len(sample), shown)
    outcome = judge_quantile(objective, bucket, evidence()).outcome
    slow = sum(one > 0.3 for one in sample) / len(sample)
    if outcome is Outcome.PASS:
        assert slow < 1 - share
    if outcome is Outcome.FAIL:
        assert slow > 1 - share


@PROPERTY
@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(1, 5000))
def test_another_slow_event_never_improves_an_outcome(lower: int, upper: int, total: int) -> None:
    over_lower = min(lower, total)
    over_upper = min(upper, over_lower)
    order = ["PASS", "INCONCLUSIVE", "FAIL"]

    def outcome(more: int) -> int:
        counts = (over_lower + more, over_upper + more, total + more)
        fast, slow = counts[2] - counts[0], counts[1]
        shown = 0.1 if fast >= 0.95 * counts[2] else 0.9 if slow > 0.05 * counts[2] else 0.3
        return order.index(judged(*counts, shown).outcome)

    # Under the least number of events nothing is decided, so one more may be the one that proves.
    if total >= 59:
        assert outcome(1) >= outcome(0)


def test_a_broken_reading_leaves_no_number_that_json_can_not_hold() -> None:
    assert judged(0, 0, 1000, math.nan).observed is None

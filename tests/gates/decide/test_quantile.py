from __future__ import annotations

import bisect
import json
import math
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from gates.decide.counting.objective import RULE, Bucket, Over, judge_quantile
from gates.decide.counting.statistics import Counts
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from tests.gates.decide.values import PROPERTY, a_quantile_objective, evidence

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


READ: dict[str, tuple[float, float, float, float | None]] = {
    "the fewest events that prove it": (0, 0, 59, 0.1),
    "one too few": (0, 0, 58, 0.1),
    "nineteen too few": (0, 0, 40, 0.1),
    "too few, and all of them slow": (58, 58, 58, 1.0),
    "the fewest events that may fail": (59, 59, 59, 1.0),
    "no events": (0, 0, 0, None),
    "the whole bucket lies below": (30, 10, 1000, 0.19),
    "between two scrapes": (30.12345, 10.12345, 1000.98765, 0.19),
    "all of them at once": (0, 0, 1000, 0.0),
    "below, but not proved": (49, 0, 1000, 0.199),
    "a little over, which more samples may decide": (52, 0, 1000, 0.21),
    "the whole bucket lies above": (100, 70, 1000, 0.7),
    "above, but not proved": (100, 51, 1000, 0.51),
    "in the target's own bucket": (100, 20, 1000, 0.39),
    "counts below, the figure not": (30, 10, 1000, 0.4),
    "counts above, the figure not": (100, 70, 1000, 0.4),
    "no figure": (30, 10, 1000, None),
    "a figure that is NaN": (30, 10, 1000, math.nan),
    "a figure that is infinite": (30, 10, 1000, math.inf),
    "a count that is NaN": (math.nan, 0, 1000, 0.1),
    "a negative count": (0, -1, 1000, 0.1),
    "more over the higher bound": (0, 500, 1000, 0.1),
    "infinitely many events": (0, math.inf, math.inf, 0.1),
}
"""Events over the lower bound, over the upper one, all events, and the figure shown."""


def quantiles_said() -> Iterator[str | Judgement]:
    """Yield what is said of each reading; said.json has it."""
    for name, read in READ.items():
        judgement = judged(*read)
        assert (judgement.rule, judgement.data["interpolated"]) == (RULE, True)
        yield f"{name}: {judgement.outcome}"
        yield judgement


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

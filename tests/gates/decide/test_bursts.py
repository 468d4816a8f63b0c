"""Errors that come in bursts prove less than independent ones, and say so."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.counting.objective import (
    Bucket,
    Over,
    judge_quantile,
    judge_rollback,
    judge_target,
)
from gates.decide.counting.statistics import NONE_SEEN, Burst, Cell, Counts, _stretches
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from prove.bursts import SHAPES, Stream, rates
from tests.gates.decide.values import (
    PROPERTY,
    a_quantile_objective,
    an_objective,
    evidence,
    sustained,
    the_rollback,
)
from tests.tables import cases

ERRORS = an_objective(target={"budget": "0.1%"}, rollback={"budget": "1%", "for": "5m"})
PODS, STEPS = 6, 20
ORDER = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL)
Bad = dict[tuple[int, int], int]
"""Bad events by step and pod."""


def counted(each: int, bad: Bad) -> Counts:
    """Return a look-back with so many events in each cell."""
    cells = tuple(
        Cell(f"pod-{pod}", step * 15.0 + pod, bad.get((step, pod), 0), each)
        for step in range(STEPS)
        for pod in range(PODS)
    )
    return Counts(sum(bad.values()), each * PODS * STEPS, cells)


def judged(counts: Counts, seen: Burst = NONE_SEEN) -> Judgement:
    judgement = judge_target(ERRORS, counts, evidence(), seen)
    json.dumps(judgement.record(), allow_nan=False)
    return judgement


def test_a_judgement_keeps_the_burst_that_it_saw() -> None:
    assert Burst.of(Burst(3.0, "pod-1").data()) == Burst(3.0, "pod-1")
    assert Burst.of({}) == NONE_SEEN


def test_bursts_are_looked_for_in_stretches_of_each_source_and_of_all() -> None:
    cells = [Cell(source, float(at), at, 10) for at in range(5) for source in "ab"]
    found = [(width, source) for _, _, width, source in _stretches(cells)]
    of_one = {1: 5, 2: 4, 5: 1}
    assert Counter(found) == {
        **{(width, source): times for width, times in of_one.items() for source in "ab"},
        (2, ""): 9,
        (4, ""): 7,
    }
    assert (7, 20, 2, "a") in list(_stretches(cells))


SPREAD: Bad = {(step, step % PODS): 1 for step in range(STEPS)}


EVEN: Bad = {(step, pod): 2 for step in range(STEPS) for pod in range(PODS)}
BURSTS: dict[str, Bad] = {
    "no error": {},
    "twenty errors one by one": SPREAD,
    "twenty in one pod": {(7, 2): 20},
    "of all pods": dict.fromkeys([(7, pod) for pod in range(5)], 4),
    "in two steps": {(7, 2): 10, (8, 2): 10},
    "by one pod all along": {(step, 2): 3 for step in range(STEPS)},
    "one burst over the budget": {(7, 2): 300},
    "bursts in every step": dict.fromkeys(SPREAD, 15),
    "errors in every step": dict.fromkeys(SPREAD, 5),
}
"""A burst counts as one event."""
ROLLBACKS: dict[str, Bad] = {
    "a single burst": {(7, 2): 900},
    "a single burst in two steps": {(7, 2): 450, (8, 2): 450},
    "one pod all along": {(step, 2): 50 for step in range(STEPS)},
    "burst on burst": {(step, step % PODS): 300 for step in (1, 6, 11, 16, 19)},
}
"""A single burst never rolls back."""


def bursts_said() -> Iterator[str | Judgement]:
    """Yield what is said of errors that come together; said.json has it."""
    for name, bad in BURSTS.items():
        yield name
        yield judged(counted(400, bad))
    for total in (2995, 2994):
        cells = tuple(Cell("pod", 15.0 * step, 0, total / STEPS) for step in range(STEPS))
        yield f"{total} events without an error: {judged(Counts(0, total, cells)).outcome}"
    for assumed in (16, 17):
        wary = an_objective(target={"budget": "0.1%", "assumed_burst": assumed}, rollback=None)
        judgement = judge_target(wary, counted(400, {}), evidence())
        yield f"{assumed} assumed: {judgement.outcome}, {judgement.data['burst']}"
    seen = Burst.of(judged(counted(400, BURSTS["twenty in one pod"])).data)
    yield f"none, and twenty seen earlier: {judged(counted(400, {}), seen).outcome}"
    yield f"errors everywhere, and 500 seen earlier: {judged(counted(400, EVEN), Burst(500)).outcome}"
    for bad in (dict.fromkeys(SPREAD, 2), {(7, 2): 20, (9, 3): 20}):
        bucket = Bucket(Over(0.2, counted(10, bad)), Over(0.5, counted(10, {})), 0.1)
        yield judge_quantile(a_quantile_objective(), bucket, evidence())
    for name, bad in ROLLBACKS.items():
        steps = sustained(counted(400, bad), *(Counts(100, 1000),) * 5)
        judgement = judge_rollback(ERRORS, the_rollback(ERRORS), steps, evidence())
        yield f"rollback, {name}: {judgement.outcome}"


places = st.tuples(st.integers(0, STEPS - 1), st.integers(0, PODS - 1))
bads = st.dictionaries(places, st.integers(0, 40), max_size=30)


@PROPERTY
@given(bads, places, st.integers(1, 60), st.sampled_from([60, 100, 400, 1500]), st.booleans())
def test_more_bad_events_anywhere_never_improve_an_outcome(
    bad: Bad,
    place: tuple[int, int],
    more: int,
    each: int,
    instead: bool,  # noqa: FBT001 - hypothesis calls by position
) -> None:
    """Whether they come on top or in the place of good ones."""
    before = counted(each, {at: min(number, each) for at, number in bad.items()})
    worse = dataclasses.replace(before, cells=tuple(_worse(before, place, more, instead=instead)))
    worse = Counts(sum(c.bad for c in worse.cells), sum(c.total for c in worse.cells), worse.cells)
    assert ORDER.index(judged(worse).outcome) >= ORDER.index(judged(before).outcome)


def _worse(counts: Counts, place: tuple[int, int], more: int, *, instead: bool) -> list[Cell]:
    step, pod = place
    return [
        dataclasses.replace(
            cell,
            bad=min(cell.bad + more, cell.total) if instead else cell.bad + more,
            total=cell.total if instead else cell.total + more,
        )
        if (cell.source, cell.at) == (f"pod-{pod}", step * 15.0 + pod)
        else cell
        for cell in counts.cells
    ]


@PROPERTY
@given(bads, st.randoms(use_true_random=False))
def test_the_order_of_the_cells_is_irrelevant(bad: Bad, chance: random.Random) -> None:
    counts = counted(400, bad)
    shuffled = dataclasses.replace(
        counts, cells=tuple(chance.sample(counts.cells, len(counts.cells)))
    )
    assert judged(shuffled).record() == judged(counts).record()


@PROPERTY
@given(bads, st.floats(1, 50), st.floats(1, 50))
def test_assuming_larger_bursts_never_proves_more(bad: Bad, one: float, other: float) -> None:
    counts = counted(400, bad)
    small, large = (judged(counts, Burst(size)).data for size in sorted((one, other)))
    assert small["upper_bound"] <= large["upper_bound"] + 1e-12


@cases(
    "stream passes",
    {
        "20 at a time, 4.5 bursts": (Stream(SHAPES[0], 20, 200, 1.5), False),
        "5 at a time, of all pods": (Stream(SHAPES[1], 5, 50, 1.5), False),
        "20 within half a minute": (Stream(SHAPES[2], 20, 500, 1.5), False),
        "one by one, half the budget": (Stream(SHAPES[0], 1, 100, 0.5), True),
    },
)
def test_over_the_budget_seldom_passes_and_half_of_it_mostly_does(
    stream: Stream, *, passes: bool
) -> None:
    """A few runs here; `./harness prove bursts` makes many, of every kind."""
    passed, _ = rates(stream, np.random.default_rng(26), 60)
    assert passed >= 0.85 if passes else passed <= 0.1

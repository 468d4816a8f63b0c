"""Errors that come in bursts prove less than independent ones, and say so."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.judgement import Judgement
from gates.decide.objective import judge_rollback, judge_target
from gates.decide.outcome import Outcome
from gates.decide.quantile import Bucket, Over, judge_quantile
from gates.decide.statistics import NONE_SEEN, Burst, Cell, Counts, _stretches
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


@cases(
    "bad outcome",
    {
        "no error": ({}, "PASS"),
        "twenty errors one by one": (SPREAD, "PASS"),
        "twenty in one pod": ({(7, 2): 20}, "INCONCLUSIVE"),
        "of all pods": (dict.fromkeys([(7, p) for p in range(5)], 4), "INCONCLUSIVE"),
        "in two steps": ({(7, 2): 10, (8, 2): 10}, "INCONCLUSIVE"),
        "by one pod all along": ({(s, 2): 3 for s in range(STEPS)}, "INCONCLUSIVE"),
        "one burst over the budget": ({(7, 2): 300}, "INCONCLUSIVE"),
        "bursts in every step": (dict.fromkeys(SPREAD, 15), "FAIL"),
        "errors in every step": (dict.fromkeys(SPREAD, 5), "FAIL"),
    },
)
def test_a_burst_counts_as_one_event(bad: Bad, outcome: str) -> None:
    assert judged(counted(400, bad)).outcome == outcome


@pytest.mark.parametrize("total", [2995, 2994])
def test_without_errors_as_many_events_prove_the_budget_as_ever(total: int) -> None:
    cells = tuple(Cell("pod", 15.0 * step, 0, total / STEPS) for step in range(STEPS))
    assert (judged(Counts(0, total, cells)).outcome is Outcome.PASS) == (total == 2995)


def test_the_verdict_names_the_burst_and_what_it_would_take() -> None:
    judgement = judged(counted(400, {(7, 2): 20}))
    assert judgement.sentence == (
        "Error rate: 0.042% of 48,000 failed, up to 20 of them together (pod-2) proves nothing yet; "
        "94,840 events would prove 0.1 %, 46,840 are missing"
    )
    assert (judgement.data["burst"], judgement.data["burst_source"]) == (20, "pod-2")


def test_a_pass_says_up_to_which_size_of_bursts_it_proves_the_budget() -> None:
    judgement = judged(counted(400, {}))
    assert judgement.sentence == (
        "Error rate: 0.000% of 48,000 failed, proved within 0.1 % (bursts of up to 16)"
    )
    assert (judgement.data["proved_burst"], judgement.data["assumed_burst"]) == (16, 1)


@pytest.mark.parametrize(("assumed", "outcome"), [(16, Outcome.PASS), (17, Outcome.INCONCLUSIVE)])
def test_policy_may_assume_bursts_that_nobody_saw(assumed: int, outcome: Outcome) -> None:
    wary = an_objective(target={"budget": "0.1%", "assumed_burst": assumed}, rollback=None)
    judgement = judge_target(wary, counted(400, {}), evidence())
    assert (judgement.outcome, judgement.data["burst"]) == (outcome, assumed)


def test_a_burst_seen_earlier_in_the_run_still_counts() -> None:
    before = judged(counted(400, {(7, 2): 20}))
    assert judged(counted(400, {}), Burst.of(before.data)).outcome is Outcome.INCONCLUSIVE


def test_a_burst_seen_earlier_keeps_no_failure_from_being_said() -> None:
    even = {(step, pod): 2 for step in range(STEPS) for pod in range(PODS)}
    assert judged(counted(400, even), Burst(500)).outcome is Outcome.FAIL


def test_an_interpolated_quantile_is_not_proved_by_bursts_either() -> None:
    bursts, single = {(7, 2): 20, (9, 3): 20}, dict.fromkeys(SPREAD, 2)
    outcomes = [
        judge_quantile(
            a_quantile_objective(),
            Bucket(Over(0.2, counted(10, bad)), Over(0.5, counted(10, {})), 0.1),
            evidence(),
        ).outcome
        for bad in (single, bursts)
    ]
    assert outcomes == [Outcome.PASS, Outcome.INCONCLUSIVE]


@cases(
    "bad outcome",
    {
        "a single burst": ({(7, 2): 900}, "PASS"),
        "a single burst in two steps": ({(7, 2): 450, (8, 2): 450}, "PASS"),
        "one pod all along": ({(s, 2): 50 for s in range(STEPS)}, "FAIL"),
        "burst on burst": ({(s, s % PODS): 300 for s in (1, 6, 11, 16, 19)}, "FAIL"),
    },
)
def test_a_single_burst_never_rolls_back(bad: Bad, outcome: str) -> None:
    whole, step = counted(400, bad), Counts(100, 1000)
    steps = sustained(whole, *(step,) * 5)
    limit = the_rollback(ERRORS)
    assert judge_rollback(ERRORS, limit, steps, evidence()).outcome == outcome


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

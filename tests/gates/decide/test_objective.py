from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.counting.objective import (
    Sustained,
    judge_rollback,
    judge_target,
    over_limit_now,
    with_own_reads,
)
from gates.decide.counting.statistics import Cell, Counts
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.load import load_policy
from settings.objectives import Objective
from tests.gates.decide.values import (
    PROPERTY,
    a_latency_objective,
    an_objective,
    evidence,
    sustained,
    the_rollback,
)

NO_COUNTS = {
    "NaN bad events": Counts(math.nan, 100),
    "NaN events": Counts(0, math.nan),
    "infinitely many events": Counts(0, math.inf),
    "infinitely many bad events": Counts(math.inf, math.inf),
    "negative bad events": Counts(-1, 1000),
    "negative events": Counts(0, -1000),
    "more bad events than events": Counts(200, 100),
}


def target(bad: float, total: float, **changes: object) -> Judgement:
    return judge_target(an_objective(**changes), Counts(bad, total), evidence())


CELLS = tuple(Cell("a", float(at), 0, 100) for at in range(10))
COUNTED = (
    *(Counts(0, total) for total in (58, 58.2, 59, 60, 0, 40, 0.4)),
    *(Counts(1, total) for total in (92, 93, 1)),
    *(Counts(bad, 1000) for bad in (10, 50, 61, 63)),
    *(Counts(3, total) for total in (16, 17)),
    Counts(10.12345, 1000.98765),
    *(Counts(0, 1000, CELLS), Counts(100.05, 100), Counts(-1, 10)),
)
"""Of a budget of 5 %, below, at and above what they prove."""
OWN_READS = (
    *((0, 59, 0), (0, 118, 59), (0, 118, 60), (1, 193, 100), (1, 193, 101)),
    *((0, 100, 9000), (0, 40, 20), (0, 0, 20)),
)
"""Bad events and all, and how many of them the gate itself had sent."""


def objectives_said() -> Iterator[Judgement]:
    """Yield what is said of each target; said.json has it."""
    yield from (judge_target(an_objective(), one, evidence()) for one in COUNTED)
    measured = dataclasses.replace(evidence(), look_back_seconds=299.98765)
    yield judge_target(a_latency_objective(), Counts(10, 1000), measured)
    for bad, total, own in OWN_READS:
        yield with_own_reads(target(bad, total), own, bad, budget=0.05)


@pytest.mark.parametrize("counts", NO_COUNTS.values(), ids=NO_COUNTS)
def test_what_is_no_count_is_never_a_pass(counts: Counts) -> None:
    objective = an_objective()
    steps = Sustained((counts,) * 5, counts, 300)
    found = [
        judge_target(objective, counts, evidence()),
        judge_rollback(objective, the_rollback(objective), steps, evidence()),
    ]
    assert [one.outcome for one in found] == [Outcome.INCONCLUSIVE] * 2
    json.dumps([one.record() for one in found], allow_nan=False)


BAD, FINE = Counts(200, 1000), Counts(10, 1000)
SUSTAINED: dict[str, tuple[tuple[Counts | None, ...], Counts]] = {
    "every step is over the limit": ((BAD,) * 5, Counts(1000, 5000)),
    "the first is not": ((FINE, BAD, BAD, BAD, BAD), Counts(810, 5000)),
    "the last is not": ((BAD, BAD, BAD, BAD, FINE), Counts(810, 5000)),
    "one is missing": ((BAD, BAD, None, BAD, BAD), Counts(800, 4000)),
    "too young": ((None, BAD, BAD, BAD, BAD), Counts(800, 4000)),
    "no data at all": ((None,) * 5, Counts(0, 0)),
    "no steps at all": ((), Counts(1000, 5000)),
    "two unlucky requests": ((Counts(1, 2),) * 5, Counts(2, 10)),
    "steps without events": ((Counts(0, 0),) * 5, Counts(1000, 5000)),
    "steps that are no counts": ((Counts(math.nan, 1),) * 5, Counts(1000, 5000)),
    "exactly at the limit": ((Counts(100, 1000),) * 5, Counts(500, 5000)),
    "over it, but not proved": ((Counts(101, 1000),) * 5, Counts(505, 5000)),
    "everything fails": ((Counts(1, 1),) * 5, Counts(5, 5)),
    "a hair more than everything": ((BAD,) * 5, Counts(100.05, 100)),
    "more bad events than events": ((BAD,), Counts(5, 4)),
}


def rollbacks_said() -> Iterator[str | Judgement]:
    """Yield what is said of each share over the time of a rollback limit; said.json has it."""
    for name, (steps, whole) in SUSTAINED.items():
        judgement = rolled(an_objective(), whole, steps)
        assert (judgement.means is Meaning.ROLLBACK) is (judgement.outcome is Outcome.FAIL)
        yield f"{name}: {judgement.outcome}"
        yield judgement
    yield rolled(a_latency_objective(), Counts(1000, 5000), (BAD,) * 5)


def rolled(objective: Objective, whole: Counts, steps: tuple[Counts | None, ...]) -> Judgement:
    return judge_rollback(objective, the_rollback(objective), sustained(whole, *steps), evidence())


@pytest.mark.parametrize(
    ("steps", "over"),
    [((FINE, BAD), True), ((BAD, FINE), False), ((BAD, None), False), ((), False)],
    ids=str,
)
def test_the_newest_step_tells_whether_waiting_decides_more(
    steps: tuple[Counts | None, ...], *, over: bool
) -> None:
    limit = the_rollback(an_objective())
    assert over_limit_now(limit, sustained(BAD, *steps)) is over


counts = st.integers(0, 20_000).flatmap(
    lambda total: st.builds(Counts, st.integers(0, total), st.just(total))
)
budgets = st.floats(0.1, 50).map(lambda share: round(share, 2))


@PROPERTY
@given(counts, budgets, budgets)
def test_tightening_a_budget_never_turns_a_fail_into_a_pass(
    counted: Counts, one: float, other: float
) -> None:
    tight, wide = sorted((one, other))
    changes: dict[str, object] = {"rollback": None}
    outcomes = [
        target(counted.bad, counted.total, target={"budget": f"{budget}%"}, **changes).outcome
        for budget in (tight, wide)
    ]
    assert not (outcomes[0] is Outcome.PASS and outcomes[1] is not Outcome.PASS)
    assert not (outcomes[1] is Outcome.FAIL and outcomes[0] is not Outcome.FAIL)


@PROPERTY
@given(counts, st.integers(1, 50))
def test_another_bad_event_never_improves_an_outcome(counted: Counts, more: int) -> None:
    order = ["PASS", "INCONCLUSIVE", "FAIL"]
    before = target(counted.bad, counted.total).outcome
    after = target(counted.bad + more, counted.total + more).outcome
    # From nothing to a few bad events: INCONCLUSIVE stays or becomes FAIL, PASS may fall to either.
    assert order.index(after) >= order.index(before)


@PROPERTY
@given(counts)
def test_the_same_counts_give_the_same_judgement_and_a_missed_target_never_rolls_back(
    counted: Counts,
) -> None:
    first, second = (target(counted.bad, counted.total).record() for _ in range(2))
    assert json.dumps(first) == json.dumps(second)
    assert target(1000, 1000).means is Meaning.HOLD


OBJECTIVES = {objective.check: objective for objective in load_policy().objectives}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_every_objective_of_this_repository_can_pass_and_can_fail(objective: Objective) -> None:
    good, bad, few = Counts(0, 10_000), Counts(10_000, 10_000), Counts(0, 1)
    found = [judge_target(objective, one, evidence()).outcome for one in (good, bad, few)]
    assert found == [Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE]
    if objective.rollback is not None:
        found = [rolled(objective, one, (one,) * 3).outcome for one in (good, bad)]
        assert found == [Outcome.PASS, Outcome.FAIL]

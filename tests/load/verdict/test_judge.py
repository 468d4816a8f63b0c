from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from load.verdict import (
    LoadResult,
    LoadVerdict,
    SecondFacts,
    bottleneck,
    judge,
    recovery_seconds,
    sustained,
)
from load.verdict._generator import judge_run, judge_stage
from tests.gates.decide.values import PROPERTY
from tests.load.verdict.values import (
    POLICY,
    a_stage,
    a_worker,
    an_endpoint,
    described,
    policy,
    valid_run,
    with_stage,
)
from tests.tables import beside, cases

PASS, FAIL, INVALID = LoadResult.PASS, LoadResult.FAIL, LoadResult.INVALID
SLOW = {0.2: 3000, 0.5: 1500}
ALL_SLOW: dict[str, Any] = {"slow": SLOW, "slow_service": SLOW}
RUNS: dict[str, dict[str, Any]] = beside(__file__, "runs.yaml")
ALL_SAID = RUNS.pop("all that is said")


def bad(judgements: tuple[Judgement, ...]) -> list[Judgement]:
    """Return each judgement that is not good."""
    return [one for one in judgements if one.outcome is not Outcome.PASS]


def shown(verdict: LoadVerdict) -> dict[str, Any]:
    """Return what a verdict says but what is good, what limited the run, and how far a ramp came."""
    limited, held = bottleneck(verdict), sustained(verdict)
    found = {
        "regions": verdict.regions,
        "run": bad(verdict.run),
        "stages": [bad(stage.judgements) for stage in verdict.stages],
        "limited by": limited and dataclasses.asdict(limited),
        "held": dataclasses.asdict(held),
    }
    return {what: one for what, one in found.items() if one}


@cases(
    "result name", {f"{result}: {one}": (result, one) for result in RUNS for one in RUNS[result]}
)
def test_a_run_is_judged(result: str, name: str, said: Callable[..., None]) -> None:
    """Whoever has no evidence does not pass; a failure stands beside a shortfall only if it is no cause."""
    verdict = judge(described(RUNS[result][name]), POLICY)
    assert verdict.result is LoadResult(result)
    said(shown(verdict))


def test_a_valid_run_passes_with_zero() -> None:
    assert [one.exit_code for one in (PASS, FAIL, INVALID)] == [0, 10, 20]
    assert bottleneck(judge(valid_run(), POLICY)) is None


def test_a_closed_model_proves_no_target() -> None:
    (stage, *_) = judge(described(RUNS["INVALID"]["waiting callers prove nothing"]), POLICY).stages
    budgets = {one.outcome for one in stage.judgements if one.rule == "error budget"}
    assert budgets
    assert Outcome.PASS not in budgets


OWN = {
    "title": "booking",
    "kind": "latency",
    "endpoint": "book.*",
    "target": {"over_seconds": 0.2, "budget": "5%"},
}


@pytest.mark.parametrize("name", ALL_SAID)
def test_all_that_is_said_of_the_generator_and_the_platform(
    name: str, said: Callable[..., None]
) -> None:
    facts = described(ALL_SAID[name])
    of_the_generator = judge_stage(facts.stages[0], facts, POLICY.generator)
    first = judge(facts, policy(OWN)).stages[0].judgements
    of_the_platform = [one for one in first if one.subject != "generator"]
    said([*of_the_generator, *judge_run(facts, POLICY.generator), *of_the_platform])


def test_an_endpoint_of_its_own_objective_is_judged_alone() -> None:
    good = an_endpoint(name="login", requests=5000)
    bad = an_endpoint(name="booking", requests=1000, slow={0.2: 200, 0.5: 0})
    facts = with_stage(endpoints=(good, bad))
    assert judge(facts, POLICY).result is PASS
    assert judge(facts, policy(OWN)).result is FAIL
    assert judge(valid_run(), policy(OWN)).result is INVALID


def second(after: int, failed: int = 0, slow: int = 0, completed: int = 100) -> SecondFacts:
    return SecondFacts(after, completed, failed, {0.2: slow, 0.5: 0})


@cases(
    "seconds recovered",
    {
        "at once": ([second(at) for at in range(5)], 0),
        "after a slow second": ([second(0, slow=90), *map(second, range(1, 5))], 1),
        "after an error": ([second(0, failed=1), *map(second, range(1, 5))], 1),
        "two good seconds are none": (
            [second(0), second(1), second(2, slow=90), *map(second, range(3, 6))],
            3,
        ),
        "silence is not good": ([second(0, completed=0), *map(second, range(1, 5))], 1),
        "too short to say": ([second(0), second(1)], None),
        "never": ([second(at, slow=90) for at in range(9)], None),
        "not measured": ([], None),
    },
)
def test_recovery_is_three_good_seconds(seconds: list[SecondFacts], recovered: int | None) -> None:
    assert recovery_seconds(seconds, POLICY) == recovered


# What makes any run worse: none of it, alone or together, ever leads back to PASS.
WORSE_STAGE: list[dict[str, Any]] = [
    {"late": 60}, {"dropped": 5}, {"lag_p99_seconds": 0.5}, {"lag_p99_seconds": math.nan},
    {"cpu_share": 1.2}, {"sent_by_second": (10,) * 60}, {"lasted_seconds": 3.0},
    {"lasted_seconds": None}, {"endpoints": ()},
]  # fmt: skip
WORSE_ENDPOINT: list[dict[str, Any]] = [
    {"failed": 60}, {"failed": 60, "own": 60}, {"failed": 60, "timeouts": 60}, {"slow": SLOW},
    ALL_SLOW,
]  # fmt: skip
WORSE_RUN: list[dict[str, Any]] = [
    {"interrupted": "killed"}, {"expected_workers": 3},
    {"workers": (a_worker(), a_worker(lost=True))},
]  # fmt: skip


def changed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for one in parts for key, value in one.items()}


@PROPERTY
@given(
    st.lists(st.sampled_from(WORSE_STAGE), max_size=2),
    st.lists(st.sampled_from(WORSE_ENDPOINT), max_size=2),
    st.lists(st.sampled_from(WORSE_RUN), max_size=2),
)
def test_what_gets_worse_never_passes(
    stage: list[dict[str, Any]], endpoint: list[dict[str, Any]], run: list[dict[str, Any]]
) -> None:
    endpoints = {"endpoints": (an_endpoint(**changed(endpoint)),)}
    facts = dataclasses.replace(with_stage(**{**endpoints, **changed(stage)}), **changed(run))
    worse = bool(stage or endpoint or run)
    assert (judge(facts, POLICY).result is PASS) is not worse


@PROPERTY
@given(st.permutations(range(4)), st.permutations(range(2)))
def test_the_order_of_regions_stages_and_workers_decides_nothing(
    stages: list[int], workers: list[int]
) -> None:
    facts = valid_run(
        stages=(
            a_stage(),
            a_stage(region="us"),
            a_stage(number=2, endpoints=(an_endpoint(failed=30),)),
            a_stage(region="us", number=2),
        )
    )
    mixed = dataclasses.replace(
        facts,
        stages=tuple(facts.stages[place] for place in stages),
        workers=tuple(facts.workers[place] for place in workers),
    )
    assert judge(mixed, POLICY).stages == judge(facts, POLICY).stages
    assert judge(mixed, POLICY).result is judge(facts, POLICY).result

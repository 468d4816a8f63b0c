from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from gates.decide.outcome import Outcome
from load.verdict import LoadFacts, LoadResult, StageFacts, judge
from tests.gates.decide.values import PROPERTY
from tests.load.verdict.values import (
    POLICY,
    a_stage,
    a_worker,
    an_endpoint,
    policy,
    valid_run,
    with_endpoint,
    with_stage,
    with_worker,
)
from tests.tables import cases

PASS, FAIL, INVALID = LoadResult.PASS, LoadResult.FAIL, LoadResult.INVALID
N = 6000
Arrivals = Literal["poisson", "uniform"]
LAGS: dict[str, Any] = {"lag_p99_seconds": 0.006}
NOTHING: dict[str, Any] = {"due": 0, "sent": 0, "sent_by_second": (0,) * 60, "endpoints": ()}
FEW: dict[str, Any] = {
    "due": 2000, "sent": 2000, "rps": 33.0, "sent_by_second": (33,) * 60,
    "endpoints": (an_endpoint(requests=2000),),
}  # fmt: skip
SLOW = {0.2: N // 2, 0.5: N // 4}


def said(facts: LoadFacts) -> str:
    """Return every sentence that is not good."""
    verdict = judge(facts, POLICY)
    found = [*verdict.run, *(one for stage in verdict.stages for one in stage.judgements)]
    return " | ".join(one.sentence for one in found if one.outcome is not Outcome.PASS)


def test_a_valid_run_passes_with_zero() -> None:
    verdict = judge(valid_run(), POLICY)
    assert verdict.result is PASS
    assert verdict.regions == {"eu": PASS, "us": PASS}
    assert [one.exit_code for one in (PASS, FAIL, INVALID)] == [0, 10, 20]
    assert said(valid_run()) == ""


@cases(
    "facts words",
    {
        "no stage was measured": (valid_run(stages=()), "no stage was measured"),
        "never began": (with_stage(lasted_seconds=None), "it never began: steady"),
        "ended early": (with_stage(lasted_seconds=50.0), "lasted 50 s of 60 s"),
        "no endpoint": (with_stage(endpoints=()), "no events"),
        "nothing was sent": (with_stage(**NOTHING), "sent 0.0/s of 100.0/s"),
        "no whole second": (with_stage(sent_by_second=()), "no whole second"),
        "a rate of nothing": (with_stage(rps=0.0), "no whole second"),
        "a rate that is not a number": (with_stage(rps=math.nan), "no whole second"),
        "no request ended": (with_endpoint(requests=0), "no events"),
        "NaN for a count": (with_endpoint(slow={0.2: math.nan, 0.5: 0}), "not a finite number"),
        "a negative count": (with_endpoint(failed=-1), "a count is negative"),
        "more than there were": (with_endpoint(failed=2 * N), "more bad events than events"),
        "too few requests to prove 0.1 %": (with_stage(**FEW), "995 are missing"),
        "below its rate": (with_stage(sent_by_second=(95,) * 60), "sent 95.0/s of 100.0/s"),
        "a short second": (with_stage(sent_by_second=(49, *(101,) * 59)), "the emptiest 49"),
        "late": (with_stage(late=6), "6 of 6,000 requests were sent late"),
        "one dropped arrival": (with_stage(dropped=1, due=N + 1), "1 arrivals were never sent"),
        "a loop that lags": (with_stage(**LAGS), "lagged 6 ms at p99"),
        "a lag unknown": (with_stage(lag_p99_seconds=math.nan), "it was not measured how much"),
        "a busy worker": (with_stage(cpu_share=0.81), "used 81% of a core"),
        "a CPU unknown": (with_stage(cpu_share=math.nan), "a worker was not measured"),
        "lost results": (with_stage(sent=N - 1, due=N - 1), "1 requests are not accounted for"),
        "lost arrivals": (with_stage(due=N + 1), "1 requests are not accounted for"),
        "more than planned": (with_stage(sent_by_second=(110,) * 60), "sent 6,600 in 60 s"),
        "no port left": (with_endpoint(own=1), "1 requests found no port"),
        "an address": (with_stage(unreached=("127.0.0.2",)), "127.0.0.2 took no connection"),
        "a lost worker": (with_worker(lost=True), "1 of 2 workers reported everything: two"),
        "a worker missing": (valid_run(workers=(a_worker(),)), "1 of 2 workers"),
        "no worker": (valid_run(workers=(), expected_workers=0), "0 of 1 workers"),
        "a clock that is behind": (with_worker(clock_skew_seconds=-0.6), "600 ms off the master's"),
        "a clock unknown": (with_worker(clock_skew_seconds=math.nan), "nobody knows how far"),
        "a throttled worker": (with_worker(throttled_periods=1), "the processor in 1 periods"),
        "interrupted": (valid_run(interrupted="Ctrl-C"), "ended early: Ctrl-C"),
    },
)
def test_whoever_has_no_evidence_does_not_pass(facts: LoadFacts, words: str) -> None:
    assert judge(facts, POLICY).result is INVALID
    assert words in said(facts)


@cases(
    "facts words",
    {
        "p95": (with_endpoint(slow={0.2: 400, 0.5: 0}), "6.667% of 6,000 took over 200 ms"),
        "p99": (with_endpoint(slow={0.2: 100, 0.5: 90}), "1.500% of 6,000 took over 500 ms"),
        "errors": (with_endpoint(failed=30), "0.500% of 6,000 failed"),
    },
)
def test_what_is_disproved_fails_in_its_region(facts: LoadFacts, words: str) -> None:
    verdict = judge(facts, POLICY)
    assert verdict.result is FAIL
    assert verdict.regions == {"eu": FAIL, "us": PASS}
    assert words in said(facts)


SHORT: dict[str, Any] = {"sent_by_second": (90,) * 60}
ALL_SLOW: dict[str, Any] = {"slow": SLOW, "slow_service": SLOW}


@cases(
    "stage endpoint result",
    {
        "errors, and the rate was short": (SHORT, {"failed": 30}, FAIL),
        "errors, and the generator lagged": (LAGS, {"failed": 30}, FAIL),
        "timeouts, and the generator lagged": (LAGS, {"failed": 30, "timeouts": 30}, INVALID),
        "timeouts, and it did not": ({}, {"failed": 30, "timeouts": 30}, FAIL),
        "errors of its own machine": ({}, {"failed": 30, "own": 28}, INVALID),
        "more errors than its own": ({}, {"failed": 60, "own": 20}, FAIL),
        "slow, and it lagged": (LAGS, ALL_SLOW, INVALID),
        "slow, and its processor was busy": ({"cpu_share": 0.9}, ALL_SLOW, INVALID),
        "late, and slow from the time of sending: the platform": ({"late": 4000}, ALL_SLOW, FAIL),
        "late, and quick from the time of sending": ({"late": 4000}, {"slow": SLOW}, INVALID),
        "dropped, and quick when sent": ({"dropped": 9, "due": N + 9}, {"slow": SLOW}, INVALID),
        "asked for more than planned": (
            {"sent_by_second": (120,) * 60},
            {"failed": 30, **ALL_SLOW},
            INVALID,
        ),
    },
)
def test_a_failure_stands_beside_a_shortfall_only_if_the_generator_is_not_its_cause(
    stage: dict[str, Any], endpoint: dict[str, Any], result: LoadResult
) -> None:
    facts = with_stage(**stage, endpoints=(an_endpoint(**endpoint),))
    assert judge(facts, POLICY).result is result


TEN_A_SECOND: dict[str, Any] = {
    "arrivals": "uniform",
    "stages": (
        a_stage(
            rps=10.0, planned_seconds=300.0, lasted_seconds=300.0, due=3000, sent=3000,
            sent_by_second=(8, 12, *(10,) * 298), endpoints=(an_endpoint(requests=3000),),
        ),
    ),
}  # fmt: skip
BAD = with_endpoint(failed=30)
ALONE: dict[str, Any] = {"workers": (a_worker(),), "expected_workers": 1}


def sent(arrivals: Arrivals, *first_and_last: int) -> LoadFacts:
    """Return a run with so many requests in its first and last second, and 96 in each other one."""
    first, last = first_and_last
    stage = a_stage(sent_by_second=(first, *(96,) * 58, last))
    return valid_run(arrivals=arrivals, stages=(stage,))


@cases(
    "facts result",
    {
        "a throttled generator's latency is its own": (
            dataclasses.replace(
                with_endpoint(**ALL_SLOW), workers=(a_worker(throttled_periods=9),)
            ),
            INVALID,
        ),
        "a healthy generator was refused: the platform failed": (with_endpoint(failed=N), FAIL),
        "the generator found no route, name or authority": (
            with_endpoint(failed=N, own=N),
            INVALID,
        ),
        "errors before an interruption": (dataclasses.replace(BAD, interrupted="Ctrl-C"), FAIL),
        "errors before a worker was lost": (
            dataclasses.replace(BAD, workers=with_worker(lost=True).workers),
            FAIL,
        ),
        "three deviations of chance": (sent("poisson", 100, 5768 - 5668), PASS),
        "one more than three": (sent("poisson", 100, 5767 - 5668), INVALID),
        "half a per cent": (sent("uniform", 200, 5970 - 5768), PASS),
        "a request more than half a per cent": (sent("uniform", 200, 5969 - 5768), INVALID),
        "five deviations of chance in a second": (sent("poisson", 50, 382), PASS),
        "one more than five": (sent("poisson", 49, 383), INVALID),
        "five per cent in a second": (sent("uniform", 95, 337), PASS),
        "a request more than five per cent": (sent("uniform", 94, 338), INVALID),
        "evenly spaced, a border missed by each of two workers": (valid_run(**TEN_A_SECOND), PASS),
        "evenly spaced, a border missed twice by one": (
            valid_run(**TEN_A_SECOND, **ALONE),
            INVALID,
        ),
    },
)
def test_what_a_run_amounts_to(facts: LoadFacts, result: LoadResult) -> None:
    assert judge(facts, POLICY).result is result


def test_a_closed_model_proves_nothing_and_disproves_as_any_other() -> None:
    stage = a_stage(rps=20.0, due=0, late=0, sent_by_second=(3, *(100,) * 59))
    facts = valid_run(model="closed", stages=(stage,))
    assert judge(facts, POLICY).result is INVALID
    judged = judge(facts, POLICY).stages[0].judgements
    proved = [one for one in judged if one.rule == "error budget" and one.outcome is Outcome.PASS]
    assert not proved
    assert "a closed loop proves no target" in said(facts)
    bad = dataclasses.replace(stage, endpoints=(an_endpoint(failed=N),))
    assert judge(valid_run(model="closed", stages=(bad,)), POLICY).result is FAIL


def test_an_endpoint_of_its_own_objective_is_judged_alone() -> None:
    target = {"over_seconds": 0.2, "budget": "5%"}
    own = {"title": "booking", "kind": "latency", "endpoint": "book.*", "target": target}
    good = an_endpoint(name="login", requests=5000)
    bad = an_endpoint(name="booking", requests=1000, slow={0.2: 200, 0.5: 0})
    facts = with_stage(endpoints=(good, bad))
    assert judge(facts, POLICY).result is PASS
    assert judge(facts, policy(own)).result is FAIL
    assert judge(valid_run(), policy(own)).result is INVALID


def ramp(*stages: StageFacts) -> LoadFacts:
    return valid_run(ramp=True, stages=stages)


FAILING = a_stage(number=2, endpoints=(an_endpoint(failed=30),))
NEVER = a_stage(number=3, lasted_seconds=None)


def test_a_ramp_that_broke_does_not_ask_for_what_came_behind() -> None:
    for broke, result in ((FAILING, FAIL), (a_stage(number=2, **LAGS), INVALID)):
        facts = ramp(a_stage(), broke, NEVER)
        assert judge(facts, POLICY).result is result
        assert "the ramp ended before it" in said(facts)
    assert judge(ramp(a_stage(), a_stage(number=2), NEVER), POLICY).result is INVALID


BEYOND: dict[str, Any] = {"number": 2, "required": False}
FELL_SHORT = a_stage(**BEYOND, cpu_share=0.9)


@cases(
    "stages result",
    {
        "it held": ((a_stage(), a_stage(**BEYOND)), PASS),
        "it did not hold": ((a_stage(), dataclasses.replace(FAILING, required=False)), PASS),
        "it fell short": ((a_stage(), FELL_SHORT), PASS),
        "it fell short, and the ramp ended": (
            (a_stage(), FELL_SHORT, dataclasses.replace(NEVER, required=False)),
            PASS,
        ),
        "nothing else was measured": ((a_stage(required=False),), INVALID),
        "what is wanted is missing": ((a_stage(lasted_seconds=None), a_stage(**BEYOND)), INVALID),
        "less did not hold": ((FAILING, a_stage(number=3, required=False)), FAIL),
        "what is wanted is missing behind it": ((FELL_SHORT, NEVER), INVALID),
    },
)
def test_a_stage_beyond_what_is_wanted_neither_passes_nor_fails_a_run(
    stages: tuple[StageFacts, ...], result: LoadResult
) -> None:
    verdict = judge(ramp(*stages), POLICY)
    assert verdict.result is result
    assert verdict.regions == {"eu": result}


def test_a_region_in_which_nothing_was_wanted_proves_nothing() -> None:
    stages = (a_stage(), a_stage(region="us", required=False))
    assert judge(valid_run(stages=stages), POLICY).regions == {"eu": PASS, "us": INVALID}


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
        stages=(a_stage(), a_stage(region="us"), FAILING, a_stage(region="us", number=2))
    )
    mixed = dataclasses.replace(
        facts,
        stages=tuple(facts.stages[place] for place in stages),
        workers=tuple(facts.workers[place] for place in workers),
    )
    assert judge(mixed, POLICY).stages == judge(facts, POLICY).stages
    assert judge(mixed, POLICY).result is judge(facts, POLICY).result

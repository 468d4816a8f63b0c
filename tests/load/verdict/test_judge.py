from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.outcome import Outcome
from load.verdict import LoadFacts, LoadResult, StageFacts, WorkerFacts, judge
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
)

PASS, FAIL, INVALID = LoadResult.PASS, LoadResult.FAIL, LoadResult.INVALID
N = 6000
Arrivals = Literal["poisson", "uniform"]
LAGS: dict[str, Any] = {"lag_p99_seconds": 0.006}
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


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param(valid_run(stages=()), "", id="no stage was measured"),
        pytest.param(with_stage(lasted_seconds=None), "it never began: steady", id="never began"),
        pytest.param(with_stage(lasted_seconds=50.0), "lasted 50 s of 60 s", id="ended early"),
        pytest.param(with_stage(endpoints=()), "no events", id="no endpoint"),
        pytest.param(
            with_stage(due=0, sent=0, sent_by_second=(0,) * 60, endpoints=()),
            "sent 0.0/s of 100.0/s",
            id="nothing was sent",
        ),
        pytest.param(with_stage(sent_by_second=()), "no whole second", id="no whole second"),
        pytest.param(with_stage(rps=0.0), "no whole second", id="a rate of nothing"),
        pytest.param(with_stage(rps=math.nan), "no whole second", id="a rate that is no number"),
        pytest.param(with_endpoint(requests=0), "no events", id="no request ended"),
        pytest.param(
            with_endpoint(slow={0.2: math.nan, 0.5: 0}), "not a finite number", id="NaN for a count"
        ),
        pytest.param(with_endpoint(failed=-1), "a count is negative", id="a negative count"),
        pytest.param(
            with_endpoint(failed=2 * N), "more bad events than events", id="more than there were"
        ),
        pytest.param(
            with_stage(
                due=2000,
                sent=2000,
                rps=33.0,
                sent_by_second=(33,) * 60,
                endpoints=(an_endpoint(requests=2000),),
            ),
            "995 are missing",
            id="too few requests to prove 0.1 %",
        ),
        pytest.param(
            with_stage(sent_by_second=(95,) * 60), "sent 95.0/s of 100.0/s", id="below its rate"
        ),
        pytest.param(
            with_stage(sent_by_second=(49, *(101,) * 59)),
            "1 of 60 seconds had less than 50 requests; the emptiest 49",
            id="a second below its rate",
        ),
        pytest.param(with_stage(late=6), "6 of 6,000 requests were sent late", id="late"),
        pytest.param(
            with_stage(dropped=1, due=N + 1), "1 arrivals were never sent", id="one dropped arrival"
        ),
        pytest.param(with_stage(**LAGS), "lagged 6 ms at p99", id="a loop that lags"),
        pytest.param(
            with_stage(lag_p99_seconds=math.nan), "nobody measured how much", id="a lag unknown"
        ),
        pytest.param(with_stage(cpu_share=0.81), "used 81% of a core", id="a busy worker"),
        pytest.param(
            with_stage(cpu_share=math.nan), "nobody measured the processor", id="a CPU unknown"
        ),
        pytest.param(
            with_stage(sent=N - 1, due=N - 1), "1 requests are not accounted for", id="lost results"
        ),
        pytest.param(with_stage(due=N + 1), "1 requests are not accounted for", id="lost arrivals"),
        pytest.param(
            with_stage(sent_by_second=(110,) * 60), "sent 6,600 in 60 s", id="more than planned"
        ),
        pytest.param(with_endpoint(own=1), "1 requests found no port", id="no port left"),
        pytest.param(
            valid_run(workers=(a_worker(), a_worker(name="two", lost=True))),
            "1 of 2 workers told everything: two went silent",
            id="a lost worker",
        ),
        pytest.param(valid_run(workers=(a_worker(),)), "1 of 2 workers", id="a worker missing"),
        pytest.param(valid_run(workers=(), expected_workers=0), "0 of 1 workers", id="no worker"),
        pytest.param(
            valid_run(workers=(a_worker(), a_worker(clock_skew_seconds=-0.6))),
            "600 ms off the master's",
            id="a clock that is behind",
        ),
        pytest.param(
            valid_run(workers=(a_worker(), a_worker(clock_skew_seconds=math.nan))),
            "nobody knows how far the clock",
            id="a clock unknown",
        ),
        pytest.param(
            valid_run(workers=(a_worker(), a_worker(throttled_periods=1))),
            "denied the processor in 1 periods",
            id="a throttled worker",
        ),
        pytest.param(valid_run(interrupted="Ctrl-C"), "ended early: Ctrl-C", id="interrupted"),
    ],
)
def test_whoever_has_no_evidence_does_not_pass(facts: LoadFacts, words: str) -> None:
    assert judge(facts, POLICY).result is INVALID
    assert words in said(facts)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param(
            with_endpoint(slow={0.2: 400, 0.5: 0}), "6.667% of 6,000 took over 200 ms", id="p95"
        ),
        pytest.param(
            with_endpoint(slow={0.2: 100, 0.5: 90}), "1.500% of 6,000 took over 500 ms", id="p99"
        ),
        pytest.param(with_endpoint(failed=30), "0.500% of 6,000 failed", id="errors"),
    ],
)
def test_what_is_disproved_fails_in_its_region(facts: LoadFacts, words: str) -> None:
    verdict = judge(facts, POLICY)
    assert verdict.result is FAIL
    assert verdict.regions == {"eu": FAIL, "us": PASS}
    assert words in said(facts)


SHORT: dict[str, Any] = {"sent_by_second": (90,) * 60}


@pytest.mark.parametrize(
    ("stage", "endpoint", "result"),
    [
        pytest.param(SHORT, {"failed": 30}, FAIL, id="errors, and the rate was short"),
        pytest.param(LAGS, {"failed": 30}, FAIL, id="errors, and the generator lagged"),
        pytest.param(
            LAGS, {"failed": 30, "timeouts": 30}, INVALID, id="timeouts, and the generator lagged"
        ),
        pytest.param({}, {"failed": 30, "timeouts": 30}, FAIL, id="timeouts, and it did not"),
        pytest.param({}, {"failed": 30, "own": 28}, INVALID, id="errors of its own machine"),
        pytest.param({}, {"failed": 60, "own": 20}, FAIL, id="more errors than its own"),
        pytest.param(LAGS, {"slow": SLOW, "slow_service": SLOW}, INVALID, id="slow, and it lagged"),
        pytest.param(
            {"cpu_share": 0.9},
            {"slow": SLOW, "slow_service": SLOW},
            INVALID,
            id="slow, and its processor was busy",
        ),
        pytest.param(
            {"late": 4000},
            {"slow": SLOW, "slow_service": SLOW},
            FAIL,
            id="late, and slow from the time of sending: the platform",
        ),
        pytest.param(
            {"late": 4000}, {"slow": SLOW}, INVALID, id="late, and quick from the time of sending"
        ),
        pytest.param(
            {"dropped": 9, "due": N + 9}, {"slow": SLOW}, INVALID, id="dropped, and quick when sent"
        ),
        pytest.param(
            {"sent_by_second": (120,) * 60},
            {"failed": 30, "slow": SLOW, "slow_service": SLOW},
            INVALID,
            id="asked for more than planned",
        ),
    ],
)
def test_a_failure_stands_beside_a_shortfall_only_if_the_generator_is_not_its_cause(
    stage: dict[str, Any], endpoint: dict[str, Any], result: LoadResult
) -> None:
    facts = with_stage(**stage, endpoints=(an_endpoint(**endpoint),))
    assert judge(facts, POLICY).result is result


def test_a_throttled_generators_latency_is_its_own() -> None:
    facts = dataclasses.replace(
        with_endpoint(slow=SLOW, slow_service=SLOW), workers=(a_worker(throttled_periods=9),)
    )
    assert judge(facts, POLICY).result is INVALID


@pytest.mark.parametrize(
    ("own", "result"),
    [
        pytest.param(0, FAIL, id="a healthy generator was refused: the platform failed"),
        pytest.param(N, INVALID, id="the generator found no route, name or authority: undecided"),
    ],
)
def test_a_target_that_never_answered(own: int, result: LoadResult) -> None:
    assert judge(with_endpoint(failed=N, answered=0, own=own), POLICY).result is result


def test_a_run_without_a_measured_stage_says_so() -> None:
    facts = valid_run(stages=())
    assert judge(facts, POLICY).result is INVALID
    assert "no stage was measured" in said(facts)


def test_an_address_that_took_no_connection_is_named_and_forbids_a_pass() -> None:
    facts = with_stage(unreached=("127.0.0.2",))
    assert judge(facts, POLICY).result is INVALID
    assert "127.0.0.2 took no connection" in said(facts)


@pytest.mark.parametrize(
    ("interrupted", "workers"),
    [("Ctrl-C", (a_worker(), a_worker(name="two"))), ("", (a_worker(lost=True), a_worker()))],
    ids=["interrupted", "a worker lost"],
)
def test_errors_that_were_measured_stay_measured(
    interrupted: str, workers: tuple[WorkerFacts, ...]
) -> None:
    facts = dataclasses.replace(with_endpoint(failed=30), interrupted=interrupted, workers=workers)
    assert judge(facts, POLICY).result is FAIL


@pytest.mark.parametrize(
    ("arrivals", "sent", "result"),
    [
        pytest.param("poisson", 5768, PASS, id="three deviations of chance"),
        pytest.param("poisson", 5767, INVALID, id="one more"),
        pytest.param("uniform", 5970, PASS, id="half a per cent"),
        pytest.param("uniform", 5969, INVALID, id="a request more"),
    ],
)
def test_chance_is_no_shortfall(arrivals: Arrivals, sent: int, result: LoadResult) -> None:
    seconds = (*(sent // 60,) * 59, sent - 59 * (sent // 60))
    facts = valid_run(arrivals=arrivals, stages=(a_stage(sent_by_second=seconds),))
    assert judge(facts, POLICY).result is result


@pytest.mark.parametrize(
    ("arrivals", "worst", "result"),
    [
        pytest.param("poisson", 50, PASS, id="five deviations of chance"),
        pytest.param("poisson", 49, INVALID, id="one more"),
        pytest.param("uniform", 95, PASS, id="five per cent"),
        pytest.param("uniform", 94, INVALID, id="a request more"),
    ],
)
def test_chance_in_a_second_is_no_shortfall(
    arrivals: Arrivals, worst: int, result: LoadResult
) -> None:
    seconds = (worst, *(100,) * 58, 200 - worst)
    facts = valid_run(arrivals=arrivals, stages=(a_stage(sent_by_second=seconds),))
    assert judge(facts, POLICY).result is result


def test_evenly_spaced_arrivals_may_miss_a_border_once_for_each_worker() -> None:
    slow = a_stage(
        rps=10.0,
        planned_seconds=300.0,
        lasted_seconds=300.0,
        due=3000,
        sent=3000,
        sent_by_second=(8, 12, *(10,) * 298),
        endpoints=(an_endpoint(requests=3000),),
    )
    assert judge(valid_run(arrivals="uniform", stages=(slow,)), POLICY).result is PASS
    alone = valid_run(arrivals="uniform", stages=(slow,), workers=(a_worker(),), expected_workers=1)
    assert judge(alone, POLICY).result is INVALID


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
    own = {
        "title": "booking",
        "kind": "latency",
        "endpoint": "book.*",
        "target": {"over_seconds": 0.2, "budget": "5%"},
    }
    good = an_endpoint(name="login", requests=5000)
    bad = an_endpoint(name="booking", requests=1000, slow={0.2: 200, 0.5: 0})
    facts = with_stage(endpoints=(good, bad))
    assert judge(facts, POLICY).result is PASS
    assert judge(facts, policy(own)).result is FAIL
    assert judge(valid_run(), policy(own)).result is INVALID


def ramp(*stages: StageFacts) -> LoadFacts:
    return valid_run(ramp=True, stages=stages)


FAILING = a_stage(number=2, endpoints=(an_endpoint(failed=30),))


def test_a_ramp_that_broke_does_not_ask_for_what_came_behind() -> None:
    never = a_stage(number=3, lasted_seconds=None)
    assert judge(ramp(a_stage(), FAILING, never), POLICY).result is FAIL
    assert judge(ramp(a_stage(), a_stage(number=2), never), POLICY).result is INVALID
    assert "the ramp ended before it" in said(ramp(a_stage(), FAILING, never))
    lagging = dataclasses.replace(a_stage(number=2), **LAGS)
    assert judge(ramp(a_stage(), lagging, never), POLICY).result is INVALID
    assert "the ramp ended before it" in said(ramp(a_stage(), lagging, never))


BEYOND: dict[str, Any] = {"number": 2, "required": False}


@pytest.mark.parametrize(
    ("stages", "result"),
    [
        pytest.param((a_stage(), a_stage(**BEYOND)), PASS, id="it held"),
        pytest.param(
            (a_stage(), dataclasses.replace(FAILING, required=False)), PASS, id="it did not hold"
        ),
        pytest.param((a_stage(), a_stage(**BEYOND, cpu_share=0.9)), PASS, id="it fell short"),
        pytest.param(
            (
                a_stage(),
                a_stage(**BEYOND, cpu_share=0.9),
                a_stage(number=3, required=False, lasted_seconds=None),
            ),
            PASS,
            id="it fell short, and the ramp ended",
        ),
        pytest.param((a_stage(required=False),), INVALID, id="nothing else was measured"),
        pytest.param(
            (a_stage(lasted_seconds=None), a_stage(**BEYOND)),
            INVALID,
            id="what is wanted is missing",
        ),
        pytest.param((FAILING, a_stage(number=3, required=False)), FAIL, id="less did not hold"),
        pytest.param(
            (a_stage(**BEYOND, cpu_share=0.9), a_stage(number=3, lasted_seconds=None)),
            INVALID,
            id="what is wanted is missing behind it",
        ),
    ],
)
def test_a_stage_beyond_what_is_wanted_neither_passes_nor_fails_a_run(
    stages: tuple[StageFacts, ...], result: LoadResult
) -> None:
    verdict = judge(ramp(*stages), POLICY)
    assert verdict.result is result
    assert verdict.regions == {"eu": result}


# What makes any run worse: none of it, alone or together, ever leads back to PASS.
WORSE_STAGE: list[dict[str, Any]] = [
    {"late": 60},
    {"dropped": 5},
    {"lag_p99_seconds": 0.5},
    {"lag_p99_seconds": math.nan},
    {"cpu_share": 1.2},
    {"sent_by_second": (10,) * 60},
    {"lasted_seconds": 3.0},
    {"lasted_seconds": None},
    {"endpoints": ()},
]
WORSE_ENDPOINT: list[dict[str, Any]] = [
    {"failed": 60},
    {"failed": 60, "own": 60},
    {"slow": SLOW},
    {"slow": SLOW, "slow_service": SLOW},
    {"failed": 60, "timeouts": 60},
]
WORSE_RUN: list[dict[str, Any]] = [
    {"interrupted": "killed"},
    {"expected_workers": 3},
    {"workers": (a_worker(), a_worker(lost=True))},
]


def changed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for one in parts for key, value in one.items()}


@PROPERTY
@given(
    st.lists(st.sampled_from(WORSE_STAGE), max_size=2),
    st.lists(st.sampled_from(WORSE_ENDPOINT), max_size=2),
    st.lists(st.sampled_from(WORSE_RUN), max_size=2),
)
def test_what_gets_worse_never_passes(
    stage: list[dict[str, Any]],
    endpoint: list[dict[str, Any]],
    run: list[dict[str, Any]],
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

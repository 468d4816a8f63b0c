from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from load.verdict import (
    LoadFacts,
    SecondFacts,
    StageFacts,
    bottleneck,
    judge,
    recovery_seconds,
    sustained,
)
from tests.load.verdict.values import (
    POLICY,
    a_stage,
    a_worker,
    an_endpoint,
    valid_run,
    with_endpoint,
    with_stage,
)

N = 6000
SLOW = {0.2: N // 2, 0.5: N // 4}


def step(number: int, **changes: Any) -> StageFacts:
    rps = 100 * number
    requests = rps * 60
    valid = a_stage(
        number=number,
        rps=float(rps),
        due=requests,
        sent=requests,
        sent_by_second=(rps,) * 60,
        endpoints=(an_endpoint(requests=requests),),
    )
    return dataclasses.replace(valid, **changes)


def broken(number: int) -> StageFacts:
    return step(number, endpoints=(an_endpoint(requests=6000 * number, failed=600),))


@pytest.mark.parametrize(
    ("stages", "rps", "words"),
    [
        pytest.param((step(1), step(2)), 200, "", id="everything held"),
        pytest.param(
            (step(1), step(2), broken(3)), 200, "300/s: errors: 3.333%", id="the third broke"
        ),
        pytest.param((broken(1), step(2)), None, "100/s: errors: 10.000%", id="the first broke"),
        pytest.param(
            (step(1), broken(2), step(3)), 100, "200/s: ", id="what holds above a break is chance"
        ),
        pytest.param(
            (step(1), step(2, cpu_share=0.95)), 100, "200/s: the busiest worker", id="generator"
        ),
        pytest.param(
            (step(1), step(2), dataclasses.replace(broken(2), region="us")),
            100,
            "400/s: errors",
            id="in one of two regions",
        ),
    ],
)
def test_the_highest_rate_that_held(
    stages: tuple[StageFacts, ...], rps: float | None, words: str
) -> None:
    found = sustained(judge(valid_run(ramp=True, stages=stages), POLICY))
    assert found.rps == rps
    assert found.why_not_more.startswith(words)
    assert bool(words) == bool(found.why_not_more)


def test_nothing_is_known_to_hold_in_a_run_that_lost_a_worker() -> None:
    facts = valid_run(ramp=True, stages=(step(1),), workers=(a_worker(lost=True),))
    assert sustained(judge(facts, POLICY)).rps is None


@pytest.mark.parametrize(
    ("facts", "cause", "words"),
    [
        pytest.param(with_stage(lag_p99_seconds=0.1), "generator", "lagged 100 ms", id="it lags"),
        pytest.param(
            with_stage(cpu_share=0.99), "generator", "99% of a core", id="its core is full"
        ),
        pytest.param(
            with_stage(late=4000, endpoints=(an_endpoint(slow=SLOW, slow_service=SLOW),)),
            "target",
            "while the generator itself was well",
            id="late, and slow from the time of sending",
        ),
        pytest.param(with_endpoint(failed=30), "target", "0.500% of 6,000 failed", id="errors"),
        pytest.param(
            with_stage(lag_p99_seconds=0.1, endpoints=(an_endpoint(failed=30),)),
            "target",
            "0.500% of 6,000 failed, budget 0.1 %; the generator fell short too: the engine's clock",
            id="errors beside a lag",
        ),
        pytest.param(with_stage(late=4000), "connections", "rate x p99.9 x 2", id="late and quick"),
        pytest.param(
            with_stage(late=40, paused_seconds=0.3),
            "generator",
            "in pauses of 0.3 s in all",
            id="late in its own pauses",
        ),
        pytest.param(
            with_stage(late=400, paused_seconds=0.3), "connections", "rate x", id="late beyond them"
        ),
        pytest.param(with_endpoint(failed=30, own=30), "ports", "30 requests found", id="no ports"),
        pytest.param(valid_run(workers=(a_worker(),)), "generator", "1 of 2", id="a worker less"),
    ],
)
def test_what_limited_a_run(facts: LoadFacts, cause: str, words: str) -> None:
    found = bottleneck(judge(facts, POLICY))
    assert found is not None
    assert found.cause == cause
    assert words in found.sentence


def test_nothing_limited_a_run_that_passed() -> None:
    assert bottleneck(judge(valid_run(), POLICY)) is None


def second(after: int, failed: int = 0, slow: int = 0, completed: int = 100) -> SecondFacts:
    return SecondFacts(after, completed, failed, {0.2: slow, 0.5: 0})


@pytest.mark.parametrize(
    ("seconds", "recovered"),
    [
        pytest.param([second(at) for at in range(5)], 0, id="at once"),
        pytest.param([second(0, slow=90), *map(second, range(1, 5))], 1, id="after a slow second"),
        pytest.param([second(0, failed=1), *map(second, range(1, 5))], 1, id="after an error"),
        pytest.param(
            [second(0), second(1), second(2, slow=90), *map(second, range(3, 6))],
            3,
            id="two good seconds are none",
        ),
        pytest.param(
            [second(0, completed=0), *map(second, range(1, 5))], 1, id="silence is not good"
        ),
        pytest.param([second(0), second(1)], None, id="too short to say"),
        pytest.param([second(at, slow=90) for at in range(9)], None, id="never"),
        pytest.param([], None, id="not measured"),
    ],
)
def test_recovery_is_three_good_seconds(seconds: list[SecondFacts], recovered: int | None) -> None:
    assert recovery_seconds(seconds, POLICY) == recovered

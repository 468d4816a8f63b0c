from __future__ import annotations

import dataclasses
from typing import Any

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
from tests.tables import cases

N = 6000
SLOW = {0.2: N // 2, 0.5: N // 4}


def step(number: int, **changes: Any) -> StageFacts:
    rps = 100 * number
    requests = rps * 60
    valid = a_stage(
        number=number, rps=float(rps), due=requests, sent=requests, sent_by_second=(rps,) * 60,
        endpoints=(an_endpoint(requests=requests),),
    )  # fmt: skip
    return dataclasses.replace(valid, **changes)


def broken(number: int) -> StageFacts:
    return step(number, endpoints=(an_endpoint(requests=6000 * number, failed=600),))


@cases(
    "stages rps words",
    {
        "everything held": ((step(1), step(2)), 200, ""),
        "the third broke": ((step(1), step(2), broken(3)), 200, "300/s: errors: 3.333%"),
        "the first broke": ((broken(1), step(2)), None, "100/s: errors: 10.000%"),
        "what holds above a break is chance": ((step(1), broken(2), step(3)), 100, "200/s: "),
        "generator": ((step(1), step(2, cpu_share=0.95)), 100, "200/s: the busiest worker"),
        "in one of two regions": (
            (step(1), step(2), dataclasses.replace(broken(2), region="us")),
            100,
            "400/s: errors",
        ),
    },
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


@cases(
    "facts cause words",
    {
        "it lags": (with_stage(lag_p99_seconds=0.1), "generator", "lagged 100 ms"),
        "its core is full": (with_stage(cpu_share=0.99), "generator", "99% of a core"),
        "late, and slow from the time of sending": (
            with_stage(late=4000, endpoints=(an_endpoint(slow=SLOW, slow_service=SLOW),)),
            "target",
            "while the generator itself was well",
        ),
        "errors": (with_endpoint(failed=30), "target", "0.500% of 6,000 failed"),
        "errors beside a lag": (
            with_stage(lag_p99_seconds=0.1, endpoints=(an_endpoint(failed=30),)),
            "target",
            "0.500% of 6,000 failed, budget 0.1 %; the generator fell short too: the engine's clock",
        ),
        "late and quick": (with_stage(late=4000), "connections", "rate x p99.9 x 2"),
        "late in its own pauses": (
            with_stage(late=40, paused_seconds=0.3),
            "generator",
            "in pauses of 0.3 s in all",
        ),
        "late beyond them": (with_stage(late=400, paused_seconds=0.3), "connections", "rate x"),
        "no ports": (with_endpoint(failed=30, own=30), "ports", "30 requests found"),
        "a worker less": (valid_run(workers=(a_worker(),)), "generator", "1 of 2"),
    },
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

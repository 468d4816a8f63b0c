"""Builders of load runs: a valid one, from which each test changes one thing."""

from __future__ import annotations

import collections
import dataclasses
import functools
import random
import time
from collections.abc import Callable
from typing import Any

import gevent

from gates.load import load_policy
from load._conclude import LoadRecord, conclude
from load._engine._tally import Tally
from load._run import Moment, Place, Plan, Run, Setting, Stage, Worker
from load._scenario import Target
from settings.load import LoadPolicy

BEGAN_AT = 1_790_000_000
SECONDS = 30
RPS = 240
"""In each of two regions half of it: enough in all to prove 0.1 %."""

STEADY = Stage(1, float(RPS), float(SECONDS), title="steady")


def wait_for(what: Callable[[], object], *, bound_seconds: float = 10.0) -> None:
    """Let others run until something is so."""
    give_up_at = time.monotonic() + bound_seconds
    while not what():
        assert time.monotonic() < give_up_at
        gevent.sleep(0.01)


def a_plan(**changes: Any) -> Plan:
    valid = Plan(
        environment="local", release="v1.2.0", profile="steady", model="open", arrivals="poisson",
        seed=7,
        regions={"eu": "http://127.0.0.1:8101", "us": "http://127.0.0.1:8102"},
        stages=(STEADY,),
        command="locust -f load/ --headless --rps 240 -t 30s --env local",
    )  # fmt: skip
    return dataclasses.replace(valid, **changes)


def a_setting(*, port: int = 1, **changes: Any) -> Setting:
    """Return how a run without calibration sends to one region; changes may be its plan's."""
    setting = Setting(
        run="run",
        plan=a_plan(arrivals="uniform", regions={"eu": f"http://127.0.0.1:{port}"}),
        targets=(Target(region="eu", address=f"http://127.0.0.1:{port}", tag="t"),),
        headers={}, calibrate_seconds=0, calibrate_amount=0, connections=1, deadline_seconds=1.0,
    )  # fmt: skip
    return dataclasses.replace(setting, plan=dataclasses.replace(setting.plan, **changes))


@dataclasses.dataclass(frozen=True)
class Traffic:
    """What one region is sent in one stage, and how it answers."""

    rps: int = RPS // 2
    seconds: int = SECONDS
    began_at: int = BEGAN_AT
    slow_seconds: float = 0.02
    """Answers take from 2 ms up to so much longer."""
    bad_every: int = 0
    """Every so many requests fail; 0: none."""
    trouble: str = "status 503"
    late: int = 0
    lag_seconds: float = 0.004
    seed: int = 1


def a_tally(**changes: Any) -> Tally:
    """Count the traffic's answers, the same ones each time."""
    traffic = dataclasses.replace(Traffic(), **changes)
    chance = random.Random(traffic.seed)  # noqa: S311 - test data that is the same each time
    made = Tally(late=traffic.late, connects=collections.Counter({"127.0.0.1": 20}))
    for at in range(traffic.began_at, traffic.began_at + traffic.seconds):
        for number in range(traffic.rps):
            _answer(made, traffic, at, "booking" if number % 4 == 0 else "login", chance.random())
        for _ in range(50):
            made.lag.record(chance.random() ** 6 * traffic.lag_seconds)
        made.second(at).longest_lag_seconds = traffic.lag_seconds * (0.8 + chance.random() / 5)
    return made


def _answer(made: Tally, traffic: Traffic, at: int, name: str, luck: float) -> None:
    made.due += 1
    made.sent += 1
    second, endpoint = made.second(at), made.endpoint(name)
    second.due += 1
    second.sent += 1
    second.completed += 1
    taken = 0.002 + luck**8 * traffic.slow_seconds
    endpoint.response.record(taken + 0.0003)
    endpoint.service.record(taken)
    endpoint.size_bytes += 120
    second.response.record(taken + 0.0003)
    bad = traffic.bad_every > 0 and made.sent % traffic.bad_every == 0
    if not bad or traffic.trouble.startswith("status"):
        endpoint.statuses[503 if bad else 200] += 1
    if bad:
        endpoint.troubles[traffic.trouble] += 1
        second.failed += 1


def a_worker(
    name: str = "worker-1", *, seconds: int = SECONDS, cpu_share: float = 0.35, **changes: Any
) -> Worker:
    moments = tuple(
        Moment(BEGAN_AT + at, cpu_share + (at % 5) / 100, 3 + at % 4, 0.001 + (at % 7) / 5000)
        for at in range(seconds)
    )
    valid = Worker(
        name=name, lost=False, clock_skew_seconds=0.0004, peak_rss_bytes=90_000_000,
        throttled_periods=0, moments=moments,
    )  # fmt: skip
    return dataclasses.replace(valid, **changes)


@functools.cache
def _tallies() -> dict[Place, Tally]:
    return {(1, "eu"): a_tally(seed=1), (1, "us"): a_tally(seed=2)}


def valid_run(**changes: Any) -> Run:
    valid = Run(
        plan=a_plan(),
        started_at=BEGAN_AT - 0.02,
        ended_at=BEGAN_AT + SECONDS + 0.3,
        tallies=_tallies(),
        begun={1: (BEGAN_AT - 0.01, BEGAN_AT + SECONDS + 0.01)},
        workers=(a_worker(), a_worker("worker-2")),
        expected_workers=2,
        calibration=None,
        versions={"locust": "2.47.0", "python": "3.11.7", "uvloop": "0.23.0", "git": "abc1234"},
        machine={"cpus": 4, "memory_bytes": 8_000_000_000, "hostname": "loader"},
    )
    return dataclasses.replace(valid, **changes)


def with_eu(tally: Tally, **changes: Any) -> Run:
    """Return the valid run with another tally in one region."""
    return valid_run(tallies={**_tallies(), (1, "eu"): tally}, **changes)


def with_worker(name: str = "worker-2", **changes: Any) -> Run:
    """Return the valid run with another second worker."""
    return valid_run(workers=(a_worker(), a_worker(name, **changes)))


def load_rules() -> LoadPolicy:
    """Return the committed policy of load runs."""
    policy = load_policy().load
    if policy is None:
        raise LookupError("gates/policy has no section load")
    return policy


POLICY = load_rules()


def concluded(run: Run, **baseline: Any) -> LoadRecord:
    """Return the record of a run, judged by the committed policy."""
    return conclude(run, POLICY, **baseline)


def failed_run() -> Run:
    """Return a run in which one region answers slowly and every fortieth time with an error."""
    return with_eu(a_tally(bad_every=40, slow_seconds=4.0))


def invalid_run() -> Run:
    """Return a run whose generator lagged, on a full core, and lost a worker."""
    lost = a_worker("worker-2", lost=True, moments=())
    return dataclasses.replace(
        with_eu(a_tally(lag_seconds=0.4, late=900, slow_seconds=0.9)),
        workers=(a_worker(cpu_share=0.93), lost),
        interrupted="Ctrl-C",
    )


def ramp_run(*, wanted_rps: float = 360.0) -> Run:
    """Return a ramp of three stages whose second does not hold, behind a warm-up."""
    rates = ((number, 120.0 * number) for number in (1, 2, 3))
    stages = (
        Stage(0, 60.0, 5.0, measured=False, title="warm-up"),
        *(
            Stage(number, rps, float(SECONDS), title=f"{rps:g}/s", required=rps <= wanted_rps)
            for number, rps in rates
        ),
    )
    begins = {0: BEGAN_AT, 1: BEGAN_AT + 5, 2: BEGAN_AT + 5 + SECONDS}
    tallies = {
        (0, "eu"): a_tally(rps=60, seconds=5),
        (1, "eu"): a_tally(rps=120, began_at=begins[1]),
        (2, "eu"): a_tally(rps=240, began_at=begins[2], slow_seconds=3.0),
    }
    return valid_run(
        plan=a_plan(profile="ramp", regions={"eu": "http://127.0.0.1:8101"}, stages=stages),
        tallies=tallies,
        begun={
            number: (at - 0.01, at + (SECONDS if number else 5) + 0.01)
            for number, at in begins.items()
        },
        workers=(a_worker(seconds=5 + 2 * SECONDS),),
        expected_workers=1,
        ended_at=begins[2] + SECONDS + 0.3,
        calibration=a_tally(slow_seconds=0.001, seed=9),
    )


def spike_run(*, recovers_after: int | None) -> Run:
    """Return a spike, and what came behind it: slow for so many seconds, or to the end."""
    spike = Stage(1, 240.0, 10.0, measured=False, title="spike")
    behind = Stage(2, 120.0, float(SECONDS), title="recovery")
    begins = BEGAN_AT + 10
    slow_for = SECONDS if recovers_after is None else recovers_after
    slow = a_tally(seconds=slow_for, began_at=begins, slow_seconds=30.0)
    slow.merge(a_tally(seconds=SECONDS - slow_for, began_at=begins + slow_for))
    return valid_run(
        plan=a_plan(
            profile="spike", regions={"eu": "http://127.0.0.1:8101"}, stages=(spike, behind)
        ),
        tallies={(1, "eu"): a_tally(rps=240, seconds=10), (2, "eu"): slow},
        begun={1: (BEGAN_AT, begins), 2: (begins - 0.01, begins + SECONDS + 0.01)},
        workers=(a_worker(seconds=10 + SECONDS),),
        expected_workers=1,
        ended_at=begins + SECONDS,
    )

"""The gate's own look at Postgres and Redis: a second source beside the platform's own word.

The platform's health endpoints speak for its users; these speak for the gate, which needs both servers
to read evidence. If only the gate can't reach them, that is our side or an instrument: never a FAIL.
"""

from __future__ import annotations

from typing import Any

import probes
from checks import failures
from checks.check import Check
from checks.platform import Platform
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation


def judge_database(platform: Platform, check: Check) -> None:
    """Judge that the primary answers the gate's read-only login; nothing where there is no login."""
    target = platform.postgres()
    if target is None:
        return
    observed = probes.postgres.server_state(target, deadline=platform.call_deadline())
    problem = "it is a standby" if observed.value is not None and observed.value.in_recovery else ""
    _judge_all(platform, check, "the database", observed, problem)


def judge_redis(platform: Platform, check: Check) -> None:
    """Judge that Redis answers the gate's restricted login; nothing where there is no login."""
    target = platform.redis()
    if target is None:
        return
    observed = probes.redis.ping(target, deadline=platform.call_deadline())
    problem = (
        "it is loading its data" if observed.value is not None and observed.value.loading else ""
    )
    _judge_all(platform, check, "Redis", observed, problem)


def _judge_all(
    platform: Platform, check: Check, subject: str, observed: Observation[Any], problem: str
) -> None:
    """Note one look at a shared server in every region that lives on it."""
    for region in platform.regions:
        check.observe(region, observed)
        if observed.failure is not None:
            check.judge(
                region, failures.instrument_error(f"{subject}, asked by the gate", observed.failure)
            )
        else:
            check.judge(region, _answered(subject, problem))


def _answered(subject: str, problem: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL if problem else Outcome.PASS,
        rule="answers",
        subject=subject,
        sentence=f"{subject} answers the gate{', but ' + problem if problem else ''}",
        observed=problem or "answers",
        target="answers",
        clears="the primary behind that address" if problem else "",
    )

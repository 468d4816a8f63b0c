"""The gate's own look at Postgres and Redis: a second source beside the platform's own word.

The platform's health endpoints speak for its users; these speak for the gate, which needs both servers
to read evidence. If only the gate can't reach them, that is our side or an instrument: never a FAIL.
What answers and can't serve is confirmed like every bad answer: a failover takes some seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Facts, Observation
from steps.kit import failures
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform

V = TypeVar("V", bound=Facts)

_SHARED = "the regions together"
_MEGABYTE = 1024 * 1024


def judge_database(platform: Platform, availability: Availability, check: Check) -> None:
    """Judge that the primary answers the gate's read-only login."""
    target = platform.postgres()
    if target is None:
        check.judge_everywhere(_not_asked("the database", "postgres"))
        return
    _judge(
        (availability, check),
        "the database",
        lambda: probes.postgres.server_state(target, deadline=platform.call_deadline()),
        lambda found: "it is a standby and takes no writes" if found.in_recovery else "",
        "the primary behind that address",
    )


def judge_redis(platform: Platform, availability: Availability, check: Check) -> None:
    """Judge that Redis answers the gate's restricted login, and that it takes writes."""
    target = platform.redis()
    if target is None:
        check.judge_everywhere(_not_asked("Redis", "redis"))
        return
    _judge(
        (availability, check),
        "Redis",
        lambda: probes.redis.ping(target, deadline=platform.call_deadline()),
        _problem_of_redis,
        "a primary with free memory and disk behind that address",
        _doubt_of_redis,
    )


def _problem_of_redis(found: probes.redis.RedisFacts) -> str:
    """Say why a Redis that answers can't serve the platform; empty when it can."""
    if found.loading:
        return "it is loading its data"
    if found.role != "master":
        stale = (
            ""
            if found.primary_is_linked
            else ", and its link to the primary is down: its data are old"
        )
        return f"it is a replica, which takes no writes{stale}"
    if found.out_of_memory:
        used, most = (
            size / _MEGABYTE for size in (found.used_memory_bytes, found.max_memory_bytes)
        )
        return (
            f"it is out of memory ({used:.1f} of {most:.1f} MB, {found.policy}) and refuses writes"
        )
    if found.append_failed:
        return "it can't write its append-only file and refuses writes"
    return ""


def _doubt_of_redis(found: probes.redis.RedisFacts) -> str:
    if not found.save_failed:
        return ""
    return "its last snapshot failed: it refuses writes, unless stop-writes-on-bgsave-error is off"


def _judge(
    by: tuple[Availability, Check],
    subject: str,
    ask: Callable[[], Observation[V]],
    problem_of: Callable[[V], str],
    clears: str,
    doubt_of: Callable[[V], str] = lambda _: "",
) -> None:
    """Note one look at a shared server in every region that lives on it; a doubt decides nothing."""
    availability, check = by
    observed = ask()
    judgements: tuple[Judgement, ...] = ()
    if observed.value is not None and check.confirms and problem_of(observed.value):
        reading = availability.reach(
            _SHARED,
            subject,
            subject,
            ask,
            lambda found: [_answered(subject, problem_of(found), clears)],
            confirm=True,
        )
        observed, judgements = reading.observation, reading.judgements
    elif observed.value is not None:
        judgements = (_answered(subject, problem_of(observed.value), clears),)
    if observed.value is None:
        failure = failures.failure_of(observed)
        judgements = (failures.instrument_error(f"{subject}, asked by the gate", failure),)
    elif doubt := doubt_of(observed.value):
        why = f"{subject} answers the gate, but {doubt}"
        judgements = (*judgements, expect(None, subject, why, "a snapshot that succeeds (BGSAVE)"))
    check.observe_everywhere(observed)
    check.judge_everywhere(*judgements)


def _answered(subject: str, problem: str, clears: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL if problem else Outcome.PASS,
        rule="answers",
        subject=subject,
        sentence=f"{subject} answers the gate{', but ' + problem if problem else ''}",
        observed=problem or "answers",
        target="answers",
        clears=clears if problem else "",
    )


def _not_asked(subject: str, section: str) -> Judgement:
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="asked",
        subject=subject,
        sentence=f"{subject} was not asked: the environment has no section {section} with the gate's login",
        clears=f"the section {section} in the environment; docs/platform-contract.md says how",
    )

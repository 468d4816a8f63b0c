"""Health endpoints, and the gate's own look at what stands behind them.

The platform's health endpoints speak for its users; the gate's own look at Postgres and Redis speaks for
the gate, which needs both servers to read evidence. If only the gate can't reach them, that is our side
or an instrument: never a FAIL. What answers and can't serve is confirmed like every bad answer: a
failover takes some seconds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import TypeVar

from pytest_bdd import parsers

import probes
from gates.decide.judgement import Judgement, below, equals
from gates.decide.outcome import Outcome
from probes.observation import Facts, Observation
from steps.kit import failures
from steps.kit.asked import Asked, Unread
from steps.kit.platform import NotDescribedError
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.service import health_rules, rules
from steps.service.endpoint import Endpoint

TIMED = 7
"""So many answers are timed for a median."""
_SHARED = "the regions together"

V = TypeVar("V", bound=Facts)


@when(
    parsers.parse("the {name} endpoint of the {service} is read in every region"),
    target_fixture="endpoint",
)
def read(run: Run, asked: Asked, name: str, service: str) -> Endpoint:
    return Endpoint.of(run, asked, service, name).read()


@when(
    parsers.parse("the {name} endpoint of the {service} is read seven times in every region"),
    target_fixture="endpoint",
)
def read_seven_times(run: Run, asked: Asked, name: str, service: str) -> Endpoint:
    return Endpoint.of(run, asked, service, name).read(TIMED)


@then(parsers.parse("it answers with status {status:d} and JSON"))
def answers(endpoint: Endpoint, status: int) -> None:
    endpoint.judge(lambda answer: health_rules.answers(endpoint.subject, answer, status))


@then("it reports healthy")
def reports_healthy(endpoint: Endpoint) -> None:
    field, wanted = endpoint.described.status_field or "status", endpoint.described.healthy
    endpoint.judge_bodies(
        lambda body: [equals(f"{endpoint.subject} {field}", body.get(field), wanted)]
    )


@then("it reports the restored version")
@then("it reports the released version")
def reports_release(endpoint: Endpoint) -> None:
    field, wanted = endpoint.described.version_field or "version", endpoint.asked.platform.serving
    endpoint.judge_bodies(
        lambda body: [equals(f"{endpoint.subject} {field}", body.get(field), wanted.number)]
    )


@then(parsers.parse("the median of its latencies is below {limit_ms:g} ms"))
def latency_below(endpoint: Endpoint, limit_ms: float) -> None:
    """Judge the latencies that the bodies report, and our own clock.

    What a body says of itself is the subject's word: the answer as a whole may take no longer than
    that limit and the policy's `answer_overhead` for network and application.
    """
    asked, subject = endpoint.asked, endpoint.subject
    field = endpoint.described.latency_field
    if field is None:
        raise NotDescribedError(f"{subject} has no latency_field in the environment; add it")
    limit = limit_ms + asked.platform.policy.availability.answer_overhead * 1000
    for region in asked.regions:
        for found in endpoint.reached(region):
            timed = [one.observation for one in found.readings[:TIMED]]
            said = health_rules.median_below(subject, field, [one.value for one in timed], limit_ms)
            waits = [(one.phases.get("wait") or 0.0) * 1000 for one in timed]
            clock = f"{subject} median time to answer of {len(waits)}, by the gate's own clock,"
            asked.check.judge(region, said, below(clock, statistics.median(waits), limit, "ms"))


@then("the database answers the gate's own read-only query")
def database_answers(run: Run, asked: Asked) -> None:
    target, platform = asked.platform.postgres(), asked.platform
    if target is None:
        asked.judge(rules.not_asked("the database", "postgres"))
        return
    _confirmed(
        run,
        asked,
        "the database",
        lambda: probes.postgres.server_state(target, deadline=platform.call_deadline()),
        rules.database_serves,
    )


@then("Redis answers the gate's own ping")
def redis_answers(run: Run, asked: Asked) -> None:
    target, platform = asked.platform.redis(), asked.platform
    if target is None:
        asked.judge(rules.not_asked("Redis", "redis"))
        return
    found = _confirmed(
        run,
        asked,
        "Redis",
        lambda: probes.redis.ping(target, deadline=platform.call_deadline()),
        rules.redis_serves,
    )
    asked.judge(*rules.redis_keeps(found))


def _confirmed(
    run: Run,
    asked: Asked,
    subject: str,
    ask: Callable[[], Observation[V]],
    rule: Callable[[V], Judgement],
) -> V:
    """Judge a server that the regions share, confirmed where it means a rollback; Unread if it is silent."""
    observed = ask()
    judgements: tuple[Judgement, ...] = ()
    if observed.value is not None:
        judgements = (rule(observed.value),)
    if asked.check.confirms and any(one.outcome is Outcome.FAIL for one in judgements):
        reading = run.availability.reach(
            _SHARED, subject, subject, ask, lambda found: [rule(found)], confirm=True
        )
        observed, judgements = reading.observation, reading.judgements
    asked.keep(observed)
    if observed.value is None:
        failure = failures.failure_of(observed)
        asked.judge(failures.instrument_error(f"{subject}, asked by the gate", failure))
        raise Unread(subject)
    asked.judge(*judgements)
    return observed.value

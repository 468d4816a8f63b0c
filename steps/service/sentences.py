"""Health endpoints, and the gate's own look at what stands behind them."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from steps.cluster.clusters import Clusters
from steps.kit.check import Check
from steps.kit.run import Run
from steps.service.direct import judge_database, judge_redis
from steps.service.health import LATENCY_PROBES, Health, Readings


def _health(run: Run, check: Check, service: str, endpoint: str) -> Health:
    return Health(
        run.platform, run.availability, check, service, endpoint, clusters=run.shared(Clusters.of)
    )


@when(
    parsers.parse("the {endpoint} endpoint of the {service} is read in every region"),
    target_fixture="reading",
)
def read(run: Run, check: Check, endpoint: str, service: str) -> tuple[Health, Readings]:
    health = _health(run, check, service, endpoint)
    return health, health.read()


@when(
    parsers.parse("the {endpoint} endpoint of the {service} is read seven times in every region"),
    target_fixture="reading",
)
def read_seven_times(
    run: Run, check: Check, endpoint: str, service: str
) -> tuple[Health, Readings]:
    health = _health(run, check, service, endpoint)
    return health, health.read(LATENCY_PROBES)


@then(parsers.parse("it answers with status {status:d} and JSON"))
def answers(reading: tuple[Health, Readings], status: int) -> None:
    health, readings = reading
    health.answers(readings, status)


@then("it reports healthy")
def reports_healthy(reading: tuple[Health, Readings]) -> None:
    health, readings = reading
    health.says_healthy(readings)


@then("it reports the released version")
def reports_release(reading: tuple[Health, Readings]) -> None:
    health, readings = reading
    health.says_release(readings)


@then(parsers.parse("the median of its latencies is below {limit_ms:g} ms"))
def latency_below(reading: tuple[Health, Readings], limit_ms: float) -> None:
    health, readings = reading
    health.latency_below(readings, limit_ms)


@then("the database answers the gate's own read-only query")
def database_answers(run: Run, check: Check) -> None:
    judge_database(run.platform, run.availability, check)


@then("Redis answers the gate's own ping")
def redis_answers(run: Run, check: Check) -> None:
    judge_redis(run.platform, run.availability, check)

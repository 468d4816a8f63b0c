"""Builders of a load run's facts: a valid run, from which each test changes one thing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from load.verdict import EndpointFacts, LoadFacts, StageFacts, WorkerFacts
from settings.load import LoadPolicy

RPS = 100.0
SECONDS = 60


_POLICY = """
objectives:
- {title: p95, kind: latency, target: {over_seconds: 0.2, budget: 5%}}
- {title: p99, kind: latency, target: {over_seconds: 0.5, budget: 1%}}
- {title: errors, kind: errors, target: {budget: 0.1%}}
generator: {rate: 99.5%, second: 95%, late: 0.1%, lag_p99: 5ms, worker_cpu: 80%, clock_skew: 500ms,
  throttled_periods: 0}
"""


def policy(*objectives: dict[str, Any]) -> LoadPolicy:
    """Return the runbook's targets, and more objectives."""
    read = yaml.safe_load(_POLICY)
    return LoadPolicy.model_validate({**read, "objectives": [*read["objectives"], *objectives]})


POLICY = policy()


def an_endpoint(**changes: Any) -> EndpointFacts:
    requests = changes.pop("requests", int(RPS * SECONDS))
    slow = {0.2: requests // 100, 0.5: 0}
    valid = EndpointFacts(
        "login", requests, failed=0, own=0, timeouts=0, slow=slow, slow_service=slow
    )
    return dataclasses.replace(valid, **changes)


def a_stage(**changes: Any) -> StageFacts:
    requests = int(RPS * SECONDS)
    valid = StageFacts(
        number=1, title="steady", region="eu", rps=RPS, planned_seconds=float(SECONDS),
        lasted_seconds=float(SECONDS), sent_by_second=(int(RPS),) * SECONDS, due=requests,
        sent=requests, late=0, dropped=0, lag_p99_seconds=0.001, paused_seconds=0.0, cpu_share=0.3,
        endpoints=(an_endpoint(),),
    )  # fmt: skip
    return dataclasses.replace(valid, **changes)


def a_worker(**changes: Any) -> WorkerFacts:
    valid = WorkerFacts("one", lost=False, clock_skew_seconds=0.001, throttled_periods=0)
    return dataclasses.replace(valid, **changes)


def valid_run(**changes: Any) -> LoadFacts:
    valid = LoadFacts(
        model="open", arrivals="poisson", ramp=False, stages=(a_stage(), a_stage(region="us")),
        workers=(a_worker(), a_worker(name="two")), expected_workers=2, interrupted="",
    )  # fmt: skip
    return dataclasses.replace(valid, **changes)


def with_stage(**changes: Any) -> LoadFacts:
    """Return the valid run with one change in one region."""
    return valid_run(stages=(a_stage(**changes), a_stage(region="us")))


def with_endpoint(**changes: Any) -> LoadFacts:
    """Return the valid run with one change at the one endpoint of one region."""
    return with_stage(endpoints=(an_endpoint(**changes),))


def described(run: Mapping[str, Any]) -> LoadFacts:
    """Return the run that runs.yaml describes."""
    parts = dict(run)
    first = {**parts.pop("stage", {}), "endpoint": parts.pop("endpoint", {})}
    stages = parts.pop("stages", [first, {"region": "us"}])
    workers = parts.pop("workers", [{}, {"name": "two", **parts.pop("worker", {})}])
    return valid_run(
        stages=tuple(_stage(one) for one in stages),
        workers=tuple(a_worker(**one) for one in workers),
        **parts,
    )


def _stage(described: Mapping[str, Any]) -> StageFacts:
    parts = dict(described)
    requests = {}
    if step := parts.pop("step", 0):
        number, rps = step, 100 * step
        requests = {"requests": rps * SECONDS}
        sent = {"due": rps * SECONDS, "sent": rps * SECONDS, "sent_by_second": (rps,) * SECONDS}
        parts = {"number": number, "rps": float(rps), **sent, **parts}
    endpoints = parts.pop("endpoints", [requests | parts.pop("endpoint", {})])
    if isinstance(seconds := parts.get("sent_by_second"), str):
        parts["sent_by_second"] = tuple(_seconds(seconds))
    return a_stage(**parts, endpoints=tuple(an_endpoint(**one) for one in endpoints))


def _seconds(text: str) -> Iterator[int]:
    for part in filter(None, text.split(", ")):
        times, _, requests = part.rpartition(" x ")
        yield from [int(requests)] * int(times or 1)

"""Verdicts to render: one that is valid, and the ways in which it changes; judged by the real rules."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from gates.decide.catalogue import Row
from gates.decide.counting.objective import (
    Bucket,
    Evidence,
    Over,
    Sustained,
    judge_quantile,
    judge_rollback,
    judge_target,
)
from gates.decide.counting.statistics import Counts
from gates.decide.fold import Stage, fold
from gates.decide.judgement import Judgement, below, equals
from gates.decide.outcome import Meaning, Outcome
from gates.decide.scope import NotAsked
from gates.decide.statements import Kind, Overridden, Waiver
from gates.decide.verdict import Finished, Noted, Observed, Verdict
from gates.run.lines import Lines
from gates.run.manifest import Manifest
from gates.run.verdict import decided, not_applicable_results
from tests.gates.decide.values import (
    a_latency_objective,
    a_quantile_objective,
    a_row,
    a_waiver,
    an_objective,
    the_rollback,
)

RUN = "20261123T011536Z-post-deploy-a1b2c3"
REGIONS = ("eu", "us")
AT = "2026-11-23T01:16:01.250+00:00"
BOUNDS = (0.05, 0.2, 0.5, 1.0)

P95 = a_latency_objective(title="API p95 response time under 200 ms", bucket_bounds=BOUNDS)
ERRORS = an_objective(
    title="Error rate under 0.1 %",
    target={"budget": "0.1%"},
    rollback={"budget": "1%", "for": "5m"},
)
INTERPOLATED = a_quantile_objective(
    title="API p95 response time under 150 ms",
    bucket_bounds=BOUNDS,
    target={"quantile": 0.95, "target_seconds": 0.15},
    rollback=None,
)
TITLES = {
    "IV-HEALTH-1": "The API answers its health check",
    "IV-HEALTH-5": "The API is healthy and runs the release",
    "IV-HEALTH-6": "The database is healthy and fast",
    "IV-FLOW-1": "A patient can register",
    "IV-PERF-1": "API p95 response time is under 200 ms",
    "IV-PERF-3": "The error rate is under 0.1 %",
}
Found = dict[tuple[str, str], tuple[Judgement, ...]]


def row(check: str, owner: str, on_fail: Meaning) -> Row:
    section = "environment:synthetic" if "FLOW" in check else ""
    return dataclasses.replace(a_row(check, on_fail), owner=owner, applies_if=section)


ROWS = (
    row("IV-HEALTH-1", "platform", Meaning.ROLLBACK),
    row("IV-HEALTH-5", "release", Meaning.HOLD),
    row("IV-HEALTH-6", "database", Meaning.HOLD),
    row("IV-PERF-1", "sre", Meaning.ROLLBACK),
    row("IV-PERF-3", "sre", Meaning.ROLLBACK),
)
OPENED = Verdict(
    schema=1,
    run=RUN,
    state="complete",
    decision=None,
    exit_code=None,
    gate="post-deploy",
    window="15m",
    environment="local",
    release="v1.2.0",
    not_asked=(
        NotAsked("synthetic", "the environment has no such section", ("IV-FLOW-1",)),
        NotAsked("the first 1h", "due later", ("IV-LOG-1", "IV-LOG-2")),
    ),
    traffic_switched_at="2026-11-23T01:15:20+00:00",
    started_at="2026-11-23T01:15:36.100+00:00",
    finished_at="2026-11-23T01:16:07.300+00:00",
    elapsed_seconds=31.2,
)
NOT_DUE = row("IV-FLOW-1", "qa", Meaning.ROLLBACK)


def evidence(metric: str, region: str, **shown: float) -> Evidence:
    total = f'sum(increase({metric}_count{{job="api",region="{region}"}}[20000ms]))'
    bad = f'sum(increase({metric}_count{{job="api",region="{region}",status=~"5.."}}[20000ms]))'
    return Evidence(20.0, {"bad": bad, "total": total}, AT, dict(shown))


def p95(region: str, *, slow: float = 12.0, samples: float = 4102.0) -> tuple[Judgement, ...]:
    counts = Counts(slow, samples)
    calm = Sustained((Counts(0.0, 400.0),) * 5, Counts(0.0, 2000.0), 10.0)
    proof = evidence("http_request_duration_seconds", region, p95_seconds=0.142)
    return judge_target(P95, counts, proof), judge_rollback(P95, the_rollback(P95), calm, proof)


def quantile(region: str, seconds: float, over_50: float, over_200: float) -> tuple[Judgement, ...]:
    counts = [Counts(over_50, 4000.0), Counts(over_200, 4000.0)]
    lower, upper = (Over(bound, one) for bound, one in zip(BOUNDS, counts, strict=False))
    proof = evidence("http_request_duration_seconds", region, p95_seconds=seconds)
    return (judge_quantile(INTERPOLATED, Bucket(lower, upper, seconds), proof),)


def errors(region: str, *, bad: float = 0.0, samples: float = 4004.0) -> tuple[Judgement, ...]:
    step = Counts(bad / 20, samples / 20)
    sustained = Sustained((step,) * 5, Counts(bad / 4, samples / 4), 5.0)
    proof = evidence("http_requests_total", region)
    return judge_target(ERRORS, Counts(bad, samples), proof), judge_rollback(
        ERRORS, the_rollback(ERRORS), sustained, dataclasses.replace(proof, look_back_seconds=5.0)
    )


def instrument_away(region: str) -> tuple[Judgement, ...]:
    subject = "Prometheus"
    return (
        Judgement(
            outcome=Outcome.ERROR,
            rule="instrument",
            subject=subject,
            sentence=f"{subject}: connection refused. 127.0.0.1:9090 refuses connections",
            observed="connection refused",
            clears="that answer arriving as it should",
            data={"phase": "connect", "region": region},
        ),
    )


def passing() -> Found:
    """Return results with which every check passes in every region."""
    found: Found = {}
    for region in REGIONS:
        found["IV-HEALTH-1", region] = (equals("status of /health", 200, 200),)
        found["IV-HEALTH-5", region] = (
            equals("health status", "healthy", "healthy"),
            equals("version", "1.2.0", "1.2.0"),
        )
        found["IV-HEALTH-6", region] = (below("database median latency of 7", 4.2, 50, "ms"),)
        found["IV-PERF-1", region] = p95(region)
        found["IV-PERF-3", region] = errors(region)
    return found


def observation(region: str, seconds: float = 0.0042) -> Observed:
    phases = {"resolve": 0.0001, "connect": 0.0002, "tls": None, "wait": seconds - 0.0003}
    target = f"GET http://{region}.example/health"
    return Observed("http", target, AT, seconds, phases, {"status": 200}, None, 1)


def verdict_of(
    found: Found,
    *,
    stage: Stage = Stage.LIVE,
    rows: tuple[Row, ...] = ROWS,
    problems: tuple[str, ...] = (),
    twice: tuple[tuple[str, str], ...] = (),
    waivers: tuple[Waiver, ...] = (),
) -> Verdict:
    """Return the complete verdict that the gate makes of these results; `twice` ran once more."""
    lines = Lines((*(_ended(item, found) for item in rows), *map(_again, twice)), ())
    asked = Manifest(rows, ((NOT_DUE, "the environment has no synthetic section"),))
    results = (*lines.results, *not_applicable_results(asked, REGIONS))
    stages = dict.fromkeys((row.id for row in asked.rows), stage)
    folded = fold(asked.rows, REGIONS, results, stages, problems, waivers)
    opened = dataclasses.replace(OPENED, stage=stage.value, waivers=waivers)
    made = decided(opened, folded, asked, stages, lines)
    checks = [dataclasses.replace(one, title=TITLES.get(one.id), stage=None) for one in made.checks]
    return changed(made, exit_code=folded.decision.exit_code, checks=tuple(checks))


def _ended(item: Row, found: Found) -> Finished:
    return Finished(
        check=item.id,
        elapsed_seconds=20.4 if "PERF" in item.id else 0.123,
        regions={
            region: Noted(found[item.id, region], (observation(region), observation(region, 0.612)))
            for region in REGIONS
            if (item.id, region) in found
        },
    )


def _again(ran: tuple[str, str]) -> Finished:
    return Finished(check=ran[0], regions={ran[1]: Noted((), ())})


def changed(verdict: Verdict, **changes: Any) -> Verdict:
    """Return a verdict with changes that nothing else of it knows."""
    return dataclasses.replace(verdict, **changes)


def held(sentence: str) -> Verdict:
    """Return a verdict of which everything passed and whose run has a problem of its own."""
    return verdict_of(passing(), problems=(sentence,))


def failing(judgement: Judgement, stage: Stage = Stage.LIVE) -> Verdict:
    """Return a verdict that one judgement of one check makes red in one region."""
    return verdict_of(passing() | {("IV-HEALTH-1", "eu"): (judgement,)}, stage=stage)


def waived() -> Verdict:
    found = passing() | {("IV-HEALTH-6", "us"): (below("database median", 61.0, 50, "ms"),)}
    return verdict_of(found, waivers=(a_waiver("IV-HEALTH-6"),))


def overridden() -> Verdict:
    """Return a HOLD that somebody decided."""
    at = dt.datetime(2026, 11, 23, 2, 0, tzinfo=dt.UTC)
    by = ("Rosa Keller as release-manager",)
    why = "Prometheus was restarted, the patients are well"
    return changed(hold(), overridden=Overridden(hold().run, "5" * 64, Kind.PROCEED, why, by, at))


def go() -> Verdict:
    return verdict_of(passing())


def rollback() -> Verdict:
    found = passing() | {("IV-PERF-3", "eu"): errors("eu", bad=121.0)}
    found["IV-HEALTH-6", "us"] = (below("database median latency of 7", 61.0, 50, "ms"),)
    return verdict_of(found)


def hold() -> Verdict:
    found = passing() | {("IV-PERF-3", region): errors(region, bad=12.0) for region in REGIONS}
    found["IV-PERF-1", "eu"] = p95("eu", slow=0.0, samples=41.0)
    return verdict_of(found)


def interpolated() -> Verdict:
    found = {("IV-PERF-1", region): quantile(region, 0.041, 61.0, 3.0) for region in REGIONS}
    return verdict_of(passing() | found)


def between_bounds() -> Verdict:
    found = {("IV-PERF-1", "eu"): quantile("eu", 0.142, 700.0, 20.0)}
    return verdict_of(passing() | found)


def no_prometheus() -> Verdict:
    away = {
        (check, region): instrument_away(region)
        for check in ("IV-PERF-1", "IV-PERF-3")
        for region in REGIONS
    }
    return verdict_of(passing() | away)


def missing() -> Verdict:
    found = passing()
    del found["IV-HEALTH-1", "us"]
    return verdict_of(found)


def stopped() -> Verdict:
    return failing(equals("status of /health", 503, 200), stage=Stage.NOT_SWITCHED)


def no_go() -> Verdict:
    return failing(equals("status of /health", 503, 200), stage=Stage.BEFORE)


def advisory() -> Verdict:
    rows = (*ROWS, row("IV-NOTE-1", "qa", Meaning.ADVISORY))
    found = passing() | {
        ("IV-NOTE-1", region): (below("page weight", 2.5, 2, "MB"),) for region in REGIONS
    }
    return verdict_of(found, rows=rows)


def without_decision(state: str, exit_code: int | None = None, *sentences: str) -> Verdict:
    """Return a verdict as it stands when the run did not come to a decision."""
    ended = {"state": state, "exit_code": exit_code, "sentences": sentences}
    return changed(OPENED, **ended, stage=Stage.LIVE.value, finished_at=None, elapsed_seconds=None)


def incomplete() -> Verdict:
    return without_decision("incomplete")


def refused() -> Verdict:
    sentence = "environments/prod.yaml: regions.eu.api: still says EDIT-ME; write the address."
    return without_decision("refused", 78, sentence)


def failed() -> Verdict:
    sentence = "The disk is full: reports/out could not be written; free some space."
    return without_decision("failed", 70, sentence)


def interrupted() -> Verdict:
    sentence = "Interrupted by SIGTERM after 12 s; the synthetic records were removed."
    return changed(missing(), state="interrupted", sentences=(sentence,))


EVERY: Mapping[str, Callable[[], Verdict]] = {
    one.__name__: one
    for one in (
        *(go, rollback, hold, interpolated, between_bounds, no_prometheus, missing, stopped, no_go),
        *(advisory, incomplete, refused, failed, interrupted, waived, overridden),
    )
}

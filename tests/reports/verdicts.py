"""Verdicts to render: one that is valid, and the ways in which it changes; judged by the real rules."""

from __future__ import annotations

import collections
import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from gates.decide.catalogue import Row
from gates.decide.events import Counts
from gates.decide.fold import Folded, RegionResult, Stage, fold
from gates.decide.judgement import Judgement, below, equals
from gates.decide.objective import Evidence, Sustained, judge_rollback, judge_target
from gates.decide.outcome import Meaning, Outcome, worst_outcome
from gates.decide.quantile import Bucket, Over, judge_quantile
from settings.objectives import Objective

RUN = "20261123T011536Z-post-deploy-a1b2c3"
REGIONS = ("eu", "us")
AT = "2026-11-23T01:16:01.250+00:00"
BOUNDS = (0.05, 0.2, 0.5, 1.0)

P95 = Objective.model_validate(
    {
        "check": "IV-PERF-1",
        "title": "API p95 response time under 200 ms",
        "kind": "latency",
        "metric": "request_duration",
        "bucket_bounds": BOUNDS,
        "shown_quantile": 0.95,
        "target": {"over_seconds": 0.2, "budget": "5%"},
        "rollback": {"over_seconds": 0.5, "budget": "5%", "for": "10m"},
        "look_back": "5m",
        "wait_for_samples": "15m",
    }
)
ERRORS = Objective.model_validate(
    {
        "check": "IV-PERF-3",
        "title": "Error rate under 0.1 %",
        "kind": "errors",
        "metric": "requests_total",
        "bad_status": "5..",
        "target": {"budget": "0.1%"},
        "rollback": {"budget": "1%", "for": "5m"},
        "look_back": "5m",
        "wait_for_samples": "15m",
    }
)
INTERPOLATED = Objective.model_validate(
    {
        "check": "IV-PERF-1",
        "title": "API p95 response time under 150 ms",
        "kind": "latency",
        "metric": "request_duration",
        "bucket_bounds": BOUNDS,
        "target": {"quantile": 0.95, "target_seconds": 0.15},
        "look_back": "5m",
        "wait_for_samples": "15m",
    }
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
    return Row(
        id=check,
        phase="post-deploy",
        when="15m",
        owner=owner,
        severity="blocker",
        kind="auto",
        smoke=True,
        on_fail=on_fail,
        applies_if="environment:synthetic" if "FLOW" in check else "",
        invariant=False,
    )


ROWS = (
    row("IV-HEALTH-1", "platform", Meaning.ROLLBACK),
    row("IV-HEALTH-5", "release", Meaning.HOLD),
    row("IV-HEALTH-6", "database", Meaning.HOLD),
    row("IV-PERF-1", "sre", Meaning.ROLLBACK),
    row("IV-PERF-3", "sre", Meaning.ROLLBACK),
)
MADE_WITH = {
    "versions": {"gate": "0.1.0", "python": "3.11.7", "commit": None},
    "digests": {"policy": "sha256:1", "catalogue": "sha256:2", "environment": "sha256:3"},
}
NOT_ASKED = [
    {
        "what": "synthetic",
        "why": "the environment has no such section",
        "checks": ["IV-FLOW-1"],
    },
    {"what": "the first 1h", "why": "due later", "checks": ["IV-LOG-1", "IV-LOG-2"]},
]
NOT_DUE = row("IV-FLOW-1", "qa", Meaning.ROLLBACK)


def evidence(metric: str, region: str, **shown: float) -> Evidence:
    total = f'sum(increase({metric}_count{{job="api",region="{region}"}}[20000ms]))'
    bad = f'sum(increase({metric}_count{{job="api",region="{region}",status=~"5.."}}[20000ms]))'
    return Evidence(20.0, {"bad": bad, "total": total}, AT, dict(shown))


def p95(region: str, *, slow: float = 12.0, samples: float = 4102.0) -> tuple[Judgement, ...]:
    counts = Counts(slow, samples)
    limit = P95.rollback
    if limit is None:
        raise LookupError("P95 has a rollback limit")
    calm = Sustained((Counts(0.0, 400.0),) * 5, Counts(0.0, 2000.0), 10.0)
    proof = evidence("http_request_duration_seconds", region, p95_seconds=0.142)
    return judge_target(P95, counts, proof), judge_rollback(P95, limit, calm, proof)


def quantile(region: str, seconds: float, over_50: float, over_200: float) -> tuple[Judgement, ...]:
    counts = [Counts(over_50, 4000.0), Counts(over_200, 4000.0)]
    lower, upper = (Over(bound, one) for bound, one in zip(BOUNDS, counts, strict=False))
    proof = evidence("http_request_duration_seconds", region, p95_seconds=seconds)
    return (judge_quantile(INTERPOLATED, Bucket(lower, upper, seconds), proof),)


def errors(region: str, *, bad: float = 0.0, samples: float = 4004.0) -> tuple[Judgement, ...]:
    limit = ERRORS.rollback
    if limit is None:
        raise LookupError("ERRORS has a rollback limit")
    step = Counts(bad / 20, samples / 20)
    sustained = Sustained((step,) * 5, Counts(bad / 4, samples / 4), 5.0)
    proof = evidence("http_requests_total", region)
    return judge_target(ERRORS, Counts(bad, samples), proof), judge_rollback(
        ERRORS, limit, sustained, dataclasses.replace(proof, look_back_seconds=5.0)
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


def blocked() -> tuple[Judgement, ...]:
    sentence = "A patient can pay could not be tried: blocked by the broken step “login”"
    return (Judgement(Outcome.INCONCLUSIVE, "blocked", "A patient can pay", sentence),)


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


def observation(region: str, seconds: float = 0.0042) -> dict[str, Any]:
    return {
        "probe": "http",
        "target": f"GET http://{region}.example/health",
        "started_at": AT,
        "elapsed_seconds": seconds,
        "phases": {"resolve": 0.0001, "connect": 0.0002, "tls": None, "wait": seconds - 0.0003},
        "facts": {"status": 200},
        "failure": None,
        "attempts": 1,
    }


def verdict_of(
    found: Found,
    *,
    stage: Stage = Stage.LIVE,
    rows: tuple[Row, ...] = ROWS,
    problems: tuple[str, ...] = (),
    twice: tuple[tuple[str, str], ...] = (),
) -> Any:
    """Return the complete verdict that the real fold makes of these results; `twice` ran once more."""
    folded = _folded(found, stage, rows, problems, twice)
    checks = [_check(item, found) for item in rows]
    for check in checks:
        for region, cell in check["regions"].items():
            cell["ran"] = 1 + twice.count((check["id"], region))
    checks.append(
        {
            **_check(NOT_DUE, {}),
            "not_applicable": "the environment has no synthetic section",
            "elapsed_seconds": None,
            "regions": {region: _not_applicable() for region in REGIONS},
        }
    )
    return {
        "schema": 1,
        "run": RUN,
        "state": "complete",
        "decision": folded.decision.value,
        "exit_code": folded.decision.exit_code,
        "gate": "post-deploy",
        "window": "15m",
        "environment": "local",
        "release": "v1.2.0",
        "stage": stage.value,
        "regions": {region: said.value for region, said in folded.by_region.items()},
        "not_asked": NOT_ASKED,
        "traffic_switched_at": "2026-11-23T01:15:20+00:00",
        "started_at": "2026-11-23T01:15:36.100+00:00",
        "finished_at": "2026-11-23T01:16:07.300+00:00",
        "elapsed_seconds": 31.2,
        "counts": _counts(checks),
        "sentences": [],
        "reasons": [reason.record() for reason in folded.reasons],
        "advisories": [reason.record() for reason in folded.advisories],
        "checks": checks,
        **MADE_WITH,
    }


def _counts(checks: list[dict[str, Any]]) -> dict[str, int]:
    cells = [cell["outcome"] or "MISSING" for c in checks for cell in c["regions"].values()]
    return dict(collections.Counter(cells))


def _folded(
    found: Found,
    stage: Stage,
    rows: tuple[Row, ...],
    problems: tuple[str, ...],
    twice: tuple[tuple[str, str], ...],
) -> Folded:
    results = [RegionResult(check, region, items) for (check, region), items in found.items()]
    results += [RegionResult(check, region, ()) for check, region in twice]
    return fold(rows, REGIONS, results, stage, problems)


def _check(item: Row, found: Found) -> dict[str, Any]:
    return {
        "id": item.id,
        "title": TITLES.get(item.id, item.id),
        "phase": item.phase,
        "owner": item.owner,
        "severity": item.severity,
        "on_fail": item.on_fail.value,
        "not_applicable": None,
        "elapsed_seconds": 20.4 if "PERF" in item.id else 0.123,
        "regions": {region: _cell(found.get((item.id, region), ()), region) for region in REGIONS},
    }


def _not_applicable() -> dict[str, Any]:
    rule = Judgement(
        Outcome.NOT_APPLICABLE,
        "applies_if",
        "the check",
        "the environment has no synthetic section",
    )
    outcome = Outcome.NOT_APPLICABLE.value
    return {"outcome": outcome, "judgements": [rule.record()], "observations": []}


def _cell(judgements: tuple[Judgement, ...], region: str) -> dict[str, Any]:
    outcome = worst_outcome(item.outcome for item in judgements) if judgements else None
    return {
        "outcome": None if outcome is None else outcome.value,
        "judgements": [item.record() for item in judgements],
        "observations": [observation(region), observation(region, 0.612)] if judgements else [],
    }


def go() -> Any:
    return verdict_of(passing())


def rollback() -> Any:
    found = passing() | {("IV-PERF-3", "eu"): errors("eu", bad=121.0)}
    found["IV-HEALTH-6", "us"] = (below("database median latency of 7", 61.0, 50, "ms"),)
    return verdict_of(found)


def hold() -> Any:
    found = passing() | {("IV-PERF-3", region): errors(region, bad=12.0) for region in REGIONS}
    found["IV-PERF-1", "eu"] = p95("eu", slow=0.0, samples=41.0)
    return verdict_of(found)


def interpolated() -> Any:
    found = {("IV-PERF-1", region): quantile(region, 0.041, 61.0, 3.0) for region in REGIONS}
    return verdict_of(passing() | found)


def between_bounds() -> Any:
    found = {("IV-PERF-1", "eu"): quantile("eu", 0.142, 700.0, 20.0)}
    return verdict_of(passing() | found)


def no_prometheus() -> Any:
    away = {
        (check, region): instrument_away(region)
        for check in ("IV-PERF-1", "IV-PERF-3")
        for region in REGIONS
    }
    return verdict_of(passing() | away)


def missing() -> Any:
    found = passing()
    del found["IV-HEALTH-1", "us"]
    return verdict_of(found)


def stopped() -> Any:
    found = passing() | {("IV-HEALTH-1", "eu"): (equals("status of /health", 503, 200),)}
    return verdict_of(found, stage=Stage.NOT_SWITCHED)


def no_go() -> Any:
    found = passing() | {("IV-HEALTH-1", "eu"): (equals("status of /health", 503, 200),)}
    return verdict_of(found, stage=Stage.BEFORE)


def advisory() -> Any:
    rows = (*ROWS, row("IV-NOTE-1", "qa", Meaning.ADVISORY))
    found = passing() | {
        ("IV-NOTE-1", region): (below("page weight", 2.5, 2, "MB"),) for region in REGIONS
    }
    return verdict_of(found, rows=rows)


def without_decision(state: str, *, exit_code: int | None, sentences: list[str]) -> Any:
    """Return a verdict as it stands when the run did not come to a decision."""
    return go() | {
        "state": state,
        "decision": None,
        "exit_code": exit_code,
        "regions": {},
        "counts": {},
        "sentences": sentences,
        "reasons": [],
        "checks": [],
        "finished_at": None,
        "elapsed_seconds": None,
    }


def incomplete() -> Any:
    return without_decision("incomplete", exit_code=None, sentences=[])


def refused() -> Any:
    sentence = "environments/prod.yaml: regions.eu.api: still says EDIT-ME; write the address."
    return without_decision("refused", exit_code=78, sentences=[sentence])


def failed() -> Any:
    sentence = "The disk is full: reports/out could not be written; free some space."
    return without_decision("failed", exit_code=70, sentences=[sentence])


def interrupted() -> Any:
    whole = missing()
    return whole | {
        "state": "interrupted",
        "sentences": ["Interrupted by SIGTERM after 12 s; the synthetic records were removed."],
    }


EVERY: Mapping[str, Callable[[], Any]] = {
    "go": go,
    "rollback": rollback,
    "hold": hold,
    "interpolated": interpolated,
    "between_bounds": between_bounds,
    "no_prometheus": no_prometheus,
    "missing": missing,
    "stopped": stopped,
    "no_go": no_go,
    "advisory": advisory,
    "incomplete": incomplete,
    "refused": refused,
    "failed": failed,
    "interrupted": interrupted,
}


def changed(record: Any, **changes: Any) -> Any:
    """Return a deep copy with top-level changes: one mutation of a valid verdict."""
    return copy.deepcopy(record) | changes

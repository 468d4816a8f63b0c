"""What staging left: verdicts of the gate's runs there, and the record of its load run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.scope import Gate, Phase, PostDeploy, Scope
from gates.decide.verdict import SCHEMA, CheckResult, Result, Verdict
from gates.load import load_catalogue, load_policy, policy_digest
from sandbox.core.layout import PREVIOUS, REGIONS, RELEASE

if TYPE_CHECKING:
    from gates.decide.catalogue import Row

ENVIRONMENT = "staging"
_RPS, _SECONDS = 10_000.0, 600.0
_TOOK = dt.timedelta(minutes=5)
_ROWS = ("stages", "endpoints", "timeline", "spectrum", "workers", "counted")


def runs(now: dt.datetime, failed: str = "") -> Mapping[str, dict[str, Any]]:
    """Return the verdicts by file: the migration, the release, and the release before, gone back to.

    `failed` is a check that failed where it was asked.
    """
    rows, live = load_catalogue(), PostDeploy("15m")
    tried = {
        "staging-phase-2.json": (Phase(2), RELEASE, 6),
        "staging-post-deploy.json": (live, RELEASE, 4),
        "staging-rolled-back.json": (live, PREVIOUS, 2),
    }
    return {
        name: _verdict(gate, gate.scope(rows, switched=True), version, now - _hours(ago), failed)
        for name, (gate, version, ago) in tried.items()
    }


def _hours(number: int) -> dt.timedelta:
    return dt.timedelta(hours=number)


def _verdict(
    gate: Gate, scope: Scope, version: str, ended: dt.datetime, failed: str
) -> dict[str, Any]:
    found = {row.id: _judgement(row.id, failed) for row in scope.rows}
    results = [
        RegionResult(one, region, (judgement,))
        for one, judgement in found.items()
        for region in REGIONS
    ]
    folded = fold(scope.rows, REGIONS, results, scope.stages)
    verdict = Verdict(
        schema=SCHEMA,
        run=f"{ended:%Y%m%dT%H%M%SZ}-{ENVIRONMENT}",
        state="complete",
        decision=folded.decision,
        exit_code=folded.decision.exit_code,
        gate=gate.name,
        environment=ENVIRONMENT,
        release=f"v{version}",
        regions=folded.by_region,
        reasons=folded.reasons,
        advisories=folded.advisories,
        environment_regions=REGIONS,
        started_at=(ended - _TOOK).isoformat(),
        finished_at=ended.isoformat(),
        checks=tuple(_check(row, found[row.id], scope.stages[row.id]) for row in scope.rows),
        window=gate.asked["window"],
        phase=gate.asked["phase"],
        digests={"policy": policy_digest()},
    )
    return verdict.record()


def _judgement(check: str, failed: str) -> Judgement:
    if check == failed:
        return Judgement(Outcome.FAIL, "equals", check, f"{check} is not as it should be")
    return Judgement(Outcome.PASS, "equals", check, f"{check} is as it should be")


def _check(row: Row, judgement: Judgement, stage: Stage) -> CheckResult:
    result = Result(outcome=judgement.outcome, judgements=(judgement,), observations=())
    return CheckResult(
        id=row.id,
        title=row.id,
        phase=row.phase,
        owner=row.owner,
        severity=row.severity,
        on_fail=row.on_fail,
        regions=dict.fromkeys(REGIONS, result),
        stage=stage.value,
    )


def load_run(now: dt.datetime) -> dict[str, Any]:
    """Return the record of a load run that held 10,000 requests a second for ten minutes."""
    ended = now - dt.timedelta(hours=3)
    policy = load_policy().load
    objectives = policy.objectives if policy else ()
    stage = {"number": 1, "rps": _RPS, "seconds": _SECONDS, "measured": True, "required": True}
    nothing: dict[str, Any] = {
        **{one: {} for one in ("versions", "machine", "totals")},
        **{one: [] for one in _ROWS},
    }
    return {
        **nothing,
        "schema": 1,
        "kind": "load run",
        "state": "complete",
        "result": "PASS",
        "exit_code": 0,
        "plan": {
            "environment": ENVIRONMENT,
            "release": f"v{RELEASE}",
            "profile": "steady",
            "model": "open",
            "regions": dict.fromkeys(REGIONS, "https://api.staging.example"),
            "stages": [{**stage, "title": "steady"}],
        },
        "policy": {"objectives": [one.model_dump(mode="json") for one in objectives]},
        "regions": dict.fromkeys(REGIONS, "PASS"),
        "started_at": (ended - dt.timedelta(seconds=_SECONDS)).isoformat(),
        "ended_at": ended.isoformat(),
        "judgements": [
            {"stage": 1, "region": region, "required": True, "judgement": _held(one.title)}
            for region in REGIONS
            for one in objectives
        ],
    }


def _held(title: str) -> dict[str, Any]:
    return Judgement(Outcome.PASS, "error budget", title, f"{title}: proved").record()

"""Builders of the decision's values: valid ones, from which each test changes one thing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import yaml
from hypothesis import settings

from gates.decide.catalogue import Row
from gates.decide.counting.objective import Evidence, Sustained
from gates.decide.counting.statistics import Counts
from gates.decide.fold import RegionResult
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.decide.statements import Waiver
from settings.objectives import Objective, RollbackLimit

PROPERTY = settings(deadline=None, max_examples=60, derandomize=True, database=None)
"""No deadline: a busy machine is not a defect. Derandomised: a red build stays red."""


def a_row(check: str = "IV-A-1", on_fail: Meaning = Meaning.ROLLBACK) -> Row:
    return Row(
        id=check, phase="post-deploy", when="15m", owner="team", severity="blocker", smoke=True,
        on_fail=on_fail, applies_if="",
    )  # fmt: skip


def a_judgement(outcome: Outcome = Outcome.PASS, means: Meaning | None = None) -> Judgement:
    return Judgement(outcome, "rule", "subject", f"the subject is {outcome.value}", means=means)


def a_result(
    *outcomes: Outcome, check: str = "IV-A-1", region: str = "eu", means: Meaning | None = None
) -> RegionResult:
    return RegionResult(check, region, tuple(a_judgement(one, means) for one in outcomes))


OF_ERRORS, OF_LATENCY = yaml.safe_load("""
- {check: IV-PERF-3, title: Error rate, kind: errors, metric: requests_total, bad_status: 5..,
   target: {budget: 5%}, rollback: {budget: 10%, for: 5m}, look_back: 5m, wait_for_samples: 15m}
- {check: IV-PERF-1, title: p95, kind: latency, metric: request_duration, shown_quantile: 0.95,
   bucket_bounds: [0.1, 0.2, 0.5, 1], target: {over_seconds: 0.2, budget: 5%},
   rollback: {over_seconds: 0.5, budget: 5%, for: 10m}, look_back: 5m, wait_for_samples: 15m}
""")


def an_objective(**changes: Any) -> Objective:
    return Objective.model_validate({**OF_ERRORS, **changes})


def a_latency_objective(**changes: Any) -> Objective:
    return Objective.model_validate({**OF_LATENCY, **changes})


def a_quantile_objective(**changes: Any) -> Objective:
    interpolated = {"shown_quantile": None, "target": {"quantile": 0.95, "target_seconds": 0.3}}
    return a_latency_objective(**{**interpolated, **changes})


def the_rollback(objective: Objective) -> RollbackLimit:
    if objective.rollback is None:
        raise LookupError("this objective has no rollback limit")
    return objective.rollback


def evidence(look_back_seconds: float = 300) -> Evidence:
    return Evidence(look_back_seconds, {"bad": "b", "total": "t"}, "2026-01-31T22:00:00Z", {})


def sustained(whole: Counts, *steps: Counts | None) -> Sustained:
    return Sustained(steps, whole, 300)


def a_waiver(check: str, found: Outcome = Outcome.FAIL) -> Waiver:
    """Return what two people agreed to let pass."""
    by = ("Emil Haas as engineering-manager", "Paul Moreau as product-manager")
    until = dt.datetime(2099, 1, 31, 22, tzinfo=dt.UTC)
    return Waiver(check, found, until, "it is known and harmless", "UH-1201", by)

"""Concludes a load run: judged, written down whole, kept durably."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from gates.decide.judgement import Judgement
from gates.decide.plain_text import plain
from load import _facts
from load._facts import RAMP, facts_of
from load._run import Plan, Run, Stage
from load.verdict import (
    LoadVerdict,
    SecondFacts,
    StageVerdict,
    bottleneck,
    judge,
    recovery_seconds,
    sustained,
)
from reports.load_words import COMPLETE, INCOMPLETE, KIND, SCHEMA
from settings.load import LoadPolicy

SPIKE = "spike"
LoadRecord = dict[str, Any]


def announced(plan: Plan, started_at: float) -> LoadRecord:
    """Return a record without a result, to be kept before anything is sent: a killed run leaves no PASS."""
    record: LoadRecord = _writable(
        {
            "schema": SCHEMA,
            "kind": KIND,
            "state": INCOMPLETE,
            "result": None,
            "exit_code": None,
            "plan": _plan(plan),
            "started_at": _time(started_at),
        }
    )
    return record


def conclude(
    run: Run, policy: LoadPolicy, *, baseline: Mapping[str, Any] | None = None
) -> LoadRecord:
    """Return a run's record: everything that was meant, measured and found, as JSON values."""
    verdict = judge(facts_of(run, policy), policy)
    plan, rows = _plan(run.plan), _facts.endpoint_rows(run)
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "state": COMPLETE,
        **_verdict(verdict),
        **_findings(run, verdict, policy),
        "plan": plan,
        "policy": policy.model_dump(mode="json"),
        "started_at": _time(run.started_at),
        "ended_at": _time(run.ended_at),
        "elapsed_seconds": run.ended_at - run.started_at,
        "interrupted": run.interrupted,
        "totals": _facts.totals(_facts.measured(run)),
        "stages": _stages(run, verdict),
        "endpoints": rows,
        "spectrum": _facts.spectrum(run),
        "timeline": _facts.timeline(run),
        "workers": _facts.worker_rows(run),
        "expected_workers": run.expected_workers,
        "calibration": _facts.calibration(run.calibration),
        "baseline": compared(baseline, rows, _writable(plan)),
        "versions": dict(run.versions),
        "machine": dict(run.machine),
        "counted": _facts.counted(run),
    }
    writable: LoadRecord = _writable(record)
    return writable


def _verdict(verdict: LoadVerdict) -> dict[str, Any]:
    placed: list[tuple[StageVerdict | None, Judgement]] = [(None, one) for one in verdict.run]
    placed += [(stage, one) for stage in verdict.stages for one in stage.judgements]
    return {
        "result": verdict.result.value,
        "exit_code": verdict.result.exit_code,
        "regions": {region: result.value for region, result in verdict.regions.items()},
        "judgements": [
            {
                "stage": None if where is None else where.stage.number,
                "region": None if where is None else where.stage.region,
                "required": where is None or where.stage.required,
                "judgement": judgement.record(),
            }
            for where, judgement in placed
        ],
    }


def _findings(run: Run, verdict: LoadVerdict, policy: LoadPolicy) -> dict[str, Any]:
    limit = bottleneck(verdict)
    profile = run.plan.profile
    return {
        "bottleneck": None if limit is None else dataclasses.asdict(limit),
        "sustained": dataclasses.asdict(sustained(verdict)) if profile == RAMP else None,
        "recovery": _recovery(run, policy) if profile == SPIKE else None,
    }


def _recovery(run: Run, policy: LoadPolicy) -> dict[str, Any] | None:
    """Return how long after the highest rate the platform was well again; None if it never began."""
    begun = [stage for stage in run.plan.stages if stage.number in run.begun]
    if not begun:
        return None
    spike = max(begun, key=lambda stage: stage.rps)
    ended_at = math.ceil(run.begun[spike.number][1])
    return {
        "stage": spike.number,
        "rps": spike.rps,
        "seconds": recovery_seconds(_behind(run, ended_at, policy), policy),
    }


def _behind(run: Run, ended_at: int, policy: LoadPolicy) -> list[SecondFacts]:
    seconds = _facts.by_second(run)
    first = max(ended_at, min(seconds, default=ended_at))
    return [
        SecondFacts(
            at - ended_at,
            seconds[at].completed,
            seconds[at].failed,
            {over: seconds[at].response.not_below(over) for over in policy.thresholds_seconds},
        )
        for at in range(first, max(seconds, default=0) + 1)
    ]


def _stages(run: Run, verdict: LoadVerdict) -> list[dict[str, Any]]:
    return [
        {
            **dataclasses.asdict(stage),
            "began_at": _began(run, stage, 0),
            "ended_at": _began(run, stage, 1),
            "regions": {
                one.stage.region: one.result.value
                for one in verdict.stages
                if one.stage.number == stage.number and one.asked
            },
            **_facts.stage_figures(run, stage),
        }
        for stage in run.plan.stages
    ]


def _began(run: Run, stage: Stage, end: int) -> str | None:
    return _time(run.begun[stage.number][end]) if stage.number in run.begun else None


def _plan(plan: Plan) -> dict[str, Any]:
    shown = dataclasses.asdict(plan)
    del shown["most_rps"], shown["run_seconds"]
    return {**shown, "regions": {name: _address(one) for name, one in plan.regions.items()}}


def _address(address: str) -> str:
    """Return an address without the login that it may hold."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")


def _writable(value: Any) -> Any:
    """Return JSON values with null for what is not a finite number, and every text made plain."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): _writable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(one) for one in value]
    return value


COMPARED = ("p50", "p99", "p99.9")
_PLAN = ("environment", "profile", "model", "arrivals", "regions", "stages")


def compared(
    baseline: Mapping[str, Any] | None, rows: Iterable[Mapping[str, Any]], plan: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return each endpoint's percentiles then and now; None without a baseline. It judges nothing."""
    if baseline is None:
        return None
    earlier = {(row["region"], row["endpoint"]): row for row in baseline["endpoints"]}
    return {
        "result": baseline["result"],
        "started_at": baseline.get("started_at"),
        "release": baseline["plan"].get("release"),
        "differs": [key for key in _PLAN if baseline["plan"].get(key) != plan.get(key)],
        "rows": [
            {
                "region": row["region"],
                "endpoint": row["endpoint"],
                **_figures(earlier.get((row["region"], row["endpoint"])), row),
            }
            for row in rows
        ],
    }


def _figures(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _pair((then or {}).get("response", {}).get(name), now["response"].get(name))
        for name in COMPARED
    }


def _pair(then: float | None, now: float | None) -> dict[str, float | None]:
    ratio = now / then if then and now is not None else None
    return {"then": then, "now": now, "ratio": ratio}

"""Concludes a load run: judged, written down whole, kept durably."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gates.decide.judgement import Judgement
from gates.decide.outcome import EXIT_OUR_FAILURE
from gates.decide.plain_text import plain
from load import _tables
from load._baseline import compared
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
from reports import load_page
from reports.load_record import COMPLETE, INCOMPLETE, KIND, SCHEMA
from reports.writers import write_whole
from settings.load import LoadPolicy

SPIKE = "spike"
JSON_NAME, PAGE_NAME = "load.json", "load.html"

LoadRecord = dict[str, Any]


class CannotKeepError(Exception):
    """The run's evidence could not be written: then there is no result, whatever it was."""


def announce(plan: Plan, started_at: float, folder: pathlib.Path) -> None:
    """Write a record without a result, before anything is sent: a run that is killed leaves no PASS.

    Raises CannotKeepError.
    """
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "state": INCOMPLETE,
        "result": None,
        "exit_code": None,
        "plan": _plan(plan),
        "started_at": _time(started_at),
    }
    _write(folder, {JSON_NAME: _json(record)})


def conclude(
    run: Run, policy: LoadPolicy, *, baseline: Mapping[str, Any] | None = None
) -> LoadRecord:
    """Return a run's record: everything that was meant, measured and found, as JSON values."""
    verdict = judge(facts_of(run, policy), policy)
    plan, rows = _plan(run.plan), _tables.endpoint_rows(run)
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
        "totals": _tables.totals(_tables.measured(run)),
        "stages": _stages(run, verdict),
        "endpoints": rows,
        "spectrum": _tables.spectrum(run),
        "timeline": _tables.timeline(run),
        "workers": _tables.worker_rows(run),
        "expected_workers": run.expected_workers,
        "calibration": _tables.calibration(run.calibration),
        "baseline": compared(baseline, rows, _writable(plan)),
        "versions": dict(run.versions),
        "machine": dict(run.machine),
        "counted": _tables.counted(run),
    }
    writable: LoadRecord = _writable(record)
    return writable


def exit_code(record: Mapping[str, Any]) -> int:
    """Return the process exit code of a record: 0, 10 or 20; 70 for one without a result."""
    code = record.get("exit_code")
    return code if isinstance(code, int) else EXIT_OUR_FAILURE


def keep(record: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Write page and record into a run's folder, each whole or not at all; raises CannotKeepError.

    The record comes last: where it says PASS, everything else is on the disk.
    """
    _write(folder, {PAGE_NAME: load_page.render(record), JSON_NAME: _json(record)})


def _write(folder: pathlib.Path, texts: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_whole(folder / name, text)
    except OSError as exc:
        raise CannotKeepError(
            f"{folder}: the load run's report cannot be written: {exc.strerror}; without it there is "
            "no result. Free some space or make it writable, and run again."
        ) from exc


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(_writable(record), ensure_ascii=False, allow_nan=False) + "\n"


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
    seconds = _tables.by_second(run)
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
            **_stage(stage),
            "began_at": _began(run, stage, 0),
            "ended_at": _began(run, stage, 1),
            "regions": {
                one.stage.region: one.result.value
                for one in verdict.stages
                if one.stage.number == stage.number and one.asked
            },
            **_tables.stage_figures(run, stage),
        }
        for stage in run.plan.stages
    ]


def _began(run: Run, stage: Stage, end: int) -> str | None:
    return _time(run.begun[stage.number][end]) if stage.number in run.begun else None


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "environment": plan.environment,
        "release": plan.release,
        "profile": plan.profile,
        "model": plan.model,
        "arrivals": plan.arrivals,
        "seed": plan.seed,
        "regions": {region: _address(address) for region, address in plan.regions.items()},
        "stages": [_stage(stage) for stage in plan.stages],
        "command": plan.command,
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "number": stage.number,
        "title": stage.title,
        "rps": stage.rps,
        "seconds": stage.seconds,
        "measured": stage.measured,
        "required": stage.required,
    }


def _address(address: str) -> str:
    """Return an address without the login that it may hold."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")


def _writable(value: Any) -> Any:
    """Return JSON values with null for what is no finite number, and every text made plain."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): _writable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(one) for one in value]
    return value

"""Run folders as the gate leaves them, made by its own functions from lines that a test chooses."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from gates.decide.fold import fold
from gates.decide.outcome import Outcome
from gates.decide.scope import PostDeploy
from gates.load import Checks, load_catalogue
from gates.run import lines, verdict
from gates.run.join import Joined
from gates.run.manifest import manifest
from settings.environment import CONDITIONS
from tests.gates.run import recorded

GATE = PostDeploy("15m")
SCOPE = GATE.scope(load_catalogue(), switched=True)
SECTIONS = sorted({condition.partition(":")[2] for condition in CONDITIONS} - {"synthetic"})
ASKED = manifest(SCOPE.rows, SECTIONS)
Outcomes = Mapping[str, Iterable[tuple[Outcome, ...]]]
"""By check: what each of its runs found. A check that is not named passed once."""


def ago(minutes: float) -> str:
    return (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)).isoformat()


def events(region: str, found: Outcomes) -> list[dict[str, Any]]:
    once = [(Outcome.PASS,)]
    return [
        recorded.finished(row.id, *outcomes, regions=(region,))
        for row in ASKED.required
        for outcomes in found.get(row.id, once)
    ]


def a_run(
    folder: pathlib.Path, region: str, found: Outcomes | None = None, **changes: Any
) -> Joined:
    """Leave a run of one region and return it; `changes` are made to its verdict after the fold."""
    path = folder / region
    path.mkdir(exist_ok=True, parents=True)
    measured = lines.read(recorded.file(path, recorded.text(*events(region, found or {}))))
    wanted = {"checks": ASKED.ids, "regions": [region]}
    (path / "manifest.json").write_text(json.dumps(wanted))
    excused = verdict.not_applicable_results(ASKED, [region])
    folded = fold(
        ASKED.rows, [region], (*measured.results, *excused), SCOPE.stages, measured.problems
    )
    began = dt.datetime.fromisoformat(ago(10))
    run = f"20260131T220000Z-post-deploy-{region}"
    opened = dataclasses.replace(
        verdict.opening(GATE, run, "prod", "prod", "v1.2.0", began),
        stage=SCOPE.stage,
        environment_regions=("eu", "us"),
        sections=tuple(SECTIONS),
        traffic_switched_at="2026-01-31T22:00:00+00:00",
        digests={**verdict.digests(Checks()), "environment": "e"},
    )
    decided = verdict.decided(opened, folded, ASKED, SCOPE.stages, measured)
    code = folded.decision.exit_code
    now = dt.datetime.now(dt.UTC)
    closed = verdict.closed(decided, state="complete", exit_code=code, now=now)
    changed = dataclasses.replace(closed, **changes)
    (path / "verdict.json").write_text(json.dumps(changed.record()))
    return Joined(path, changed)

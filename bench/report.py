"""Figures of the reports: ten regions of 216 checks, fifty runs of history, the page that people sign."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from bench import Figure
from gates.cli.main import main
from gates.decide.catalogue import Row
from gates.decide.fold import Stage, fold
from gates.decide.judgement import below
from gates.decide.outcome import Meaning
from gates.decide.verdict import Finished, Noted, Observed, Verdict
from gates.run.lines import Lines
from gates.run.manifest import Manifest
from gates.run.verdict import decided
from probes.browser import Browser
from probes.observation import Deadline
from reports import sign_off

REGIONS, CHECKS, EARLIER = 10, 216, 50
_AT = "2026-11-23T01:16:01.250+00:00"
_OPEN_SECONDS = 60


def figures() -> Iterator[Figure]:
    """Yield size and times of both reports of the largest run."""
    verdict = largest()
    began = time.monotonic()
    page = sign_off.render(verdict)
    yield Figure("sign-off page of the largest run, drawn in", time.monotonic() - began, 2, "s")
    yield Figure("its size", len(page.encode()) / 1e6, 2, "MB")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "sign-off.html"
        file.write_text(page, encoding="utf-8")
        yield Figure("opened in a browser in", _opened_seconds(file), 2, "s")
        out = pathlib.Path(folder) / "out"
        _keep(out, verdict)
        name = f"with {EARLIER} runs of history"
        yield Figure(f"Allure report of the largest run, {name}", _report_seconds(out), 60, "s")


def largest() -> Verdict:
    """Return a verdict of ten regions and 216 checks, a tenth of which missed their limit."""
    regions = tuple(f"region-{place}" for place in range(REGIONS))
    rows = tuple(
        Row(
            id=f"IV-BIG-{n}",
            phase="post-deploy",
            when="15m",
            owner=f"team-{n % 12}",
            severity="normal",
            smoke=False,
            on_fail=Meaning.HOLD,
            applies_if="",
        )
        for n in range(CHECKS)
    )
    found = tuple(_finished(row.id, n, regions) for n, row in enumerate(rows))
    stages = dict.fromkeys((row.id for row in rows), Stage.LIVE)
    lines = Lines(found, ())
    folded = fold(rows, regions, lines.results, stages)
    opened = Verdict(
        schema=1,
        run="20261123T010036Z-post-deploy-a1b2c3",
        state="complete",
        decision=None,
        exit_code=None,
        gate="post-deploy",
        window="15m",
        environment="prod",
        release="v1.2.0",
        stage=Stage.LIVE.value,
        started_at="2026-11-23T01:00:36.100+00:00",
    )
    made = decided(opened, folded, Manifest(rows, ()), stages, lines)
    return dataclasses.replace(made, exit_code=folded.decision.exit_code)


def _finished(check: str, number: int, regions: tuple[str, ...]) -> Finished:
    noted = {}
    for place, region in enumerate(regions):
        seen = Observed(
            "http", f"GET http://{region}/health", _AT, 0.1, {}, {"status": 200}, None, 1
        )
        value = 40.0 + number % 10 + place / 10
        judged = (below(f"latency of {check}", value, 49, "ms"), below("load", value, 99, "%"))
        noted[region] = Noted(judged, (seen, seen))
    title = f"What is measured as number {number} stays below what was agreed on"
    return Finished(check=check, title=title, elapsed_seconds=1.0, at=_AT, regions=noted)


def _keep(out: pathlib.Path, verdict: Verdict) -> None:
    """Write it as the verdicts of as many runs, a minute apart."""
    record = verdict.record()
    for number in range(EARLIER + 1):
        run = f"20261123T01{number:02d}36Z-post-deploy-a1b2c3"
        (out / run).mkdir(parents=True)
        own = record | {"run": run, "started_at": f"2026-11-23T01:{number:02d}:36.100+00:00"}
        (out / run / "verdict.json").write_text(json.dumps(own), encoding="utf-8")


def _report_seconds(out: pathlib.Path) -> float:
    began = time.monotonic()
    said = io.StringIO()
    if main(["report", "--out", str(out)], io.StringIO(), said):
        raise SystemExit(said.getvalue())
    return time.monotonic() - began


def _opened_seconds(file: pathlib.Path) -> float:
    def job(started: Any, *_: object) -> float:
        with contextlib.closing(started.new_context()) as context:
            page = context.new_page()
            began = time.monotonic()
            page.goto(file.as_uri(), wait_until="load")
            return time.monotonic() - began

    with contextlib.closing(Browser()) as browser:
        return browser.do(job, _OPEN_SECONDS, Deadline.after(_OPEN_SECONDS))

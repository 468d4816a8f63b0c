"""Runs chosen checks against a running platform, as the gate's child does, and reads their lines."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pytest
import yaml

from gates.decide.fold import Folded, Stage, fold
from gates.decide.outcome import Outcome
from gates.load import load_catalogue
from gates.run import lines
from gates.run.child import ChildPlan
from sandbox.faults.catalogue import Fault, outcomes
from tests.faults.forked import FORKER
from tests.sandbox.platforms import Sandbox

REGIONS = ("eu", "us")
_WORST = ("GO", "HOLD", "NO_GO", "STOP", "ROLLBACK")


AT_LENGTH = pytest.mark.skipif(
    os.environ.get("TESTS") != "long", reason="takes minutes: TESTS=long, and ./harness faults"
)
"""CI has fifteen minutes; what is marked so is tried by hand before a release, and in the matrix."""


@contextlib.contextmanager
def applied(platform: Sandbox, faults: Iterable[str]) -> Iterator[None]:
    """Hold faults applied, and revert them whatever happens."""
    try:
        for name in faults:
            platform.ask({"do": "fault", "action": "apply", "name": name})
        yield
    finally:
        platform.ask({"do": "fault", "action": "revert-all"})
        assert platform.ask({"do": "status"})["faults"] == []


def together(faults: Collection[Fault]) -> Fault:
    """Return several faults of one gate as one: their checks together, the worst of their decisions."""
    return Fault(
        gate=next(iter(faults)).gate,
        name="-and-".join(fault.name for fault in faults),
        description="several",
        fail=tuple(check for fault in faults for check in fault.fail),
        inconclusive=tuple(check for fault in faults for check in fault.inconclusive),
        error=tuple(check for fault in faults for check in fault.error),
        decision=max((fault.decision for fault in faults), key=_WORST.index),
    )


FEW = 20
"""Requests a second with which every objective is proved in its look-back, but the share of errors."""


def with_traffic(
    platform: Sandbox, file: pathlib.Path, requests_per_second: int, **also: str
) -> pathlib.Path:
    """Write the platform's environment with another offer of traffic (none at 0); return where."""
    environment = yaml.safe_load(platform.state.environment.read_text())
    lease = environment["traffic"].pop("lease")
    if requests_per_second:
        offered, asked = str(lease["requests_per_second"]), str(requests_per_second)
        command = [asked if part == offered else part for part in lease["command"]]
        lease = {"command": command, "requests_per_second": requests_per_second}
        environment["traffic"]["lease"] = lease
    file.write_text(yaml.safe_dump(environment | also))
    return file


def with_state(
    platform: Sandbox, file: pathlib.Path, state: pathlib.Path, *without: str
) -> pathlib.Path:
    """Write the platform's environment with another state, and without some sections; return where."""
    environment = yaml.safe_load(platform.state.environment.read_text())
    for section in without:
        environment.pop(section, None)
    releases = {"folder": str(platform.state.path / "releases")}
    also = {"state": {"url": str(state)}, "releases": releases}
    file.write_text(yaml.safe_dump(environment | also))
    return file


def run_checks(
    platform: Sandbox,
    run_dir: pathlib.Path,
    checks: Collection[str],
    requests_per_second: int | None = None,
    state: pathlib.Path | None = None,
    **more: Any,
) -> lines.Lines:
    """Run these checks in a process of their own and return what they wrote.

    While samples are waited for, so many requests are sent to each region: what the platform offers,
    unless it is said. `state` is another one than the platform's own; `more` is of the child's plan.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    manifest = run_dir / "manifest.json"
    manifest.write_text(json.dumps({"checks": sorted(checks)}))
    environment = platform.state.environment
    if requests_per_second is not None:
        environment = with_traffic(platform, run_dir / "environment.yaml", requests_per_second)
    if state is not None:
        environment = with_state(platform, run_dir / "environment.yaml", state)
    plan = ChildPlan(
        environment_file=environment,
        run_dir=run_dir,
        manifest=manifest,
        release="v1.2.0",
        regions=(),
        switched_at=None,
        deadline_seconds=120,
        debug=False,
        **more,
    )
    said = FORKER.run(plan)
    platform.end_traffic()
    read = lines.read(run_dir / "events.jsonl")
    assert len(read.finished) == len(checks), said
    return read


def found(read: lines.Lines, checks: Collection[str]) -> dict[str, str]:
    """Return each check's worst outcome over the regions."""
    records = []
    for check in checks:
        by_region = {
            result.region: {"outcome": result.outcome and result.outcome.value}
            for result in read.results
            if result.check == check
        }
        missing = {region: {"outcome": None} for region in REGIONS if region not in by_region}
        records.append({"id": check, "regions": {**by_region, **missing}})
    return outcomes(records)


def said(read: lines.Lines) -> str:
    """Return the sentences of everything that is not good, for whoever reads a failed test."""
    return "\n".join(
        f"{result.check} {result.region} {one.outcome}: {one.sentence}"
        for result in read.results
        for one in result.judgements
        if one.outcome is not Outcome.PASS
    )


def folded(
    read: lines.Lines,
    checks: Collection[str],
    stages: Stage | Mapping[str, Stage] = Stage.LIVE,
) -> Folded:
    """Fold the results of these checks alone."""
    rows = [row for row in load_catalogue() if row.id in checks]
    return fold(rows, REGIONS, read.results, stages)

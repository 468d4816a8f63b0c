"""The doctor on the scenarios: tries each of them without asking anybody, for what is not described."""

from __future__ import annotations

import collections
import pathlib
import tempfile
from collections.abc import Sequence

from environments.yaml_file import ConfigurationError
from gates.decide.catalogue import Row
from gates.load import Checks
from gates.run import lines
from gates.run.child import LOG, ChildEnd, ChildPlan, run_child
from gates.run.manifest import check_scenarios, manifest
from reports.writers import write_json
from steps.kit.findings import Finding, Level, Subject
from steps.kit.request import EVENTS

SCENARIOS = "scenarios"
MOST_SECONDS = 120.0
"""A child takes about five seconds, nearly all of them to load; a busy machine is no finding."""


def examine_scenarios(subject: Subject, rows: Sequence[Row]) -> list[Finding]:
    """Say for which scenarios something is not described: the gate would say ERROR for them."""
    try:
        check_scenarios(rows, Checks.of(subject.platform.environment.checks).features)
        wanted = manifest(rows, subject.platform.environment.sections).ids
    except ConfigurationError as exc:
        return [_bad(sentence) for sentence in exc.sentences]
    with tempfile.TemporaryDirectory(prefix="gate-doctor-") as folder:
        run_dir = pathlib.Path(folder)
        end = run_child(
            _plan(subject, wanted, run_dir), lambda: None, lambda _: None, lambda: False
        )
        return _findings(wanted, lines.read(run_dir / EVENTS), _untried(end, run_dir / LOG))


def _plan(subject: Subject, wanted: Sequence[str], run_dir: pathlib.Path) -> ChildPlan:
    platform = subject.platform
    file = run_dir / "manifest.json"
    write_json(file, {"checks": list(wanted), "regions": list(platform.regions)})
    return ChildPlan(
        environment_file=platform.environment.path,
        run_dir=run_dir,
        manifest=file,
        release=platform.release.tag,
        regions=platform.regions,
        switched_at=None,
        deadline_seconds=MOST_SECONDS,
        debug=False,
        checks=platform.environment.checks,
        asked_as=platform.asked_as or platform.environment.settings.name,
        dry=True,
    )


def _untried(end: ChildEnd, log: pathlib.Path) -> str:
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return said[-1] if end.returncode > 1 and said else end.problem or "they did not all end"


def _findings(wanted: Sequence[str], found: lines.Lines, untried: str) -> list[Finding]:
    """Return one finding for each thing that is not described, with the scenarios that need it."""
    if set(wanted) - {one.check for one in found.finished}:
        return [_bad(f"the scenarios could not be tried: {untried}")]
    needing: dict[str, list[str]] = collections.defaultdict(list)
    for ended in found.finished:
        judged = (one for noted in ended.regions.values() for one in noted.judgements)
        for sentence in {one.sentence for one in judged if one.rule == "configuration"}:
            needing[sentence].append(f"{ended.check} “{ended.title}”")
    if needing:
        return [_bad(f"{what}, for {', '.join(checks)}") for what, checks in needing.items()]
    words = f"all that the scenarios need is described ({len(wanted)} tried)"
    return [Finding(SCENARIOS, None, Level.OK, words)]


def _bad(sentence: str) -> Finding:
    return Finding(SCENARIOS, None, Level.BAD, sentence)

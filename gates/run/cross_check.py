"""Holds a verdict on disk against what else its run left: its lines, its manifest, its catalogue."""

from __future__ import annotations

import collections
import json
import pathlib
from collections.abc import Iterable, Iterator

from environments.loader import checks_of
from environments.yaml_file import ConfigurationError
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.scope import Scope, gate_of
from gates.decide.verdict import Verdict
from gates.load import Checks, load_catalogue
from gates.run import lines
from gates.run.verdict import catalogue_digest
from steps.kit.request import EVENTS

MANIFEST = "manifest.json"
Cells = dict[tuple[str, str], list[Judgement]]
"""Judgements by check and region."""


def contradictions(verdict: Verdict, folder: pathlib.Path) -> Iterator[str]:
    """Yield where a verdict differs from its run; raises OSError, KeyError, TypeError or ValueError.

    What is not there (a verdict that was copied alone, a catalogue that changed since) contradicts nothing.
    """
    if not verdict.checks:
        return
    if (folder / EVENTS).is_file():
        yield from _lines(verdict, lines.read(folder / EVENTS))
    if (folder / MANIFEST).is_file():
        wanted = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["checks"]
        had = [check.id for check in verdict.checks if check.not_applicable is None]
        for check in sorted(set(wanted) ^ set(had)):
            yield f"{check} is in one of verdict.json and {MANIFEST} and not in the other"
    checks = asked_by(verdict)
    if verdict.digests.get("catalogue") == catalogue_digest(checks):
        rows, switched = load_catalogue(checks.features), bool(verdict.traffic_switched_at)
        yield from _catalogue(verdict, gate_of(verdict).scope(rows, switched=switched))


def asked_by(verdict: Verdict) -> Checks:
    """Return the checks of the environment that a run asked; of the gate itself if it is gone."""
    try:
        return Checks.of(checks_of(verdict.env))
    except ConfigurationError:
        return Checks()


def _lines(verdict: Verdict, found: lines.Lines) -> Iterator[str]:
    said, measured = _said(verdict), _measured(found)
    for check, region in sorted(said.keys() | measured.keys()):
        if said.get((check, region), []) != measured.get((check, region), []):
            yield f"{check} in {region}: verdict.json and {EVENTS} differ"
    told = {reason.sentence for reason in verdict.reasons if reason.check is None}
    for problem in found.problems:
        if problem not in told:
            yield f"{EVENTS} says “{problem}”, verdict.json does not"


def _said(verdict: Verdict) -> Cells:
    """Return what a verdict shows as measured; that a check does not apply is nobody's line."""
    return {
        (check.id, region): kept
        for check in verdict.checks
        for region, found in check.regions.items()
        if (kept := _kept(found.judgements, check.not_applicable))
    }


def _kept(judgements: Iterable[Judgement], rule: str | None) -> list[Judgement]:
    excused = Outcome.NOT_APPLICABLE
    return [one for one in judgements if rule is None or one.outcome is not excused]


def _measured(found: lines.Lines) -> Cells:
    cells: Cells = collections.defaultdict(list)
    for result in found.results:
        cells[result.check, result.region] += result.judgements
    return {key: judgements for key, judgements in cells.items() if judgements}


def _catalogue(verdict: Verdict, scope: Scope) -> Iterator[str]:
    had = {check.id: check for check in verdict.checks}
    for row in scope.rows:
        check = had.pop(row.id, None)
        if check is None:
            yield f"{row.id} is required by the catalogue and not in verdict.json"
            continue
        if (check.on_fail, check.stage) != (row.on_fail, scope.stages[row.id].value):
            yield f"{row.id} means something else in the catalogue than in verdict.json"
        if (check.not_applicable is None) is not row.applies(verdict.sections):
            yield f"{row.id} applies by one of verdict.json and the catalogue and not by the other"
    for name in had:
        yield f"{name} is in verdict.json and not required by the catalogue"

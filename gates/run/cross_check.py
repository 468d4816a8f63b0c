"""Holds a verdict on disk against what else its run left: its lines, its manifest, its catalogue."""

from __future__ import annotations

import collections
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from environments.loader import checks_of
from environments.yaml_file import ConfigurationError
from gates.decide.outcome import Outcome
from gates.decide.scope import Gate, Scope, gate_of
from gates.load import Checks, load_catalogue
from gates.run import lines, verdict
from steps.kit.request import EVENTS

MANIFEST = "manifest.json"
Cells = dict[tuple[str, str], list[Any]]
"""Judgements by check and region."""


def contradictions(record: Mapping[str, Any], folder: pathlib.Path) -> Iterator[str]:
    """Yield where a verdict differs from its run; raises KeyError, TypeError or ValueError for no verdict.

    What is not there (a verdict that was copied alone, a catalogue that changed since) contradicts nothing.
    """
    if not record["checks"]:
        return
    if (folder / EVENTS).is_file():
        yield from _lines(record, lines.read(folder / EVENTS))
    if (folder / MANIFEST).is_file():
        wanted = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["checks"]
        had = [check["id"] for check in record["checks"] if check["not_applicable"] is None]
        for check in sorted(set(wanted) ^ set(had)):
            yield f"{check} is in one of verdict.json and {MANIFEST} and not in the other"
    checks = asked_by(record)
    if record["digests"].get("catalogue") == verdict.catalogue_digest(checks):
        yield from _catalogue(record, scope_of(gate_of(record), record, checks))


def asked_by(record: Mapping[str, Any]) -> Checks:
    """Return the checks of the environment that a run asked; of the gate itself if it is gone."""
    try:
        return Checks.of(checks_of(str(record.get("asked_as") or record["environment"])))
    except ConfigurationError:
        return Checks()


def scope_of(gate: Gate, record: Mapping[str, Any], checks: Checks) -> Scope:
    """Return what a run was asked by a catalogue."""
    switched = bool(record["traffic_switched_at"])
    return gate.scope(load_catalogue(checks.features), switched=switched)


def _lines(record: Mapping[str, Any], found: lines.Lines) -> Iterator[str]:
    said, measured = _said(record), _measured(found)
    for check, region in sorted(said.keys() | measured.keys()):
        if said.get((check, region), []) != measured.get((check, region), []):
            yield f"{check} in {region}: verdict.json and {EVENTS} differ"
    told = {reason["sentence"] for reason in record["reasons"] if reason["check"] is None}
    for problem in found.problems:
        if problem not in told:
            yield f"{EVENTS} says “{problem}”, verdict.json does not"


def _said(record: Mapping[str, Any]) -> Cells:
    """Return what a verdict shows as measured; that a check does not apply is nobody's line."""
    return {
        (check["id"], region): kept
        for check in record["checks"]
        for region, found in check["regions"].items()
        if (kept := _kept(found["judgements"], check["not_applicable"]))
    }


def _kept(judgements: list[Any], rule: str | None) -> list[Any]:
    excused = Outcome.NOT_APPLICABLE.value
    return [one for one in judgements if rule is None or one["outcome"] != excused]


def _measured(found: lines.Lines) -> Cells:
    cells: Cells = collections.defaultdict(list)
    for result in found.results:
        cells[result.check, result.region] += [one.record() for one in result.judgements]
    return {key: judgements for key, judgements in cells.items() if judgements}


def _catalogue(record: Mapping[str, Any], scope: Scope) -> Iterator[str]:
    had = {check["id"]: check for check in record["checks"]}
    for row in scope.rows:
        check = had.pop(row.id, None)
        if check is None:
            yield f"{row.id} is required by the catalogue and not in verdict.json"
            continue
        if (check["on_fail"], check["stage"]) != (row.on_fail.value, scope.stages[row.id].value):
            yield f"{row.id} means something else in the catalogue than in verdict.json"
        if (check["not_applicable"] is None) is not row.applies(record["sections"]):
            yield f"{row.id} applies by one of verdict.json and the catalogue and not by the other"
    for check in had:
        yield f"{check} is in verdict.json and not required by the catalogue"

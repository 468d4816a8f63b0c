"""Builds the verdict: everything that was asked, found and decided, as one JSON value."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import hashlib
import pathlib
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gates.decide.catalogue import Row
from gates.decide.fold import Folded, RegionResult, Stage
from gates.decide.judgement import Judgement, outcome_of
from gates.decide.outcome import Outcome
from gates.decide.plain_text import plain
from gates.decide.scope import Gate
from gates.load import ROOT, Checks
from gates.run.lines import Lines
from gates.run.manifest import Manifest

SCHEMA = 1
VERSION = "0.1.0"


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """What identifies a run."""

    run: str
    gate: Gate
    environment: str
    """Its own name."""
    asked_as: str
    """What --env said: its name or the path of its file."""
    release: str | None
    started_at: dt.datetime


def opening(header: Header) -> dict[str, Any]:
    """Return the verdict that is written first: whoever reads it knows that nothing is decided."""
    return {
        "schema": SCHEMA,
        "run": header.run,
        "state": "incomplete",
        "decision": None,
        "exit_code": None,
        "gate": header.gate.name,
        **header.gate.asked,
        "follows": None,
        "environment": plain(header.environment),
        "asked_as": plain(header.asked_as),
        "release": header.release and plain(header.release),
        "stage": None,
        "regions": {},
        "traffic_switched_at": None,
        "switched_at_given": False,
        "environment_regions": [],
        "sections": [],
        "not_asked": [],
        "time_scale": 1.0,
        "started_at": header.started_at.isoformat(timespec="milliseconds"),
        "finished_at": None,
        "elapsed_seconds": None,
        "counts": {},
        "sentences": list(header.gate.remarks),
        "reasons": [],
        "advisories": [],
        "checks": [],
        "versions": {"gate": VERSION, "python": platform.python_version(), "commit": _commit()},
        "digests": digests(Checks()),
    }


def closed(
    verdict: Mapping[str, Any],
    *,
    state: str,
    exit_code: int,
    now: dt.datetime,
    sentences: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the verdict with its end: state, exit code, time and what to tell people."""
    started_at = dt.datetime.fromisoformat(verdict["started_at"])
    return {
        **verdict,
        "state": state,
        "exit_code": exit_code,
        "finished_at": now.isoformat(timespec="milliseconds"),
        "elapsed_seconds": round((now - started_at).total_seconds(), 3),
        "sentences": [*verdict["sentences"], *map(plain, sentences)],
    }


def decided(
    verdict: Mapping[str, Any],
    folded: Folded,
    manifest: Manifest,
    stages: Mapping[str, Stage],
    lines: Lines,
) -> dict[str, Any]:
    """Return the verdict with decision, reasons and every check."""
    regions = tuple(folded.by_region)
    checks = [_check(row, None, lines, regions) for row in manifest.required]
    checks += [_check(row, rule, lines, regions) for row, rule in manifest.not_applicable]
    checks = [check | {"stage": stages[check["id"]].value} for check in checks]
    said = {"sentences": [*verdict["sentences"], *_remarks(lines)]}
    return {**verdict, **said, **decision(folded, checks)}


def _remarks(lines: Lines) -> list[str]:
    """Return what checks that passed have to say all the same."""
    found = (
        judgement.data.get("remark") for result in lines.results for judgement in result.judgements
    )
    return list(dict.fromkeys(str(remark) for remark in found if remark))


def decision(folded: Folded, checks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a fold adds to a verdict."""
    counts = collections.Counter(
        region["outcome"] or "MISSING" for check in checks for region in check["regions"].values()
    )
    return {
        "decision": folded.decision.value,
        "regions": {region: decision.value for region, decision in folded.by_region.items()},
        "counts": dict(sorted(counts.items())),
        "reasons": [reason.record() for reason in folded.reasons],
        "advisories": [reason.record() for reason in folded.advisories],
        "checks": checks,
    }


def not_applicable_results(manifest: Manifest, regions: Iterable[str]) -> list[RegionResult]:
    """Return a NOT_APPLICABLE result, with its rule, for each row that does not apply."""
    return [
        RegionResult(row.id, region, (_not_applicable(rule),))
        for row, rule in manifest.not_applicable
        for region in regions
    ]


def digests(checks: Checks) -> dict[str, str]:
    """Return the SHA-256 of what was to be decided by, and of what was required."""
    return {
        "policy": _digest(sorted(checks.policy.glob("*.yaml"))),
        "catalogue": catalogue_digest(checks),
    }


def catalogue_digest(checks: Checks) -> str:
    """Return the SHA-256 of everything that says what is required."""
    wanted = (*checks.features.rglob("*.csv"), *checks.features.rglob("*.feature"))
    return _digest(sorted(wanted))


def digest_of(path: pathlib.Path) -> str:
    """Return the SHA-256 of a file's content."""
    return _digest([path])


def _check(row: Row, rule: str | None, lines: Lines, regions: Iterable[str]) -> dict[str, Any]:
    events = lines.finished.get(row.id, ())
    last = events[-1] if events else {}
    took = [event["elapsed_seconds"] for event in events if event.get("elapsed_seconds")]
    return {
        "id": row.id,
        "title": last.get("title"),
        "phase": row.phase,
        "owner": row.owner,
        "severity": row.severity,
        "on_fail": row.on_fail.value,
        "not_applicable": rule,
        "elapsed_seconds": max(took, default=None),
        "finished_at": last.get("at"),
        "regions": {region: _region(events, rule, region) for region in regions},
    }


def _region(events: Sequence[Mapping[str, Any]], rule: str | None, region: str) -> dict[str, Any]:
    """Return what every run of a check found in a region: a second run hides nothing of the first."""
    noted = [event["regions"][region] for event in events if region in event["regions"]]
    judgements = [] if rule is None else [_not_applicable(rule).record()]
    judgements += [one for found in noted for one in found["judgements"]]
    outcome = outcome_of(tuple(map(Judgement.from_record, judgements)))
    return {
        "outcome": None if outcome is None else outcome.value,
        "ran": len(noted) + (rule is not None),
        "judgements": judgements,
        "observations": [one for found in noted for one in found["observations"]],
    }


def _not_applicable(rule: str) -> Judgement:
    return Judgement(
        outcome=Outcome.NOT_APPLICABLE, rule="applies_if", subject="the check", sentence=rule
    )


def _digest(paths: Iterable[pathlib.Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _commit() -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the operator has
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None

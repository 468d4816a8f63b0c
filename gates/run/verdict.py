"""Builds the verdict: everything that was asked, found and decided."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import os
import pathlib
import platform
import subprocess
from collections.abc import Iterable, Mapping

from environments.loader import INSTALLED, checks_of
from environments.yaml_file import ConfigurationError
from gates import VERSION
from gates.decide.catalogue import Row
from gates.decide.fold import MISSING, WAIVED, Folded, RegionResult, Stage
from gates.decide.judgement import Judgement, outcome_of
from gates.decide.outcome import Outcome
from gates.decide.plain_text import plain
from gates.decide.scope import Gate
from gates.decide.statements import Signature
from gates.decide.verdict import SCHEMA, CheckResult, Finished, Result, Verdict
from gates.load import ROOT, Checks, digest_of_files, policy_digest
from gates.run.executor import executor
from gates.run.lines import Lines
from gates.run.manifest import Manifest, Scenario
from reports import writers
from reports.writers import read_back, write_json


def opening(
    gate: Gate,
    run: str,
    environment: str,
    asked_as: str,
    release: str | None,
    started_at: dt.datetime,
) -> Verdict:
    """Return the verdict that is written first: whoever reads it knows that nothing is decided.

    `environment` is its own name, `asked_as` what --env said: its name or the path of its file.
    """
    return Verdict(
        schema=SCHEMA,
        run=run,
        state="incomplete",
        decision=None,
        exit_code=None,
        gate=gate.name,
        window=gate.asked["window"],
        phase=gate.asked["phase"],
        at=gate.asked["at"],
        environment=plain(environment),
        asked_as=plain(asked_as),
        release=release and plain(release),
        started_at=started_at.isoformat(timespec="milliseconds"),
        sentences=tuple(gate.remarks),
        versions={"gate": VERSION, "python": platform.python_version(), "commit": _commit()},
        digests=digests(Checks()),
        executor=executor(os.environ, Checks()),
    )


def closed(
    verdict: Verdict, *, state: str, exit_code: int, now: dt.datetime, sentences: Iterable[str] = ()
) -> Verdict:
    """Return the verdict with its end: state, exit code, time and what to tell people."""
    took = now - dt.datetime.fromisoformat(verdict.started_at)
    return dataclasses.replace(
        verdict,
        state=state,
        exit_code=exit_code,
        finished_at=now.isoformat(timespec="milliseconds"),
        elapsed_seconds=round(took.total_seconds(), 3),
        sentences=(*verdict.sentences, *map(plain, sentences)),
    )


def decided(
    verdict: Verdict, folded: Folded, manifest: Manifest, stages: Mapping[str, Stage], lines: Lines
) -> Verdict:
    """Return the verdict with decision, reasons and every check."""
    checks = tuple(
        _check(
            row, rule, lines, tuple(folded.by_region), (stages[row.id], manifest.scenario(row.id))
        )
        for row, rule in (*((row, None) for row in manifest.required), *manifest.not_applicable)
    )
    found = dataclasses.replace(
        verdict,
        decision=folded.decision,
        regions=folded.by_region,
        sentences=(*verdict.sentences, *_remarks(lines)),
        reasons=folded.reasons,
        advisories=folded.advisories,
        waived=folded.waived,
        checks=checks,
        suites=lines.suites,
        statements=_signatures(lines),
    )
    return dataclasses.replace(found, counts=dict(sorted(_counts(found).items())))


def _counts(verdict: Verdict) -> collections.Counter[str]:
    """Return how many results there are of each outcome; of a doubled check, the worst of them."""
    return collections.Counter(
        WAIVED
        if verdict.cell(check, region) == WAIVED
        else (result.outcome.value if result.outcome else MISSING)
        for check in verdict.checks
        for region, result in check.regions.items()
    )


def keep(run_dir: pathlib.Path, verdict: Verdict) -> None:
    """Write every report, then the verdict: whoever finds a decision there finds all the others too.

    Raises OSError, and DamagedVerdictError for a verdict that contradicts itself.
    """
    record = verdict.record()
    writers.write_all(run_dir, record)
    write_json(run_dir / "verdict.json", record)
    read_back(run_dir / "verdict.json", record)


def _remarks(lines: Lines) -> list[str]:
    """Return what checks that passed have to say all the same."""
    found = (
        judgement.data.get("remark") for result in lines.results for judgement in result.judgements
    )
    return list(dict.fromkeys(str(remark) for remark in found if remark))


def _signatures(lines: Lines) -> tuple[Signature, ...]:
    """Return whose signatures the checks counted, each once."""
    found = (
        Signature.from_record(one)
        for result in lines.results
        for judgement in result.judgements
        for one in judgement.data.get("signed", ())
    )
    return tuple(dict.fromkeys(found))


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
        "policy": policy_digest(checks.policy),
        "catalogue": catalogue_digest(checks),
    }


def asked_by(verdict: Verdict) -> Checks:
    """Return the checks of the environment that a run asked; of the gate itself if it is gone."""
    try:
        return Checks.of(checks_of(verdict.env))
    except ConfigurationError:
        return Checks()


def catalogue_digest(checks: Checks) -> str:
    """Return the SHA-256 of everything that says what is required."""
    wanted = [*checks.features.rglob("*.csv"), *checks.features.rglob("*.feature")]
    if checks != Checks():
        wanted += checks.steps.glob("*.py")
    return digest_of_files(sorted(wanted))


def digest_of(path: pathlib.Path) -> str:
    """Return the SHA-256 of a file's content."""
    return digest_of_files([path])


def _check(
    row: Row, rule: str | None, lines: Lines, regions: Iterable[str], known: tuple[Stage, Scenario]
) -> CheckResult:
    stage, scenario = known
    ran = [one for one in lines.finished if one.check == row.id]
    last = ran[-1] if ran else None
    return CheckResult(
        id=row.id,
        title=scenario.title if last is None else last.title,
        phase=row.phase,
        owner=row.owner,
        severity=row.severity,
        on_fail=row.on_fail,
        not_applicable=rule,
        elapsed_seconds=max((one.elapsed_seconds or 0.0 for one in ran), default=0.0) or None,
        finished_at=None if last is None else last.at,
        regions={region: _result(ran, rule, region) for region in regions},
        stage=stage.value,
        scenario=scenario.place,
        steps=ran[0].steps if len(ran) == 1 else (),
    )


def _result(ran: Iterable[Finished], rule: str | None, region: str) -> Result:
    """Return what every run of a check found in a region: a second run hides nothing of the first."""
    noted = [one.regions[region] for one in ran if region in one.regions]
    judgements = (
        *(() if rule is None else (_not_applicable(rule),)),
        *(one for found in noted for one in found.judgements),
    )
    return Result(
        outcome=outcome_of(judgements),
        ran=len(noted) + (rule is not None),
        judgements=judgements,
        observations=tuple(one for found in noted for one in found.observations),
    )


def _not_applicable(rule: str) -> Judgement:
    return Judgement(
        outcome=Outcome.NOT_APPLICABLE, rule="applies_if", subject="the check", sentence=rule
    )


def _commit() -> str | None:
    """Return the commit of the checkout; an installed gate has none, whatever repository is around it."""
    if INSTALLED:
        return None
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

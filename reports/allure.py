"""Allure results of a verdict: one for each row and region, one for the run with its decision.

Written by the process that decided, so that no report can show less than was asked: a check that is
missing is a result too. Environment, region and window are parameters: Allure takes results of equal
name and parameters for retries of each other, and shows the last one alone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import pathlib
import uuid
from collections.abc import Iterator, Mapping

from allure_commons.model2 import (
    Attachment,
    Label,
    Parameter,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from attr import asdict

from gates.decide.fold import Reason
from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome
from gates.decide.suite import Attachment as Attached
from gates.decide.verdict import CheckResult, Verdict
from reports import figures, words
from reports.junit import Case, Status, of_check, of_run

FOLDER = "allure-results"
_RUNS = uuid.UUID("6f2d7d0e-6f5e-4f8c-9d0b-3c1d9f6c1a55")
_DECIDED = {Decision.GO: Status.PASSED, Decision.HOLD: Status.BROKEN}
_FOUND = {
    Outcome.PASS.value: Status.PASSED,
    Outcome.FAIL.value: Status.FAILED,
    Outcome.NOT_APPLICABLE.value: Status.SKIPPED,
}


def render(verdict: Verdict) -> dict[str, str]:
    """Return the files of a verdict's results by name."""
    results = [
        _of_check(verdict, check, region)
        for check in verdict.checks
        for region in verdict.region_names()
    ]
    return {
        result.file_pattern.format(prefix=result.uuid): json.dumps(
            asdict(result, filter=lambda _, value: value or value is False)
        )
        for result in (_of_run(verdict), *results)
    }


def attached(verdict: Verdict, run_dir: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the pictures and traces of a run's own folder by their names among Allure's files."""
    own = run_dir.resolve()
    every = (one for suite in verdict.suites for one in suite.attachments)
    found = {_source(one): (own / one.file).resolve() for one in every}
    return {
        name: path for name, path in found.items() if path.is_relative_to(own) and path.is_file()
    }


def _source(attachment: Attached) -> str:
    return f"{_digest(attachment.file)}-attachment{pathlib.PurePosixPath(attachment.file).suffix}"


def _of_check(verdict: Verdict, check: CheckResult, region: str) -> TestResult:
    found = check.regions.get(region)
    labels = {
        "epic": check.phase,
        "feature": verdict.gate,
        "owner": check.owner,
        "severity": check.severity,
        "subSuite": region,
    }
    result = _result(verdict, check.id, region, of_check(verdict, check, region), labels)
    result.name = f"{check.id} {check.name}"
    result.steps = [_judged(judgement) for judgement in (found.judgements if found else ())]
    result.attachments = [
        Attachment(name=one.name, source=_source(one), type=one.media_type)
        # A joined run's pictures lie in the folders of the runs that it was made of.
        for suite in (() if verdict.joined else verdict.suites)
        if suite.check == check.id and region in suite.regions
        for one in suite.attachments
    ]
    stop = _milliseconds(check.finished_at)
    if stop is not None:
        result.start = stop - round((check.elapsed_seconds or 0.0) * 1000)
        result.stop = stop
    return result


def _of_run(verdict: Verdict) -> TestResult:
    regions = ", ".join(verdict.regions)
    case = of_run(verdict)
    result = _result(verdict, verdict.gate, regions, case, {"feature": verdict.gate})
    result.name = f"The run itself: {words.gate_name(verdict)}"
    result.statusDetails.message = f"{case.outcome}: {words.meaning(verdict)}"
    result.steps = list(_run_steps(verdict))
    return result


def _run_steps(verdict: Verdict) -> Iterator[TestStepResult]:
    for sentence in verdict.sentences:
        yield TestStepResult(name=sentence, status=Status.PASSED.value)
    for region, decision in verdict.regions.items():
        yield _step(f"{region}: {decision.value}", _DECIDED.get(decision, Status.FAILED))
    for reason in verdict.reasons:
        yield _step(_said(reason), _DECIDED.get(reason.decision, Status.FAILED))


def _said(reason: Reason) -> str:
    about = " ".join(filter(None, (reason.check or "run", reason.region)))
    return f"{about} {reason.outcome} → {reason.decision.value}: {reason.sentence}"


def _judged(judgement: Judgement) -> TestStepResult:
    outcome = judgement.outcome.value
    step = _step(f"{outcome}: {judgement.sentence}", _FOUND.get(outcome, Status.BROKEN))
    facts = (*figures.facts(judgement), *figures.queries(judgement))
    step.parameters = [Parameter(fact.label, fact.text) for fact in facts]
    return step


def _step(name: str, status: Status) -> TestStepResult:
    return TestStepResult(name=name, status=status.value)


def _result(
    verdict: Verdict, about: str, region: str, case: Case, labels: Mapping[str, str]
) -> TestResult:
    parameters = {
        "environment": verdict.environment,
        "region": region,
        "window": verdict.window or verdict.phase or verdict.at or "",
    }
    name = f"gate.{about}"
    start = _milliseconds(verdict.started_at) or 0
    suites = {"parentSuite": verdict.environment, "suite": words.gate_name(verdict)}
    return TestResult(
        # The same for the same run: what is written again takes the place of what was there.
        uuid=str(uuid.uuid5(_RUNS, f"{verdict.run} {about} {region}")),
        fullName=name,
        testCaseId=_digest(name),
        historyId=_digest(name, *parameters.values()),
        status=case.status.value,
        statusDetails=StatusDetails(message=case.message, trace=case.text),
        start=start,
        stop=start + round((verdict.elapsed_seconds or 0.0) * 1000),
        labels=[Label(key, value) for key, value in {**suites, **labels}.items() if value],
        parameters=[
            *(Parameter(key, value) for key, value in parameters.items()),
            # Shown, and not part of what tells tests apart: a release has its past releases' history.
            Parameter("release", verdict.release or "", excluded=True),
        ],
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _milliseconds(moment: str | None) -> int | None:
    """Return a time as Allure has it; None where there is none that can be read."""
    try:
        return (
            None if moment is None else round(dt.datetime.fromisoformat(moment).timestamp() * 1000)
        )
    except ValueError:
        return None

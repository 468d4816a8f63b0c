"""Allure results of a verdict: one for each row and region, one for the run with its decision.

Written by the process that decided, so that no report can show less than was asked: a check that is
missing is a result too. Environment, region and window are parameters: Allure takes results of equal
name and parameters for retries of each other, and shows the last one alone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import pathlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from allure_commons.model2 import (
    Attachment,
    Label,
    Link,
    Parameter,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from attr import asdict

from gates.decide.fold import Reason
from gates.decide.judgement import Judgement, outcome_of
from gates.decide.outcome import Decision, Outcome, worst_outcome
from gates.decide.suite import Attachment as Attached
from gates.decide.suite import Suite
from gates.decide.verdict import CheckResult, Executor, Observed, Result, Step, Verdict
from reports import figures, sign_off, words
from reports.junit import Case, Status, of_check, of_run

FOLDER = "allure-results"
_WORDS = pathlib.Path(__file__).with_name("allure.yaml")
_RUNS = uuid.UUID("6f2d7d0e-6f5e-4f8c-9d0b-3c1d9f6c1a55")
_DECIDED = {Decision.GO: Status.PASSED, Decision.HOLD: Status.BROKEN}
_FOUND = {
    Outcome.PASS.value: Status.PASSED,
    Outcome.FAIL.value: Status.FAILED,
    Outcome.NOT_APPLICABLE.value: Status.SKIPPED,
}


def render(verdict: Verdict) -> dict[str, str]:
    """Return the files of a verdict's results by name."""
    regions = verdict.region_names()
    cells = [(check, region) for check in verdict.checks for region in regions]
    results = [_of_run(verdict), *(_of_check(verdict, check, region) for check, region in cells)]
    return {
        **{one.file_pattern.format(prefix=one.uuid): _json(one) for one in results},
        **{
            _evidence(verdict, *cell): _observed(found) for cell in cells if (found := _seen(*cell))
        },
        _page(verdict): sign_off.render(verdict),
        "environment.properties": _properties(verdict),
        "categories.json": json.dumps(settings()["categories"]),
        **({"executor.json": _executor(verdict.executor)} if verdict.executor else {}),
    }


def settings() -> dict[str, Any]:
    """Return what Allure is told of our words: categories, and how a report is grouped."""
    read: dict[str, Any] = yaml.safe_load(_WORDS.read_bytes())
    return read


def attached(verdict: Verdict, run_dir: pathlib.Path) -> dict[str, pathlib.Path]:
    """Return the pictures and traces of a run's own folder by their names among Allure's files."""
    own = run_dir.resolve()
    found = {
        _source(one, region): (own / one.file).resolve()
        for suite in verdict.suites
        for region in suite.regions
        for one in _of_region(suite, region)
    }
    return {
        name: path for name, path in found.items() if path.is_relative_to(own) and path.is_file()
    }


def _of_region(suite: Suite, region: str) -> list[Attached]:
    """Return what was taken in a region, as its name says, or in all of them."""
    named = {one.name: set(suite.regions) & set(one.name.split()) for one in suite.attachments}
    return [one for one in suite.attachments if region in (named[one.name] or {region})]


def _source(attachment: Attached, region: str) -> str:
    # Of a file that several results name, Allure shows it in one and calls it missed in the others.
    suffix = pathlib.PurePosixPath(attachment.file).suffix
    return f"{_digest(attachment.file, region)}-attachment{suffix}"


def _json(result: TestResult) -> str:
    return json.dumps(asdict(result, filter=lambda _, value: value or value is False))


def _of_check(verdict: Verdict, check: CheckResult, region: str) -> TestResult:
    found = check.regions.get(region)
    labels = {
        "epic": words.gate_name(verdict),
        "feature": words.area(check),
        "owner": check.owner,
        "severity": check.severity,
        "subSuite": region,
    }
    result = _result(verdict, check.id, region, of_check(verdict, check, region), labels)
    result.name = f"{check.id} {region}: {check.name}"
    more = {
        "asked by": check.scenario,
        "a failure means": check.on_fail.value,
        "stage": check.stage,
    }
    result.parameters += _shown({**more, "policy": verdict.digests.get("policy")})
    result.links = list(_links(verdict, check, found))
    suites = [one for one in verdict.suites if one.check == check.id and region in one.regions]
    result.steps = [*_steps(check, region, found), *map(_tested, suites)]
    result.attachments = list(_attachments(verdict, check, region, suites))
    stop = milliseconds(check.finished_at)
    if stop is not None:
        result.start = stop - round((check.elapsed_seconds or 0.0) * 1000)
        result.stop = stop
    return result


def _attachments(
    verdict: Verdict, check: CheckResult, region: str, suites: list[Suite]
) -> Iterator[Attachment]:
    # A joined run's pictures lie in the folders of the runs that it was made of.
    for suite in () if verdict.joined else suites:
        for one in _of_region(suite, region):
            yield Attachment(one.name, _source(one, region), one.media_type)
    if _seen(check, region):
        yield Attachment("what was observed", _evidence(verdict, check, region), "application/json")


def _seen(check: CheckResult, region: str) -> tuple[Observed, ...]:
    found = check.regions.get(region)
    return () if found is None else found.observations


def _observed(observations: tuple[Observed, ...]) -> str:
    return json.dumps([one.record() for one in observations], ensure_ascii=False, indent=1)


def _evidence(verdict: Verdict, check: CheckResult, region: str) -> str:
    return f"{_digest(verdict.run, check.id, region)}-attachment.json"


def _links(verdict: Verdict, check: CheckResult, found: Result | None) -> Iterator[Link]:
    """Yield where the runbook has it, and the scenario and the policy as they were for this run."""
    if verdict.runbook:
        yield Link("runbook", verdict.runbook.replace("{id}", check.id), f"runbook: {check.id}")
    built = verdict.executor
    if built is None or built.files is None:
        return
    if check.scenario:
        place, _, line = check.scenario.rpartition(":")
        yield Link("scenario", f"{built.files}/{place}#L{line}", check.scenario)
    counted = any(map(figures.is_objective, found.judgements if found else ()))
    policy = f"{built.policy}/objectives.yaml" if counted else built.policy
    yield Link("policy", f"{built.files}/{policy}", f"policy: {policy}")


def _steps(check: CheckResult, region: str, found: Result | None) -> Iterator[TestStepResult]:
    """Yield the scenario's sentences with what was judged in each; then what none of them judged.

    A sentence of which is not known how much it judged broke off: what follows is its own.
    """
    left = iter(found.judgements if found else ())
    for step in check.steps:
        number = None if step.judged is None else step.judged.get(region)
        yield _sentence(step, () if step.judged is None else tuple(itertools.islice(left, number)))
    yield from map(_judged, left)


def _sentence(step: Step, own: tuple[Judgement, ...]) -> TestStepResult:
    """Return a sentence as its worst judgement; a Then without one is never green."""
    if own:
        worst = outcome_of(own)
        status = _FOUND.get(str(worst), Status.BROKEN)
    else:
        status = Status.SKIPPED if step.judges or step.judged is None else Status.PASSED
    shown = _step(step.text if step.judged is not None else f"{step.text} (not reached)", status)
    shown.steps = [_judged(one) for one in own]
    return shown


def _tested(suite: Suite) -> TestStepResult:
    """Return what a suite tested, each test with its outcome."""
    worst = worst_outcome((Outcome.NOT_APPLICABLE, *(one.outcome for one in suite.tests)))
    status = _FOUND.get(worst.value, Status.BROKEN)
    shown = _step(f"{suite.kind.value}: {len(suite.tests)} tests", status)
    shown.steps = [
        _step(f"{one.outcome.value}: {one.name}", _FOUND.get(one.outcome.value, Status.BROKEN))
        for one in suite.tests
    ]
    shown.parameters = _shown(suite.tools)
    return shown


def _of_run(verdict: Verdict) -> TestResult:
    regions = ", ".join(verdict.regions)
    case = of_run(verdict)
    labels = {"epic": words.gate_name(verdict), "feature": "The decision"}
    result = _result(verdict, verdict.gate, regions, case, labels)
    result.name = f"The run itself: {words.gate_name(verdict)}"
    result.statusDetails.message = f"{case.outcome}: {words.meaning(verdict)}"
    result.steps = list(_run_steps(verdict, case.status))
    result.parameters += _shown({"run": verdict.run, "decision": case.outcome})
    result.attachments = [Attachment("the page to sign", _page(verdict), "text/html")]
    return result


def _page(verdict: Verdict) -> str:
    return f"{_digest(verdict.run, 'sign-off')}-attachment.html"


def _run_steps(verdict: Verdict, status: Status) -> Iterator[TestStepResult]:
    for sentence in verdict.sentences:
        yield _step(sentence, status)
    for region, decision in verdict.regions.items():
        yield _step(f"{region}: {decision.value}", _DECIDED.get(decision, Status.FAILED))
    for reason in verdict.reasons:
        yield _step(_said(reason), _DECIDED.get(reason.decision, Status.FAILED))
    for line in words.not_asked(verdict):
        yield _step(f"Not asked: {line}", Status.SKIPPED)


def _said(reason: Reason) -> str:
    about = " ".join(filter(None, (reason.check or "run", reason.region)))
    return f"{about} {reason.outcome} → {reason.decision.value}: {reason.sentence}"


def _judged(judgement: Judgement) -> TestStepResult:
    outcome = judgement.outcome.value
    step = _step(f"{outcome}: {judgement.sentence}", _FOUND.get(outcome, Status.BROKEN))
    facts = (
        *figures.numbers(judgement),
        *figures.explaining(judgement),
        *figures.queries(judgement),
    )
    step.parameters = [Parameter(fact.label, fact.text) for fact in facts]
    return step


def _step(name: str, status: Status) -> TestStepResult:
    return TestStepResult(name=name, status=status.value)


def _result(
    verdict: Verdict, about: str, region: str, case: Case, labels: Mapping[str, str]
) -> TestResult:
    apart, name = parameters(verdict, region), full_name(about)
    start = milliseconds(verdict.started_at) or 0
    suites = {"parentSuite": verdict.environment, "suite": words.gate_name(verdict)}
    message = f"{case.outcome}: {case.message}" if case.message else ""
    return TestResult(
        # The same for the same run: what is written again takes the place of what was there.
        uuid=str(uuid.uuid5(_RUNS, f"{verdict.run} {about} {region}")),
        fullName=name,
        testCaseId=case_id(about),
        historyId=_digest(name, *apart.values()),
        status=case.status.value,
        # The outcome's word comes first: categories.json tells by it.
        statusDetails=StatusDetails(message=message, trace=case.text),
        start=start,
        stop=start + round((verdict.elapsed_seconds or 0.0) * 1000),
        labels=[Label(key, value) for key, value in {**suites, **labels}.items() if value],
        parameters=[
            *(Parameter(key, value) for key, value in apart.items()),
            *_shown({"release": verdict.release}),
        ],
    )


def parameters(verdict: Verdict, region: str) -> dict[str, str]:
    """Return what tells results of the same check apart."""
    return {
        "environment": verdict.environment,
        "region": region,
        "window": verdict.window or verdict.phase or verdict.at or "",
    }


def full_name(about: str) -> str:
    """Return the name by which a check, or a gate's run, is known over all runs."""
    return f"gate.{about}"


def case_id(about: str) -> str:
    """Return that name as an id."""
    return _digest(full_name(about))


def _shown(values: Mapping[str, str | None]) -> list[Parameter]:
    """Return what is no part of what tells tests apart: a release has its past releases' history."""
    return [Parameter(key, value, excluded=True) for key, value in values.items() if value]


def _properties(verdict: Verdict) -> str:
    """Return what the whole report is about, in the escapes of Java's properties."""
    values = {
        "release": verdict.release,
        "environment": verdict.environment,
        "decision": words.decision_word(verdict),
        "exit.code": None if verdict.exit_code is None else str(verdict.exit_code),
        "gate": words.scope(verdict),
        "regions": ", ".join(verdict.regions),
        "not.asked": "; ".join(words.not_asked(verdict)),
        "run": verdict.run,
        "started": verdict.started_at,
        "finished": verdict.finished_at,
        **{f"{name}.sha256": digest for name, digest in verdict.digests.items()},
        **{f"{name}.version": version for name, version in verdict.versions.items()},
        "classification": verdict.classification,
    }
    return "".join(f"{_word(key)} = {_word(value)}\n" for key, value in values.items() if value)


def _word(text: str) -> str:
    """Escape a key or value: what would end it, and what is not ASCII."""
    escaped = words.one_line(text).replace("\\", "\\\\").replace("=", "\\=").replace(":", "\\:")
    if escaped.isascii():
        return escaped
    units = escaped.encode("utf-16-be", "replace")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(chr(one) if chr(one).isascii() else f"\\u{one:04x}" for one in codes)


def _executor(executor: Executor) -> str:
    record = {
        "name": executor.name,
        "type": executor.type,
        "url": executor.url,
        "buildName": executor.build,
        "buildUrl": executor.build_url,
    }
    return json.dumps(record)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def milliseconds(moment: str | None) -> int | None:
    """Return a time as Allure has it; None where there is none that can be read."""
    try:
        return (
            None if moment is None else round(dt.datetime.fromisoformat(moment).timestamp() * 1000)
        )
    except ValueError:
        return None

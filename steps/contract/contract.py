"""The API's document, and passes over its operations: what the contract checks judge."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

from environments.yaml_file import ConfigurationError, read_json
from gates.decide.suite import Finding as Shown
from gates.decide.suite import Kind, Tested
from probes.contract import Answers, Finding
from probes.observation import utc_now
from settings.contract import Contract
from steps.contract import rules
from steps.contract.passes import SUBJECT, CannotAskError, Mode, Passes, Tried
from steps.kit.asked import Asked, Unread
from steps.kit.run import Run
from steps.kit.sentence import described, then, when
from steps.kit.suites import hand_over

DOCUMENT = "the API's document"

described("the API's document is read in every region", Contract, "contract")


@then("it is a valid OpenAPI document")
def is_valid(run: Run, asked: Asked) -> None:
    subject, passes = DOCUMENT, run.shared(Passes)

    def judge(here: Asked) -> None:
        content = _document(run, here, Passes.whole)
        found = here.read(subject, lambda: passes.described(content))
        here.judge(rules.valid(subject, found))

    asked.in_each_region(judge)


@then("it is the document of this release")
def is_released(run: Run, asked: Asked, contract: Contract) -> None:
    subject, platform = DOCUMENT, asked.platform
    if contract.released is None:
        _same_everywhere(run, asked)
        return
    name = contract.released.replace("{release}", platform.release.number)
    what = f"the released one ({pathlib.PurePath(name).name})"
    try:
        released = read_json(platform.beside(name))
    except ConfigurationError as exc:
        asked.judge(rules.unreadable(subject, str(exc)))
        return

    def judge(here: Asked) -> None:
        served = _parsed(here, _document(run, here))
        here.judge(rules.as_released(subject, served, released, what))

    asked.in_each_region(judge)


def _same_everywhere(run: Run, asked: Asked) -> None:
    """Compare each region with the first: without the release's own document, that is what is left."""
    subject, first = DOCUMENT, asked.regions[0]
    if len(asked.regions) == 1:
        asked.judge(rules.nothing_compared(subject))
        return

    def judge(here: Asked) -> None:
        served = _parsed(here, _document(run, here))
        other = _parsed(here, _document(run, dataclasses.replace(here, regions=(first,))))
        here.judge(rules.as_released(subject, served, other, f"the one of {first}"))

    asked.in_each_region(judge)


def _document(
    run: Run, here: Asked, read: Callable[[Passes, str], bytes] = Passes.document
) -> bytes:
    """Return the document as a region serves it; raises Unread once it is judged why there is none."""
    try:
        return read(run.shared(Passes), here.region)
    except CannotAskError as exc:
        if (here.regions, DOCUMENT) not in here.check.unread:
            here.check.unread.add((here.regions, DOCUMENT))
            here.judge(*exc.judgements)
        raise Unread(DOCUMENT) from exc


def _parsed(here: Asked, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        here.judge(rules.untested(DOCUMENT, "It is not JSON, so it is not compared."))
        raise Unread(DOCUMENT) from None


@when(
    "every operation of the API that only reads is asked with valid input",
    target_fixture="passed",
)
def reads(run: Run) -> tuple[Mode, Passes]:
    return _made(run, "read")


@when("every operation of the API is asked with valid and invalid input", target_fixture="passed")
def everything(run: Run) -> tuple[Mode, Passes]:
    return _made(run, "full")


def _made(run: Run, mode: Mode) -> tuple[Mode, Passes]:
    passes = run.shared(Passes)
    passes.of(mode)
    return mode, passes


@then("every operation succeeds and answers as the API's document says")
def as_promised(run: Run, asked: Asked, passed: tuple[Mode, Passes]) -> None:
    mode, passes = passed

    def judge(here: Asked) -> None:
        tried = passes.of(mode)[here.region]
        if tried.observation is not None:
            here.keep(tried.observation)
        here.judge(*tried.judgements)
        if tried.answers is None:
            _hand_over(run, here, tried)
            return
        here.judge(*rules.not_asked(SUBJECT, tried.answers))
        accepted = here.platform.policy.contract.accepted
        here.judge(*rules.kept(SUBJECT, tried.answers, tried.found, accepted, utc_now().date()))
        least = here.platform.policy.contract.answered
        here.judge(rules.answered(SUBJECT, tried.answers, passes.section, least))
        _hand_over(run, here, tried)

    asked.in_each_region(judge)


def _hand_over(run: Run, here: Asked, tried: Tried) -> None:
    answers, found = tried.answers, tried.found
    tests = () if answers is None else _tests(answers, found)
    shown = [
        Shown(rule=one.kind, where=one.operation, sentence=f"{name}: {one.curl}")
        for _, name, one in rules.by_cause(found)
    ]
    hand_over(
        run,
        here,
        Kind.CONTRACT,
        tests=tests,
        tools={} if answers is None else {"schemathesis": answers.tool},
        counts={} if answers is None else {"requests": sum(answers.sent.values())},
        findings=shown,
    )


def _tests(answers: Answers, found: list[tuple[str, Finding]]) -> list[Tested]:
    tests = []
    for operation in answers.asked:
        outcome, sentence = rules.of_operation(operation, answers, found)
        seconds = answers.seconds.get(operation)
        tests.append(Tested(name=operation, outcome=outcome, seconds=seconds, sentence=sentence))
    return tests

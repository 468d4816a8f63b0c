"""The items that other tools answer for: the documents that the policy names are there, and good."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from gates.decide.catalogue import Row
from gates.decide.judgement import Judgement
from gates.decide.scope import Phase, PostDeploy
from gates.load import Checks, load_catalogue, policy_digest
from settings.proofs import (
    InventoryWanted,
    LoadWanted,
    RunWanted,
    ScanWanted,
    SuiteWanted,
    TestsWanted,
)
from steps.kit.asked import Asked
from steps.kit.expect import nothing_to_judge
from steps.kit.sentence import then, when
from steps.proofs import reading, rules
from steps.proofs.reading import Read

Proofs = Callable[[], tuple[Read, ...] | None]
"""The documents of a check: read, kept and judged at the first call; None where the policy names none."""


@when("the evidence of the release is read", target_fixture="proofs")
def read(asked: Asked) -> Proofs:
    return functools.cache(lambda: reading.read_all(asked))


@then("each document that the policy names is there, unchanged, of this release and young enough")
def believable(asked: Asked, proofs: Proofs) -> None:
    if proofs() is None:
        asked.judge(nothing_to_judge("documents", "the policy names none"))


@then("no test failed, and no suite is missing that the release before had")
@then("each scan is whole, and each bill of materials lists something")
@then("no scan found anything as grave as the policy forbids")
@then("the load run passed, at the rate and within the times that the policy asks for")
@then("its tests passed in every browser that the policy asks for")
@then("no page violates WCAG")
@then("staging's run of this gate was GO, with every check that is due there")
def good(asked: Asked, proofs: Proofs) -> None:
    found = proofs()
    if found is None:
        asked.judge(nothing_to_judge("what documents say", "the policy names none"))
    for one in found or ():
        asked.judge(*_judged(asked, one))


def _judged(asked: Asked, read: Read) -> Iterator[Judgement]:
    """Yield what a document is worth, by its format; nothing of one that can't be believed."""
    release, found = asked.platform.release.tag, read.contents
    match read.wanted:
        case TestsWanted() as tests if found:
            yield from rules.tests(tests, found, read.before)
        case ScanWanted() as scan:
            yield from rules.scan(scan, found, read.exceptions, read.digests)
        case InventoryWanted() as inventory:
            yield from rules.inventory(inventory, found)
        case LoadWanted() as load:
            yield from rules.load(load, found, release)
        case SuiteWanted() as suite:
            yield from rules.suite(suite, found, release)
        case RunWanted() as run:
            tag = release if run.release == "this" else read.previous
            policy = policy_digest(_checks(asked).policy)
            yield from rules.run(run, found, _due(asked, run), tag, policy, read.after)


def _due(asked: Asked, run: RunWanted) -> tuple[Row, ...]:
    """Return what the catalogue asks of such a run, as far as it applies here."""
    rows = load_catalogue(_checks(asked).features)
    gate = PostDeploy(run.asked) if run.gate == "post-deploy" else Phase.parse(run.asked)
    sections = asked.platform.environment.sections
    return tuple(row for row in gate.scope(rows, switched=True).rows if row.applies(sections))


def _checks(asked: Asked) -> Checks:
    return Checks.of(asked.platform.environment.checks)

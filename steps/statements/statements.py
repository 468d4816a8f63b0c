"""What people signed of the release: read once for a run, judged item by item."""

from __future__ import annotations

from pytest_bdd import parsers

from settings.statements import Statements
from steps.kit.asked import Asked
from steps.kit.expect import nothing_to_judge, since_unknown
from steps.kit.run import Run
from steps.kit.sentence import described, then
from steps.statements.signed import documented, judge_signed

described("the signed statements of the release are read", Statements, "statements")


@then(parsers.parse('"{item}" is signed as the policy asks'))
def is_signed(asked: Asked, run: Run, item: str) -> None:
    judge_signed(asked, run, item)


@then(parsers.parse('"{item}" is signed since the traffic switch'))
@then(parsers.parse('"{item}" is signed since the rollback'))
def is_signed_since_the_switch(asked: Asked, run: Run, item: str) -> None:
    if asked.platform.switched_at is None:
        asked.judge(since_unknown(f"the signature of {item}"))
    else:
        judge_signed(asked, run, item, asked.platform.switched_at)


@then(parsers.parse('"{item}" is signed as the policy asks, where no document proves it'))
def is_signed_or_proved(asked: Asked, run: Run, item: str) -> None:
    if item in asked.platform.policy.evidence.proofs:
        asked.judge(nothing_to_judge(f"the signature of {item}", "documents prove it"))
    else:
        judge_signed(asked, run, item)


@then("the documents that the runbook names are there")
def documents_are_there(asked: Asked, statements: Statements) -> None:
    wanted = asked.platform.policy.statements.runbook.documents
    asked.judge(documented(wanted, statements.documents))

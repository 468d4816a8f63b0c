"""What people signed of the release: read once for a run, judged item by item."""

from __future__ import annotations

from pytest_bdd import parsers

from environments.store import StoreError
from environments.yaml_file import ConfigurationError
from settings.statements import Statements
from steps.kit.asked import Asked, Unread
from steps.kit.expect import nothing_to_judge, unable
from steps.kit.run import Run
from steps.kit.sentence import described, then
from steps.kit.statements import Asking, asking, command
from steps.statements import rules

described("the signed statements of the release are read", Statements, "statements")


def _asking(run: Run) -> Asking | str:
    """Read the statements for all checks of a run; what keeps from it is a sentence."""
    try:
        return asking(run.platform)
    except (ConfigurationError, StoreError) as exc:
        return str(exc)


@then(parsers.parse('"{item}" is signed as the policy asks'))
def is_signed(asked: Asked, run: Run, item: str) -> None:
    found = run.shared(_asking)
    if isinstance(found, str):
        clears = "statements that can be read"
        asked.judge(unable("the signed statements", found, clears, rule=rules.RULE))
        raise Unread(item)
    count = found.count(item)
    asked.judge(rules.signed(item, found.items[item], count, command(asked.platform, item)))


@then(parsers.parse('"{item}" is signed as the policy asks, where no document proves it'))
def is_signed_or_proved(asked: Asked, run: Run, item: str) -> None:
    if item in asked.platform.policy.evidence.proofs:
        asked.judge(nothing_to_judge(f"the signature of {item}", "documents prove it"))
    else:
        is_signed(asked, run, item)


@then("the documents that the runbook names are there")
def documents_are_there(asked: Asked, statements: Statements) -> None:
    wanted = asked.platform.policy.statements.runbook.documents
    asked.judge(rules.documented(wanted, statements.documents))

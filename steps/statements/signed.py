"""What people signed of the release: read once for a run, judged item by item."""

from __future__ import annotations

import dataclasses
import datetime as dt

from environments.store import StoreError
from environments.yaml_file import ConfigurationError
from gates.decide.statements import Count
from steps.kit.asked import Asked
from steps.kit.expect import unable
from steps.kit.run import Run
from steps.kit.statements import Asking, asking, command
from steps.statements import rules


def _asking(run: Run) -> Asking | str:
    """Read the statements for all checks of a run; what keeps from it is a sentence."""
    here = run.platform
    try:
        found = asking(here.environment, here.policy, here.release, here.phase)
        if here.restored is None:
            return found
        live = here.environment.settings.traffic.switched_at
        return "when the release went live is not known" if live is None else _since(found, live)
    except (ConfigurationError, StoreError) as exc:
        return str(exc)


def _since(found: Asking, at: dt.datetime) -> Asking:
    """Return the statements so that none from before then counts: it can't be about what came after."""
    most = max(0.0, (found.around.now - at).total_seconds())
    items = {
        item: rule.model_copy(update={"max_age": min(rule.max_age, most)})
        for item, rule in found.items.items()
    }
    return dataclasses.replace(found, items=items)


def _counted(run: Run, item: str, since: dt.datetime | None) -> tuple[Asking, Count] | str:
    """Return who signed an item, or what keeps from telling it."""
    found = run.shared(_asking)
    if isinstance(found, str):
        return found
    found = found if since is None else _since(found, since)
    try:
        return found, found.count(item)
    except ConfigurationError as exc:
        return str(exc)


def judge_signed(asked: Asked, run: Run, item: str, since: dt.datetime | None = None) -> None:
    """Judge one item, for whatever sentence asks; what was signed before `since` does not count."""
    found = _counted(run, item, since)
    if isinstance(found, str):
        clears = "statements that can be read"
        asked.judge(unable("the signed statements", found, clears, rule=rules.RULE))
        return
    statements, count = found
    asked.judge(rules.signed(item, statements.items[item], count, command(asked.platform, item)))

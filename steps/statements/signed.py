"""Signed statements: enough of them, or who still has to sign and why others don't count."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

from environments.store import StoreError
from environments.yaml_file import ConfigurationError
from gates.decide.judgement import Judgement
from gates.decide.statements import Count, Signed
from settings.statements import StatementRule
from steps.kit.asked import Asked
from steps.kit.expect import expect, measured, nothing_to_judge, unable
from steps.kit.run import Run
from steps.kit.statements import Asking, asking, command

_RULE = "signed"
_MOST_SAID = 3


def _asking(run: Run) -> Asking | ConfigurationError | StoreError:
    """Read the statements for all checks of a run; what keeps from it is theirs to say."""
    here = run.platform
    try:
        found = asking(here.environment, here.policy, here.release, here.phase)
        if here.restored is None:
            return found
        live = here.environment.settings.traffic.switched_at
        if live is None:
            return ConfigurationError("when the release went live is not known")
        return _since(found, live)
    except (ConfigurationError, StoreError) as exc:
        return exc


def _since(found: Asking, at: dt.datetime) -> Asking:
    """Return the statements so that none from before then counts: it can't be about what came after."""
    most = max(0.0, (found.around.now - at).total_seconds())
    items = {
        item: rule.model_copy(update={"max_age": min(rule.max_age, most)})
        for item, rule in found.items.items()
    }
    return dataclasses.replace(found, items=items)


def judge_signed(asked: Asked, run: Run, item: str, since: dt.datetime | None = None) -> None:
    """Judge one item, for whatever sentence asks; what was signed before `since` does not count."""
    try:
        found = run.shared(_asking)
        if not isinstance(found, Asking):
            raise found
        found = found if since is None else _since(found, since)
        count = found.count(item)
    except (ConfigurationError, StoreError) as exc:
        clears = "statements that can be read"
        asked.judge(unable("the signed statements", str(exc), clears, rule=_RULE))
        return
    asked.judge(signed(item, found.items[item], count, command(asked.platform, item)))


def signed(item: str, rule: StatementRule, found: Count, command: str) -> Judgement:
    """Judge that an item is signed as the policy asks; what is missing is not decided, and not bad."""
    if not found.needed:
        needed = rule.needed.replace("emergency", "deployment outside of the windows")
        sentence = f"{item} needs no signature: it is asked of a {needed} alone"
        return expect(True, item, sentence, rule=_RULE)
    have, roles = len(found.signed), " or ".join(rule.roles)
    by = ", ".join(
        f"{one.statement.name} as {one.statement.role} on {one.since:%Y-%m-%d %H:%M} UTC"
        for one in found.signed
    )
    lacks = (
        f"{rule.people - have} of {rule.people} signatures" if rule.people > 1 else "a signature"
    )
    sentence = f"“{rule.meaning}” lacks {lacks} of {roles}" + (f"; it has {by}" if by else "")
    if found.good:
        sentence = f"“{rule.meaning}” is signed by {by}"
    return expect(
        found.good or None,
        item,
        sentence + _absent(found.absent),
        command,
        **measured(_RULE, have, rule.people, "people"),
        data={"signed": [_kept(item, one) for one in found.signed]},
    )


def documented(wanted: Sequence[str], named: Mapping[str, str]) -> Judgement:
    """Judge that somebody named where each document is that the runbook relates to."""
    subject = "the runbook's documents"
    if not wanted:
        return nothing_to_judge(subject, "the policy names none")
    missing = [one for one in wanted if one not in named]
    sentence, names = f"the runbook names {len(wanted)} documents", ", ".join(missing)
    if not missing:
        return expect(True, subject, f"{sentence}, and each has an address")
    sentence += f"; nobody says where {names} {'is' if len(missing) == 1 else 'are'}"
    return expect(
        None, subject, sentence, f"an address of {names} in statements.documents of the environment"
    )


def _absent(why: Sequence[str]) -> str:
    if not why:
        return ""
    more = f" and {len(why) - _MOST_SAID} more" * (len(why) > _MOST_SAID)
    return f". Not counted: {'; '.join(why[-_MOST_SAID:])}{more}"


def _kept(item: str, one: Signed) -> dict[str, str | int]:
    """Return what the verdict keeps of a signature."""
    statement = one.statement
    return {
        "check": item,
        "person": statement.person,
        "name": statement.name,
        "role": statement.role,
        "signed_at": one.since.isoformat(timespec="milliseconds"),
        "received_at": one.received_at.isoformat(timespec="milliseconds"),
        "receipt": one.number,
        "sha256": one.digest,
        "key": one.fingerprint,
    }

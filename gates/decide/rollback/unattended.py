"""Whether a plan may be carried out without a person: only what policy lets, while it does. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gates.decide.outcome import Decision
from gates.decide.rollback.plan import Choice
from gates.decide.scope import RollbackPlan

if TYPE_CHECKING:
    from gates.decide.verdict import Verdict
    from settings.rollback import Unattended

MOST_DAYS = 92
"""An authorisation that stands longer is one that nobody looks after."""
NEW = dt.timedelta(minutes=15)
"""So old may be what is answered: of what was measured before that, nobody knows whether it still is so."""


def against(
    plan: Verdict,
    cause: Verdict,
    policy: Unattended | None,
    said: tuple[Choice | None, Mapping[str, object]],
    now: dt.datetime,
) -> Iterator[str]:
    """Yield, in sentences, why a plan needs a person; nothing where it may be carried out without one.

    `said` is what the plan's run chose, and whom it names as the authority.
    """
    choice, authority = said
    yield from _not_the_cause(plan, cause)
    if not _new(cause, now):
        yield f"{cause.run} did not end in the last {NEW.seconds // 60} minutes"
    if authority.get("kind") in (None, "major"):
        yield "a major release, or one of no known kind, goes back by a person's word"
    if policy is None:
        yield "the policy lacks rollback.unattended, so nobody has authorised it"
    else:
        yield from _not_authorised(policy, choice, now.date())


def _not_authorised(policy: Unattended, choice: Choice | None, today: dt.date) -> Iterator[str]:
    if today > policy.until:
        yield f"the authorisation of {policy.authorised_by} ended on {policy.until}"
    if (policy.until - today).days > MOST_DAYS:
        yield f"the authorisation runs to {policy.until}; it may stand {MOST_DAYS} days at most"
    if choice is None or choice.plan is None or not choice.fits:
        yield "no way back was chosen"
        return
    plan = choice.plan
    if others := sorted(set(plan.ways) - {*policy.methods}):
        yield f"the plan takes {', '.join(others)}, which the policy does not let go by itself"
    if plan.no_return or plan.restores:
        yield "the plan loses data"
    if any("\n" in command for step in plan.steps for command in step.commands):
        yield "a command of the plan has several lines"


def _not_the_cause(plan: Verdict, cause: Verdict) -> Iterator[str]:
    if plan.gate != RollbackPlan.name or not plan.is_go or plan.only or plan.other_regions:
        yield f"{plan.run} is not a whole rollback plan that is GO"
    if not cause.complete or cause.decision is not Decision.ROLLBACK:
        yield f"{cause.run} did not end in ROLLBACK"
    if (plan.env, plan.environment, plan.release) != (cause.env, cause.environment, cause.release):
        yield f"{plan.run} and {cause.run} are not of one release on one environment"
    if plan.started_at < str(cause.finished_at):
        yield f"{plan.run} was made before {cause.run} had ended"


def _new(verdict: Verdict, now: dt.datetime) -> bool:
    try:
        age = now - dt.datetime.fromisoformat(str(verdict.finished_at))
    except (TypeError, ValueError):
        return False
    return dt.timedelta() <= age <= NEW

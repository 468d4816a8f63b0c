"""Does the policy say what its fixtures expect, and can each of its rules fire and pass at all? Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from gates.decide.counting.objective import Bucket, Evidence, Over, judge_quantile, judge_target
from gates.decide.counting.statistics import Counts, events_wanted
from gates.decide.outcome import Outcome
from gates.decide.trigger import Clock, Observation, State, step
from settings.objectives import Objective
from settings.policy import Policy
from settings.rollback import Fixture, Trigger
from settings.sections import parse_share
from steps.kit.expect import age

MOST_EVENTS = 1e6
"""What takes more events than that in one look-back is not proved on any platform of this kind."""
_PART = re.compile(r"(gap|bad|good|[0-9.]+ ?%)(?: ?x ?([0-9]{1,6}))?")
_EVIDENCE = Evidence(0.0, {}, "", {})
Said = Literal["fires", "quiet", "undecided", "pass", "fail"]
_OUTCOMES: dict[Outcome, Said] = {Outcome.PASS: "pass", Outcome.FAIL: "fail"}


class FixtureError(ValueError):
    """A fixture that can't be read, or of what the policy has not; the text says why."""


def lasts(policy: Policy, trigger: Trigger) -> float:
    """Return how long a trigger's condition has to hold, in seconds; a reading has to be made twice."""
    if trigger.objective is not None:
        limit = policy.objective(trigger.objective).rollback
        return limit.sustained if limit is not None else 0.0
    return trigger.unavailable_for or policy.triggers.every / 2


def refusals(
    policy: Policy, metrics: Collection[str] | None, asked: Collection[str]
) -> Iterator[str]:
    """Yield each rule that cannot fire or cannot pass, and why.

    `metrics` are those that the environment describes (None: no environment is meant), `asked` the rows of
    the catalogue.
    """
    for trigger in policy.triggers.watched:
        if trigger.check not in asked:
            yield f"{trigger.check} is not in the catalogue, so nobody asks and it never fires; add it"
        yield from _of_trigger(policy, trigger)
    for objective in policy.objectives:
        if metrics is not None and objective.metric not in metrics:
            lacking = f"metrics.{objective.metric}"
            yield f"{objective.check} can never pass: the environment lacks {lacking}; add it"
        yield from _of_objective(objective)


def missing(policy: Policy, fixtures: Sequence[Fixture]) -> Iterator[str]:
    """Yield what of each rule no fixture shows: that it fires and that it stays quiet, fails and passes."""
    shown = {(one.trigger or one.objective, one.expect) for one in fixtures}
    of_triggers = [(one.check, ("fires", "quiet")) for one in policy.triggers.watched]
    of_objectives = [(one.check, ("fail", "pass")) for one in policy.objectives]
    for check, both in (*of_triggers, *of_objectives):
        lacking = [expect for expect in both if (check, expect) not in shown]
        if lacking:
            yield f"{check} has no fixture that expects {' or '.join(lacking)}"


def wrong(policy: Policy, fixture: Fixture) -> str | None:
    """Return what is wrong about a fixture, or None; raises FixtureError."""
    check = fixture.trigger or fixture.objective
    found, after = (
        _of_series(policy, fixture) if fixture.trigger else (_of_counts(policy, fixture), None)
    )
    if found != fixture.expect:
        return f"{check}, “{fixture.says}”: expected {fixture.expect}, the policy says {found}"
    if fixture.after is not None and after != fixture.after:
        return (
            f"{check}, “{fixture.says}”: expected to fire after {age(fixture.after)}, the policy says "
            f"after {age(after or 0.0)}"
        )
    return None


def _of_series(policy: Policy, fixture: Fixture) -> tuple[Said, float | None]:
    trigger = next((one for one in policy.triggers.watched if one.check == fixture.trigger), None)
    if trigger is None:
        raise FixtureError(f"“{fixture.says}”: the policy has no trigger {fixture.trigger}")
    state = State()
    clock = Clock(lasts(policy, trigger), policy.triggers.gap)
    for number, holds in enumerate(_held(policy, trigger, fixture.series)):
        state, _ = step(clock, state, Observation(number * policy.triggers.every, holds))
        if state.fired_at is not None:
            return "fires", state.fired_at
    open_ = (state.undecided_since, state.pending_since, state.unanswered_since)
    return ("quiet" if open_ == (None,) * 3 else "undecided"), None


def _held(policy: Policy, trigger: Trigger, series: str) -> Iterator[bool | None]:
    limit = policy.objective(trigger.objective).rollback if trigger.objective is not None else None
    for part in series.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None or (limit is None and "%" in match[1]):
            meant = "3% x20, gap x2" if limit is not None else "good x4, bad x9, gap x2"
            raise FixtureError(
                f"{trigger.check}: “{part.strip()}” is not an evaluation; write it like {meant}"
            )
        holds = {"gap": None, "bad": True, "good": False}.get(match[1])
        if limit is not None and "%" in match[1]:
            holds = parse_share(match[1]) > limit.budget
        yield from [holds] * int(match[2] or 1)


def _of_counts(policy: Policy, fixture: Fixture) -> Said:
    try:
        objective = policy.objective(fixture.objective or "")
    except LookupError as exc:
        raise FixtureError(f"“{fixture.says}”: {exc}") from exc
    return _judged(objective, Counts(fixture.bad, fixture.events or 0.0))


def _judged(objective: Objective, counts: Counts) -> Said:
    around = objective.bounds_around
    if around is None:
        found = judge_target(objective, counts, _EVIDENCE)
    else:
        # Events that are over one bound are over both: none is in the target's own bucket.
        good = counts.bad <= objective.target.budget * counts.total
        below, above = (Over(bound, counts) for bound in around)
        bucket = Bucket(below, above, around[0] if good else around[1])
        found = judge_quantile(objective, bucket, _EVIDENCE)
    return _OUTCOMES.get(found.outcome, "undecided")


def _of_trigger(policy: Policy, trigger: Trigger) -> Iterator[str]:
    check, gap = trigger.check, policy.triggers.gap
    if trigger.objective is not None:
        try:
            limit = policy.objective(trigger.objective).rollback
        except LookupError as exc:
            yield f"{check} can never fire: {exc}"
            return
        if limit is None:
            yield f"{check} can never fire: {trigger.objective} has no rollback limit; add it"
    seconds = lasts(policy, trigger)
    over_time = trigger.objective is not None or trigger.unavailable_for is not None
    if over_time and 0 < seconds <= gap:
        yield (
            f"{check} asks for {age(seconds)}, and a gap of {age(gap)} is bridged: it could fire with nearly "
            "nothing seen; make gap shorter"
        )


def _of_objective(objective: Objective) -> Iterator[str]:
    target = objective.target
    if _judged(objective, Counts(0, MOST_EVENTS)) != "pass":
        events = events_wanted(0, target.budget, target.assumed_burst)
        yield (
            f"{objective.check} can never pass: it takes {events:,.0f} events in one look-back without a bad "
            "one; raise budget or lower assumed_burst"
        )

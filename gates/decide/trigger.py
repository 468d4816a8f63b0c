"""A condition that must hold for a time before it asks for a rollback: the clock of one trigger, pure.

Where every evaluation has an answer, it is Prometheus' own `for` and `keep_firing_for`: pending at the first
evaluation at which the condition holds, firing at the first one that is `for` later, over again after one at
which it does not hold. Where one has none, Prometheus lets the clock run or resets it, by what was missing.
Here a gap fires nothing by itself, and is never healthy: what could have fired in it is undecided.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable


class Event(enum.StrEnum):
    """What an evaluation changed."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True, slots=True)
class Clock:
    """How long a trigger's condition has to hold."""

    for_seconds: float
    gap_seconds: float
    """Evaluations may be without an answer for so long; then what was pending begins again."""
    keep_firing_seconds: float = 0.0
    """It fires for so long after the condition is gone."""


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """One evaluation of the condition."""

    at: float
    """Seconds, on the clock of the instrument."""
    holds: bool | None
    """None: no answer, or one that decides nothing (stale, NaN, too few samples)."""


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """What is known of a trigger after an evaluation; all of it is needed to go on after a restart."""

    at: float | None = None
    """The last evaluation."""
    pending_since: float | None = None
    """The first evaluation of those at which the condition held."""
    fired_at: float | None = None
    """Since when it fires."""
    gone_since: float | None = None
    """It fires, and the condition does not hold any more."""
    unanswered_since: float | None = None
    """The first of the evaluations without an answer."""
    possible_since: float | None = None
    """The first evaluation of those at which the condition held or may have held."""
    undecided_since: float | None = None
    """The beginning of the first time in which it could have fired unseen; None: there is none."""
    held_seconds: float = 0.0
    """How long the condition held in all."""


def step(clock: Clock, state: State, seen: Observation) -> tuple[State, tuple[Event, ...]]:
    """Return what is known after one more evaluation, and what it changed.

    Raises ValueError for an evaluation that is not later than the last one: what is asked again is folded
    from before it, by `fold`.
    """
    if state.at is not None and seen.at <= state.at:
        raise ValueError(f"evaluation at {seen.at} is not later than that at {state.at}")
    if seen.holds is None:
        after = _unanswered(clock, state, seen.at)
    elif seen.holds:
        after = _held(clock, state, seen.at)
    else:
        after = _did_not_hold(clock, state, seen.at)
    return after, tuple(_events(state, after))


def fold(clock: Clock, state: State, seen: Iterable[Observation]) -> State:
    """Return what is known after several evaluations, the oldest first."""
    for one in seen:
        state, _ = step(clock, state, one)
    return state


def _held(clock: Clock, state: State, at: float) -> State:
    since = state.pending_since
    if since is None or _gap(state, at) > clock.gap_seconds:
        since = at
    fired_at = state.fired_at
    if fired_at is None and _lasted(since, at) >= clock.for_seconds:
        fired_at = at
    held = state.held_seconds + (0.0 if state.at is None else at - state.at)
    known = dataclasses.replace(
        state, pending_since=since, fired_at=fired_at, gone_since=None, held_seconds=held
    )
    known = _possibly(clock, known, at)
    return dataclasses.replace(known, unanswered_since=None)


def _did_not_hold(clock: Clock, state: State, at: float) -> State:
    kept = State(at=at, undecided_since=state.undecided_since, held_seconds=state.held_seconds)
    if state.fired_at is None:
        return kept
    gone = at if state.gone_since is None else state.gone_since
    if clock.keep_firing_seconds == 0 or at - gone >= clock.keep_firing_seconds:
        return kept
    return dataclasses.replace(
        kept, pending_since=state.pending_since, fired_at=state.fired_at, gone_since=gone
    )


def _unanswered(clock: Clock, state: State, at: float) -> State:
    began = at if state.unanswered_since is None else state.unanswered_since
    known = _possibly(clock, dataclasses.replace(state, unanswered_since=began), at)
    return _undecided(known, began) if _gap(known, at) >= clock.gap_seconds else known


def _possibly(clock: Clock, state: State, at: float) -> State:
    """Return the state of an evaluation at which the condition holds or may hold: could it have fired?"""
    since = at if state.possible_since is None else state.possible_since
    known = dataclasses.replace(state, at=at, possible_since=since)
    unseen = state.fired_at is None and _lasted(since, at) >= clock.for_seconds
    return _undecided(known, since) if unseen else known


def _lasted(since: float, at: float) -> float:
    """Return the seconds between two evaluations, to the millisecond as Prometheus counts.

    Else a sum of fractions would fall short of `for` now and then, and fire an evaluation late.
    """
    return round(at - since, 3)


def _undecided(state: State, since: float) -> State:
    earlier = state.undecided_since
    return dataclasses.replace(state, undecided_since=since if earlier is None else earlier)


def _gap(state: State, at: float) -> float:
    """Return for how many seconds there has been no answer."""
    return 0.0 if state.unanswered_since is None else at - state.unanswered_since


def _events(before: State, after: State) -> Iterable[Event]:
    if after.pending_since is not None and after.pending_since != before.pending_since:
        yield Event.PENDING
    if after.fired_at is not None and after.fired_at != before.fired_at:
        yield Event.FIRING
    if before.fired_at is not None and after.fired_at is None:
        yield Event.RESOLVED
    if after.undecided_since is not None and before.undecided_since is None:
        yield Event.UNDECIDED

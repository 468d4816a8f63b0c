"""What the watch of one condition comes to, once it ended. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.trigger import Clock, State
from steps.kit.expect import age, expect

RULE = "rollback trigger"


@dataclasses.dataclass(frozen=True, slots=True)
class Watched:
    """One condition in one region, after the watch."""

    subject: str
    clock: Clock
    limit: float | None
    """Of the figure, a share; None where there is none."""
    state: State
    evaluations: int
    unanswered: int
    last: str
    """What the last evaluation said."""
    unanswered_why: str
    """Why an evaluation had no answer, the last of them."""
    first_bad: str
    """What the first of the last run of bad evaluations said."""
    worst: float | None
    """The largest figure."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """How the watch ended."""

    wanted_seconds: float
    seconds: float
    by: str = ""
    """The check whose trigger fired, or nothing."""


def judge(watched: Watched, ended: Ended) -> Judgement:
    """FAIL where it fired; PASS where it could not have fired in all the time that was wanted.

    Everything in between is INCONCLUSIVE: a gap in which it could have fired, a condition that still holds,
    a watch that ended early.
    """
    good, found, clears = _came_to(watched, ended)
    return expect(
        good,
        watched.subject,
        f"{watched.subject}{found}",
        clears,
        rule=RULE,
        observed=watched.worst,
        target=watched.limit,
        data=_figures(watched, ended),
    )


def _came_to(watched: Watched, ended: Ended) -> tuple[bool | None, str, str]:
    """Return whether it is good, what is said of it, and what clears it."""
    if watched.state.fired_at is not None:
        return False, f": {_fired(watched)}", "the release taken back"
    open_ = _unseen(watched) or _too_short(watched, ended)
    if open_ is not None:
        return None, *open_
    worst = "" if watched.worst is None else f", {watched.worst:.2%} at most"
    return True, f": {watched.evaluations} evaluations in {age(ended.wanted_seconds)}{worst}", ""


def _unseen(watched: Watched) -> tuple[str, str] | None:
    """Return what is said, and what clears it, where it may have fired, or may be about to."""
    state, why = watched.state, watched.unanswered_why
    if state.undecided_since is not None:
        since = _clock_time(state.undecided_since)
        return (
            f" could not be watched without a gap since {since} UTC: {why}",
            "a watch without a gap",
        )
    if state.pending_since is not None:
        found = (
            f": {watched.last}, bad for {age((state.at or 0.0) - state.pending_since)} when the watch "
            f"ended; it asks for a rollback after {age(watched.clock.for_seconds)}"
        )
        return found, "a watch that goes on"
    if state.unanswered_since is not None:
        since = _clock_time(state.unanswered_since)
        return f" is not known since {since} UTC: {why}", "a watch that ends with an answer"
    return None


def _too_short(watched: Watched, ended: Ended) -> tuple[str, str] | None:
    """Return what is said, and what clears it, of a watch that ended early, or could never have fired."""
    wanted, lasts = age(ended.wanted_seconds), watched.clock.for_seconds
    if ended.wanted_seconds < lasts:
        found = f" asks for a rollback after {age(lasts)}, so a watch of {wanted} can't see it"
        return found, f"a watch of {age(lasts)} or longer"
    if ended.seconds < ended.wanted_seconds:
        why = f"as {ended.by} fired" if ended.by else "as it was stopped"
        return f" was watched for {age(ended.seconds)} of {wanted}, {why}", f"a watch of {wanted}"
    return None


def limit_words(limit: float | None) -> str:
    """Return a limit as people read it; empty where there is none."""
    return "" if limit is None else f"{limit:.2%}"


def _fired(watched: Watched) -> str:
    state = watched.state
    since, fired = state.pending_since or 0.0, state.fired_at or 0.0
    limit = "" if watched.limit is None else f" (limit {limit_words(watched.limit)})"
    return (
        f"{watched.last}{limit}, bad since {_clock_time(since)} UTC ({watched.first_bad}), "
        f"{age(fired - since)} without a break; {age(watched.clock.for_seconds)} ask for a rollback"
    )


def _figures(watched: Watched, ended: Ended) -> dict[str, Any]:
    state = watched.state
    return {
        "for_seconds": watched.clock.for_seconds,
        "gap_seconds": watched.clock.gap_seconds,
        "watched_seconds": round(ended.seconds, 1),
        "evaluations": watched.evaluations,
        "without_an_answer": watched.unanswered,
        "first_bad_at": _moment(state.pending_since),
        "fired_at": _moment(state.fired_at),
        "undecided_since": _moment(state.undecided_since),
    }


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")


def _clock_time(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%H:%M:%S}"

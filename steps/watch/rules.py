"""What the watch of one condition comes to, once it ended. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.decide.trigger import Clock, State
from probes.observation import Failure
from steps.kit.expect import age, expect

if TYPE_CHECKING:
    from probes.prometheus.alerting import Alerts

RULE = "rollback trigger"


@dataclasses.dataclass(frozen=True, slots=True)
class Watched:
    """One condition in one region, after the watch."""

    subject: str
    clock: Clock
    limit: float | None
    """Of the figure, a share; None where there is none."""
    twice: bool
    """Whether two readings are enough."""
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

    Everything in between is INCONCLUSIVE: a gap in which it could have fired, a condition that still holds
    or that held as long in all as asks for a rollback at once, a watch that ended early.
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


def lost(found: Sequence[Judgement]) -> tuple[bool | None, str]:
    """Return whether data are lost or corrupt by what was judged of them, and why; None: not to be told.

    More rows than before are none lost, and orphans that are older than the release are none of its own.
    """
    bad: list[str] = []
    open_: list[str] = []
    for one in found:
        more = one.rule == "row count" and one.data.get("difference", 0) > 0
        old = one.rule == "no orphans" and one.means is Meaning.HOLD
        unknown = one.rule == "no orphans" and one.data.get("baseline") is None
        if one.outcome is Outcome.PASS or (one.outcome is Outcome.FAIL and (more or old)):
            continue
        hold = one.outcome is not Outcome.FAIL or one.means is Meaning.HOLD or unknown
        (open_ if hold else bad).append(one.sentence)
    if bad or open_ or not found:
        return True if bad else None, "; ".join(dict.fromkeys(bad or open_)) or "nothing was read"
    return False, "nothing is lost"


def attacked(
    found: Iterable[Alerts | Failure], switched_at: dt.datetime | None
) -> tuple[bool | None, str]:
    """Return whether an alert of security began since the switch, and why; None: not to be told.

    One that is older, or that somebody silenced, neither asks for a rollback nor is it well.
    """
    new, open_ = 0, list[str]()
    for one in found:
        if isinstance(one, Failure):
            open_.append(f"Alertmanager: {one.kind.value}")
            continue
        own = sum(switched_at is not None and at >= switched_at for at in one.since)
        new += own
        if len(one.since) > own:
            open_.append("a security alert fires since before the traffic switch")
        if one.quiet:
            open_.append("a security alert is silenced")
    if new:
        return True, f"{new} security alert{'s' * (new > 1)} since the traffic switch"
    return (None, "; ".join(dict.fromkeys(open_))) if open_ else (False, "no alert")


def not_asked(ended: Ended) -> Judgement:
    """Return that a watch which ended early says nothing of what is asked at its end."""
    wanted = age(ended.wanted_seconds)
    why = f"{ended.by} fired" if ended.by else "it was stopped"
    sentence = f"the objectives are asked after {wanted}, and {why} after {age(ended.seconds)}"
    return expect(None, "objectives", sentence, f"a watch of {wanted}", rule=RULE)


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
        if watched.twice:
            return f": {watched.last}, seen once when the watch ended", "a watch that goes on"
        found = (
            f": {watched.last}, bad for {age((state.at or 0.0) - state.pending_since)} when the watch "
            f"ended; it asks for a rollback after {age(watched.clock.for_seconds)}"
        )
        return found, "a watch that goes on"
    if state.unanswered_since is not None:
        since = _clock_time(state.unanswered_since)
        return f" is not known since {since} UTC: {why}", "a watch that ends with an answer"
    if 0 < watched.clock.for_seconds <= state.held_seconds and not watched.twice:
        held, lasts = age(state.held_seconds), age(watched.clock.for_seconds)
        found = f": bad for {held} in all, again and again and never for {lasts} at once"
        return found, "a watch in which it is not bad again and again"
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
    if watched.twice:
        return (
            f"{watched.last}, first seen at {_clock_time(since)} UTC and again after "
            f"{age(fired - since)}; it asks for a rollback at once"
        )
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

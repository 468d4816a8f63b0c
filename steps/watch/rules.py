"""One condition, evaluation by evaluation, and what its watch comes to; and what a reading comes to."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.decide.trigger import Clock, Observation, State, step
from probes.observation import Failure
from steps.kit.expect import age, expect
from steps.watch.asking import Condition, Seen

if TYPE_CHECKING:
    from probes.prometheus.alerting import Alerts

RULE = "rollback trigger"
MOST_OPEN = 240
"""So many evaluations are kept that wait for an answer; older ones stay without."""
Key = tuple[str, str, str]
"""Check, region and subject of a condition."""
Found = tuple[bool | None, str]
"""Whether it holds, and in words why; None: not to be told."""


class Track:
    """One condition in one region, evaluation by evaluation."""

    def __init__(self, key: Key, clock: Clock, condition: Condition) -> None:
        self.key = key
        self.clock = clock
        self.condition = condition
        self.state = State()
        self.seen_until = 0.0
        """The last time that was evaluated."""
        self._settled = State()
        self._open: tuple[Seen, ...] = ()
        self.evaluations = self._passed_unanswered = 0
        self.last = self.why = self.first_bad = ""
        """What the last evaluation said, why the last one without an answer had none, and what the first
        of the last run of bad ones said."""
        self.worst: float | None = None
        """The largest figure."""

    def look(self, times: Iterable[float]) -> tuple[Seen, ...]:
        """Evaluate now, at what was missed, and again where there was no answer; return what is new."""
        asked = sorted({*(one.at for one in self._open if _is_open(one)), *times})
        known = set(self._open)
        found = self._proved(self.condition.ask(asked, asked[-1]), asked[-1])
        seen = tuple(one for one in found if one not in known)
        self.take(seen)
        return seen

    def _proved(self, seen: Sequence[Seen], now: float) -> list[Seen]:
        """Return evaluations of which none fires by too few events: such a one decides nothing."""
        found = {one.at: one for one in seen}
        while True:
            state = _folded(self.clock, self._settled, self._with(found.values()))
            since, fired_at = state.pending_since, state.fired_at
            if fired_at not in found or self.condition.proves(since or fired_at, fired_at, now):
                return list(found.values())
            words = f"{found[fired_at].words}, bad for long enough, but too few events prove it"
            found[fired_at] = Seen(fired_at, words, asks_again=False)

    def take(self, seen: Iterable[Seen]) -> None:
        """Add evaluations; one of a time that is there already takes its place."""
        before_them = len(self._open)
        self._open = self._with(seen)
        self.evaluations += len(self._open) - before_them
        before, self.state = self.state, _folded(self.clock, self._settled, self._open)
        self._keep_figures(before.pending_since)
        missing = any(_is_open(one) for one in self._open)
        passed = self._open[:-MOST_OPEN] if missing else self._open
        self._passed_unanswered += sum(one.holds is None for one in passed)
        self._settled = _folded(self.clock, self._settled, passed)
        self._open = self._open[len(passed) :]

    @property
    def unanswered(self) -> int:
        """How many evaluations have no answer."""
        return self._passed_unanswered + sum(one.holds is None for one in self._open)

    @property
    def described(self) -> dict[str, Any]:
        """Return what a view of the watch says of it before its first evaluation."""
        limit, lasts = self.condition.limit, self.clock.for_seconds
        words = "" if limit is None else f"{limit:.2%}"
        figures = {"limit": limit, "limit_words": words, "for_seconds": lasts}
        return {**dict(zip(("check", "region", "subject"), self.key, strict=True)), **figures}

    @property
    def is_open(self) -> bool:
        """Whether it was never evaluated, or the last time without a good answer."""
        state = self.state
        return state.at is None or not (state.pending_since is state.unanswered_since is None)

    def since(self, at: float) -> dict[str, float | None]:
        """Return since when it is pending and, where that was not later than an evaluation, when it fired."""
        state = self.state
        fired = state.fired_at is not None and state.fired_at <= at
        fired_at = state.fired_at if fired else None
        return {"pending_since": state.pending_since, "fired_at": fired_at}

    def _with(self, seen: Iterable[Seen]) -> tuple[Seen, ...]:
        known = {one.at: one for one in self._open} | {one.at: one for one in seen}
        return tuple(known[at] for at in sorted(known))

    def _keep_figures(self, pending_before: float | None) -> None:
        for one in self._open:
            if one.value is not None:
                self.worst = one.value if self.worst is None else max(self.worst, one.value)
            if one.at == self.state.pending_since != pending_before:
                self.first_bad = one.words
            if one.holds is None and not (self.why and self.state.undecided_since):
                self.why = one.words
        self.last, self.seen_until = self._open[-1].words, self._open[-1].at


def _is_open(seen: Seen) -> bool:
    return seen.holds is None and seen.asks_again


def _folded(clock: Clock, state: State, seen: Iterable[Seen]) -> State:
    """Return the state after evaluations; the first at which it fires is the last that counts."""
    for one in seen:
        if state.fired_at is not None:
            break
        state, _ = step(clock, state, Observation(one.at, one.holds))
    return state


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """How the watch ended."""

    wanted_seconds: float
    seconds: float
    by: str = ""
    """The check whose trigger fired, or nothing."""


def judge(track: Track, ended: Ended) -> Judgement:
    """FAIL where it fired; PASS where it could not have fired in all the time that was wanted.

    Everything in between is INCONCLUSIVE: a gap in which it could have fired, a condition that still holds
    or that held as long in all as asks for a rollback at once, a watch that ended early.
    """
    good: bool | None = True
    open_ = _unseen(track) or _too_short(track, ended)
    if track.state.fired_at is not None:
        good, found, clears = False, f": {_fired(track)}", "the release taken back"
    elif open_ is not None:
        good, (found, clears) = None, open_
    else:
        worst = "" if track.worst is None else f", {track.worst:.2%} at most"
        found = f": {track.evaluations} evaluations in {age(ended.wanted_seconds)}{worst}"
        clears = ""
    return expect(
        good,
        track.condition.subject,
        f"{track.condition.subject}{found}",
        clears,
        rule=RULE,
        observed=track.worst,
        target=track.condition.limit,
        data=_figures(track, ended),
    )


def not_asked(ended: Ended) -> Judgement:
    """Return that a watch which ended early says nothing of what is asked at its end."""
    wanted = age(ended.wanted_seconds)
    why = f"{ended.by} fired" if ended.by else "it was stopped"
    sentence = f"the objectives are asked after {wanted}, and {why} after {age(ended.seconds)}"
    return expect(None, "objectives", sentence, f"a watch of {wanted}", rule=RULE)


def _unseen(track: Track) -> tuple[str, str] | None:
    """Return what is said, and what clears it, where it may have fired, or may be about to."""
    state, why = track.state, track.why
    if state.undecided_since is not None:
        since = _clock_time(state.undecided_since)
        return (
            f" could not be watched without a gap since {since} UTC: {why}",
            "a watch without a gap",
        )
    if state.pending_since is not None:
        if track.condition.twice:
            return f": {track.last}, seen once when the watch ended", "a watch that goes on"
        found = (
            f": {track.last}, bad for {age((state.at or 0.0) - state.pending_since)} when the watch "
            f"ended; it asks for a rollback after {age(track.clock.for_seconds)}"
        )
        return found, "a watch that goes on"
    if state.unanswered_since is not None:
        since = _clock_time(state.unanswered_since)
        return f" is not known since {since} UTC: {why}", "a watch that ends with an answer"
    if 0 < track.clock.for_seconds <= state.held_seconds and not track.condition.twice:
        held, lasts = age(state.held_seconds), age(track.clock.for_seconds)
        found = f": bad for {held} in all, again and again and never for {lasts} at once"
        return found, "a watch in which it is not bad again and again"
    return None


def _too_short(track: Track, ended: Ended) -> tuple[str, str] | None:
    """Return what is said, and what clears it, of a watch that ended early, or could never have fired."""
    wanted, lasts = age(ended.wanted_seconds), track.clock.for_seconds
    if ended.wanted_seconds < lasts:
        found = f" asks for a rollback after {age(lasts)}, so a watch of {wanted} can't see it"
        return found, f"a watch of {age(lasts)} or longer"
    if ended.seconds < ended.wanted_seconds:
        why = f"as {ended.by} fired" if ended.by else "as it was stopped"
        return f" was watched for {age(ended.seconds)} of {wanted}, {why}", f"a watch of {wanted}"
    return None


def _fired(track: Track) -> str:
    state = track.state
    since, fired = state.pending_since or 0.0, state.fired_at or 0.0
    if track.condition.twice:
        return (
            f"{track.last}, first seen at {_clock_time(since)} UTC and again after "
            f"{age(fired - since)}; it asks for a rollback at once"
        )
    limit = track.condition.limit
    words = "" if limit is None else f" (limit {limit:.2%})"
    return (
        f"{track.last}{words}, bad since {_clock_time(since)} UTC ({track.first_bad}), "
        f"{age(fired - since)} without a break; {age(track.clock.for_seconds)} ask for a rollback"
    )


def _figures(track: Track, ended: Ended) -> dict[str, Any]:
    state = track.state
    return {
        "for_seconds": track.clock.for_seconds,
        "gap_seconds": track.clock.gap_seconds,
        "watched_seconds": round(ended.seconds, 1),
        "evaluations": track.evaluations,
        "without_an_answer": track.unanswered,
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


def lost(found: Sequence[Judgement]) -> Found:
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


def attacked(found: Iterable[Alerts | Failure], switched_at: dt.datetime | None) -> Found:
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

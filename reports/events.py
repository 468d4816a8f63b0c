"""The events of a run: what was measured so far, also while it goes on and when it was killed."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

from gates.decide.fold import MISSING, Reason
from gates.decide.kept import MalformedError
from gates.decide.outcome import Decision
from gates.decide.plain_text import cleaned
from gates.decide.verdict import FINISHED, Finished, Noted, outcome_in, red_of
from reports.causes import Cause, causes

WAITING = "waiting"
"""The event of a check that waits: its region, and what for."""
WATCH_BEGAN, EVALUATED = "watch_began", "evaluated"
"""The events of a watch: what it watches and for how long, and each evaluation of a condition."""
MOST_SEEN = 40
"""So many evaluations of a condition are drawn."""


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """What a watch watches in one region, at its newest evaluation; times are seconds of the epoch."""

    check: str
    region: str
    subject: str
    limit: float | None = None
    limit_words: str = ""
    for_seconds: float = 0.0
    words: str = "not asked yet"
    at: float = 0.0
    pending_since: float | None = None
    fired_at: float | None = None
    seen: tuple[tuple[float, float | None], ...] = ()
    """When it was evaluated, and its figure: 1 for one that only holds or not; None without an answer."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from all others."""
        return self.check, self.region, self.subject

    @property
    def status(self) -> str:
        """How it is: waiting, fine, no answer, pending, fired."""
        if not self.seen:
            return "waiting"
        if self.fired_at is not None or self.pending_since is not None:
            return "pending" if self.fired_at is None else "fired"
        return "no answer" if self.seen[-1][1] is None else "fine"

    @property
    def left_seconds(self) -> float:
        """How long it may stay pending before it asks for a rollback."""
        lasted = self.at - (self.at if self.pending_since is None else self.pending_since)
        return max(0.0, self.for_seconds - lasted)

    def after(self, event: Mapping[str, Any]) -> Condition:
        """Return it after an evaluation; an earlier one that was asked again changes no newest word."""
        at, value, holds = float(event["at"]), event["value"], event["holds"]
        figure = None if holds is None else float(holds if value is None else value)
        seen = tuple(sorted({**dict(self.seen), at: figure}.items()))[-MOST_SEEN:]
        since, fired = event.get("pending_since"), event.get("fired_at")
        after = dataclasses.replace(self, seen=seen, pending_since=since, fired_at=fired)
        newest = at >= self.at
        return dataclasses.replace(after, at=at, words=str(event["words"])) if newest else after


@dataclasses.dataclass(frozen=True, slots=True)
class Watched:
    """A watch so far: all its conditions, in the order in which they are evaluated."""

    began: float
    wanted_seconds: float
    conditions: tuple[Condition, ...] = ()

    @property
    def seconds(self) -> float:
        """How long has been watched."""
        return max(0.0, max((one.at for one in self.conditions), default=0.0) - self.began)

    def after(self, event: Mapping[str, Any]) -> Watched:
        """Return it after an evaluation."""
        key = tuple(str(event.get(name)) for name in ("check", "region", "subject"))
        conditions = tuple(one.after(event) if one.key == key else one for one in self.conditions)
        return dataclasses.replace(self, conditions=conditions)

    @classmethod
    def begun(cls, event: Mapping[str, Any]) -> Watched:
        """Return a watch that begins."""
        conditions = tuple(
            # What is no number would end the drawing, and the run with it.
            Condition(**{**one, "limit": None if (limit := one["limit"]) is None else float(limit)})
            for one in event.get("watched", ())
        )
        return cls(float(event["began"]), float(event["wanted_seconds"]), conditions)


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """A run so far; a value, so that a drawing thread never sees half of a change."""

    checks: tuple[Finished, ...] = ()
    """The checks that ended, in order."""
    running: str | None = None
    """The check that had begun and not ended."""
    waiting: tuple[tuple[str, str], ...] = ()
    """By region: what the running check waits for, and how far it is."""
    watched: Watched | None = None
    """The watch that goes on, if it is one."""
    problems: tuple[str, ...] = ()
    last_at: str | None = None
    unreadable_lines: int = 0
    """A killed run leaves at most one, the last."""
    total: int = 0
    """How many checks there are to come, and in which regions, where that is known."""
    regions: tuple[str, ...] = ()

    def after(self, event: Mapping[str, Any]) -> Measured:
        """Return what is measured after an event; raises MalformedError for one that is none."""
        kind, at = event.get("event"), str(event.get("at"))
        if kind is None:
            raise MalformedError("it has no kind")
        if kind == "check_started":
            begun = str(event.get("check"))
            return dataclasses.replace(self, running=begun, waiting=(), last_at=at)
        if kind == WAITING:
            told = {**dict(self.waiting), str(event.get("region")): str(event.get("awaited"))}
            return dataclasses.replace(self, waiting=tuple(told.items()), last_at=at)
        if kind in (WATCH_BEGAN, EVALUATED):
            return self._watched(kind, event)
        if kind == "problem":
            problems = (*self.problems, str(event.get("sentence")))
            return dataclasses.replace(self, problems=problems, last_at=at)
        if kind != FINISHED:
            return dataclasses.replace(self, last_at=at)
        check = Finished.from_record(event)
        over = self.running == check.check
        running, waiting = (None, ()) if over else (self.running, self.waiting)
        checks = (*self.checks, check)
        return dataclasses.replace(
            self, checks=checks, running=running, waiting=waiting, last_at=at
        )

    def _watched(self, kind: str, event: Mapping[str, Any]) -> Measured:
        try:
            if kind == WATCH_BEGAN:
                begun, at = Watched.begun(event), str(event.get("at"))
                return dataclasses.replace(self, watched=begun, waiting=(), last_at=at)
            watched = self.watched and self.watched.after(event)
            at = dt.datetime.fromtimestamp(event["at"], dt.UTC).isoformat()
        except (KeyError, TypeError, ValueError) as exc:
            raise MalformedError(f"it is no {kind} event of a watch") from exc
        return dataclasses.replace(self, watched=watched, last_at=at)

    @property
    def awaited(self) -> str:
        """What is waited for, in one line: `eu 2,100 of 2,995 events, us 2,050 of 2,995 events`."""
        return ", ".join(f"{region} {what}" for region, what in self.waiting)

    def tally(self, region: str) -> Mapping[str, int]:
        """Return the number of checks by outcome in a region."""
        return collections.Counter(outcome_in(check.regions, region) for check in self.checks)

    def causes(self) -> tuple[Cause, ...]:
        """Return why it would not be GO so far, each cause once."""
        return causes_in(self.checks, self.regions)


def shown_after(measured: Measured, event: Mapping[str, Any]) -> Measured:
    """Return what a live view shows after an event; one that cannot be read is a problem."""
    try:
        return measured.after(event)
    except MalformedError as exc:
        said = f"an event of the run cannot be read: {exc}"
        return dataclasses.replace(measured, problems=(*measured.problems, said))


def read_lines(lines: Iterable[str]) -> Measured:
    """Read the lines of events.jsonl; what cannot be read is counted and never guessed."""
    measured = Measured()
    for line in filter(None, map(str.strip, lines)):
        try:
            measured = measured.after(event_of(line) or {})
        except MalformedError:
            unreadable = measured.unreadable_lines + 1
            measured = dataclasses.replace(measured, unreadable_lines=unreadable)
    return measured


def event_of(line: bytes | str) -> dict[str, Any] | None:
    """Return the event of a line, or None for a line that is not JSON object."""
    try:
        event = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return cleaned(event) if isinstance(event, dict) else None


def causes_in(checks: Iterable[Finished], regions: Iterable[str]) -> tuple[Cause, ...]:
    """Return the causes of what ended checks found that is not good; what a run decides is not known yet."""
    found = [
        (reason, noted)
        for check in checks
        for region in regions
        for noted in [check.regions.get(region, Noted((), ()))]
        for reason in _reasons(check.check, region, noted)
    ]
    observed = {id(reason): noted.observations for reason, noted in found}
    return causes([reason for reason, _ in found], lambda one: observed[id(one)], {})


def _reasons(check: str, region: str, noted: Noted) -> Iterator[Reason]:
    """Yield a check's findings in a region that are not good; one that says nothing is missing."""
    if noted.outcome is None:
        yield Reason(
            check, region, MISSING, Decision.HOLD, "the check said nothing here", None, None
        )
    for one in red_of(noted):
        outcome = one.outcome.value
        yield Reason(check, region, outcome, Decision.HOLD, one.sentence, owner=None, judgement=one)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

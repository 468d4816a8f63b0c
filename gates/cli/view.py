"""Shows a run while it goes on: drawn live on a terminal, one plain line a check elsewhere."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Self

from gates.decide.verdict import outcome_in
from reports import words
from reports.events import Condition, Measured, Watched, causes_in, shown_after

WAITS_SECONDS = 10.0
"""A log says so often what is waited for; a terminal shows it all the time."""
MOST_WATCH_LINES = 60
"""A log says how far a watch is so often at most, beside what changes."""
UNSAID = {("waiting", "fine"), ("waiting", "waiting")}
"""Changes of a condition that go without saying."""


def view_for(
    stream: IO[str],
    total_checks: int,
    regions: Sequence[str],
    environ: Mapping[str, str] = os.environ,
) -> PlainView:
    """Return the live view on a terminal that can draw, else the plain one.

    A CI log (`CI`), a terminal that cannot move its cursor (`TERM`) and one that cannot show the
    characters get plain lines; `NO_COLOR` keeps the live view and takes its colours.
    """
    progress = Measured(total=total_checks, regions=tuple(regions))
    dumb = environ.get("TERM", "").lower() in ("", "dumb", "unknown")
    if dumb or environ.get("CI", "").lower() not in ("", "0", "false") or not stream.isatty():
        return PlainView(stream, progress)
    # Imported late: a log has no use for rich, which takes a tenth of a second.
    from gates.cli.live_view import live_view  # noqa: PLC0415 - see above

    return live_view(stream, progress, environ) or PlainView(stream, progress)


class PlainView:
    """What the runner tells while it runs: one line for each finished check, its findings below.

    12.3s IV-HEALTH-1 eu PASS, us PASS
    """

    def __init__(
        self, stream: IO[str], progress: Measured, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream: IO[str] | None = stream
        self._progress = progress
        self._clock = clock
        self._started = clock()
        self._told: dict[tuple[str, str], str] = {}
        """Which check told a finding first."""
        self._waited_at = -WAITS_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop showing, whatever happened; the verdict is printed by others."""

    def note(self, text: str) -> None:
        """Show a sentence about what the runner does just now."""
        self._write(f"{self._elapsed()} {text}")

    def event(self, event: Mapping[str, Any]) -> None:
        """Show what an event of the run adds; one that cannot be read is a problem."""
        before, self._progress = self._progress, shown_after(self._progress, event)
        for check in self._progress.checks[len(before.checks) :]:
            regions = self._progress.regions
            outcomes = ", ".join(f"{one} {outcome_in(check.regions, one)}" for one in regions)
            self._write(f"{self._elapsed()} {check.check} {outcomes}")
            for red in (one for cause in causes_in([check], regions) for one in cause.findings()):
                first = self._told.setdefault((red.reason.outcome, red.sentence), check.check)
                said = red.sentence if first == check.check else f"as {first}"
                where = ", ".join(red.regions)
                self._write(f"{where} {red.reason.outcome}: {said}", indent="    ")
        if self._progress.watched is not None and self._progress.watched != before.watched:
            self._say_watched(before.watched, self._progress.watched)
        elif self._progress.waiting != before.waiting and self._progress.waiting:
            self._say_awaited()
        for problem in self._progress.problems[len(before.problems) :]:
            self._write(f"{self._elapsed()} problem: {problem}")

    def _say_awaited(self) -> None:
        """Say at most every few seconds what is waited for, and how far it is."""
        now = self._clock()
        if now - self._waited_at >= WAITS_SECONDS:
            self._waited_at = now
            awaited = self._progress.awaited
            self._write(f"{self._elapsed()} {self._progress.running} waits: {awaited}")

    def _say_watched(self, before: Watched | None, now: Watched) -> None:
        """Say what a condition changed to, and now and then how far the watch is."""
        was = {one.key: one.status for one in before.conditions} if before else {}
        for one in now.conditions:
            told = was.get(one.key, "waiting")
            if told != one.status and (told, one.status) not in UNSAID:
                said = f"{one.region} {one.check} {one.subject}: {condition_words(one)}"
                self._write(f"{self._elapsed()} {said}")
        seconds = max(WAITS_SECONDS, now.wanted_seconds / MOST_WATCH_LINES)
        if self._clock() - self._waited_at >= seconds:
            self._waited_at = self._clock()
            self._write(f"{self._elapsed()} {watch_words(now)}")

    def _elapsed(self) -> str:
        return f"{self._clock() - self._started:.1f}s"

    def _write(self, line: str, indent: str = "") -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(f"{indent}{words.ascii_line(line)}\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The reader of the progress went away; the run and its verdict go on without it.
            self._stream = None


def watch_words(watched: Watched) -> str:
    """Return how far a watch is, and how many of its conditions are not fine."""
    open_ = [
        f"{one.region} {one.check} {one.subject} {one.status}"
        for one in watched.conditions
        if one.status not in ("fine", "waiting")
    ]
    how = words.named(open_) if open_ else "nothing is pending"
    seconds, wanted = (words.duration(one) for one in (watched.seconds, watched.wanted_seconds))
    return f"watched {seconds} of {wanted}: {how}"


def condition_words(one: Condition) -> str:
    """Return a condition's newest answer, its limit, and how far it is from asking for a rollback."""
    limit = f" (limit {one.limit_words})" if one.limit_words else ""
    if one.status != "pending":
        return f"{one.words}{limit}, {one.status}"
    left = words.duration(one.left_seconds)
    return f"{one.words}{limit}, pending since {since_words(one)} UTC, {left} left"


def since_words(one: Condition) -> str:
    """Return the time of day since which a condition is pending; empty where it is not."""
    since = one.pending_since
    return "" if since is None else f"{dt.datetime.fromtimestamp(since, dt.UTC):%H:%M:%S}"

"""What logs are to show after a release: nothing critical, no new error, no alert, no spike, and all of it.

Source: the runbook's "Log Review Checklist" (XV-LOG-1 to 4) and "Day-After Review" (H24-4, H24-5). A growth
is proved by the exact test of two Poisson rates: of all events before and after, the share of those after.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gates.decide.counting.statistics import lower_bound, upper_bound
from gates.decide.judgement import Judgement
from probes.log_lines import Log, is_telling
from settings.monitoring import Growth, LogsPolicy
from steps.kit.expect import age, expect, measured

_MOST_SHOWN = 5
WHOLE = "whole"
_CLEARS = "the whole log of the time: read it with kubectl logs, and judge it by eye"


@dataclasses.dataclass(frozen=True, slots=True)
class Period:
    """How the times of a policy count here, and when the log was read."""

    now: dt.datetime
    scale: float = 1.0

    def hours(self, log: Log) -> float:
        """Return how long a log was read for, in hours of the policy."""
        return max(0.0, (self.now - log.since).total_seconds()) * self.scale / 3600.0


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """Events in a time."""

    events: float
    hours: float

    def __str__(self) -> str:
        return f"{self.events:g} in {age(self.hours * 3600)}"


def whole(subject: str, log: Log, policy: LogsPolicy, period: Period) -> Judgement:
    """Judge that a log can be believed: whole, long enough, still written, readable; else INCONCLUSIVE."""
    counts, problems = log.counts, list(log.lacking[:_MOST_SHOWN])
    if not counts.lines:
        problems.append("it has no line, which shows nothing")
    if period.hours(log) * 3600 < policy.covered:
        covered = age(period.hours(log) * 3600)
        problems.append(f"it begins {covered} ago, and {age(policy.covered)} are wanted")
    if log.newest is not None:
        silent = (period.now - log.newest).total_seconds() * period.scale
        if silent > policy.silent:
            problems.append(f"its newest line is {age(silent)} old: nobody writes it any more")
    if counts.unreadable > counts.lines * policy.max_unreadable:
        problems.append(f"{counts.unreadable} of {counts.lines} lines have no level that is known")
    fine = f"{counts.lines} lines of {len(log.sources)} pods, from {log.since:%H:%M:%S} UTC on"
    sentence = f"{subject}: {'; '.join(problems) or fine}"
    figures = measured(WHOLE, counts.lines, unit="lines")
    return expect(None if problems else True, subject, sentence, _CLEARS, **figures)


def of_the_release(subject: str, pods: Sequence[str], log: Log) -> Judgement:
    """Judge that each of the release's own pods said something: they answer requests, or at least probes."""
    silent = sorted(set(pods) - set(log.sources))
    if not pods:
        sentence = f"{subject}: no pod of the release runs"
    elif silent:
        sentence = f"{subject}: {len(silent)} pods of the release said nothing, such as {silent[0]}"
    else:
        sentence = f"{subject}: each of the release's {len(pods)} pods is in it"
    return expect(None if silent or not pods else True, subject, sentence, _CLEARS, rule=WHOLE)


def errors(
    subject: str, log: Log, before: Mapping[str, Any] | None, policy: LogsPolicy, period: Period
) -> Iterator[Judgement]:
    """Judge that no error is critical, new, or more frequent; `before` is None where nobody knows."""
    found, known = log.counts.errors, (before or {}).get("errors", {})
    levels = {level: n for level, n in log.counts.by_level.items() if level in policy.critical}
    lines = ", ".join(f"{count} {level}" for level, count in sorted(levels.items()))
    sentence = f"{subject}: {lines or 'no line'} of a critical level"
    figures = measured("critical", sum(levels.values()), 0, "lines")
    yield expect(not levels, subject, sentence, "no critical error in the log", **figures)
    new = {one: n for one, n in found.items() if one not in known or not is_telling(one)}
    if before is not None or not new:
        sentence = (
            f"{subject}: {_shown(new) if new else 'no error'} that the baseline does not have"
        )
        figures = measured("new errors", sum(new.values()), 0, "lines")
        yield expect(
            not new, subject, sentence, "an error that was there before, or none", **figures
        )
    for one in sorted(found.keys() - new.keys()):
        was = Rate(known[one], (before or {})["hours"])
        now = Rate(found[one], period.hours(log))
        yield grown(f"{subject}, “{one}”", now, was, policy.known_errors)


def _shown(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    more = f"; and {len(most) - _MOST_SHOWN} more" * (len(most) > _MOST_SHOWN)
    return "; ".join(f"{count} of “{name}”" for name, count in most[:_MOST_SHOWN]) + more


def alerts(subject: str, log: Log, names: Sequence[str]) -> Judgement:
    """Judge that a security monitor reported no alert, and no error of its own."""
    found = {one: log.counts.events[one] for one in names if log.counts.events.get(one)}
    found |= log.counts.errors
    sentence = f"{subject}: {_shown(found) if found else 'no alert'}"
    clears = "an alert that Security has looked into, and a time without one"
    figures = measured("no alert", sum(found.values()), 0, "lines")
    return expect(not found, subject, sentence, clears, **figures)


def grown(subject: str, now: Rate, before: Rate, growth: Growth) -> Judgement:
    """Judge that there are not `ratio` times as many events as before; a few are never too many."""
    good, allowed = _not_grown(now, before, growth), f"{growth.ratio:g} times as many"
    said = {
        True: f"not {allowed}",
        False: f"more than {allowed}",
        None: f"nobody can tell whether {allowed}",
    }
    sentence = f"{subject}: {now}, before {before}: {said[good]}"
    figures = measured("grown", now.events, unit="lines")
    data = {"hours": now.hours, "before": before.events, "before_hours": before.hours}
    clears = f"at most {growth.tolerated} an hour, or as many as before"
    return expect(good, subject, sentence, clears, **figures, data=data)


def _not_grown(now: Rate, before: Rate, growth: Growth) -> bool | None:
    if now.events <= growth.tolerated * now.hours:
        return True
    if before.hours <= 0 or now.hours <= 0:
        return None
    total = now.events + before.events
    limit = growth.ratio * now.hours / (growth.ratio * now.hours + before.hours)
    if upper_bound(now.events, total) <= limit:
        return True
    return False if lower_bound(now.events, total) > limit else None

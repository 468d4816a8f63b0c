"""What logs are to show after a release: nothing critical, no new error, no alert, no spike, and all of it.

Source: the runbook's "Log Review Checklist" (XV-LOG-1 to 4) and "Day-After Review" (H24-4, H24-5). Whether
something grew is proved as every rate is that is held against the baseline (steps/stability/rules.py).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from gates.decide.judgement import Judgement
from probes.log_lines import Log, is_telling
from settings.monitoring import Growth, LogsPolicy
from steps.kit.expect import age, expect, measured
from steps.stability.rules import Counted, Was, rate_not_risen

_MOST_SHOWN = 5
WHOLE = "whole"
_CLEARS = "the whole log of the time: read it with kubectl logs, and judge it by eye"


@dataclasses.dataclass(frozen=True, slots=True)
class Period:
    """How the times of a policy count here, and when the log was read."""

    now: dt.datetime
    scale: float = 1.0

    def seconds(self, log: Log) -> float:
        """Return how long a log was read for, in seconds of the policy."""
        return max(0.0, (self.now - log.since).total_seconds()) * self.scale


def whole(subject: str, log: Log, policy: LogsPolicy, period: Period) -> Judgement:
    """Judge that a log can be believed: whole, long enough, still written, readable; else INCONCLUSIVE."""
    counts, problems = log.counts, list(log.lacking[:_MOST_SHOWN])
    if not counts.lines:
        problems.append("it has no line, which shows nothing")
    if period.seconds(log) < policy.covered:
        covered = age(period.seconds(log))
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
    subject: str, log: Log, before: Was | None, policy: LogsPolicy, period: Period
) -> Iterator[Judgement]:
    """Judge that no error is critical, new, or more frequent; `before` is None where nobody knows."""
    found, known = log.counts.errors, before.facts["errors"] if before else {}
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
        clears = "an error that was there before, or none"
        yield expect(not new, subject, sentence, clears, **figures)
    if before is None:
        return
    for one in sorted(found.keys() - new.keys()):
        was = counted_before(before, known[one])
        title, seconds = f"{subject}, “{one}”", period.seconds(log)
        yield grown(title, found[one], was, policy.known_errors, seconds)


def counted_before(before: Was, events: float) -> Was:
    """Return what the baseline has of some events of a log."""
    facts = {"events": events, "failed": 0.0, "seconds": before.facts["seconds"]}
    return dataclasses.replace(before, facts=facts)


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


def grown(subject: str, events: float, before: Was, growth: Growth, seconds: float) -> Judgement:
    """Judge that there are not `ratio` times as many events as before; a few are never too many."""
    few = growth.tolerated * seconds / 3600
    return rate_not_risen(subject, Counted(events, 0.0, seconds), before, growth.ratio, few)

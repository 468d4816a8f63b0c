"""Replays the triggers over what Prometheus kept of past releases."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import probes
from gates.decide.counting.statistics import Counts, proof
from gates.decide.trigger import Clock
from settings.objectives import Prometheus, RollbackLimit
from settings.rollback import Trigger
from steps.kit.failures import failure_of
from steps.kit.platform import CONFIRM_FLOOR_SECONDS, NotDescribedError, Platform
from steps.objectives.counting import FLOOR_SCRAPES
from steps.objectives.objectives import SWITCH_SCRAPES
from steps.replay import alerts
from steps.replay.past import Past, Told, replayed
from steps.watch.watching import LEAST_GAP, SHORTEST_EVERY_SECONDS

MOST_POINTS = 10_000
"""In one answer; Prometheus refuses more than 11,000 for one series."""
Values = Sequence[float | None]


class UnreadableHistoryError(Exception):
    """Prometheus does not answer, or not wholly; the text says what was asked and why."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Question:
    """What a trigger asks of one release in one region."""

    trigger: Trigger
    query: str
    limit: float
    for_seconds: float
    rollback: RollbackLimit | None = None
    whole: tuple[str, str] = ("", "")
    """The share of bad events in as long as it must last, and how many events there were."""


def told(platform: Platform, pasts: Sequence[Past]) -> Iterator[Told]:
    """Yield what each trigger would have said of each release, region by region.

    Raises UnreadableHistoryError, and NotDescribedError for a metric that the environment lacks.
    """
    for past in pasts:
        then = dataclasses.replace(platform, release=past.release)
        for trigger in platform.policy.triggers.watched:
            for region in platform.regions:
                question = _question(then, region, trigger)
                if question is not None:
                    yield _told(then, region, question, past)


def lacking(platform: Platform) -> Iterator[str]:
    """Yield what is not replayed, and why."""
    for trigger in platform.policy.triggers.watched:
        if trigger.objective is None and trigger.unavailable_for is None:
            yield f"{trigger.check} ({trigger.title}) is not replayed: no metric tells it"
        if trigger.unavailable_for is not None:
            said = "is replayed by scrapes alone: nobody asked the services then"
            yield f"{trigger.check} ({trigger.title}) {said}"


def read(platform: Platform, region: str, query: str, times: Sequence[float]) -> Values:
    """Return a query's one value at each of these times, equally far apart; None where it has none.

    Raises UnreadableHistoryError.
    """
    if len(times) < 2:  # noqa: PLR2004 - a range has two ends
        return [None] * len(times)
    step = times[1] - times[0]
    found: list[float | None] = [None] * len(times)
    for first in range(0, len(times), MOST_POINTS):
        part = times[first : first + MOST_POINTS]
        for at, value in _asked(platform, region, query, (part[0], part[-1], step)):
            place = round((at - times[0]) / step)
            found[place] = value if math.isfinite(value) else None
    return found


def _asked(
    platform: Platform, region: str, query: str, of: tuple[float, float, float]
) -> Iterator[tuple[float, float]]:
    begin, end, step = of
    observed = probes.prometheus.range_query(
        platform.prometheus(region),
        query,
        start=dt.datetime.fromtimestamp(begin, dt.UTC),
        end=dt.datetime.fromtimestamp(end, dt.UTC),
        step_seconds=step,
        deadline=platform.call_deadline(),
    )
    name, found = f"Prometheus of {region}", observed.value
    if found is None:
        raise UnreadableHistoryError(f"{name}: {failure_of(observed).detail}")
    if found.warnings:
        raise UnreadableHistoryError(f"{name} warns that its answer may be partial")
    if len(found.series) > 1:
        raise UnreadableHistoryError(f"{name}: {query} has more than one series")
    for one in found.series:
        yield from ((at.timestamp(), value) for at, value in one.samples)


def _question(platform: Platform, region: str, trigger: Trigger) -> _Question | None:
    platform.section(Prometheus)  # without it nothing is replayed
    if trigger.unavailable_for is not None:
        up = alerts.targets_up(platform, region)
        lasts = platform.scaled(trigger.unavailable_for, CONFIRM_FLOOR_SECONDS)
        return _Question(trigger, f"1 - max({up})", 0.5, lasts)
    if trigger.objective is None:
        return None
    objective = platform.policy.objective(trigger.objective)
    if objective.rollback is None:
        raise NotDescribedError(f"{trigger.objective} has no rollback limit; add it to the policy")
    limit = objective.rollback
    share = alerts.Share.ask(platform, region, objective, limit, apart=False)
    lasts = share.times.sustained
    proof_seconds = max(lasts, FLOOR_SCRAPES * share.scrape_seconds)
    whole = share.query(proof_seconds), share.events(proof_seconds)
    return _Question(trigger, share.query(), limit.budget, lasts, limit, whole)


def _told(platform: Platform, region: str, question: _Question, past: Past) -> Told:
    policy = platform.policy.triggers
    every = platform.scaled(policy.every, SHORTEST_EVERY_SECONDS)
    gap = platform.scaled(policy.gap, LEAST_GAP * every)
    scrape = platform.section(Prometheus).scrape_interval
    # A watch begins with the release's first samples that make a share.
    begin = past.at + (SWITCH_SCRAPES + FLOOR_SCRAPES) * scrape
    times = [begin + number * every for number in range(int((past.until - begin) / every) + 1)]
    values = read(platform, region, question.query, times)
    proves = _proves(platform, region, question, times)
    held = (None if value is None else value > question.limit for value in values)
    seen = zip(times, held, strict=True)
    found, state = replayed(Clock(question.for_seconds, gap), seen, proves)
    return Told(
        past=past,
        check=question.trigger.check,
        title=question.trigger.title,
        region=region,
        evaluations=len(times),
        unanswered=sum(value is None for value in values),
        alarms=tuple(
            dataclasses.replace(one, value=values[round((one.at - begin) / every)]) for one in found
        ),
        undecided_since=state.undecided_since,
    )


def _proves(
    platform: Platform, region: str, question: _Question, times: Sequence[float]
) -> Callable[[float], bool]:
    """Return what tells whether the events before a time disprove the limit; read when first asked."""
    limit = question.rollback

    @functools.cache
    def counts() -> Mapping[float, Counts]:
        share, events = (read(platform, region, query, times) for query in question.whole)
        return {
            at: Counts(part * number, number)
            for at, part, number in zip(times, share, events, strict=True)
            if part is not None and number is not None
        }

    def proves(at: float) -> bool:
        if limit is None:
            return True
        seen = counts().get(at)
        if seen is None or seen.total < question.trigger.least_events:
            return False
        return proof(seen, limit.budget, limit.assumed_burst).low > limit.budget

    return proves

"""What a trigger asks of its region at each evaluation: does its condition hold, and by what figure?"""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence

import probes
from gates.decide.counting.statistics import proof
from probes import http
from probes.observation import Observation
from settings.objectives import RollbackLimit
from settings.rollback import Trigger
from steps.kit.availability import absence, usable, witness
from steps.kit.expect import need
from steps.kit.platform import CONFIRM_FLOOR_SECONDS, Platform
from steps.objectives import promql
from steps.objectives.counting import FLOOR_SCRAPES, Counting, Reading, Times
from steps.objectives.instrument import Fit, UnfitError, forget, unfit
from steps.objectives.objectives import SWITCH_SCRAPES

FARTHEST_SECONDS = 900.0
"""So far back an evaluation without an answer is asked again: what was scraped then is still known."""

_DOWN = "answers, but by Prometheus none of its targets is up"
_TOO_EARLY = "too few scrapes since the traffic switch, or since Prometheus began"


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One evaluation, with what people want to know of it."""

    at: float
    words: str
    holds: bool | None = None
    value: float | None = None
    asks_again: bool = True
    """Whether a later evaluation may still find out what this one could not."""


class Condition(abc.ABC):
    """What a trigger watches in one region."""

    subject: str
    for_seconds: float
    limit: float | None = None
    """Of the figure, a share; None where there is none."""

    twice: bool = False
    """Whether it asks for a rollback as soon as a second reading says the same."""
    every_seconds: float = 0.0
    """Between two readings; 0 for one at every evaluation. A reading that takes time holds up no other."""

    def ready_in_seconds(self) -> float:
        """Return after how long it can be evaluated at all."""
        return 0.0

    @abc.abstractmethod
    def ask(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        """Evaluate at each of these times (seconds since 1970, by the gate's clock); the last one is now."""

    def proves(self, since: float, until: float, now: float) -> bool:  # noqa: ARG002 - no sample is drawn
        """Return whether what was seen from then until then proves more than bad luck.

        True where every answer counts for itself; a condition on a share of events has to say more.
        """
        return True


def conditions(platform: Platform, region: str, trigger: Trigger) -> Iterator[Condition]:
    """Yield what a trigger watches in a region: an objective, or each of its services.

    Raises NotDescribedError for what the environment does not describe.
    """
    if trigger.objective is not None:
        yield OverLimit(platform, region, trigger)
    if trigger.unavailable_for is not None:
        for service in platform.environment.settings.regions[region].services:
            yield Outage(platform, region, service, trigger.unavailable_for)


class OverLimit(Condition):
    """The share of bad events in an objective's look-back, over its rollback limit."""

    def __init__(self, platform: Platform, region: str, trigger: Trigger) -> None:
        title = self.subject = trigger.title
        objective = platform.policy.objective(need(trigger.objective, "an objective"))
        self._least_events = trigger.least_events
        self._rollback: RollbackLimit = need(objective.rollback, f"a rollback limit for {title}")
        self.limit = self._rollback.budget
        self._switched_at = platform.switched_at
        self._counting = Counting.of_objective(platform, region, objective, forget)
        self._inspector = self._counting.inspector
        self._times = Times.of(objective, platform, self._inspector.scrape_seconds)
        self._shortest = FLOOR_SCRAPES * self._inspector.scrape_seconds
        self.for_seconds = self._times.sustained
        self._last: tuple[float, float, Fit, Reading] | None = None
        """The evaluation that was made last, of how many seconds, and what was read at it."""

    def ready_in_seconds(self) -> float:
        """Return after how long there are enough scrapes of the release; 0 where that is not known."""
        try:
            known = self._age(self._inspector.inspect())
        except UnfitError:
            return 0.0
        return min(
            max(0.0, self._shortest - known + self._inspector.scrape_seconds), self._times.blip
        )

    def ask(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        """Count once for all of them; where the earlier ones can't be counted any more, for the last."""
        try:
            return self._counted(times, now)
        except UnfitError as exc:
            why = exc.judgement.sentence
        earlier = tuple(Seen(at, why) for at in times[:-1])
        if not earlier:
            return (Seen(now, why),)
        return (*earlier, *self.ask(times[-1:], now))

    def proves(self, since: float, until: float, now: float) -> bool:
        """Return whether the events of the time that it lasted disprove the limit at 95 %."""
        ago, limit = now - until, self._rollback
        lasted = max(until - since, self.for_seconds, self._shortest)
        try:
            fit, reading = self._read(now, lasted + ago)
            end = fit.server_time - dt.timedelta(seconds=ago)
            counts = reading.counts(limit, min(lasted, self._age(fit) - ago), end)
        except UnfitError:
            return False
        return proof(counts, limit.budget, limit.assumed_burst).low > limit.budget

    def _counted(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        reach = self._times.look_back + min(now - times[0], FARTHEST_SECONDS)
        fit, reading = self._read(now, reach)
        return tuple(self._seen(fit, reading, at, now - at) for at in times)

    def _read(self, now: float, seconds: float) -> tuple[Fit, Reading]:
        """Read what is known of the last seconds; what was read at this evaluation serves its proof too."""
        if self._last is None or self._last[0] != now or self._last[1] < seconds:
            fit = self._inspector.inspect()
            known = self._age(fit)
            if known < self._shortest:
                raise unfit(_TOO_EARLY)
            self._last = (now, seconds, fit, self._counting.read(fit, min(seconds, known)))
        return self._last[2:]

    def _seen(self, fit: Fit, reading: Reading, at: float, ago: float) -> Seen:
        look_back = min(self._times.look_back, self._age(fit) - ago)
        if look_back < self._shortest or ago > FARTHEST_SECONDS:
            return Seen(at, _TOO_EARLY)
        until = fit.server_time - dt.timedelta(seconds=ago)
        counts = reading.counts(self._rollback, look_back, until)
        problem, events, least = counts.problem(), counts.total, self._least_events
        if problem is not None or events <= 0:
            return Seen(at, problem or "no events")
        if events < least:
            return Seen(at, f"{events:,.0f} events, fewer than {least:,} decide nothing")
        share = counts.bad / events
        return Seen(at, f"{share:.2%} of {events:,.0f}", share > self._rollback.budget, share)

    def _age(self, fit: Fit) -> float:
        """Return for how many seconds the release's own samples are known to this Prometheus."""
        if self._switched_at is None:
            return 0.0
        own = dt.timedelta(seconds=SWITCH_SCRAPES * self._inspector.scrape_seconds)
        return (fit.server_time - max(self._switched_at + own, fit.started_at)).total_seconds()


class Outage(Condition):
    """One service that does not answer, while something else does."""

    def __init__(self, platform: Platform, region: str, service: str, lasts: float) -> None:
        self.subject = service
        self.for_seconds = platform.scaled(lasts, CONFIRM_FLOOR_SECONDS)
        self._platform = platform
        self._region = region
        self._target = platform.service(region, service)
        described = platform.environment.settings.services.get(service)
        health = described.health.values() if described is not None else ()
        self._up = dict(described.up) if described is not None else {}
        self._path = next((one.path for one in health), "/")

    def ask(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        """Ask now; whether it answered at an earlier time nobody can tell any more."""
        missed = (lost(at, "was not asked then") for at in times[:-1])
        return (*missed, self._now(now))

    def _now(self, at: float) -> Seen:
        found: Observation[http.HttpAnswer] = http.request(
            self._target, "GET", self._path, deadline=self._platform.call_deadline()
        )
        away = absence(found)
        if away is not None:
            answered = found.value is not None
            if answered or witness(self._platform, self._region) is not None:
                return Seen(at, away, holds=True)
            return lost(at, f"{away}, and nothing else answers the gate either")
        if found.failure is not None:
            return lost(at, found.failure.kind.value)
        refused = usable(self.subject, found.value)
        if refused or self._down():
            return lost(at, refused[0].sentence if refused else _DOWN)
        return Seen(at, "answers", holds=False)

    def _down(self) -> bool:
        """Tell whether Prometheus reaches none of its targets; unasked, it takes nothing from an answer."""
        if not self._up:
            return False
        selector = promql.selector("up", self._platform.labels(self._region, self._up))
        found = probes.prometheus.instant(
            self._platform.prometheus(self._region),
            f"max({selector})",
            deadline=self._platform.call_deadline(),
        )
        return found.value is not None and not any(one.value > 0 for one in found.value.series)


def lost(at: float, words: str) -> Seen:
    """Return an evaluation that has no answer and never will."""
    return Seen(at, words, asks_again=False)

"""Proofs of what is looked at again and again: healthy weeks and healthy releases seldom seem bad."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np

from gates.decide.counting.canary import MOST_FALSE_ALARMS, Pair, Suspicion
from gates.decide.counting.statistics import Counts, proof
from gates.decide.trigger import Clock
from gates.load import load_policy
from prove import Cases, Remark
from settings.objectives import Objective, RollbackLimit
from steps.replay.past import replayed

WEEKS, WEEK_SECONDS = 1000, 7 * 86_400
WATCHED = f"at most 1 % of {WEEKS:,} healthy weeks, judged every 15 s, see a trigger fire"
RATES = (0.2, 1.0, 5.0, 50.0, 200.0)
"""Requests a second: where there are few, luck is largest."""
HEALTHY = 0.1
"""The true share of bad events, in rollback limits: the target of the error rate."""
RELEASES, LOOKS, SCRAPE_SECONDS = 10_000, 240, 15
"""An hour of scrapes."""
COMPARED = (
    f"at most 1 % of {RELEASES:,} healthy releases, judged after each scrape, are called worse"
)
SHARE_OF_ERRORS, REQUESTS_PER_SECOND = 0.005, 20.0
TRAFFIC = (0.05, 0.25, 0.5)
"""Of all, what the new version gets."""
POWER_RUNS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Traffic:
    """What a trigger watches: so many requests a second, of which a share is bad."""

    objective: Objective
    limit: RollbackLimit
    rate: float
    limits: float
    """The true share of bad events, in limits."""

    def alarms(self, chance: np.random.Generator, every: float, gap: float) -> int:
        """Return how often the trigger fires in a week."""
        steps = int(WEEK_SECONDS / every)
        events = chance.poisson(self.rate * every, steps)
        bad = chance.binomial(events, self.limits * self.limit.budget)
        look_back, lasts = self.objective.look_back, self.limit.sustained
        whole, wrong = (_windows(one, int(look_back / every)) for one in (events, bad))
        long = [_windows(one, int(lasts / every)) for one in (events, bad)]

        def proves(at: float) -> bool:
            total, part = (float(one[int(at)]) for one in long)
            found = proof(Counts(part, total), self.limit.budget, self.limit.assumed_burst)
            return found.low > self.limit.budget

        over = (wrong > self.limit.budget * whole).tolist()
        held = (over[at] if some else None for at, some in enumerate((whole > 0).tolist()))
        clock = Clock(lasts / every, gap / every)
        alarms, _ = replayed(clock, zip(map(float, range(steps)), held, strict=True), proves)
        return len(alarms)


def weeks_fire_seldom(seed: int) -> Cases:
    """Yield healthy weeks; those beyond 1 % of the promised number that see a trigger fire are findings."""
    chance, policy = np.random.default_rng(seed), load_policy()
    watched = [policy.objective(one.objective) for one in policy.triggers.watched if one.objective]
    limits = [(one, one.rollback) for one in watched if one.rollback is not None]
    every, gap = policy.triggers.every, policy.triggers.gap
    kinds = itertools.cycle(
        Traffic(*limit, rate, HEALTHY) for limit, rate in itertools.product(limits, RATES)
    )

    def week() -> tuple[bool, str]:
        kind = next(kinds)
        return kind.alarms(chance, every, gap) > 0, f"{kind.objective.title} at {kind.rate:g}/s"

    yield from _seldom(WEEKS, week)


def healthy_releases_are_not_worse(seed: int) -> Cases:
    """Yield healthy releases, and tell how soon one that doubles the errors is called worse."""
    chance = np.random.default_rng(seed)
    shares = itertools.cycle(TRAFFIC)

    def release() -> tuple[bool, str]:
        share = next(shares)
        return called_worse(chance, share, 1.0) is not None, f"{share:.0%} of the traffic"

    for share in TRAFFIC:
        found = [called_worse(chance, share, 2.0) for _ in range(POWER_RUNS)]
        told = [one for one in found if one is not None]
        minutes = f", median {np.median(told) * SCRAPE_SECONDS / 60:.0f} min" if told else ""
        yield Remark(
            f"with {share:.0%} of {REQUESTS_PER_SECOND:g}/s, a doubling of {SHARE_OF_ERRORS:.1%} errors is "
            f"found within an hour in {len(told) / POWER_RUNS:.0%}{minutes}"
        )
    yield from _seldom(RELEASES, release)


def called_worse(chance: np.random.Generator, share: float, times: float) -> int | None:
    """Return after how many looks a release is called worse that has so many times the errors; or None."""
    whole = int(REQUESTS_PER_SECOND * SCRAPE_SECONDS)
    new = int(whole * share)
    old = whole - new
    new_bad = chance.binomial(new, times * SHARE_OF_ERRORS, LOOKS).tolist()
    old_bad = chance.binomial(old, SHARE_OF_ERRORS, LOOKS).tolist()
    seen = Suspicion()
    for look, (of_new, of_old) in enumerate(zip(new_bad, old_bad, strict=True), start=1):
        seen = seen.after(Pair(of_new, new, of_old, old))
        if seen.is_worse:
            return look
    return None


def _seldom(promised: int, tried: Callable[[], tuple[bool, str]]) -> Cases:
    alarms = 0
    for number in itertools.count(1):
        alarm, words = tried()
        alarms += alarm
        if number == promised:
            yield Remark(f"{alarms} of them")
        too_many = alarm and alarms > MOST_FALSE_ALARMS * max(number, promised)
        yield f"{alarms} of {number:,}: {words}" if too_many else None


def _windows(values: np.ndarray, length: int) -> np.ndarray:
    """Return for each place the sum of so many values up to it."""
    summed = np.concatenate(([0], np.cumsum(values)))
    at = np.arange(1, len(summed))
    return summed[at] - summed[np.maximum(0, at - length)]

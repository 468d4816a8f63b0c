"""Is the new version worse than the old one, while both serve? A test to look at after each scrape.

Given how many events of a step were bad, it is known on which version they fall where both are equally good
(hypergeometric), whatever the rate is and however it moves with time. The evidence is the likelihood ratio
of odds that are worse by one of several factors, averaged over these: at most 1 on average after any number
of looks while the new version is no worse (Robbins 1970; Johari and others 2017; Lindon and Malek 2020): it
is ever as large as 1/share in at most that share of healthy releases (Ville). Events are taken for
independent: where bad ones come together it proves nothing, and so it only advises.
"""

from __future__ import annotations

import dataclasses
import functools
import math

TIMES_WORSE = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
"""The odds that are tried, each as likely as the others."""
MOST_FALSE_ALARMS = 0.01
"""The share of healthy releases that may ever be called worse."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """The events of both versions in one step of time; whole numbers."""

    new_bad: int
    new: int
    old_bad: int
    old: int

    def __post_init__(self) -> None:
        if not (0 <= self.new_bad <= self.new and 0 <= self.old_bad <= self.old):
            raise ValueError(f"{self} does not count bad events among all")


@dataclasses.dataclass(frozen=True, slots=True)
class Suspicion:
    """What all steps so far say against the new version."""

    logs: tuple[float, ...] = (0.0,) * len(TIMES_WORSE)
    """Of the likelihood ratio, for each of the odds."""

    def after(self, pair: Pair) -> Suspicion:
        """Return it after one more step; one without bad events, or of one version alone, says nothing."""
        found = _logs_of_mean(pair.new, pair.old, pair.new_bad + pair.old_bad)
        more = (
            pair.new_bad * math.log(worse) - mean
            for worse, mean in zip(TIMES_WORSE, found, strict=True)
        )
        return Suspicion(tuple(log + one for log, one in zip(self.logs, more, strict=True)))

    @property
    def evidence(self) -> float:
        """Return how many times more likely a worse version makes what was seen; infinite beyond 1e300."""
        highest = max(self.logs)
        parts = sum(math.exp(one - highest) for one in self.logs)
        return math.exp(min(690.0, highest)) * parts / len(self.logs)

    @property
    def is_worse(self) -> bool:
        """Return whether it is proved, at MOST_FALSE_ALARMS."""
        return self.evidence >= 1 / MOST_FALSE_ALARMS


@functools.lru_cache(maxsize=4096)
def _logs_of_mean(new: int, old: int, bad: int) -> tuple[float, ...]:
    """Return for each of the odds the logarithm of its mean likelihood ratio where both are equally good."""
    places = range(max(0, bad - old), min(new, bad) + 1)
    whole = _log_choose(new + old, bad)
    weights = [_log_choose(new, at) + _log_choose(old, bad - at) - whole for at in places]
    return tuple(
        _log_sum([one + at * math.log(worse) for at, one in zip(places, weights, strict=True)])
        for worse in TIMES_WORSE
    )


def _log_sum(logs: list[float]) -> float:
    highest = max(logs)
    return highest + math.log(sum(math.exp(one - highest) for one in logs))


def _log_choose(whole: int, part: int) -> float:
    return math.lgamma(whole + 1) - math.lgamma(part + 1) - math.lgamma(whole - part + 1)

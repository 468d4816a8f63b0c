"""What tasks are written with, and how the next one is drawn. Knows nothing of Locust."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from load._ask import RIGHT, Ask, Expect, Seen
from load._target import PrepareError, Target


class Scenario:
    """What a user class of the load test is made of; `self.random` has a seed of its own.

    The engine asks one instance for each worker and region.
    """

    tasks: list[Any]
    """Each task as often as its weight says."""
    weight: float

    def prepare(self, target: Target) -> None:
        """Make what the tasks need, before anything is sent; raises PrepareError with a sentence."""

    def begin(self, *, seed: str) -> None:
        """Start the instance that the engine asks."""
        self.random = random.Random(seed)  # noqa: S311 - a load that can be repeated, no secret
        self._numbers = itertools.count(1)
        self._ranks: dict[int, list[float]] = {}

    def unique(self) -> int:
        """Return a number that this worker has not given out in this run."""
        return next(self._numbers)

    def zipf(self, count: int, exponent: float = 1.0) -> int:
        """Return a number from 1 to count; k is drawn in proportion to 1 / k**exponent."""
        sums = self._ranks.get(count)
        if sums is None:
            sums = list(itertools.accumulate(1 / rank**exponent for rank in range(1, count + 1)))
            self._ranks[count] = sums
        return bisect.bisect(sums, self.random.random() * sums[-1]) + 1

    def get(
        self, path: str, *, token: str = "", expect: Expect = RIGHT, seen: Seen | None = None,
        **values: object,
    ) -> Ask:  # fmt: skip
        """Return a GET; `values` fill the names in its path."""
        return Ask("GET", path, values, token=token, expect=expect, seen=seen)

    def post(
        self, path: str, body: Mapping[str, object], *, token: str = "", expect: Expect = RIGHT,
        seen: Seen | None = None, **values: object,
    ) -> Ask:  # fmt: skip
        """Return a POST of JSON; `values` fill the names in its path."""
        return Ask("POST", path, values, body=body, token=token, expect=expect, seen=seen)


class Draws:
    """Draws the next request of a scenario: a user class by its weight, then one of its tasks."""

    def __init__(self, users: Sequence[Scenario], *, seed: str) -> None:
        """Take one begun instance of each class; raises PrepareError where no task is left to draw."""
        self._chance = random.Random(seed)  # noqa: S311 - a load that can be repeated, no secret
        choices: list[tuple[Scenario, Any]] = []
        weights: list[float] = []
        for user in users:
            # Locust writes a task into the list once for each unit of its weight.
            for task in user.tasks:
                choices.append((user, task))
                weights.append(user.weight / len(user.tasks))
        if not choices:
            raise PrepareError("no task is left: do --tags and --exclude-tags leave one?")
        self._choices = choices
        self._sums = list(itertools.accumulate(weights))

    def next(self) -> Ask:
        """Return what is asked next."""
        place = bisect.bisect(self._sums, self._chance.random() * self._sums[-1])
        user, task = self._choices[min(place, len(self._choices) - 1)]
        ask: Ask = task(user)
        return ask

    def kinds(self) -> list[Ask]:
        """Return one request of each task, in the order of their declaration."""
        tasks = dict.fromkeys(self._choices)
        return [task(user) for user, task in tasks]

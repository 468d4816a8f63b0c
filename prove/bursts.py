"""Proof of the statistics: errors that come in bursts, over the budget, seldom pass; good ones do.

`.venv/bin/python -m prove.bursts` prints the tables of docs/adr/0025-a-burst-counts-as-one-event.md.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import sys
from collections.abc import Iterator

import numpy as np

from gates.decide.counting.objective import Evidence, judge_target
from gates.decide.counting.statistics import NONE_SEEN, Burst, Cell, Counts
from gates.decide.outcome import Outcome
from gates.load import load_policy
from prove import Cases

PROMISE = "errors in bursts at 1.5 x budget pass in at most 5 % of the runs, single ones at half of it pass"
PODS, STEPS, SCRAPE_SECONDS, LOOKS = 6, 20, 15, 3
"""A look-back of five minutes, looked at whenever it has moved on by its length, for a quarter hour."""
SIZES = (1, 5, 20, 100)
RATES = (20, 50, 100, 200, 500, 1000, 2000)
SHAPES = ("one pod, at once", "all pods, at once", "one pod, for half a minute")
FEWEST_BURSTS = 3
RUNS_OF_A_CASE = 200
AT_MOST, NOISE = 0.05, 3 * (0.05 * 0.95 / RUNS_OF_A_CASE) ** 0.5
"""Three standard deviations of what so many runs tell of a rate of 5 %."""
OBJECTIVE = load_policy().objective("IV-PERF-3")


@dataclasses.dataclass(frozen=True, slots=True)
class Stream:
    """Errors as they come."""

    shape: str
    size: int
    """Errors in a burst."""
    rate: int
    """Requests a second, of all pods together."""
    budgets: float
    """The true share of errors, in budgets."""

    @property
    def bursts(self) -> float:
        """Return how many bursts a look-back holds on average."""
        events = self.rate * STEPS * SCRAPE_SECONDS
        return events * OBJECTIVE.target.budget * self.budgets / self.size

    def look_back(self, chance: np.random.Generator) -> Counts:
        """Return what a look-back of this stream counts."""
        total = chance.poisson(self.rate * SCRAPE_SECONDS / PODS, (STEPS, PODS)).astype(float)
        bad = np.zeros((STEPS, PODS))
        for _ in range(chance.poisson(self.bursts)):
            np.add.at(bad, self._places(chance), 1.0)
        bad = np.minimum(bad, total)
        cells = tuple(
            Cell(
                f"pod-{pod}", (step + pod / PODS) * SCRAPE_SECONDS, bad[step, pod], total[step, pod]
            )
            for step, pod in itertools.product(range(STEPS), range(PODS))
        )
        return Counts(float(bad.sum()), float(total.sum()), cells)

    def _places(self, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return step and pod of each error of a burst."""
        began = chance.uniform(0, STEPS)
        lasts = 2.0 if self.shape == SHAPES[2] else 0.0
        steps = np.minimum(began + chance.uniform(0, 1, self.size) * lasts, STEPS - 1)
        pods = chance.integers(PODS, size=self.size if self.shape == SHAPES[1] else 1)
        return steps.astype(int), np.broadcast_to(pods, self.size)


def outcome(stream: Stream, chance: np.random.Generator) -> Outcome:
    """Return what the gate would say: it looks until it is decided, and at most so often."""
    seen, evidence = NONE_SEEN, Evidence(STEPS * SCRAPE_SECONDS, {}, "", {})
    for _ in range(LOOKS):
        judgement = judge_target(OBJECTIVE, stream.look_back(chance), evidence, seen)
        if judgement.outcome is not Outcome.INCONCLUSIVE:
            return judgement.outcome
        seen = Burst.of(judgement.data)
    return Outcome.INCONCLUSIVE


def rates(stream: Stream, chance: np.random.Generator, runs: int) -> tuple[float, float]:
    """Return the shares of runs that pass and that fail."""
    outcomes = [outcome(stream, chance) for _ in range(runs)]
    return outcomes.count(Outcome.PASS) / runs, outcomes.count(Outcome.FAIL) / runs


def seldom_wrong(seed: int) -> Cases:
    """Yield streams, each of them run so often that its rates mean something."""
    chance, order = np.random.default_rng(seed), random.Random(seed)  # noqa: S311 - cases, no secrets
    streams = [*_over_the_budget(), *(Stream(SHAPES[0], 1, rate, 0.5) for rate in RATES[1:])]
    while True:
        stream = order.choice(streams)
        passed, failed = rates(stream, chance, RUNS_OF_A_CASE)
        over = stream.budgets > 1
        wrong = passed > AT_MOST + NOISE if over else failed > AT_MOST + NOISE or passed < 0.85  # noqa: PLR2004 - what a gate is still of use with
        yield f"{stream}: {passed:.1%} passed, {failed:.1%} failed" if wrong else None


def _over_the_budget() -> Iterator[Stream]:
    for shape, size, rate in itertools.product(SHAPES, SIZES, RATES):
        stream = Stream(shape, size, rate, 1.5)
        if stream.bursts >= FEWEST_BURSTS:
            yield stream


def _table(shape: str, budgets: float, runs: int) -> Iterator[str]:
    chance = np.random.default_rng(26)
    yield f"\n{shape}, {budgets:g} x budget: PASS / FAIL in % of {runs:,} runs\n"
    yield f"| errors in a burst | {' | '.join(f'{rate:,}/s' for rate in RATES)} |"
    yield "|---" * (len(RATES) + 1) + "|"
    for size in SIZES:
        cells = []
        for rate in RATES:
            stream = Stream(shape, size, rate, budgets)
            few = stream.bursts < FEWEST_BURSTS and budgets > 1
            passed, failed = (0.0, 0.0) if few else rates(stream, chance, runs)
            cells.append("" if few else f"{passed * 100:.1f} / {failed * 100:.0f}")
        yield f"| {size} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for told_shape, told_budgets in [(one, 1.5) for one in SHAPES] + [
        (SHAPES[0], budgets) for budgets in (0.25, 0.5, 1.0)
    ]:
        for line in _table(told_shape, told_budgets, int(sys.argv[1])):
            print(line, flush=True)  # noqa: T201 - a table for the page

"""Judges a quantile that no bucket bound can be counted for: below its target, above it, or neither?

A histogram knows in which bucket a quantile lies and not where in it; the figure in between is
interpolated. So only whole buckets decide: the one below the target's or one above it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.objective import Evidence, percent
from gates.decide.outcome import Meaning, Outcome
from gates.decide.statistics import (
    NONE_SEEN,
    Burst,
    Counts,
    Proof,
    events_to_prove,
    events_wanted,
    proof,
)
from settings.objectives import Objective

RULE = "interpolated quantile"


@dataclasses.dataclass(frozen=True, slots=True)
class Over:
    """The events slower than one of the histogram's bounds."""

    bound_seconds: float
    counts: Counts

    def data(self, proved: Proof) -> dict[str, float]:
        """Return it, and what it proves, as JSON values."""
        return {
            "over_seconds": self.bound_seconds,
            "bad": round(self.counts.bad, 3),
            "lower_bound": proved.low,
            "upper_bound": proved.high,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """The bucket around a target: the events over its lower and over its upper bound."""

    lower: Over
    upper: Over
    interpolated_seconds: float | None
    """What Prometheus interpolates for the quantile; None where it has no number."""

    @property
    def total(self) -> float:
        """Return how many events there are."""
        return self.lower.counts.total

    def problem(self) -> str | None:
        """Return why this is not a reading at all, or None."""
        counts = self.lower.counts.problem() or self.upper.counts.problem()
        if counts is not None:
            return counts
        if self.upper.counts.bad > self.lower.counts.bad + 0.001 * self.total:
            return "more events over the upper bound than over the lower one"
        number = self.interpolated_seconds
        if self.total > 0 and (number is None or not math.isfinite(number)):
            return "the quantile is not a finite number"
        return None


def judge_quantile(
    objective: Objective, bucket: Bucket, evidence: Evidence, seen: Burst = NONE_SEEN
) -> Judgement:
    """PASS when the quantile's whole bucket is proved to lie below the target, FAIL above it.

    Proof is what a counted target asks for (`judge_target`), of the share over the lower bound or over
    the upper one, from no fewer events than a clean count needs; and the interpolated figure must say
    the same. INCONCLUSIVE otherwise: for good (`settled`) when the quantile is proved to lie in the
    target's own bucket, where no number of events can decide. A FAIL means hold.
    """
    problem = bucket.problem()
    if problem is not None:
        return _Quantile(objective, bucket, seen).broken(problem, evidence)
    return _Quantile(objective, bucket, seen).judged(evidence)


class _Quantile:
    """One objective and its bucket, put into words."""

    def __init__(self, objective: Objective, bucket: Bucket, seen: Burst) -> None:
        self._objective = objective
        self._bucket = bucket
        self._budget = objective.target.budget
        self._target = objective.target.target_seconds or 0.0
        self._seen = seen
        self._name = f"p{(objective.target.quantile or 0.0) * 100:g}"

    def judged(self, evidence: Evidence) -> Judgement:
        """Return what a reading without a problem says."""
        lower, upper = self._bucket.lower, self._bucket.upper
        shown = self._bucket.interpolated_seconds or 0.0
        if self._bucket.total < events_to_prove(0, self._budget):
            return self._too_few(evidence)
        of_lower, of_upper = self._proof(lower), self._proof(upper)
        if of_lower.high <= self._budget:
            return self._below(evidence) if shown <= lower.bound_seconds else self._odd(evidence)
        if of_upper.low > self._budget:
            return self._above(evidence) if shown >= upper.bound_seconds else self._odd(evidence)
        if of_lower.low > self._budget and of_upper.high <= self._budget:
            return self._inside(evidence)
        return self._too_few(evidence)

    def broken(self, problem: str, evidence: Evidence) -> Judgement:
        """Return INCONCLUSIVE for what is not a reading."""
        sentence = f"{self._objective.title}: {problem}"
        # Nothing of a broken reading is kept: NaN has no place in evidence.
        return self._judgement(Outcome.INCONCLUSIVE, sentence, evidence.data(), "working metrics")

    def _below(self, evidence: Evidence) -> Judgement:
        found = f"{self._over(self._bucket.lower)}, proved within {percent(self._budget)}"
        sentence = f"{self._said()}, its whole bucket below {_ms(self._target)}: {found}"
        return self._judgement(Outcome.PASS, sentence, self._data(evidence))

    def _above(self, evidence: Evidence) -> Judgement:
        found = f"{self._over(self._bucket.upper)}, budget {percent(self._budget)}"
        sentence = f"{self._said()}, its whole bucket above {_ms(self._target)}: {found}"
        lower = _ms(self._bucket.lower.bound_seconds)
        clears = f"a {self._name} under {lower} over {evidence.look_back_seconds:.0f} s"
        judgement = self._judgement(Outcome.FAIL, sentence, self._data(evidence), clears)
        return dataclasses.replace(judgement, means=Meaning.HOLD)

    def _inside(self, evidence: Evidence) -> Judgement:
        lower, upper = self._bucket.lower.bound_seconds, self._bucket.upper.bound_seconds
        sentence = (
            f"{self._said()}, in the bucket from {_ms(lower)} to {_ms(upper)}, and so is the target "
            f"of {_ms(self._target)}: a {self._name} under {_ms(lower)} or over {_ms(upper)} would "
            "decide, or a bucket bound at the target"
        )
        clears = f"a bucket bound at {self._target:g} s, or a {self._name} under {_ms(lower)}"
        data = {**self._data(evidence), "settled": True}
        return self._judgement(Outcome.INCONCLUSIVE, sentence, data, clears)

    def _too_few(self, evidence: Evidence) -> Judgement:
        size = self._proof(self._bucket.lower).burst.size
        wanted = events_wanted(self._bucket.lower.counts.bad, self._budget, size)
        short = max(1, math.ceil(wanted - self._bucket.total))
        sentence = (
            f"{self._said()}: {self._over(self._bucket.lower)} proves nothing yet; "
            f"{wanted:,.0f} events would prove {percent(self._budget)}, {short:,} are missing"
        )
        data = {**self._data(evidence), "events_short": short}
        return self._judgement(Outcome.INCONCLUSIVE, sentence, data, f"{short:,} more good events")

    def _odd(self, evidence: Evidence) -> Judgement:
        sentence = f"{self._said()}, which its own histogram's counts contradict"
        data = self._data(evidence)
        return self._judgement(Outcome.INCONCLUSIVE, sentence, data, "working metrics")

    def _proof(self, over: Over) -> Proof:
        return proof(over.counts, self._budget, self._objective.target.assumed_burst, self._seen)

    def _said(self) -> str:
        seconds = self._bucket.interpolated_seconds
        shown = "has no events" if seconds is None else f"is {_ms(seconds)} (interpolated)"
        return f"{self._objective.title}: {self._name} {shown}"

    def _over(self, over: Over) -> str:
        counts = over.counts
        if counts.total <= 0:
            return "no events"
        share = f"{counts.bad / counts.total:.3%} of {counts.total:,.0f}"
        words = self._proof(over).burst.words
        return f"{share} took over {_ms(over.bound_seconds)}{words}"

    def _data(self, evidence: Evidence) -> dict[str, Any]:
        lower, upper = self._bucket.lower, self._bucket.upper
        of_lower = self._proof(lower)
        return {
            **evidence.data(),
            "samples": round(self._bucket.total, 3),
            "budget": self._budget,
            "over_bounds": [lower.data(of_lower), upper.data(self._proof(upper))],
            "margin": self._budget - of_lower.high,
            **of_lower.burst.data(),
        }

    def _judgement(
        self, outcome: Outcome, sentence: str, data: dict[str, Any], clears: str = ""
    ) -> Judgement:
        marked = {"interpolated": True, "quantile": self._objective.target.quantile}
        seconds = self._bucket.interpolated_seconds
        return Judgement(
            outcome=outcome,
            rule=RULE,
            subject=self._objective.title,
            sentence=sentence,
            observed=seconds if seconds is not None and math.isfinite(seconds) else None,
            target=self._target,
            unit="s",
            clears=clears,
            data={**marked, **data},
        )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.4g} ms"

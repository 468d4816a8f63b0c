"""Judges an objective: do the counted events prove its target met, missed, or neither?

A quantile that no bucket bound can be counted for is judged too. A histogram knows in which bucket it lies
and not where in it; the figure in between is interpolated. So only whole buckets decide: the one below the
target's or one above it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Protocol

from gates.decide.counting.statistics import (
    NONE_SEEN,
    Burst,
    Counts,
    Proof,
    events_to_prove,
    events_wanted,
    proof,
    proved_size,
)
from gates.decide.judgement import Judgement, percent
from gates.decide.outcome import Meaning, Outcome
from settings.objectives import Limit, Objective, RollbackLimit

RULE = "interpolated quantile"


class Aim(Protocol):
    """What is promised, of whatever is measured: a live platform or a load run."""

    @property
    def title(self) -> str:
        """As people read it."""

    @property
    def target(self) -> Limit:
        """The limit on counted events."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sustained:
    """The share of bad events in each of the equal steps that make up the rollback limit's `for`."""

    steps: tuple[Counts | None, ...]
    """Oldest first; None where a step has no data."""
    whole: Counts
    """All of `for` at once: what the statistical proof is made of, as steps may overlap."""
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """What a judgement keeps of how its counts were taken."""

    look_back_seconds: float
    queries: dict[str, str]
    evaluated_at: str
    shown: dict[str, float | None]

    def data(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "look_back_seconds": round(self.look_back_seconds, 3),
            "queries": self.queries,
            "evaluated_at": self.evaluated_at,
            "shown": self.shown,
        }


def judge_target(
    objective: Aim, counts: Counts, evidence: Evidence, seen: Burst = NONE_SEEN
) -> Judgement:
    """PASS when the counts prove the target, FAIL when they disprove it, else INCONCLUSIVE.

    Proof is the one-sided 95 % Clopper-Pearson bound on the right side of the budget, where a burst of
    bad events counts as one: as large as the counts show, as policy assumes, or as was `seen` in an
    earlier measurement. A FAIL means hold: the rollback limit alone asks for a rollback.
    """
    limit, budget = objective.target, percent(objective.target.budget)
    problem = counts.problem()
    if problem is not None:
        return _undecided(objective, f"{objective.title}: {problem}", evidence)
    proved = proof(counts, limit.budget, limit.assumed_burst, seen)
    data = {**evidence.data(), **_figures(counts, limit, proved)}
    found = f"{objective.title}: {_share(counts, limit)}"
    words = proved.burst.words
    if proved.high <= limit.budget:
        sentence = f"{found}{words}, proved within {budget}{_in_bursts(counts, data)}"
        return _judged(Outcome.PASS, objective, counts, sentence, data)
    if proved.low > limit.budget:
        clears = f"less than {budget} over {evidence.look_back_seconds:.0f} s"
        hold = {"means": Meaning.HOLD, "clears": clears}
        return _judged(Outcome.FAIL, objective, counts, f"{found}, budget {budget}", data, **hold)
    sentence, short = _too_few(f"{found}{words}", counts, limit.budget, proved.burst)
    clears = f"{short:,} more good events"
    data["events_short"] = short
    return _judged(Outcome.INCONCLUSIVE, objective, counts, sentence, data, clears=clears)


def with_own_reads(judgement: Judgement, own: float, bad: float, budget: float) -> Judgement:
    """Show apart how many of a target's events may be reads that the gate itself asked for.

    They count. Where the others alone would not prove the target, whichever were bad, it says so.
    """
    own = min(own, judgement.data.get("samples", 0.0))
    if own <= 0:
        return judgement
    rest = judgement.data["samples"] - own
    words = f"; up to {own:,.0f} of these events were the gate's own tagged reads"
    wanted = events_wanted(bad, budget, judgement.data["burst"])
    if judgement.outcome is Outcome.PASS and rest < wanted:
        words += ", and real traffic alone would prove nothing"
    data = {**judgement.data, "own_reads_at_most": round(own)}
    return dataclasses.replace(judgement, sentence=judgement.sentence + words, data=data)


def _too_few(found: str, counts: Counts, budget: float, burst: Burst) -> tuple[str, int]:
    """Return what is said of too few events, and how many are missing."""
    wanted = events_wanted(counts.bad, budget, burst.size)
    short = max(1, math.ceil(wanted - counts.total))
    would = f"{wanted:,.0f} events would prove {percent(budget)}, {short:,} are missing"
    return f"{found} proves nothing yet; {would}", short


def judge_rollback(
    objective: Objective, limit: RollbackLimit, sustained: Sustained, evidence: Evidence
) -> Judgement:
    """FAIL, meaning rollback, when the share was over the limit in every step of `for`.

    A step without data is not evidence of anything: with one, or with any step at or under the limit,
    the limit was not exceeded for that long and the judgement is PASS, saying so. All steps together
    must also disprove the limit statistically, so that neither two unlucky requests nor a single burst
    ever roll back. What is not a count at all (NaN, negative) is INCONCLUSIVE.
    """
    subject, budget = f"{objective.title}, rollback limit", percent(limit.budget)
    whole, steps = sustained.whole, sustained.steps
    of_limit: dict[str, Any] = {"rule": "rollback limit", "target": limit.budget}
    problem = whole.problem()
    if problem is not None:
        return _undecided(objective, f"{subject}: {problem}", evidence, **of_limit)
    over = sum(1 for step in steps if _is_over(step, limit))
    proved = proof(whole, limit.budget, limit.assumed_burst)
    data = {
        **evidence.data(),
        **_figures(whole, limit, proved),
        "steps": len(steps),
        "steps_over": over,
        "for_seconds": sustained.seconds,
    }
    state = f"over it in {over} of {len(steps)} steps of the last {sustained.seconds:.0f} s"
    sentence = f"{subject} {budget}: {_share(whole, limit)}, {state}"
    of_limit["subject"] = subject
    if not (over == len(steps) and over > 0 and proved.low > limit.budget):
        return _judged(Outcome.PASS, objective, whole, sentence, data, **of_limit)
    clears = f"a share under {budget}: roll back, or fix the cause"
    back = {"means": Meaning.ROLLBACK, "clears": clears}
    return _judged(Outcome.FAIL, objective, whole, sentence, data, **of_limit, **back)


def over_limit_now(limit: RollbackLimit, sustained: Sustained) -> bool:
    """Return whether the newest step is over the limit: then waiting out `for` decides more."""
    return bool(sustained.steps) and _is_over(sustained.steps[-1], limit)


def _is_over(step: Counts | None, limit: Limit) -> bool:
    if step is None or step.problem() is not None or step.total <= 0:
        return False
    return step.bad / step.total > limit.budget


def _undecided(objective: Aim, sentence: str, evidence: Evidence, **more: Any) -> Judgement:
    clears = "working metrics"
    data = evidence.data()
    return _judged(Outcome.INCONCLUSIVE, objective, None, sentence, data, clears=clears, **more)


def _judged(
    outcome: Outcome,
    objective: Aim,
    counts: Counts | None,
    sentence: str,
    data: dict[str, Any],
    **more: Any,
) -> Judgement:
    """Return a judgement of counts; `more` is where it is another one than of the target."""
    of_target: dict[str, Any] = {
        "rule": "error budget",
        "subject": objective.title,
        "target": objective.target.budget,
        "observed": None if counts is None else _ratio(counts),
        "unit": "share of events",
    }
    return Judgement(outcome=outcome, sentence=sentence, data=data, **(of_target | more))


def _figures(counts: Counts, limit: Limit, proved: Proof) -> dict[str, Any]:
    return {
        "bad": round(counts.bad, 3),
        "samples": round(counts.total, 3),
        "lower_bound": proved.low,
        "upper_bound": proved.high,
        "margin": limit.budget - proved.high,
        "over_seconds": limit.over_seconds,
        **proved.burst.data(),
        "assumed_burst": limit.assumed_burst,
        "proved_burst": proved_size(counts, limit.budget),
    }


def _in_bursts(counts: Counts, data: dict[str, Any]) -> str:
    """Return up to which size of bursts the budget is proved, where counts tell of bursts at all."""
    return f" (bursts of up to {data['proved_burst']:,})" if counts.cells else ""


def _ratio(counts: Counts) -> float | None:
    return counts.bad / counts.total if counts.total > 0 else None


def _share(counts: Counts, limit: Limit) -> str:
    what = "failed" if limit.over_seconds is None else f"took over {limit.over_seconds * 1000:g} ms"
    if counts.total <= 0:
        return f"no events, none {what}"
    share = percent(counts.bad / counts.total, limit.budget)
    return f"{share} of {counts.total:,.0f} {what}"


class Looks:
    """Spaces the looks at one objective.

    Nothing is decided while the look-back still grows: to stop at the first answer would favour it. A
    full look-back is due once, and again only when it has moved on by its whole length: overlapping
    windows are hardly new evidence.
    """

    def __init__(self, look_back_seconds: float) -> None:
        self._look_back_seconds = look_back_seconds
        self._next_at: float | None = None

    def due(self, look_back_seconds: float, now_seconds: float) -> bool:
        """Return whether this measurement may decide, and count it as a look if so."""
        if look_back_seconds < self._look_back_seconds - 0.001:
            return False
        if self._next_at is not None and now_seconds < self._next_at:
            return False
        self._next_at = now_seconds + self._look_back_seconds
        return True


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
    return _Quantile(objective, bucket, evidence, seen).judged()


class _Quantile:
    """One objective and its bucket, put into words."""

    def __init__(
        self, objective: Objective, bucket: Bucket, evidence: Evidence, seen: Burst
    ) -> None:
        self._objective, self._bucket, self._evidence = objective, bucket, evidence
        self._budget, self._seen = objective.target.budget, seen
        self._target = objective.target.target_seconds or 0.0
        self._name = f"p{(objective.target.quantile or 0.0) * 100:g}"

    def judged(self) -> Judgement:
        """Return what the reading says."""
        problem = self._bucket.problem()
        if problem is not None:
            # Nothing of a broken reading is kept: NaN has no place in evidence.
            said = f"{self._objective.title}: {problem}"
            return self._judgement(Outcome.INCONCLUSIVE, said, "working metrics", whole=False)
        lower, upper = self._bucket.lower, self._bucket.upper
        shown = self._bucket.interpolated_seconds or 0.0
        if self._bucket.total < events_to_prove(0, self._budget):
            return self._too_few()
        of_lower, of_upper = self._proof(lower), self._proof(upper)
        if of_lower.high <= self._budget:
            return self._below() if shown <= lower.bound_seconds else self._odd()
        if of_upper.low > self._budget:
            return self._above() if shown >= upper.bound_seconds else self._odd()
        if of_lower.low > self._budget and of_upper.high <= self._budget:
            return self._inside()
        return self._too_few()

    def _below(self) -> Judgement:
        found = f"{self._over(self._bucket.lower)}, proved within {percent(self._budget)}"
        said = f"{self._said()}, its whole bucket below {_ms(self._target)}: {found}"
        return self._judgement(Outcome.PASS, said)

    def _above(self) -> Judgement:
        found = f"{self._over(self._bucket.upper)}, budget {percent(self._budget)}"
        said = f"{self._said()}, its whole bucket above {_ms(self._target)}: {found}"
        over, lower = self._evidence.look_back_seconds, _ms(self._bucket.lower.bound_seconds)
        clears = f"a {self._name} under {lower} over {over:.0f} s"
        judgement = self._judgement(Outcome.FAIL, said, clears)
        return dataclasses.replace(judgement, means=Meaning.HOLD)

    def _inside(self) -> Judgement:
        lower, upper = self._bucket.lower.bound_seconds, self._bucket.upper.bound_seconds
        said = (
            f"{self._said()}, in the bucket from {_ms(lower)} to {_ms(upper)}, and so is the target "
            f"of {_ms(self._target)}: a {self._name} under {_ms(lower)} or over {_ms(upper)} would "
            "decide, or a bucket bound at the target"
        )
        clears = f"a bucket bound at {self._target:g} s, or a {self._name} under {_ms(lower)}"
        return self._judgement(Outcome.INCONCLUSIVE, said, clears, settled=True)

    def _too_few(self) -> Judgement:
        lower = self._bucket.lower
        found, burst = f"{self._said()}: {self._over(lower)}", self._proof(lower).burst
        said, short = _too_few(found, lower.counts, self._budget, burst)
        clears = f"{short:,} more good events"
        return self._judgement(Outcome.INCONCLUSIVE, said, clears, events_short=short)

    def _odd(self) -> Judgement:
        said = f"{self._said()}, which its own histogram's counts contradict"
        return self._judgement(Outcome.INCONCLUSIVE, said, "working metrics")

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
        share = f"{percent(counts.bad / counts.total, self._budget)} of {counts.total:,.0f}"
        words = self._proof(over).burst.words
        return f"{share} took over {_ms(over.bound_seconds)}{words}"

    def _data(self) -> dict[str, Any]:
        lower, upper = self._bucket.lower, self._bucket.upper
        of_lower = self._proof(lower)
        return {
            "samples": round(self._bucket.total, 3),
            "budget": self._budget,
            "over_bounds": [lower.data(of_lower), upper.data(self._proof(upper))],
            "margin": self._budget - of_lower.high,
            **of_lower.burst.data(),
        }

    def _judgement(
        self, outcome: Outcome, sentence: str, clears: str = "", *, whole: bool = True, **more: Any
    ) -> Judgement:
        marked = {"interpolated": True, "quantile": self._objective.target.quantile}
        read = self._data() if whole else {}
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
            data={**marked, **self._evidence.data(), **read, **more},
        )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.4g} ms"

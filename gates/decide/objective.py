"""Judges an objective: do the counted events prove its target met, missed, or neither?"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Protocol

from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from gates.decide.statistics import (
    NONE_SEEN,
    Burst,
    Counts,
    Proof,
    events_wanted,
    proof,
    proved_size,
)
from settings.objectives import Limit, Objective, RollbackLimit


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
    limit, subject = objective.target, objective.title
    problem = counts.problem()
    if problem is not None:
        return _undecided(objective, subject, problem, evidence)
    proved = proof(counts, limit.budget, limit.assumed_burst, seen)
    data = {**evidence.data(), **_figures(counts, limit, proved)}
    found = f"{subject}: {_share(counts, limit)}"
    words = proved.burst.words
    if proved.high <= limit.budget:
        sentence = (
            f"{found}{words}, proved within {percent(limit.budget)}{_in_bursts(counts, data)}"
        )
        return _judged(Outcome.PASS, objective, counts, sentence, data)
    if proved.low > limit.budget:
        sentence = f"{found}, budget {percent(limit.budget)}"
        judgement = _judged(Outcome.FAIL, objective, counts, sentence, data)
        return dataclasses.replace(
            judgement,
            means=Meaning.HOLD,
            clears=f"less than {percent(limit.budget)} over {evidence.look_back_seconds:.0f} s",
        )
    return _too_few(objective, counts, proved.burst, found + words, data)


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


def _too_few(
    objective: Aim, counts: Counts, burst: Burst, found: str, data: dict[str, Any]
) -> Judgement:
    budget = objective.target.budget
    wanted = events_wanted(counts.bad, budget, burst.size)
    data["events_short"] = max(1, math.ceil(wanted - counts.total))
    sentence = (
        f"{found} proves nothing yet; "
        f"{wanted:,.0f} events would prove {percent(budget)}, {data['events_short']:,} are missing"
    )
    judgement = _judged(Outcome.INCONCLUSIVE, objective, counts, sentence, data)
    return dataclasses.replace(judgement, clears=f"{data['events_short']:,} more good events")


def judge_rollback(
    objective: Objective, limit: RollbackLimit, sustained: Sustained, evidence: Evidence
) -> Judgement:
    """FAIL, meaning rollback, when the share was over the limit in every step of `for`.

    A step without data is not evidence of anything: with one, or with any step at or under the limit,
    the limit was not exceeded for that long and the judgement is PASS, saying so. All steps together
    must also disprove the limit statistically, so that neither two unlucky requests nor a single burst
    ever roll back. What is not a count at all (NaN, negative) is INCONCLUSIVE.
    """
    subject = f"{objective.title}, rollback limit"
    whole = sustained.whole
    problem = whole.problem()
    if problem is not None:
        judgement = _undecided(objective, subject, problem, evidence)
        return dataclasses.replace(judgement, rule="rollback limit", target=limit.budget)
    over = sum(1 for step in sustained.steps if _is_over(step, limit))
    proved = proof(whole, limit.budget, limit.assumed_burst)
    data = {
        **evidence.data(),
        **_figures(whole, limit, proved),
        "steps": len(sustained.steps),
        "steps_over": over,
        "for_seconds": sustained.seconds,
    }
    exceeded = over == len(sustained.steps) and over > 0 and proved.low > limit.budget
    state = (
        f"over it in {over} of {len(sustained.steps)} steps of the last {sustained.seconds:.0f} s"
    )
    sentence = f"{subject} {percent(limit.budget)}: {_share(whole, limit)}, {state}"
    outcome = Outcome.FAIL if exceeded else Outcome.PASS
    judgement = dataclasses.replace(
        _judged(outcome, objective, whole, sentence, data),
        rule="rollback limit",
        subject=subject,
        target=limit.budget,
    )
    if not exceeded:
        return judgement
    clears = f"a share under {percent(limit.budget)}: roll back, or fix the cause"
    return dataclasses.replace(judgement, means=Meaning.ROLLBACK, clears=clears)


def over_limit_now(limit: RollbackLimit, sustained: Sustained) -> bool:
    """Return whether the newest step is over the limit: then waiting out `for` decides more."""
    return bool(sustained.steps) and _is_over(sustained.steps[-1], limit)


def _is_over(step: Counts | None, limit: Limit) -> bool:
    if step is None or step.problem() is not None or step.total <= 0:
        return False
    return step.bad / step.total > limit.budget


def _undecided(objective: Aim, subject: str, problem: str, evidence: Evidence) -> Judgement:
    sentence = f"{subject}: {problem}"
    judgement = _judged(Outcome.INCONCLUSIVE, objective, None, sentence, evidence.data())
    return dataclasses.replace(judgement, clears="working metrics")


def _judged(
    outcome: Outcome, objective: Aim, counts: Counts | None, sentence: str, data: dict[str, Any]
) -> Judgement:
    return Judgement(
        outcome=outcome,
        rule="error budget",
        subject=objective.title,
        sentence=sentence,
        observed=None if counts is None else _ratio(counts),
        target=objective.target.budget,
        unit="share of events",
        data=data,
    )


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
    return f"{counts.bad / counts.total:.3%} of {counts.total:,.0f} {what}"


def percent(share: float) -> str:
    """Write a share as people read it."""
    return f"{share * 100:g} %"


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

"""Counts against a baseline: by how much they moved, and whether that is too much or can't be told."""

from __future__ import annotations

import dataclasses

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from settings.data import CountRule


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """A number of rows; an estimate may be wrong by `error_rows`."""

    rows: int
    error_rows: int = 0
    exact: bool = True

    @property
    def shown(self) -> str:
        """Return the number as people read it."""
        if self.exact:
            return f"{self.rows:,} rows"
        return f"about {self.rows:,} rows (± {self.error_rows:,}, from a sample)"


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """How many rows there may be now."""

    least: float
    most: float
    unseen_rows: int
    """A smaller difference than this a sample would not show; 0 when both were counted."""

    @classmethod
    def around(cls, before: Count, now: Count, rule: CountRule, estimate_tolerance: float) -> Band:
        """Return the band of a rule; samples are not held to less than their tolerance."""
        exact = before.exact and now.exact
        slack = 0.0 if exact else before.rows * estimate_tolerance
        return cls(
            least=before.rows * (1 - rule.fewer) - slack,
            most=before.rows * (1 + rule.more) + rule.more_rows + slack,
            unseen_rows=0 if exact else round(slack),
        )


def moved(table: str, before: Count, now: Count, band: Band, baseline: str) -> Judgement:
    """Judge a table's count; `baseline` says which snapshot it is compared with."""
    doubt = before.error_rows + now.error_rows
    outcome = _outcome(now.rows, doubt, band)
    difference = now.rows - before.rows
    sentence = (
        f"{table} has {now.shown}, {_compared(difference)} {baseline}, which has {before.shown}"
    )
    if outcome is not Outcome.PASS:
        sentence += f"; wanted {_wanted(band)}"
    if outcome is Outcome.INCONCLUSIVE:
        sentence += ", which the samples can't tell"
    elif band.unseen_rows and outcome is Outcome.PASS:
        sentence += f"; under {band.unseen_rows:,} rows a sample sees no difference"
    return Judgement(
        outcome=outcome,
        rule="row count",
        subject=table,
        sentence=sentence,
        observed=now.rows,
        target=before.rows,
        unit="rows",
        clears="" if outcome is Outcome.PASS else _clears(difference),
        data={
            "difference": difference,
            "least": round(band.least),
            "most": round(band.most),
            "error_rows": doubt,
            "exact": now.exact,
        },
    )


def nulls_moved(column: str, before: int, now: int, rows: int, share: float) -> Judgement:
    """Judge how many values of a column are null, against the baseline."""
    most = before + round(rows * share)
    good = now <= most
    return Judgement(
        outcome=Outcome.PASS if good else Outcome.FAIL,
        rule="nulls",
        subject=column,
        sentence=f"{column} is null in {now:,} rows, the baseline has {before:,}"
        + ("" if good else f"; {now - most:,} more than allowed"),
        observed=now,
        target=most,
        unit="rows",
        clears="" if good else "the values restored, or a new baseline if it is meant",
    )


def _outcome(rows: int, doubt: int, band: Band) -> Outcome:
    if band.least <= rows - doubt and rows + doubt <= band.most:
        return Outcome.PASS
    if rows + doubt < band.least or rows - doubt > band.most:
        return Outcome.FAIL
    return Outcome.INCONCLUSIVE


def _compared(difference: int) -> str:
    if difference == 0:
        return "as many as"
    return f"{abs(difference):,} {'fewer' if difference < 0 else 'more'} than"


def _wanted(band: Band) -> str:
    return f"{round(band.least):,} to {round(band.most):,}"


def _clears(difference: int) -> str:
    what = "the missing rows restored" if difference < 0 else "the surplus rows explained"
    return f"{what}, or a new baseline if the change is meant"

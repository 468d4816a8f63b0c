"""The page that people sign: the decision and why, what was measured against its target, what was not asked.

One file without script or outside resource, drawn from a verdict alone (ADR 0031, 0035).
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import math
import sys
from collections.abc import Iterator, Sequence

from gates.decide.checklist import of_verdict
from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome
from gates.decide.verdict import GOOD, CheckResult, Verdict
from reports import causes, figures, words
from reports.texts import drawn, json_file

WIDTH, HEIGHT = 300, 22
"""Of a bar, in its own units."""
MOST_BARS = 150
_COMPARED = ("below", "at least", "error budget", "rollback limit", "interpolated quantile")
"""Rules that hold a number against another one."""
_LOOKS = {"GO": "PASS"} | dict.fromkeys(("HOLD", words.OVERRIDDEN, words.NO_VERDICT), "INVALID")


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """One measured value beside its target: a length, a mark, and the line between its 95 % bounds."""

    check: CheckResult
    regions: tuple[str, ...]
    judgement: Judgement
    value: float
    target: float
    bounds: tuple[float, ...]
    """The lower and the upper one, or none."""

    @property
    def facts(self) -> str:
        """Say in words what is drawn."""
        return ", ".join(f"{one.label} {one.text}" for one in figures.numbers(self.judgement))

    @property
    def proving(self) -> tuple[float, ...]:
        """Return the bounds that prove it: a FAIL's lower, a PASS's upper; both where neither does."""
        return {Outcome.FAIL: self.bounds[:1], Outcome.PASS: self.bounds[1:]}.get(
            self.judgement.outcome, self.bounds
        )

    def px(self, value: float) -> float:
        """Return how far from the left a value is; all of what is drawn fits."""
        most = max(self.value, self.target, *self.bounds) or 1.0
        return round(min(max(value / most, 0.0), 1.0) * (WIDTH - 4) + 2, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Owner:
    """Who answers for which checks, and which of them are red."""

    name: str
    checks: int
    red: tuple[str, ...]


def render(verdict: Verdict) -> str:
    """Return the page of a verdict."""
    bars = sorted(_bars(verdict), key=lambda one: one.judgement.outcome in GOOD)
    return drawn(
        "sign_off.html.j2",
        _shown,
        verdict=verdict,
        look=_LOOKS.get(words.decision_word(verdict), "FAIL"),
        words=words,
        figures=figures,
        causes=causes,
        page=sys.modules[__name__],
        bars=bars[:MOST_BARS],
        left_out=len(bars[MOST_BARS:]),
        owners=_owners(verdict),
        countdown=of_verdict(verdict),
        record_digest=hashlib.sha256(json_file(verdict.record()).encode()).hexdigest(),
    )


def _shown(value: object) -> object:
    """Return any value as one plain line, which the template then escapes; its own markup as it is."""
    return value if hasattr(value, "__html__") else words.one_line(str(value))


def look_of(outcome: str) -> str:
    """Return how a cell looks that has this word."""
    return "" if outcome in GOOD else "bad" if outcome == Outcome.FAIL else "open"


def _bars(verdict: Verdict) -> Iterator[Bar]:
    """Yield what was measured against a target, once for regions that found exactly the same."""
    for check in verdict.checks:
        same: dict[str, list[tuple[str, Judgement]]] = collections.defaultdict(list)
        for region, found in check.regions.items():
            for one in found.judgements:
                same[one.sentence].append((region, one))
        for group in same.values():
            regions, judgement = tuple(region for region, _ in group), group[0][1]
            yield from _bar(check, regions, judgement)


def _bar(check: CheckResult, regions: tuple[str, ...], judgement: Judgement) -> Iterator[Bar]:
    value, target = _number(judgement.observed), _number(judgement.target)
    if value is None or target is None or judgement.rule not in _COMPARED:
        return
    low, high = (_number(judgement.data.get(f"{side}_bound")) for side in ("lower", "upper"))
    bounds = () if low is None or high is None else (low, high)
    yield Bar(check, regions, judgement, value, target, bounds)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if value >= 0 else None


def _owners(verdict: Verdict) -> Sequence[Owner]:
    """Return who answers for what was asked, those of red checks first."""
    asked = [check for check in verdict.checks if check.not_applicable is None]
    red = {
        (one.owner, one.check): None
        for one in verdict.reasons
        if one.check and one.decision is not Decision.GO
    }
    counted = collections.Counter(check.owner for check in asked)
    found = [
        Owner(name, number, tuple(check for owner, check in red if owner == name and check))
        for name, number in counted.items()
    ]
    return sorted(found, key=lambda one: (not one.red, one.name))

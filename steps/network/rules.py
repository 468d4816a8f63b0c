"""Rules over sets and bounded numbers, each a judgement with both sides and what would clear it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gates.decide.judgement import Judgement, amount, more_or_less
from gates.decide.outcome import Outcome


def same_set(
    subject: str, observed: Collection[str], accepted: Sequence[Collection[str]]
) -> Judgement:
    """PASS when the observed values are exactly one of the accepted sets, in any order."""
    same = any(set(observed) == set(one) for one in accepted)
    wanted = " or ".join(_listed(one) for one in accepted)
    sentence = f"{subject} is {_listed(observed)}"
    return Judgement(
        outcome=Outcome.PASS if same else Outcome.FAIL,
        rule="same set",
        subject=subject,
        sentence=sentence if same else f"{sentence}, wanted {wanted}",
        observed=_listed(observed),
        target=wanted,
        clears="" if same else f"{subject} being {wanted}",
    )


def at_least(subject: str, observed: float, floor: float, unit: str) -> Judgement:
    """PASS when a finite number is the floor or more."""
    passed = observed >= floor
    return Judgement(
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        rule="at least",
        subject=subject,
        sentence=f"{subject} is {amount(observed, floor)} {unit}, wanted at least {floor:g} {unit}",
        observed=observed,
        target=floor,
        unit=unit,
        clears="" if passed else more_or_less(observed, floor, unit, "more"),
        data={"margin": observed - floor},
    )


def within(subject: str, observed: float, bounds: tuple[float, float], unit: str) -> Judgement:
    """PASS when a finite number is between both bounds, or one of them."""
    low, high = bounds
    passed = low <= observed <= high
    shown = amount(observed, high if observed > high else low)
    return Judgement(
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        rule="within",
        subject=subject,
        sentence=f"{subject} is {shown} {unit}, wanted {low:g} to {high:g} {unit}",
        observed=observed,
        target=high if observed > high else low,
        unit=unit,
        clears="" if passed else f"a value between {low:g} and {high:g} {unit}",
    )


def _listed(values: Collection[str]) -> str:
    return ", ".join(sorted(values)) or "nothing"

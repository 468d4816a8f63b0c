"""The one way in which a step says what it found: good, bad, or not to be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from gates.decide.judgement import Judgement, Scalar
from gates.decide.outcome import Meaning, Outcome
from steps.kit.platform import NotDescribedError

T = TypeVar("T")

NOTHING_TO_JUDGE = "nothing to judge"
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
_OUTCOMES = {True: Outcome.PASS, False: Outcome.FAIL, None: Outcome.INCONCLUSIVE}


def expect(  # noqa: PLR0913 - the fields of a finding, all but three by name
    good: bool | None,  # noqa: FBT001 - what is expected comes first, as in an assertion
    subject: str,
    sentence: str,
    clears: str = "",
    *,
    rule: str = "evidence",
    observed: Scalar = None,
    target: Scalar = None,
    unit: str = "",
    means: Meaning | None = None,
    data: Mapping[str, Any] | None = None,
) -> Judgement:
    """Return what was found of a subject: PASS, FAIL, or INCONCLUSIVE where `good` is None.

    `clears` says what would make it good; a PASS keeps none. `means` overrides what a FAIL asks for.
    """
    return Judgement(
        outcome=_OUTCOMES[good],
        rule=rule,
        subject=subject,
        sentence=sentence,
        observed=observed,
        target=target,
        unit=unit,
        clears="" if good else clears,
        means=means,
        data=data or {},
    )


def measured(
    rule: str, observed: Scalar, target: Scalar = None, unit: str = ""
) -> Mapping[str, Any]:
    """Return what a finding keeps as figures: `expect(good, …, **measured("connections", 9, 80))`."""
    return {"rule": rule, "observed": observed, "target": target, "unit": unit}


def unable(
    subject: str, sentence: str, clears: str, *, rule: str = "our side", **more: Any
) -> Judgement:
    """Return the ERROR of what our side, or an instrument, keeps from being told; `more` as in `expect`."""
    found = expect(None, subject, sentence, clears, rule=rule, **more)
    return dataclasses.replace(found, outcome=Outcome.ERROR)


def nothing_to_judge(subject: str, why: str) -> Judgement:
    """Return that a sentence asks nothing of this environment: good beside others, never enough alone."""
    return expect(True, subject, f"{subject}: nothing to judge, {why}", rule=NOTHING_TO_JUDGE)


def since_unknown(subject: str) -> Judgement:
    """Return the INCONCLUSIVE of what counts from the traffic switch on, where nobody says when that was."""
    sentence = f"{subject}: since when the release carries traffic is not known"
    return expect(None, subject, sentence, "traffic.switched_at, or --switched-at")


def need(described: T | None, key: str) -> T:
    """Return what the environment or the policy describes; raises NotDescribedError, which names the key."""
    if described is None:
        raise NotDescribedError(f"the environment lacks {key}; add it")
    return described


def age(seconds: float) -> str:
    """Return a time span as people say it: 35 d, 7.5 h, 12 min, 8 s."""
    for size, unit in _UNITS:
        if abs(seconds) >= 2 * size or (unit == "min" and abs(seconds) >= size):
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def megabytes(size: float) -> str:
    """Return a size as people say it."""
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size:,.0f} bytes"  # noqa: PLR2004 - a tenth of the unit

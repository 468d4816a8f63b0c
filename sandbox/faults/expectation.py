"""Holds what a run of the gate found against what a fault's catalogue entry says it must find."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandbox.faults.catalogue import Fault

_WORST_FIRST = ("FAIL", "ERROR", "MISSING", "INCONCLUSIVE", "PASS", "NOT_APPLICABLE")


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """A check that came out other than expected."""

    check: str
    expected: str
    found: str


def outcomes(checks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return each check's worst outcome over the regions of a verdict."""
    return {
        check["id"]: min(
            (region["outcome"] or "MISSING" for region in check["regions"].values()),
            key=_WORST_FIRST.index,
        )
        for check in checks
    }


def expected(fault: Fault, check: str) -> str:
    """Return what a check must come out as under a fault: PASS unless the fault names it."""
    if check in fault.fail:
        return "FAIL"
    if check in fault.error:
        return "ERROR"
    return "INCONCLUSIVE" if check in fault.inconclusive else "PASS"


def differences(fault: Fault, found: Mapping[str, str]) -> Iterator[Difference]:
    """Yield every check that differs."""
    for check, outcome in found.items():
        wanted = expected(fault, check)
        if outcome != wanted:
            yield Difference(check, wanted, outcome)

"""Holds what a run of the gate found against what a fault's catalogue entry says it must find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.faults.catalogue import Fault

_WORST_FIRST = ("FAIL", "ERROR", "MISSING", "INCONCLUSIVE", "PASS", "NOT_APPLICABLE")


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


def wrong(fault: Fault, verdict: Mapping[str, Any]) -> list[str]:
    """Return each check of a verdict, and the decision, that came out other than expected."""
    found = {one: (expected(fault, one), was) for one, was in outcomes(verdict["checks"]).items()}
    found["decision"] = (fault.decision, verdict["decision"])
    return [f"{one}: {was}, not {wanted}" for one, (wanted, was) in found.items() if was != wanted]

"""The catalogue of faults: what each one is, and which checks it must turn which colour."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from gates.decide.catalogue import APPROVALS, COMPUTED
from sandbox.core import CHECKOUT

AREAS = (
    *("data", "delivery", "people", "statements", "flags", "cluster", "monitoring", "network"),
    *("proofs", "service", "source"),
)
"""Each has its faults in `sandbox/systems/AREA`: `faults.yaml` says what they are, `faults.py` how."""


_SYSTEMS = CHECKOUT / "sandbox" / "systems"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the quick one where there is one


class Fault(BaseModel):
    """One fault and its expectations; a check that no list names must stay as it was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: str = Field(
        default="post-deploy",
        pattern=r"^(post-deploy(-1h|-24h)?|pre-deploy|phase-[1-7]|rollback-plan|watch|rollout|"
        r"post-rollback|post-restore)$",
    )
    """Whose checks the lists mean: the gate that is run while the fault holds."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    description: str
    does: Mapping[str, Any] = Field(default_factory=dict)
    """How it breaks the platform: ways of `sandbox/faults/book.py` with what each needs."""
    fail: tuple[str, ...] = ()
    inconclusive: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    decision: Literal["GO", "HOLD", "NO_GO", "STOP", "ROLLBACK"]
    alone: bool = False
    """It disturbs what other faults rely on: never applied together with another."""

    @property
    def listed(self) -> frozenset[str]:
        """Every check that a list names."""
        return frozenset((*self.fail, *self.inconclusive, *self.error))


GATES = (
    "pre-deploy",
    *(f"phase-{number}" for number in range(1, 8)),
    "post-deploy",
    "post-deploy-1h",
    "post-deploy-24h",
    "rollout",
    "watch",
    "rollback-plan",
    "post-rollback",
    "post-restore",
)
"""In the order of a deployment."""


@functools.cache
def load() -> tuple[Fault, ...]:
    """Read all files of the catalogue; raises pydantic.ValidationError for a mistake in one."""
    return tuple(
        Fault.model_validate(row)
        for area in AREAS
        for row in yaml.load((_SYSTEMS / area / "faults.yaml").read_bytes(), _LOADER)  # noqa: S506 - a safe one
    )


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
    """Return what a check must come out as under a fault: PASS unless the fault names it.

    What is computed from the others follows from what the fault names of them.
    """
    if check in COMPUTED:
        of = APPROVALS if check == COMPUTED[1] else fault.listed
        worst = "FAIL" if {*fault.fail} & {*of} else "INCONCLUSIVE"
        return worst if fault.listed & {*of} else "PASS"
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

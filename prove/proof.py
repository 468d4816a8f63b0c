"""What a proof is: an endless source of cases, each of which holds or says what is wrong."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Generator
from contextlib import closing

Cases = Generator[str | None, None, None]
"""Yields None for a case that held and a sentence for one that did not; when closed, it tidies up."""
MOST_FOUND = 5
"""After so many findings a proof ends: it has failed, and more of the same helps nobody."""


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """A promise, and how its cases are made from a seed."""

    name: str
    promise: str
    cases: Callable[[int], Cases]
    share: int
    """Its part of the budget, as a weight against the other proofs'."""


@dataclasses.dataclass(frozen=True, slots=True)
class Proved:
    """What came of a proof."""

    proof: Proof
    seed: int
    cases: int
    found: tuple[str, ...]
    seconds: float
    on: dt.date

    def line(self) -> str:
        """Return it as a line for people."""
        mark = "FOUND" if self.found or not self.cases else "ok   "
        return (
            f"{mark} {self.proof.name}: {self.cases:,} cases in {self.seconds:.0f} s, "
            f"{len(self.found)} found (--seed {self.seed})"
        )

    @property
    def holds(self) -> bool:
        """Whether there were cases, and all of them held."""
        return bool(self.cases) and not self.found


def prove(proof: Proof, seed: int, seconds: float, tell: Callable[[str], None]) -> Proved:
    """Try a proof's cases until its time is over; the case under way is finished."""
    cases, found = 0, []
    began = time.monotonic()
    with closing(proof.cases(seed)) as source:
        for sentence in source:
            cases += 1
            if sentence is not None:
                found.append(sentence)
                tell(f"found by {proof.name}, --seed {seed}, case {cases}: {sentence}")
            if time.monotonic() - began > seconds or len(found) >= MOST_FOUND:
                break
    took = time.monotonic() - began
    return Proved(proof, seed, cases, tuple(found), took, dt.datetime.now(dt.UTC).date())

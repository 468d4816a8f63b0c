"""What a proof is: an endless source of cases that hold or say what is wrong; and the page of results."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing


class Remark(str):
    """What belongs beside the result, such as what could not be tried here; no case."""

    __slots__ = ()


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
    at_least: int = 1
    """So many cases are tried however long they take: fewer would say nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Proved:
    """What came of a proof."""

    proof: Proof
    seed: int
    cases: int
    found: tuple[str, ...]
    seconds: float
    on: dt.date
    remarks: tuple[str, ...] = ()

    def line(self) -> str:
        """Return it as a line for people."""
        mark = "ok   " if self.holds else "FOUND" if self.found else "FEW  "
        return (
            f"{mark} {self.proof.name}: {self.cases:,} cases in {self.seconds:.0f} s, "
            f"{len(self.found)} found (--seed {self.seed})"
            + "".join(f"; {one}" for one in self.remarks)
        )

    @property
    def holds(self) -> bool:
        """Whether there were enough cases, and all of them held."""
        return self.cases >= self.proof.at_least and not self.found


def prove(proof: Proof, seed: int, seconds: float, tell: Callable[[str], None]) -> Proved:
    """Try a proof's cases until its time is over and there were enough; the last one is finished."""
    cases, found, remarks = 0, [], []
    began = time.monotonic()
    with closing(proof.cases(seed)) as source:
        for sentence in source:
            if isinstance(sentence, Remark):
                remarks.append(str(sentence))
                continue
            cases += 1
            if sentence is not None:
                found.append(sentence)
                tell(f"found by {proof.name}, --seed {seed}, case {cases}: {sentence}")
            over = time.monotonic() - began > seconds and cases >= proof.at_least
            if over or len(found) >= MOST_FOUND:
                break
    took = time.monotonic() - began
    today = dt.datetime.now(dt.UTC).date()
    return Proved(proof, seed, cases, tuple(found), took, today, tuple(remarks))


HEAD = """# Proofs

Made by `./harness prove`: the last result of each long proof. A case is one generated input, one killed run
or one healthy run; *found* counts the cases that broke the promise.
`./harness prove NAME --seed SEED` tries the same cases again.

| proof | on | seed | cases | found | time | promise |
|---|---|---|---|---|---|---|
"""


def rows_of(page: str) -> Mapping[str, str]:
    """Return the table's lines by the proof they are about."""
    body = page.partition("|---")[2].splitlines()[1:]
    return {line.split("|")[1].strip(): line for line in body if line.startswith("|")}


def render(before: str, names: Iterable[str], proved: Iterable[Proved]) -> str:
    """Return the page: rows of these results, and those of proofs that were not tried this time."""
    rows = {**rows_of(before), **{one.proof.name: _row(one) for one in proved}}
    return HEAD + "".join(f"{rows[name]}\n" for name in names if name in rows)


def _row(one: Proved) -> str:
    cells = (
        one.proof.name,
        one.on.isoformat(),
        str(one.seed),
        f"{one.cases:,}",
        str(len(one.found)),
        f"{one.seconds:.0f} s",
        one.proof.promise + "".join(f"; {remark}" for remark in one.remarks),
    )
    return f"| {' | '.join(cells)} |"

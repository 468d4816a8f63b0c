"""What a run was not asked, and what an environment must be asked."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

from gates.decide.catalogue import COUNTDOWN, WINDOWS, Row
from gates.decide.kept import Kept
from gates.decide.scope import Gate, Phase, PostDeploy, PreDeploy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

NO_SECTION = "the environment has no such section"
NOTHING_APPLIES = "nothing of it applies to this environment"
LATER = "due later"
OTHER_PARTS = "asked on their own"
OTHER_REGIONS = "another run's regions"
OWN_CATALOGUE = "the environment has its own checks"


@dataclasses.dataclass(frozen=True, slots=True)
class NotAsked(Kept):
    """One thing of which a decision says nothing."""

    what: str
    """A section of the environment, a window, a part of a phase, a region, the gate's own catalogue."""
    why: str
    checks: tuple[str, ...] = ()
    """The checks that nobody asked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What a gate could have asked here, and what the environment has."""

    catalogue: Sequence[Row]
    """Of the platform's own checks, where it has them."""
    standard: Sequence[Row]
    """The gate's own."""
    sections: Collection[str]
    other_regions: Sequence[str]
    """That the run was not asked about."""


def not_asked(gate: Gate, around: Surroundings) -> tuple[NotAsked, ...]:
    """Return what the decision of a gate says nothing of."""
    scope = gate.scope(around.catalogue, switched=False).rows
    found = _grouped(
        (row.section, row) for row in scope if row.section and not row.applies(around.sections)
    )
    had = {row.id for row in around.catalogue}
    replaced = gate.scope(around.standard, switched=False).rows
    left_out = tuple(row.id for row in replaced if row.id not in had)
    later = _grouped((what, row) for row in around.catalogue if (what := _later(gate, row)))
    why = OTHER_PARTS if isinstance(gate, Phase) else LATER
    return (
        *(NotAsked(what, NO_SECTION, ids) for what, ids in found.items()),
        *([NotAsked("the gate's own catalogue", OWN_CATALOGUE, left_out)] if left_out else []),
        *(NotAsked(one, OTHER_REGIONS) for one in around.other_regions),
        *_empty_parts(gate, around),
        *(NotAsked(what, why, ids) for what, ids in later.items()),
    )


def unmet(must_ask: Iterable[str], gate: Gate, around: Surroundings) -> Iterator[str]:
    """Yield why what an environment must be asked is not asked, with the remedy."""
    scope = {row.id for row in gate.scope(around.catalogue, switched=False).rows}
    for name in must_ask:
        rows = [row for row in around.catalogue if name in (row.id, row.section)]
        lacking = [row.section for row in rows if not row.applies(around.sections)]
        if not rows:
            yield f"policy.must_ask names {name}, and no row of the catalogue asks for it; add the row"
        elif lacking and (name == lacking[0] or name in scope):
            yield f"policy.must_ask names {name}, and the environment has no section {lacking[0]}; add it"


def _empty_parts(gate: Gate, around: Surroundings) -> Iterator[NotAsked]:
    """Yield the parts of a phase of which no check applies: its GO says nothing of them."""
    scope = gate.scope(around.catalogue, switched=False).rows
    for part in gate.parts(around.catalogue):
        rows = [row for row in scope if row.when == part]
        if not any(row.applies(around.sections) for row in rows):
            yield NotAsked(f"phase {part}", NOTHING_APPLIES, tuple(row.id for row in rows))


def _later(gate: Gate, row: Row) -> str:
    """Return when the same gate asks a row, where that is another time or part; else nothing."""
    if isinstance(gate, PostDeploy) and row.phase == "post-deploy":
        return f"the first {row.when}" if WINDOWS[row.when] > WINDOWS[gate.window] else ""
    if isinstance(gate, PreDeploy) and row.phase == "pre-deploy":
        return row.when if COUNTDOWN.index(row.when) > COUNTDOWN.index(gate.at) else ""
    if isinstance(gate, Phase) and row.phase == "deploy" and gate.part is not None:
        other = row.when.startswith(f"{gate.number}.") and row.when != str(gate)
        return f"phase {row.when}" if other else ""
    return ""


def _grouped(found: Iterable[tuple[str, Row]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = collections.defaultdict(list)
    for what, row in found:
        groups[what].append(row.id)
    return {what: tuple(ids) for what, ids in sorted(groups.items())}

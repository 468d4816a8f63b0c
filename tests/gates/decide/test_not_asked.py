"""What a decision says nothing of, and what it must not leave out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from gates.decide.catalogue import Row
from gates.decide.scope import Gate, Phase, PostDeploy, PreDeploy, Surroundings, not_asked, unmet
from tests.gates.decide.values import a_row


def due(check: str, when: str, phase: str = "post-deploy", section: str = "") -> Row:
    applies_if = section and f"environment:{section}"
    return dataclasses.replace(a_row(check), when=when, phase=phase, applies_if=applies_if)


ROWS = (
    due("IV-A-1", "15m"),
    due("IV-B-1", "15m", section="prometheus"),
    due("IV-B-2", "15m", section="prometheus"),
    due("IV-C-1", "15m", section="redis"),
    due("IV-D-1", "1h"),
    due("IV-E-1", "24h"),
    due("T7-A-1", "T-7d", "pre-deploy"),
    due("T2-A-1", "T-2h", "pre-deploy"),
    due("D2.1-1", "2.1", "deploy"),
    due("D2.2-1", "2.2", "deploy", "redis"),
)


def around(
    catalogue: Sequence[Row] = ROWS,
    sections: Sequence[str] = ("prometheus", "redis"),
    others: Sequence[str] = (),
) -> Surroundings:
    return Surroundings(catalogue, ROWS, sections, others)


DAY, QUARTER = PostDeploy("24h"), PostDeploy("15m")
OWN = around(catalogue=[due("TEAM-1", "15m")])
SAID_NOTHING_OF: dict[str, tuple[Gate, Surroundings]] = {
    "everything is asked": (DAY, around()),
    "a section is missing": (DAY, around(sections=["redis"])),
    "a later window": (QUARTER, around()),
    "a later time of the countdown": (PreDeploy("T-7d"), around()),
    "another part of the phase": (Phase(2, 1), around()),
    "a part of which nothing applies": (Phase(2), around(sections=["prometheus"])),
    "a catalogue of one row": (DAY, OWN),
    "another region": (DAY, around(others=["us"])),
}
MUST_ASK: dict[str, tuple[list[str], Gate, Surroundings]] = {
    "all is asked": (["redis", "IV-A-1"], QUARTER, around()),
    "a section is missing": (["redis"], QUARTER, around(sections=["prometheus"])),
    "its own catalogue never asks about a section": (["redis"], QUARTER, OWN),
    "a check does not apply": (["IV-B-1"], QUARTER, around(sections=["redis"])),
    "a check is in no catalogue": (["IV-Z-9"], QUARTER, around()),
    "a check of another gate": (["IV-B-1"], Phase(2), around(sections=["redis"])),
}


def not_asked_said() -> Iterator[str]:
    """Yield of what a decision says nothing, and what must be asked and is not; said.json has both."""
    for name, (gate, surroundings) in SAID_NOTHING_OF.items():
        found = [" ".join((o.what, f"({o.why})", *o.checks)) for o in not_asked(gate, surroundings)]
        yield f"{name}: {'; '.join(found) or 'nothing'}"
    for name, (must_ask, gate, surroundings) in MUST_ASK.items():
        yield f"{name}: {'; '.join(unmet(must_ask, gate, surroundings)) or 'nothing'}"

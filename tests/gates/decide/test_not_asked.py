"""What a decision says nothing of, and what it must not leave out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from gates.decide.catalogue import Row
from gates.decide.not_asked import NotAsked, Surroundings, not_asked, unmet
from gates.decide.scope import Gate, Phase, PostDeploy, PreDeploy
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
NO_SECTION = "the environment has no such section"


def around(
    catalogue: Sequence[Row] = ROWS,
    sections: Sequence[str] = ("prometheus", "redis"),
    others: Sequence[str] = (),
) -> Surroundings:
    return Surroundings(catalogue, ROWS, sections, others)


@pytest.mark.parametrize(
    ("gate", "surroundings", "found"),
    [
        pytest.param(PostDeploy("24h"), around(), [], id="everything is asked"),
        pytest.param(
            PostDeploy("24h"),
            around(sections=["redis"]),
            [NotAsked("prometheus", NO_SECTION, ("IV-B-1", "IV-B-2"))],
            id="a section is missing",
        ),
        pytest.param(
            PostDeploy("15m"),
            around(),
            [
                NotAsked("the first 1h", "due later", ("IV-D-1",)),
                NotAsked("the first 24h", "due later", ("IV-E-1",)),
            ],
            id="a later window",
        ),
        pytest.param(
            PreDeploy("T-7d"),
            around(),
            [NotAsked("T-2h", "due later", ("T2-A-1",))],
            id="a later time of the countdown",
        ),
        pytest.param(
            Phase(2, 1),
            around(),
            [NotAsked("phase 2.2", "asked on their own", ("D2.2-1",))],
            id="another part of the phase",
        ),
        pytest.param(
            Phase(2),
            around(sections=["prometheus"]),
            [
                NotAsked("redis", NO_SECTION, ("D2.2-1",)),
                NotAsked("phase 2.2", "nothing of it applies to this environment", ("D2.2-1",)),
            ],
            id="a part of which nothing applies",
        ),
        pytest.param(
            PostDeploy("24h"),
            around(catalogue=[due("TEAM-1", "15m")]),
            [
                NotAsked(
                    "the gate's own catalogue",
                    "the environment has checks of its own",
                    ("IV-A-1", "IV-B-1", "IV-B-2", "IV-C-1", "IV-D-1", "IV-E-1"),
                )
            ],
            id="a catalogue of one row",
        ),
        pytest.param(
            PostDeploy("24h"),
            around(others=["us"]),
            [NotAsked("us", "another run's regions")],
            id="another region",
        ),
    ],
)
def test_what_a_decision_says_nothing_of(
    gate: Gate, surroundings: Surroundings, found: list[NotAsked]
) -> None:
    assert list(not_asked(gate, surroundings)) == found


@pytest.mark.parametrize(
    ("must_ask", "gate", "surroundings", "said"),
    [
        pytest.param(["redis", "IV-A-1"], PostDeploy("15m"), around(), "", id="all is asked"),
        pytest.param(
            ["redis"],
            PostDeploy("15m"),
            around(sections=["prometheus"]),
            "policy.must_ask names redis, and the environment has no section redis; add it",
            id="a section is missing",
        ),
        pytest.param(
            ["redis"],
            PostDeploy("15m"),
            around(catalogue=[due("TEAM-1", "15m")]),
            "policy.must_ask names redis, and no row of the catalogue asks for it; add the row",
            id="its own catalogue never asks about a section",
        ),
        pytest.param(
            ["IV-B-1"],
            PostDeploy("15m"),
            around(sections=["redis"]),
            "policy.must_ask names IV-B-1, and the environment has no section prometheus; add it",
            id="a check does not apply",
        ),
        pytest.param(
            ["IV-Z-9"],
            PostDeploy("15m"),
            around(),
            "policy.must_ask names IV-Z-9, and no row of the catalogue asks for it; add the row",
            id="a check is in no catalogue",
        ),
        pytest.param(
            ["IV-B-1"], Phase(2), around(sections=["redis"]), "", id="a check of another gate"
        ),
    ],
)
def test_what_must_be_asked_and_is_not_is_named(
    must_ask: list[str], gate: Gate, surroundings: Surroundings, said: str
) -> None:
    assert "; ".join(unmet(must_ask, gate, surroundings)) == said

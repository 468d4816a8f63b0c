from __future__ import annotations

import dataclasses

import pytest

from gates.decide.catalogue import Row
from gates.decide.fold import Stage, fold
from gates.decide.outcome import Decision, Outcome
from gates.decide.scope import (
    MIXED,
    Gate,
    Phase,
    PostDeploy,
    PreDeploy,
    gate_of,
    no_such_part,
    stage_of,
)
from tests.gates.decide.values import a_result, a_row
from tests.reports.verdicts import OPENED, changed


def due(check: str, when: str, phase: str = "deploy") -> Row:
    return dataclasses.replace(a_row(check), phase=phase, when=when)


ROWS = (
    due("D-11", "1.1"),
    due("D-12", "1.2"),
    due("D-31", "3.1"),
    due("D-32", "3.2"),
    due("D-33", "3.3"),
    due("D-51", "5.1"),
    due("TIME", "phase"),
    due("T-7", "T-7d", "pre-deploy"),
    due("T-2", "T-2h", "pre-deploy"),
    due("IV-1", "15m", "post-deploy"),
    due("IV-2", "1h", "post-deploy"),
)


def ids(gate: Gate) -> list[str]:
    return [row.id for row in gate.scope(ROWS, switched=False).rows]


@pytest.mark.parametrize(
    ("gate", "asked"),
    [
        (Phase(1), ["D-11", "D-12", "TIME"]),
        (Phase(1, 2), ["D-12", "TIME"]),
        (Phase(3), ["D-31", "D-32", "D-33", "TIME"]),
        (Phase(2), []),
        (Phase(5, 2), []),
        (PreDeploy("T-7d"), ["T-7"]),
        (PreDeploy("T-1d"), ["T-7"]),
        (PreDeploy("T-2h"), ["T-7", "T-2"]),
        (PostDeploy("15m"), ["IV-1"]),
        (PostDeploy("24h"), ["IV-1", "IV-2"]),
    ],
    ids=str,
)
def test_a_gate_asks_its_rows_and_no_others(gate: Gate, asked: list[str]) -> None:
    assert ids(gate) == asked


NOT_SWITCHED, LIVE = Stage.NOT_SWITCHED, Stage.LIVE


@pytest.mark.parametrize(
    ("part", "before", "after"),
    [
        ("1.1", NOT_SWITCHED, NOT_SWITCHED),
        ("2.2", NOT_SWITCHED, LIVE),
        ("3.1", NOT_SWITCHED, NOT_SWITCHED),
        ("3.2", NOT_SWITCHED, LIVE),
        ("3.3", LIVE, LIVE),
        ("4.1", LIVE, LIVE),
        ("7.2", LIVE, LIVE),
    ],
)
def test_a_failure_stops_or_rolls_back_by_what_changed_and_where_traffic_is(
    part: str, before: Stage, after: Stage
) -> None:
    assert stage_of(part, switched=False) is before
    assert stage_of(part, switched=True) is after


@pytest.mark.parametrize(
    ("broken", "decision"), [("D-31", Decision.STOP), ("D-33", Decision.ROLLBACK)]
)
def test_in_one_run_of_phase_3_each_row_has_the_stage_of_its_own_part(
    broken: str, decision: Decision
) -> None:
    scope = Phase(3).scope(ROWS, switched=False)
    results = [
        a_result(Outcome.FAIL if row.id == broken else Outcome.PASS, check=row.id)
        for row in scope.rows
    ]
    assert scope.stage == MIXED
    assert fold(scope.rows, ("eu",), results, scope.stages).decision is decision


@pytest.mark.parametrize(
    ("gate", "stage"),
    [
        (Phase(1), NOT_SWITCHED),
        (Phase(3, 3), LIVE),
        (PreDeploy("T-2h"), Stage.BEFORE),
        (PostDeploy("1h"), LIVE),
    ],
    ids=str,
)
def test_where_all_rows_agree_the_stage_is_theirs(gate: Gate, stage: Stage) -> None:
    assert gate.scope(ROWS, switched=False).stage == stage.value


@pytest.mark.parametrize(
    ("gate", "switched", "stages"),
    [
        (Phase(1), True, {"D-11": NOT_SWITCHED, "D-12": NOT_SWITCHED, "TIME": NOT_SWITCHED}),
        (Phase(3, 2), False, {"D-32": NOT_SWITCHED, "TIME": NOT_SWITCHED}),
        (Phase(3, 2), True, {"D-32": LIVE, "TIME": LIVE}),
        (
            Phase(3),
            False,
            {"D-31": NOT_SWITCHED, "D-32": NOT_SWITCHED, "D-33": LIVE, "TIME": LIVE},
        ),
    ],
    ids=str,
)
def test_what_every_phase_asks_has_the_stage_of_its_last_part(
    gate: Gate, stages: dict[str, Stage], *, switched: bool
) -> None:
    assert gate.scope(ROWS, switched=switched).stages == stages


@pytest.mark.parametrize(
    ("gate", "asked"),
    [
        (PostDeploy("1h"), {"window": "1h", "phase": None, "at": None}),
        (PreDeploy("T-2h"), {"window": None, "phase": None, "at": "T-2h"}),
        (Phase(2), {"window": None, "phase": "2", "at": None}),
        (Phase(2, 1), {"window": None, "phase": "2.1", "at": None}),
    ],
    ids=str,
)
def test_a_gate_is_read_back_from_what_the_verdict_keeps(
    gate: Gate, asked: dict[str, str | None]
) -> None:
    assert gate.asked == asked
    assert gate_of(changed(OPENED, gate=gate.name, **asked)) == gate


def test_a_verdict_of_an_unknown_gate_is_refused() -> None:
    with pytest.raises(ValueError, match="gate 'deploy'"):
        gate_of(changed(OPENED, gate="deploy"))


@pytest.mark.parametrize(
    ("gate", "follows"),
    [
        (PreDeploy("T-7d"), "pre-deploy --at T-2h"),
        (PreDeploy("T-2h"), "phase 1"),
        (Phase(1), "phase 3"),
        (Phase(1, 1), "phase 1.2"),
        (Phase(1, 2), "phase 3"),
        (Phase(3, 1), "phase 3.2"),
        (Phase(5), "post-deploy"),
        (PostDeploy("15m"), None),
    ],
    ids=str,
)
def test_after_a_go_comes_the_next_gate_that_asks_anything(gate: Gate, follows: str | None) -> None:
    assert gate.follows(ROWS) == follows


@pytest.mark.parametrize(
    ("gate", "needs"),
    [
        (Phase(1), []),
        (Phase(2), ["1.1", "1.2"]),
        (Phase(3, 2), ["1.1", "1.2"]),
        (Phase(5), ["3.1", "3.2", "3.3"]),
        (PostDeploy("15m"), []),
        (PreDeploy("T-2h"), []),
    ],
    ids=str,
)
def test_a_phase_needs_every_part_of_the_nearest_phase_before_it(
    gate: Gate, needs: list[str]
) -> None:
    assert [str(phase) for phase in gate.needs(ROWS)] == needs


@pytest.mark.parametrize("text", ["", "0", "8", "2.", "2.0", "two", "2.1.1", " 2", "²"])
def test_what_is_no_phase_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 2 or"):
        Phase.parse(text)


@pytest.mark.parametrize("text", ["1", "7", "2.1", "3.3"])
def test_a_phase_is_read_as_it_is_written(text: str) -> None:
    assert str(Phase.parse(text)) == text
    assert Phase.parse(text).kind == f"phase-{text}"


@pytest.mark.parametrize(
    ("gate", "wrong"),
    [
        (Phase(3, 9), "phase 3.9: there is no such part; phase 3 has 3.1, 3.2, 3.3."),
        (Phase(3, 2), None),
        (Phase(3), None),
        (Phase(4, 1), None),
        (PostDeploy("15m"), None),
    ],
    ids=str,
)
def test_a_part_that_its_phase_does_not_have_is_named_with_those_that_it_has(
    gate: Gate, wrong: str | None
) -> None:
    assert no_such_part(gate, ROWS) == wrong

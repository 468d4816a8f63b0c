"""The whole deployment, phase by phase: not GO before a phase, GO after it, and not under its faults."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from gates.decide.scope import Phase
from sandbox.faults import catalogue
from sandbox.faults.catalogue import GATES, Fault
from sandbox.faults.expectation import expected, outcomes
from sandbox.state import StateDirectory
from tests.faults.walk import ROWS, Walk, batches, question_of, together
from tests.gates.process.gates import Gate, copy_of_checkout
from tests.sandbox.platforms import Sandbox

WALKED = [gate for gate in GATES if gate != "post-deploy"]
FAULTS = [fault for fault in catalogue.load() if fault.gate in WALKED]
CHECKS = {row.id for row in ROWS if row.phase in ("pre-deploy", "deploy")}
INVARIANT = {row.id for row in ROWS if row.invariant}
EVERY_PHASE_IS_ASKED = True
"""Set once all areas have their rows: then no phase may be without one."""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """Return a platform before its release, with the baseline taken."""
    folder = tmp_path_factory.mktemp("walk")
    platform = Sandbox(StateDirectory(folder / "state"))
    up = platform.run("up", "--pending", "--owner", str(os.getpid()))
    assert up.returncode == 0, up.stderr
    gate = Gate(copy_of_checkout(folder / "checkout"), platform.state.path)
    taken = gate.run("baseline", "--env", "local")
    assert taken.returncode == 0, taken.stderr
    yield Walk(platform, gate)
    down = platform.run("down")
    assert down.returncode == 0, down.stderr


def steps() -> Iterator[object]:
    """Yield the walk in order: each gate without faults, then with each batch of its faults."""
    for gate in WALKED:
        if not question_of(gate).scope(ROWS, switched=False).rows:
            continue
        yield pytest.param(gate, None, id=gate)
        for batch in batches(fault for fault in FAULTS if fault.gate == gate):
            fault = together(batch)
            names = " and ".join(one.name for one in batch)
            yield pytest.param(gate, (fault, batch), id=f"{gate} under {names}")


@pytest.mark.parametrize(("gate", "broken"), list(steps()))
def test_a_gate_goes_with_its_phase_and_not_with_its_faults(
    walk: Walk, tmp_path: pathlib.Path, gate: str, broken: tuple[Fault, tuple[Fault, ...]] | None
) -> None:
    if broken is not None:
        _under_faults(walk, tmp_path, *broken)
    elif gate == "pre-deploy":
        _is_go(walk.ask("pre-deploy"))
    else:
        _before_and_after(walk, int(gate[-1]))


def _before_and_after(walk: Walk, phase: int) -> None:
    walk.carry_out(phase - 1)
    before = walk.ask("phase", str(phase))
    assert before["decision"] != "GO"
    green = {check for check, found in outcomes(before["checks"]).items() if found == "PASS"}
    assert green == {check["id"] for check in before["checks"]} & INVARIANT
    walk.carry_out(phase)
    _is_go(walk.ask("phase", str(phase)))


def _is_go(verdict: dict[str, object]) -> None:
    assert verdict["decision"] == "GO", verdict["reasons"]


def _under_faults(
    walk: Walk, tmp_path: pathlib.Path, fault: Fault, batch: tuple[Fault, ...]
) -> None:
    walk.carry_out(int(fault.gate[-1]) if fault.gate.startswith("phase-") else 0)
    try:
        for one in batch:
            walk.platform.ask({"do": "fault", "action": "apply", "name": one.name})
        found, decided = walk.under(fault, tmp_path / "run")
    finally:
        walk.platform.ask({"do": "fault", "action": "revert-all"})
    assert found == {check: expected(fault, check) for check in found}
    assert decided.decision.value == fault.decision


def test_every_check_of_the_phases_is_failed_by_some_fault_or_by_its_phase_not_done() -> None:
    failed = {check for fault in FAULTS for check in fault.fail}
    assert failed >= CHECKS & INVARIANT


def test_every_check_that_a_fault_lists_is_asked_by_its_gate() -> None:
    strangers = {
        fault.name: sorted(unknown)
        for fault in FAULTS
        if (
            unknown := fault.listed
            - {row.id for row in question_of(fault.gate).scope(ROWS, switched=True).rows}
        )
    }
    assert not strangers


@pytest.mark.skipif(not EVERY_PHASE_IS_ASKED, reason="the areas' checks are still being written")
def test_every_phase_is_asked_something() -> None:
    assert [n for n in range(1, 8) if not Phase(n).parts(ROWS)] == []

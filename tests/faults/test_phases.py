"""The whole deployment, phase by phase: not GO before a phase, GO after it, and not under its faults."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator

import pytest

from gates.decide.scope import Phase
from gates.decide.times import COUNTDOWN
from sandbox import countdown
from sandbox.core.state import StateDirectory
from sandbox.faults import catalogue
from sandbox.faults.catalogue import GATES, Fault, expected
from sandbox.systems.statements import people
from tests.faults.runs import AT_LENGTH, applied, together
from tests.faults.walk import ROWS, Walk, batches, question_of
from tests.gates.process.gates import ForkedGate
from tests.sandbox.platforms import Sandbox

OTHERS = ("post-deploy", "watch", "rollout", "post-rollback", "post-restore")
WALKED = [gate for gate in GATES if gate not in OTHERS]
FIRST_HOUR = frozenset(
    row.id
    for row in ROWS
    if row.applies_if == "environment:stability"
    or row.id.startswith(("XV-APP", "XV-INFRA", "XV-DB"))
)
"""It is measured by users who come: see test_first_hour.py."""
FAULTS = [
    fault for fault in catalogue.load() if fault.gate in WALKED and not fault.listed & FIRST_HOUR
]
LAST_PHASE = 7
TOLD = {
    "index-left-invalid": "index appointments_once",
    "check-not-validated": "constraint sourced",
    "trigger-disabled": "trigger stamp",
    "enum-left-over": "type Status_old",
}
"""Faults that only D2.1-3 lists are tried together: what it tells of each."""
CHECKS = {row.id for row in ROWS if row.phase in ("pre-deploy", "deploy")}
TRUE_BEFORE = {
    *("T7-INFRA-2", "T1-FINAL-6", "T2H-TASK-5", "D1.1-2", "D2.2-2", "D2.2-3"),
    *("T7-INFRA-6", "T7-INFRA-7", "T2H-TASK-6", "D6.2-1", "D6.2-2", "D6.2-3"),
    *("D6.2-4", "D4.2-1", "D4.2-2", "D4.2-3", "CT-DIFF-1", "CT-DOC-1", "T7-SEC-2"),
    *("D7.1-2", "D7.1-3", "D7.2-2", "D7.2-3", "T7-SEC-6", "T3-PREP-6", "TIME-1"),
    *("WIN-1", "WIN-2", "WIN-3"),
}
"""What a sound platform fulfils before the phase that asks for it, too."""


OBJECTIVES = frozenset({"D3.3-2", "D3.3-3"})
"""They wait for samples: asked where a fault is about them, and always in `./harness faults`."""
SLOW = frozenset({"CT-READ-1"}) | {
    row.id
    for row in ROWS
    if row.applies_if in ("environment:browser", "environment:contract_writes")
}
"""A walk or a pass takes seconds in each region. Those of phase 4 are asked of the sound platform; the
others, and what turns them red, are tried in tests/steps/browser and tests/steps/contract, and on the
platform in `./harness faults`."""
WAITED_FOR = {
    *("dns-blocked", "database-unreachable-after-migration"),
    *("kubernetes-slow", "kubernetes-busy", "dns-blocked-before", "dns-server-silent"),
    *("web-invalidation-endless", "scrapes-missed", "kubernetes-token-expired"),
    *(
        "kubernetes-forbidden",
        "gate-may-write-in-cluster",
        "web-cache-header-wrong",
        "web-stale-edge",
    ),
    *("fhir-open-to-everybody", "fhir-down", "dns-server-lame", "aws-down-frontend"),
    *(
        "logs-rotated",
        "logs-forbidden",
        "flag-log-refuses-the-gate",
        "percentage-log-refuses-the-gate",
    ),
}
"""Their batches are tried at length: their time is waiting, or their kind is tried by another one."""
WITH_THE_WALK = ("pre-deploy", "phase-1", "phase-2")
"""Whose faults are tried as the walk comes along; those of the later gates have their own platform."""


@pytest.fixture(scope="module")
def walk_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Walk]]:
    """Return what leads to the platform of a group of tests; that of the group before goes down."""
    with contextlib.ExitStack() as stack:
        walks: dict[str, Walk] = {}

        def walk_of_group(group: str) -> Walk:
            if group not in walks:
                stack.close()
                walks.clear()
                folder = tmp_path_factory.mktemp("walk")
                walks[group] = stack.enter_context(_before_the_release(folder))
            return walks[group]

        yield walk_of_group


@contextlib.contextmanager
def _before_the_release(folder: pathlib.Path) -> Iterator[Walk]:
    """Run a platform before its release, with the baseline taken."""
    platform = Sandbox(StateDirectory(folder / "state"))
    up = platform.run("up", "--pending", "--owner", str(os.getpid()))
    assert up.returncode == 0, up.stderr
    gate = ForkedGate(folder, platform.state.path)
    taken = gate.run("baseline", "--env", "local")
    assert taken.returncode == 0, taken.stderr
    yield Walk(platform, gate)
    down = platform.run("down")
    assert down.returncode == 0, down.stderr


def _steps() -> Iterator[object]:
    """Yield each gate as the walk comes to it, followed by its faults; then those of the later gates."""
    for gate in WALKED:
        if gate != "pre-deploy":
            yield _step("walk", gate, ())
        if gate in WITH_THE_WALK:
            yield from _batches("walk", gate)
    for gate in WALKED[len(WITH_THE_WALK) :]:
        yield from _batches("faults of the later gates", gate)
    yield _step("the countdown", "pre-deploy", ())


def _batches(group: str, gate: str) -> Iterator[object]:
    of_pages_alone = [fault for fault in FAULTS if fault.fail and fault.listed <= SLOW]
    mine = [one for one in FAULTS if one.gate == gate and one not in of_pages_alone]
    told = tuple(one for one in mine if one.name in TOLD)
    for batch in [*batches(one for one in mine if one not in told), told]:
        if batch:
            yield _step(group, gate, batch)


AFTER = {"the countdown": "faults of the later gates"}
"""A group whose platform comes up in the process of another one, after its tests: three at once starve."""


def _step(group: str, gate: str, batch: tuple[Fault, ...]) -> object:
    name = f"{gate} under {' and '.join(one.name for one in batch)}" if batch else gate
    slow = gate == "post-deploy-24h" or WAITED_FOR.intersection(one.name for one in batch)
    marks = [pytest.mark.xdist_group(AFTER.get(group, group)), *([AT_LENGTH] if slow else [])]
    return pytest.param(group, gate, batch, id=name, marks=marks)


@pytest.mark.parametrize(("group", "gate", "batch"), list(_steps()))
def test_a_gate_goes_with_its_phase_and_not_with_its_faults(
    walk_of: Callable[[str], Walk],
    tmp_path: pathlib.Path,
    group: str,
    gate: str,
    batch: tuple[Fault, ...],
) -> None:
    walk = walk_of(group)
    if batch or not gate.startswith("phase-"):
        walk.carry_out(_phases_before(gate))
    if batch:
        _under_faults(walk, tmp_path, batch)
    elif gate.startswith("phase-"):
        _before_and_after(walk, tmp_path, gate)
    elif gate == "pre-deploy":
        _countdown(walk)
    else:
        _, decided, said = walk.look(gate, tmp_path / "run", SLOW | FIRST_HOUR)
        assert decided.decision.value == "GO", said


def _before_and_after(walk: Walk, tmp_path: pathlib.Path, gate: str) -> None:
    phase = _phases_before(gate)
    walk.carry_out(phase - 1)
    found, before, said = walk.look(gate, tmp_path / "before", SLOW)
    assert before.decision.value != "GO", said
    green = {check for check, outcome in found.items() if outcome == "PASS"}
    assert green == found.keys() & TRUE_BEFORE, said
    walk.carry_out(phase)
    _is_go(walk.ask("phase", str(phase)))


ASKED_AT = COUNTDOWN if os.environ.get("TESTS") == "long" else (COUNTDOWN[0],)
"""In CI the end alone is asked besides: each of the four costs a gate of seventy checks."""


def _countdown(walk: Walk) -> None:
    """Play T-7d to T-2h: each time holds until those who owe something have signed."""
    said: list[str] = []
    end = countdown.play(
        walk.platform.state,
        said.append,
        lambda at: walk.ask("pre-deploy", "--at", at),
        ASKED_AT,
    )
    assert (end, said[-1]) == ("GO", "T-2h, all signed: GO, nothing is open")
    for at in ASKED_AT:
        assert any(one.startswith(f"{at}: HOLD, ") for one in said), said
    for who, _ in people.PEOPLE.values():
        assert any(f": {who} signs " in one for one in said), said


def _is_go(verdict: dict[str, object]) -> None:
    assert verdict["decision"] == "GO", verdict["reasons"]


def _under_faults(walk: Walk, tmp_path: pathlib.Path, batch: tuple[Fault, ...]) -> None:
    fault = together(batch)
    leave_out = SLOW | FIRST_HOUR | (frozenset() if fault.listed & OBJECTIVES else OBJECTIVES)
    with applied(walk.platform, [one.name for one in batch]):
        found, decided, said = walk.look(fault.gate, tmp_path / "run", leave_out)
    assert found == {check: expected(fault, check) for check in found}, said
    assert all(f"FAIL: {TOLD[one.name]} " in said for one in batch if one.name in TOLD)
    assert decided.decision.value == fault.decision


def _phases_before(gate: str) -> int:
    """Return how much of the deployment is carried out when a gate is asked."""
    if gate == "pre-deploy":
        return 0
    return int(gate[-1]) if gate.startswith("phase-") else LAST_PHASE


def test_every_check_of_the_phases_is_failed_by_some_fault_or_by_its_phase_not_done() -> None:
    failed = {check for fault in FAULTS for check in fault.fail}
    signed = {row.id for row in ROWS if row.applies_if == "environment:statements"}
    assert failed >= CHECKS & (TRUE_BEFORE | SLOW) - signed


def test_what_is_waited_for_is_a_fault() -> None:
    assert {fault.name for fault in FAULTS} >= WAITED_FOR


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


def test_every_phase_is_asked_something() -> None:
    assert [n for n in range(1, 8) if not Phase(n).parts(ROWS)] == []

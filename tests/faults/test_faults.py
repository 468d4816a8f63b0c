"""A fault turns exactly the checks it lists; here against its own, in `./harness faults` against all."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from gates.load import load_catalogue
from sandbox.faults import catalogue
from sandbox.faults.catalogue import Fault
from sandbox.faults.expectation import expected
from tests.faults.runs import folded, found, run_checks
from tests.sandbox.platforms import Sandbox

FAULTS = {fault.name: fault for fault in catalogue.load()}
CHECKS = {row.id for row in load_catalogue()}
PERFORMANCE = {check for check in CHECKS if check.startswith("IV-PERF")}
# A journey costs no more whole than in part, and its steps depend on each other.
JOURNEY = {check for check in CHECKS if check.startswith("IV-FLOW")}


@pytest.fixture
def faulty(platform: Sandbox, request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, Fault]]:
    """Apply the fault that the test names, and revert it whatever happens."""
    fault = FAULTS[request.param]
    platform.ask({"do": "fault", "action": "apply", "name": fault.name})
    try:
        yield platform, fault
    finally:
        platform.ask({"do": "fault", "action": "revert", "name": fault.name})


def own_checks(fault: Fault) -> set[str]:
    """Return the checks that a fault lists, or for one that must stay unnoticed those it tempts.

    Objectives need their look-back full; beside faster checks they are left to `./harness faults`.
    """
    listed = {*fault.fail, *fault.inconclusive, *fault.error}
    if not listed:
        return PERFORMANCE
    fast = listed - PERFORMANCE
    return fast | JOURNEY if fast & JOURNEY else fast or listed


@pytest.mark.parametrize("faulty", FAULTS, indirect=True)
def test_a_fault_turns_its_checks_and_decides_what_it_says(
    faulty: tuple[Sandbox, Fault], tmp_path: pathlib.Path
) -> None:
    platform, fault = faulty
    checks = own_checks(fault)
    read = run_checks(platform, tmp_path / "run", checks)
    assert found(read, checks) == {check: expected(fault, check) for check in checks}
    decision = folded(read, checks).decision.value
    assert decision == fault.decision


def test_every_check_is_failed_by_some_fault() -> None:
    failed = {check for fault in FAULTS.values() for check in fault.fail}
    assert failed == CHECKS


def test_every_instrument_has_an_outage() -> None:
    unread = {check for fault in FAULTS.values() for check in (*fault.error, *fault.inconclusive)}
    assert unread >= PERFORMANCE | JOURNEY | {"IV-HEALTH-2", "IV-HEALTH-3"}


def test_there_are_at_least_28_faults_and_every_name_is_known_to_the_catalogue_of_checks() -> None:
    listed = {c for f in FAULTS.values() for c in (*f.fail, *f.inconclusive, *f.error)}
    assert len(FAULTS) >= 28
    assert listed <= CHECKS

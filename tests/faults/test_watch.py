"""A watch of the local platform: sound, and under each fault that must end it."""

from __future__ import annotations

import pathlib

import pytest

from sandbox.faults import catalogue
from tests.faults.runs import applied, folded, found, run_checks, said
from tests.sandbox.platforms import Sandbox

FAULTS = {fault.name: fault for fault in catalogue.load() if fault.gate == "watch"}
CHECKS = {"TRIG-1", "TRIG-2", "TRIG-5"}
SECONDS = 40
"""A fault ends its watch long before."""


@pytest.mark.parametrize("name", ["healthy", *FAULTS])
def test_a_fault_ends_the_watch_by_its_own_trigger(
    name: str, platform: Sandbox, tmp_path: pathlib.Path
) -> None:
    fault = FAULTS.get(name)
    with applied(platform, [name] if fault else []):
        read = run_checks(platform, tmp_path, CHECKS, watch_seconds=SECONDS if fault else 11)
    wanted = {one: catalogue.expected(fault, one) if fault else "PASS" for one in CHECKS}
    assert found(read, CHECKS) == wanted, said(read)
    assert folded(read, CHECKS).decision.value == (fault.decision if fault else "GO")

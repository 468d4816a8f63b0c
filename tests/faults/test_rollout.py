"""A day of the gradual rollout: sound on its day, ahead of it, not there yet, and unreadable."""

from __future__ import annotations

import pathlib

import pytest

from sandbox.faults import catalogue
from tests.faults.runs import applied, found, run_checks, said
from tests.sandbox.platforms import Sandbox

FAULTS = {fault.name: fault for fault in catalogue.load() if fault.gate == "rollout"}
CHECKS = {"ROLLOUT-1"}


@pytest.mark.parametrize("name", ["healthy", *FAULTS])
def test_a_fault_turns_the_rollout_and_a_sound_day_is_good(
    name: str, platform: Sandbox, tmp_path: pathlib.Path
) -> None:
    fault = FAULTS.get(name)
    with applied(platform, [name] if fault else []):
        read = run_checks(platform, tmp_path, CHECKS, phase=1)
    wanted = {one: catalogue.expected(fault, one) if fault else "PASS" for one in CHECKS}
    assert found(read, CHECKS) == wanted, said(read)


def test_what_is_right_on_day_1_is_not_on_day_2(platform: Sandbox, tmp_path: pathlib.Path) -> None:
    read = run_checks(platform, tmp_path, CHECKS, phase=2)
    assert found(read, CHECKS) == {"ROLLOUT-1": "FAIL"}
    told = said(read)
    assert "0.0 days have passed since the traffic switch" in told
    assert "percentage is 10, wanted 25" in told or "25" in told

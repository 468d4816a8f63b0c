"""The proof on the instruments: what each check is held to, and when a Prometheus is not to be had."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Mapping
from typing import NoReturn

import pytest

from prove import instruments
from prove.runs import FAULTS
from sandbox.core import SandboxError, binaries
from sandbox.faults import catalogue
from tests.tables import cases


@cases(
    "decision outcomes wrong",
    {
        "as listed": ("ROLLBACK", {"IV-PERF-3": "FAIL", "IV-PERF-1": "PASS"}, []),
        "another check too": (
            "ROLLBACK",
            {"IV-PERF-3": "FAIL", "IV-PERF-1": "ERROR"},
            ["IV-PERF-1: ERROR, not PASS"],
        ),
        "undecided": (
            "HOLD",
            {"IV-PERF-3": "INCONCLUSIVE"},
            ["IV-PERF-3: INCONCLUSIVE, not FAIL", "decision: HOLD, not ROLLBACK"],
        ),
    },
)
def test_each_check_and_the_decision_are_held_to_the_fault(
    decision: str, outcomes: Mapping[str, str], wrong: list[str]
) -> None:
    checks = [
        {"id": name, "regions": {"eu": {"outcome": one}, "us": {"outcome": "PASS"}}}
        for name, one in outcomes.items()
    ]
    (fault,) = (one for one in catalogue.load() if one.name == FAULTS[0])
    assert catalogue.wrong(fault, {"decision": decision, "checks": checks}) == wrong


def test_a_prometheus_that_can_not_be_built_is_not_tried(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: object) -> NoReturn:
        raise SandboxError("none")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(binaries, "find_prometheus", none)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SandboxError, match="go is not on the PATH"):
        instruments.program("2.53")

"""The matrix as a page: a row of every fault, and rows that are measured anew."""

from __future__ import annotations

from typing import Any

from sandbox.faults.catalogue import Fault
from sandbox.faults.matrix import render, replaced


def row(name: str, outcome: str, *, wrong: bool = False) -> dict[str, Any]:
    fault = Fault(name=name, description="broken", decision="HOLD")
    found = {"IV-HEALTH-1": outcome, "IV-PERF-1": "PASS"}
    return {
        "fault": fault,
        "found": found,
        "decision": "HOLD",
        "differences": ["one"] if wrong else [],
    }


def test_a_row_that_differs_is_marked() -> None:
    page = render([row("redis-down", "FAIL", wrong=True)])
    assert "| redis-down **differs** | HOLD | F | · |" in page


def test_a_row_measured_anew_takes_the_place_of_the_older_one() -> None:
    page = render([row("redis-down", "FAIL", wrong=True), row("redis-slow", "PASS")])
    again = replaced(page, [row("redis-down", "ERROR")])
    assert "| redis-down | HOLD | E | · |" in again
    assert "differs** |" not in again
    assert len(again.splitlines()) == len(page.splitlines())

"""The matrix as a page: a table of each gate, and rows that are measured anew."""

from __future__ import annotations

from sandbox.faults.catalogue import Fault
from sandbox.faults.matrix import Row, render


def row(name: str, outcome: str, *, gate: str = "post-deploy", wrong: bool = False) -> Row:
    fault = Fault(gate=gate, name=name, description="broken", decision="HOLD")
    found = {"IV-HEALTH-1": outcome, "IV-PERF-1": "PASS"}
    return Row(fault, found, "HOLD", ("one",) if wrong else ())


def test_each_gate_has_a_table_of_its_own_in_the_order_of_a_deployment() -> None:
    page = render(
        [row("a", "FAIL"), row("b", "FAIL", gate="phase-2"), row("c", "PASS", gate="pre-deploy")]
    )
    places = [page.index(f"## {gate}") for gate in ("pre-deploy", "phase-2", "post-deploy")]
    assert places == sorted(places)
    whole_first = render([row("redis-down", "FAIL"), row("healthy", "PASS")])
    assert whole_first.index("| healthy |") < whole_first.index("| redis-down |")


def test_rows_measured_anew_take_the_place_of_older_ones_and_new_ones_follow() -> None:
    page = render([row("redis-down", "FAIL", wrong=True), row("redis-slow", "PASS")])
    assert "| redis-down **differs** | HOLD | F | · |" in page
    again = render([row("redis-down", "ERROR"), row("redis-gone", "FAIL")], page)
    assert "| redis-down | HOLD | E | · |" in again
    assert "| redis-slow | HOLD | · | · |" in again
    assert "| redis-gone | HOLD | F | · |" in again
    assert "differs** |" not in again


def test_a_table_with_other_checks_forgets_its_older_rows() -> None:
    old = render([row("redis-down", "FAIL")])
    new = Row(row("redis-slow", "PASS").fault, {"IV-HEALTH-9": "PASS"}, "HOLD", ())
    assert "redis-down" not in render([new], old)

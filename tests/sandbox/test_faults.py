"""Faults are applied and reverted by name, several at once; what each turns red is in tests/faults."""

from __future__ import annotations

import csv
import hashlib
import json
import pathlib
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from gates.decide.catalogue import COMPUTED
from sandbox.cli import main
from sandbox.core import SandboxError
from sandbox.faults import catalogue, matrix
from sandbox.faults.book import bound
from sandbox.systems.delivery.builds import MANIFEST, web_bundle
from tests.sandbox.platforms import CHECKOUT

if TYPE_CHECKING:
    from tests.sandbox.platforms import Sandbox
from sandbox.faults.catalogue import Fault
from sandbox.faults.matrix import TABLE, Row, render

_CATALOGUE = (CHECKOUT / "features" / "catalogue.csv").read_text(encoding="utf-8")
_ROWS = {row["id"]: row for row in csv.DictReader(_CATALOGUE.splitlines())}
_KNOWN_CHECKS = set(_ROWS)


def _api(platform: Sandbox, path: str) -> Any:
    """Return what the API in the EU says."""
    url = platform.environment().regions["eu"].services["api"] + path
    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
        return json.load(answer)


def _fault(platform: Sandbox, action: str, name: str) -> bool:
    return bool(platform.ask({"do": "fault", "action": action, "name": name})["changed"])


def test_a_fault_is_applied_and_reverted_once_as_a_release_that_went_live_with_it(
    whole_platform: Sandbox,
) -> None:
    def went_live() -> Any:
        return whole_platform.environment().traffic.switched_at

    moments = [went_live()]
    for action in ("apply", "revert"):
        assert _fault(whole_platform, action, "wrong-version")
        moments.append(went_live())
        assert not _fault(whole_platform, action, "wrong-version")
    before, applied, reverted = moments
    assert before < applied < reverted == went_live()


def test_a_part_is_whole_again_when_the_last_fault_that_holds_it_is_gone(
    whole_platform: Sandbox,
) -> None:
    for name in ("gate-without-network", "old-version-in-one-region"):
        _fault(whole_platform, "apply", name)
    _fault(whole_platform, "revert", "gate-without-network")
    assert _api(whole_platform, "/health")["version"] == "1.1.0"
    _fault(whole_platform, "revert", "old-version-in-one-region")
    assert _api(whole_platform, "/health")["version"] == "1.2.0"


def test_switches_of_two_faults_are_in_force_together(whole_platform: Sandbox) -> None:
    for name in ("wrong-version", "health-slow"):
        _fault(whole_platform, "apply", name)
    assert _api(whole_platform, "/health")["version"] == "1.1.9"
    assert _api(whole_platform, "/health/db")["latency_ms"] > 50


def test_an_unknown_fault_is_a_mistake_in_the_command(platform: Sandbox) -> None:
    assert main(["--state", str(platform.state.path), "fault", "apply", "meteor"]) == 64


def test_a_fault_stays_noted_until_its_revert_succeeds(whole_platform: Sandbox) -> None:
    whole_platform.ask({"do": "stop", "process": "redis"})
    with pytest.raises(SandboxError, match="Redis did not take the order"):
        _fault(whole_platform, "apply", "redis-out-of-memory")
    assert whole_platform.ask({"do": "status"})["faults"] == ["redis-out-of-memory"]
    whole_platform.ask({"do": "start", "process": "redis"})
    assert _fault(whole_platform, "revert", "redis-out-of-memory")
    assert whole_platform.ask({"do": "status"})["faults"] == []


@pytest.mark.parametrize("fault", catalogue.load(), ids=lambda fault: fault.name)
def test_a_fault_can_be_applied_and_its_expectations_name_known_checks_once(
    fault: catalogue.Fault,
) -> None:
    assert bound(fault.does, None)
    named = [*fault.fail, *fault.inconclusive, *fault.error]
    assert set(named) <= _KNOWN_CHECKS
    assert len(named) == len(set(named))


def test_every_check_is_turned_red_by_some_fault() -> None:
    """What somebody signs is never measured as bad: without a signature it is not decided.

    What is computed follows from the others.
    """
    known = _KNOWN_CHECKS - set(COMPUTED)
    signed = {name for name, row in _ROWS.items() if row["applies_if"] == "environment:statements"}
    failing = {check for fault in catalogue.load() for check in fault.fail}
    undecided = {check for fault in catalogue.load() for check in fault.inconclusive}
    assert failing - signed == known - signed
    assert signed & known <= undecided


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


def test_the_faults_of_a_gate_are_tried_alone_and_each_row_is_kept_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(render([row("redis-down", "FAIL")]))

    def rows(_: object, wanted: list[Fault]) -> Iterator[Row]:
        assert {one.gate for one in wanted} == {"phase-5"}
        yield row("a", "FAIL", gate="phase-5")
        yield row("healthy", "PASS", gate="phase-5")
        assert "| a |" in page.read_text()

    monkeypatch.setattr(matrix, "TABLE", page)
    monkeypatch.setattr(matrix.Walk, "rows", rows)
    assert matrix.main(["phase-5"]) == 0
    found = page.read_text()
    assert found.index("| healthy |") < found.index("| a |")
    assert "| redis-down |" in found
    with pytest.raises(SystemExit):
        matrix.main(["phase-9"])


def test_the_page_in_docs_is_the_one_that_is_written() -> None:
    assert TABLE.read_text(encoding="utf-8").startswith("# Fault matrix")


def test_bugs_of_pages_are_built_and_proved_together_and_none_is_left(
    whole_platform: Sandbox,
) -> None:
    def served() -> bytes:
        frontend = whole_platform.environment().frontend
        assert frontend is not None
        page: bytes = urllib.request.urlopen(frontend.address("eu"), timeout=2).read()  # noqa: S310 - loopback
        proved = whole_platform.state.path / "evidence" / "v1.2.0" / "web-build.json"
        manifest = hashlib.sha256(bundle[MANIFEST].content).hexdigest()
        assert manifest in proved.read_text(encoding="utf-8")
        return page

    for bugs in (("dialog",), ("dialog", "mixed_content"), ("mixed_content",), ()):
        for name in ("web-dialog", "web-mixed-content"):
            held = name.removeprefix("web-").replace("-", "_") in bugs
            _fault(whole_platform, "apply" if held else "revert", name)
        bundle = web_bundle("1.2.0", bugs)
        assert served() == bundle["index.html"].content

"""Whole runs of the gate against the local platform, and runs that somebody ends."""

from __future__ import annotations

import json
import pathlib
import signal
import xml.etree.ElementTree as ET

import pytest

from tests.gates.process.gates import Gate, copy_of_checkout
from tests.gates.process.kills import (
    POST_DEPLOY,
    left_of,
    processes_naming,
    records,
    without_traffic,
)
from tests.sandbox.platforms import Sandbox, eventually


@pytest.fixture(scope="module")
def healthy(platform: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """Return a gate that has run once against the healthy platform."""
    gate = Gate(copy_of_checkout(tmp_path_factory.mktemp("healthy") / "c"), platform.state.path)
    done = gate.run(*POST_DEPLOY)
    assert done.returncode == 0, done.stdout + done.stderr
    platform.end_traffic()  # and the platform runs on, as it did before
    return gate


def test_a_healthy_platform_is_go_with_every_check_in_every_region(healthy: Gate) -> None:
    verdict = healthy.verdict()
    assert verdict["decision"] == "GO"
    assert verdict["regions"] == {"eu": "GO", "us": "GO"}
    assert verdict["counts"] == {"PASS": 36}
    assert verdict["reasons"] == []


def test_the_evidence_is_complete(healthy: Gate) -> None:
    run = healthy.runs()[-1]
    suites = ET.parse(run / "junit.xml").getroot()  # noqa: S314 - our own file
    assert len(list(suites.iter("testcase"))) == 36
    assert "GO" in (run / "summary.md").read_text().splitlines()[0]
    results = [json.loads(p.read_text()) for p in (run / "allure-results").glob("*-result.json")]
    assert len(results) == 37
    assert all(result["status"] == "passed" for result in results)


def test_every_objective_keeps_query_bounds_and_samples(healthy: Gate) -> None:
    checks = {check["id"]: check for check in healthy.verdict()["checks"]}
    judgement = checks["IV-PERF-3"]["regions"]["eu"]["judgements"][0]
    assert judgement["data"]["samples"] >= 2995
    assert judgement["data"]["upper_bound"] <= 0.001
    assert judgement["data"]["queries"]["counted"].startswith("http_requests_total{")


def test_no_synthetic_record_is_left(healthy: Gate) -> None:
    journal = (healthy.runs()[-1] / "synthetic-journal.jsonl").read_text().splitlines()
    assert sum("intend" in line for line in journal) == 2
    assert sum("removed" in line for line in journal) == 2


def test_no_secret_of_the_environment_is_in_any_artefact(healthy: Gate, platform: Sandbox) -> None:
    secrets = [path.read_text().strip() for path in (platform.state.path / "secrets").iterdir()]
    artefacts = [path for path in healthy.runs()[-1].rglob("*") if path.is_file()]
    assert secrets
    assert artefacts
    texts = [path.read_text(errors="replace") for path in artefacts]
    assert not [secret for secret in secrets if any(secret in text for text in texts)]


def test_explain_and_status_read_the_run(healthy: Gate) -> None:
    assert "GO" in healthy.run("explain").stdout
    assert "GO" in healthy.run("status").stdout


def test_a_run_whose_terminal_is_closed_is_hold_keeps_its_evidence_and_leaves_nothing(
    gate: Gate, platform: Sandbox
) -> None:
    """As after Ctrl-C and SIGTERM, which test_kills sends at other moments."""
    process = gate.start(*without_traffic(platform, gate.checkout / "quiet.yaml"))
    with process:
        run = _first_check(gate)
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 20, out + err
    assert gate.verdict(run)["state"] == "interrupted"
    assert gate.verdict(run)["decision"] == "HOLD"
    counts = gate.verdict(run)["counts"]
    assert counts["MISSING"] > 0
    shown = [json.loads(p.read_text())["status"] for p in (run / "allure-results").iterdir()]
    assert shown.count("passed") == counts.get("PASS", 0)
    assert len(shown) == sum(counts.values()) + 1
    eventually("no process of the gate is left", lambda: not left_of(run, {process.pid}))
    assert records(platform, run) == set()


def _first_check(gate: Gate) -> pathlib.Path:
    """Wait until a run has started its first check, and return its folder."""

    def events() -> bool:
        return bool(gate.runs()) and "check_started" in _text(gate.runs()[-1] / "events.jsonl")

    eventually("the first check has started", events)
    return gate.runs()[-1]


def _text(path: pathlib.Path) -> str:
    return path.read_text() if path.exists() else ""


def test_gates_at_once_all_decide_and_who_brought_the_platform_up_does_not_take_it_from_the_others(
    tmp_path: pathlib.Path,
) -> None:
    """The first brings it up and is stopped; the others go on, and the last takes it down at its end."""
    gate = Gate(copy_of_checkout(tmp_path / "checkout"), tmp_path / "state")
    first = gate.start(*POST_DEPLOY)
    with first:
        run = _first_check(gate)
        second, third = gate.start(*POST_DEPLOY), gate.start(*POST_DEPLOY)
        with second, third:
            eventually("the others have begun", lambda: len(gate.runs()) == 3)
            others = [one / "events.jsonl" for one in gate.runs() if one != run]
            eventually("their checks run", lambda: all("started" in _text(one) for one in others))
            first.send_signal(signal.SIGTERM)
            first.communicate(timeout=60)
            ends = [process.communicate(timeout=200) for process in (second, third)]
    assert [second.returncode, third.returncode] == [0, 0], ends
    eventually("the platform is gone", lambda: not processes_naming(tmp_path / "state"))

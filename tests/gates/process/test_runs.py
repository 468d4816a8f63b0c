"""Whole runs of the gate against the local platform."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import signal
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Any

import pytest

from tests.gates.process.gates import Gate
from tests.gates.process.kills import POST_DEPLOY, processes_naming
from tests.sandbox.platforms import eventually


@dataclasses.dataclass(frozen=True, slots=True)
class Healthy:
    """Three runs at once against a healthy platform that the first of them brought up."""

    gate: Gate
    ends: tuple[int, ...]
    """With which code each ended; the first was stopped while the others' checks ran."""
    secrets: tuple[str, ...]
    """Those of the platform, read while it ran."""

    @property
    def verdict(self) -> dict[str, Any]:
        """Return that of a run that came to its end."""
        return self.gate.verdict(self.run)

    @property
    def run(self) -> pathlib.Path:
        """Return the folder of that run."""
        return self.gate.runs()[-1]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Healthy:
    """Return gates that have run to their end; the whole evidence of one of them is looked at."""
    folder = tmp_path_factory.mktemp("healthy")
    gate = Gate(folder, folder / "state")
    first = gate.start(*POST_DEPLOY)
    with first:
        run = _first_check(gate)
        checks = processes_naming(run)
        _send(signal.SIGSTOP, checks)  # it is not to be over before it is stopped
        files = (folder / "state" / "secrets").iterdir()
        secrets = tuple(path.read_text().strip() for path in files)
        second, third = gate.start(*POST_DEPLOY), gate.start(*POST_DEPLOY)
        with second, third:
            eventually("the others have begun", lambda: len(gate.runs()) == 3)
            others = [one / "events.jsonl" for one in gate.runs() if one != run]
            eventually("their checks run", lambda: all("started" in _text(one) for one in others))
            first.send_signal(signal.SIGTERM)
            _send(signal.SIGCONT, checks)
            first.communicate(timeout=120)
            for process in (second, third):
                process.communicate(timeout=400)
    ends = tuple(process.returncode for process in (first, second, third))
    assert ends[-1] == 0, [gate.verdict(one)["reasons"] for one in gate.runs()]
    return Healthy(gate, ends, secrets)


def test_gates_at_once_all_decide_and_who_brought_the_platform_up_does_not_take_it_from_the_others(
    healthy: Healthy,
) -> None:
    """The others go on, and the last takes it down at its end."""
    assert healthy.ends == (20, 0, 0)
    eventually("the platform is gone", lambda: not processes_naming(healthy.gate.state))


def test_a_healthy_platform_is_go_with_every_check_in_every_region(healthy: Healthy) -> None:
    verdict = healthy.verdict
    assert verdict["decision"] == "GO"
    assert verdict["regions"] == {"eu": "GO", "us": "GO"}
    assert verdict["counts"] == {"PASS": 36}
    assert verdict["reasons"] == []


def test_the_evidence_is_complete(healthy: Healthy) -> None:
    run = healthy.run
    suites = ET.parse(run / "junit.xml").getroot()  # noqa: S314 - our own file
    assert len(list(suites.iter("testcase"))) == 36
    assert "GO" in (run / "summary.md").read_text().splitlines()[0]
    results = [json.loads(p.read_text()) for p in (run / "allure-results").glob("*-result.json")]
    assert len(results) == 37
    assert all(result["status"] == "passed" for result in results)


def test_every_objective_keeps_query_bounds_and_samples(healthy: Healthy) -> None:
    checks = {check["id"]: check for check in healthy.verdict["checks"]}
    judgement = checks["IV-PERF-3"]["regions"]["eu"]["judgements"][0]
    assert judgement["data"]["samples"] >= 2995
    assert judgement["data"]["upper_bound"] <= 0.001
    assert judgement["data"]["queries"]["counted"].startswith("http_requests_total{")


def test_no_synthetic_record_is_left(healthy: Healthy) -> None:
    journal = (healthy.run / "synthetic-journal.jsonl").read_text().splitlines()
    assert sum("intend" in line for line in journal) == 2
    assert sum("removed" in line for line in journal) == 2


def test_no_secret_of_the_environment_is_in_any_artefact(healthy: Healthy) -> None:
    artefacts = [path for path in healthy.run.rglob("*") if path.is_file()]
    assert healthy.secrets
    assert artefacts
    texts = [path.read_text(errors="replace") for path in artefacts]
    assert not [secret for secret in healthy.secrets if any(secret in text for text in texts)]


def test_explain_and_status_read_the_run(healthy: Healthy) -> None:
    assert "GO" in healthy.gate.run("explain").stdout
    assert "GO" in healthy.gate.run("status").stdout


def _send(sent: signal.Signals, processes: Iterable[int]) -> None:
    for pid in processes:
        os.kill(pid, sent)


def _first_check(gate: Gate) -> pathlib.Path:
    """Wait until a run has started its first check, and return its folder."""

    def events() -> bool:
        return bool(gate.runs()) and "check_started" in _text(gate.runs()[-1] / "events.jsonl")

    eventually("the first check has started", events)
    return gate.runs()[-1]


def _text(path: pathlib.Path) -> str:
    return path.read_text() if path.exists() else ""

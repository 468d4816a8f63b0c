from __future__ import annotations

import datetime as dt
import json
import pathlib
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome
from probes.http import HttpAnswer
from settings.service import ExternalServices, HealthEndpoint, JourneyStep, Vendor
from smoke.journey import STEPS
from steps.service.vendor_outage import Outage, Seen, read_with, reported_down
from tests.gates.decide.values import a_row
from tests.probes.servers import closed_port
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.platforms import a_policy
from tests.steps.service.test_journeys import AWAY, PAYMENT, Walk, a_walk

PAY, MAIL = "pay", "mail"
VENDOR: dict[str, Any] = {
    "name": "Payfast",
    "services": [PAY],
    "support_contact": "help@payfast.example",
    "sla_minutes": 30,
    "needed_by": ["payment"],
}
SERVICES = {"api": {"health": {"external": {"path": "/health/external", "status_field": "status"}}}}
REPORT = "GET /health/external"
FINE = {PAY: "healthy", MAIL: "healthy"}
PAY_DOWN = {**FINE, PAY: "unhealthy"}


def report(states: dict[str, Any]) -> dict[str, Any]:
    return {"services": {name: {"status": state} for name, state in states.items()}}


def described(**vendor: Any) -> dict[str, Any]:
    section = {
        "service": "api",
        "endpoint": "external",
        "expected": [PAY, MAIL],
        "vendors": [{**VENDOR, **vendor}],
    }
    return {"services": SERVICES, "external": section, "policy": a_policy()}


@pytest.fixture
def server() -> Iterator[PatientServer]:
    with patient_server() as serving_patients:
        serving_patients.always = {PAYMENT: AWAY, REPORT: (200, report(PAY_DOWN))}
        yield serving_patients


@pytest.fixture
def vendor() -> Iterator[PatientServer]:
    with patient_server() as serving_vendor:
        serving_vendor.always = {"GET /status": (200, {})}
        yield serving_vendor


def decision(walk: Walk) -> Decision:
    """Return what all steps of the journey decide together."""
    rows = [a_row(f"IV-FLOW-{number}") for number in range(1, len(STEPS) + 1)]
    results = [
        RegionResult(row.id, "eu", walk.judged(name)) for row, name in zip(rows, STEPS, strict=True)
    ]
    return fold(rows, ["eu"], results, Stage.LIVE).decision


def test_the_environment_and_the_journey_name_the_same_steps() -> None:
    assert get_args(JourneyStep) == STEPS


def test_a_vendor_that_alone_is_reported_down_holds_and_says_whom_to_call_and_who_decides(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    walk = a_walk(tmp_path, server, **described())
    assert list(walk.outcomes().values()) == ["PASS"] * 3 + ["INCONCLUSIVE"] * 2
    (found,) = walk.judged("payment")
    assert "status 503 for 0." in found.sentence
    assert "Either Payfast is down (call help@payfast.example" in found.sentence
    assert "or this release has lost its way to it (address, credential)" in found.sentence
    assert "team decides which" in found.sentence
    assert found.data["vendor"] == "Payfast"
    assert decision(walk) is Decision.HOLD
    assert server.asked.count(REPORT) == 1


def test_an_answer_that_is_wrong_because_the_vendor_is_down_holds_too(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    server.always[PAYMENT] = (402, {})
    walk = a_walk(tmp_path, server, **described())
    assert walk.outcomes()["payment"] == "INCONCLUSIVE"
    assert decision(walk) is Decision.HOLD


@pytest.mark.parametrize(
    "answer",
    [
        (200, report(FINE)),
        (200, report({PAY: "unhealthy", MAIL: "unhealthy"})),
        (200, report({**FINE, MAIL: "unhealthy"})),
        (200, report({PAY: "unhealthy"})),
        (200, report({MAIL: "healthy"})),
        (200, report({**FINE, PAY: None})),
        (200, report({**FINE, PAY: 7})),
        (200, {"services": [PAY]}),
        (200, [PAY]),
        (503, {"error": "down"}),
        (404, {}),
    ],
    ids=[
        "it is reported up",
        "all are reported down: the platform's own way out",
        "another one is reported down",
        "another one is not reported",
        "it is not reported",
        "it is reported without a status",
        "it is reported with a number",
        "the report is no object of services",
        "the report is a list",
        "the report itself is broken",
        "there is no report",
    ],
)
def test_without_a_whole_report_of_just_this_vendor_the_failure_stands(
    tmp_path: pathlib.Path, server: PatientServer, answer: tuple[int, object]
) -> None:
    server.always[REPORT] = answer
    walk = a_walk(tmp_path, server, **described())
    assert walk.outcomes()["payment"] == "FAIL"
    assert decision(walk) is Decision.ROLLBACK


def test_a_vendor_that_the_broken_step_does_not_need_excuses_nothing(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    walk = a_walk(tmp_path, server, **described(needed_by=["login"]))
    assert walk.outcomes()["payment"] == "FAIL"
    assert REPORT not in server.asked


def test_a_journey_that_works_never_asks_and_passes_whatever_is_reported(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    del server.always[PAYMENT]
    walk = a_walk(tmp_path, server, **described())
    assert walk.outcomes() == dict.fromkeys(STEPS, "PASS")
    assert REPORT not in server.asked


@pytest.mark.parametrize(
    ("status", "outcome", "says"),
    [
        (200, "FAIL", "Payfast answers the gate: look at the release's own way to it"),
        (401, "FAIL", "Payfast answers the gate: look at the release's own way to it"),
        (503, "INCONCLUSIVE", "which fails for the gate too: call help@payfast.example"),
    ],
)
def test_a_vendor_asked_by_the_gate_itself_has_the_last_word(
    tmp_path: pathlib.Path,
    server: PatientServer,
    vendor: PatientServer,
    status: int,
    outcome: str,
    says: str,
) -> None:
    vendor.always = {"GET /status": (status, {})}
    walk = a_walk(tmp_path, server, **described(address=f"{vendor.url}/status"))
    (found,) = walk.judged("payment")
    assert found.outcome == outcome
    assert says in found.sentence
    assert decision(walk) is (Decision.ROLLBACK if outcome == "FAIL" else Decision.HOLD)


def test_a_vendor_that_the_gate_can_not_reach_leaves_the_platforms_word(
    tmp_path: pathlib.Path, server: PatientServer
) -> None:
    address = f"http://127.0.0.1:{closed_port()}"
    walk = a_walk(tmp_path, server, **described(address=address))
    (found,) = walk.judged("payment")
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "decides which" in found.sentence


def test_a_platform_that_is_away_itself_is_never_excused_by_a_vendor(
    tmp_path: pathlib.Path, vendor: PatientServer
) -> None:
    gone = PatientServer(url=f"http://127.0.0.1:{closed_port()}")
    sections = described(needed_by=["registration"], address=f"{vendor.url}/status")
    walk = a_walk(tmp_path, gone, **sections, vantage_controls=[vendor.url])
    assert walk.outcomes()["registration"] == "FAIL"
    assert "GET /status" not in vendor.asked


SECTION = ExternalServices(service="api", endpoint="external", expected=(PAY, MAIL))


@pytest.mark.parametrize(
    ("states", "down"),
    [
        (FINE, ()),
        (PAY_DOWN, (PAY,)),
        ({PAY: "degraded", MAIL: "unhealthy"}, (PAY, MAIL)),
        ({**PAY_DOWN, "unexpected": "unhealthy"}, (PAY,)),
    ],
    ids=str,
)
def test_reported_down_is_what_is_expected_and_not_healthy(
    states: dict[str, str], down: tuple[str, ...]
) -> None:
    body = json.dumps(report(states)).encode()
    answer = HttpAnswer(200, {}, body, "application/json", "HTTP/1.1")
    assert reported_down(HealthEndpoint(path="/health/external"), SECTION, answer) == {*down}


@pytest.mark.parametrize("seen", Seen, ids=lambda seen: seen.name)
@pytest.mark.parametrize("outcome", Outcome)
def test_an_outage_never_makes_a_judgement_good(outcome: Outcome, seen: Seen) -> None:
    at = dt.datetime(2026, 1, 31, 22, tzinfo=dt.UTC)
    outage = Outage(Vendor(**VENDOR), "api /health/external", at, seen, "the release manager", ())
    found = Judgement(outcome, "equals", "payment status", "payment status is 402, wanted 201")
    (read,) = read_with(outage, (found,))
    if outcome is Outcome.FAIL:
        assert read.outcome in {Outcome.FAIL, Outcome.INCONCLUSIVE}
        assert read.sentence.startswith(found.sentence)
        json.dumps(read.record(), allow_nan=False)
    else:
        assert read == found

"""Is it a vendor that is down? What the platform and the vendor itself say of a broken step."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from gates.decide.fold import RegionResult, Stage, fold
from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome
from probes.http import HttpAnswer
from settings.service import ExternalServices, HealthEndpoint, JourneyStep, Vendor
from smoke.journey import STEPS
from steps.service.rules import Outage, Seen, read_with, reported_down
from tests.gates.decide.values import a_row
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.steps.json_server import Answer
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.scenarios import judged, told
from tests.steps.service.conftest import VENDOR, AWalk, Walk
from tests.steps.service.test_journeys import AWAY, PAYMENT
from tests.tables import cases

PAY, MAIL = "pay", "mail"
NEEDED = {**VENDOR, "needed_by": ["payment"]}
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
        "vendors": [{**NEEDED, **vendor}],
    }
    return {"services": SERVICES, "external": section}


@pytest.fixture(autouse=True)
def _paying_fails(server: PatientServer) -> None:
    server.always = {PAYMENT: AWAY, REPORT: (200, report(PAY_DOWN))}


@pytest.fixture
def vendor() -> Iterator[PatientServer]:
    with patient_server() as serving_vendor:
        serving_vendor.always = {"GET /status": (200, {})}
        yield serving_vendor


def decision(walk: Walk) -> Decision:
    """Return what all steps of the journey decide together."""
    rows = [a_row(f"IV-FLOW-{number}") for number in range(1, len(STEPS) + 1)]
    results = [
        RegionResult(row.id, "eu", tuple(walk.judged(name)))
        for row, name in zip(rows, STEPS, strict=True)
    ]
    return fold(rows, ["eu"], results, Stage.LIVE).decision


def test_the_environment_and_the_journey_name_the_same_steps() -> None:
    assert get_args(JourneyStep) == STEPS


def test_a_vendor_that_alone_is_reported_down_holds_and_says_whom_to_call_and_who_decides(
    server: PatientServer, a_walk: AWalk, said: Said
) -> None:
    walk = a_walk(**described())
    said(walk.told())
    assert walk.judged("payment")[0].data["vendor"] == "Payfast"
    assert decision(walk) is Decision.HOLD
    assert server.asked.count(REPORT) == 1


WRONG: Answer = (402, {})


@cases(
    "paying answer vendor",
    {
        "wrong because the vendor is down": (WRONG, (200, report(PAY_DOWN)), {}),
        "it is reported up": (AWAY, (200, report(FINE)), {}),
        "all are reported down: the platform's own way out": (
            AWAY,
            (200, report({PAY: "unhealthy", MAIL: "unhealthy"})),
            {},
        ),
        "another one is down": (AWAY, (200, report({**FINE, MAIL: "unhealthy"})), {}),
        "another one is not reported": (AWAY, (200, report({PAY: "unhealthy"})), {}),
        "it is not reported": (AWAY, (200, report({MAIL: "healthy"})), {}),
        "it is reported without a status": (AWAY, (200, report({**FINE, PAY: None})), {}),
        "it is reported with a number": (AWAY, (200, report({**FINE, PAY: 7})), {}),
        "the report is not an object of services": (AWAY, (200, {"services": [PAY]}), {}),
        "the report is a list": (AWAY, (200, [PAY]), {}),
        "the report itself is broken": (AWAY, (503, {"error": "down"}), {}),
        "there is no report": (AWAY, (404, {}), {}),
        "the step does not need it": (AWAY, (200, report(PAY_DOWN)), {"needed_by": ["login"]}),
        "paying works": (None, (200, report(PAY_DOWN)), {}),
    },
)
def test_without_a_whole_report_of_just_this_vendor_the_failure_stands(
    server: PatientServer,
    a_walk: AWalk,
    paying: Answer | None,
    answer: Answer,
    vendor: dict[str, Any],
    said: Said,
) -> None:
    server.always = {REPORT: answer, **({PAYMENT: paying} if paying else {})}
    walk = a_walk(**described(**vendor))
    said([" ".join(walk.outcomes()), decision(walk), REPORT in server.asked])


@cases("status", {"up": 200, "up, and refuses": 401, "down": 503, "out of the gate's reach": None})
def test_a_vendor_asked_by_the_gate_itself_has_the_last_word(
    a_walk: AWalk, vendor: PatientServer, status: int | None, said: Said
) -> None:
    vendor.always = {"GET /status": (status or 200, {})}
    url = vendor.url if status else f"http://127.0.0.1:{closed_port()}"
    walk = a_walk(**described(address=f"{url}/status"))
    itself = told(judged("D6.2-4", walk.platform))[-1]
    said([walk.told()["payment"], itself, decision(walk)])


def test_a_platform_that_is_away_itself_is_never_excused_by_a_vendor(
    server: PatientServer, a_walk: AWalk, vendor: PatientServer
) -> None:
    server.url = f"http://127.0.0.1:{closed_port()}"
    sections = described(needed_by=["registration"], address=f"{vendor.url}/status")
    walk = a_walk(**sections, vantage_controls=[vendor.url])
    assert walk.outcomes()[0] == "FAIL"
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
    outage = Outage(Vendor(**NEEDED), "api /health/external", at, seen, "the release manager")
    found = Judgement(outcome, "equals", "payment status", "payment status is 402, wanted 201")
    (read,) = read_with(outage, (found,))
    if outcome is not Outcome.FAIL:
        assert read == found
        return
    assert read.outcome in {Outcome.FAIL, Outcome.INCONCLUSIVE}
    assert read.sentence.startswith(found.sentence)
    json.dumps(read.record(), allow_nan=False)

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from environments.yaml_file import ConfigurationError
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from sandbox.systems.service.fhir import FhirState, _statement
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform
from steps.service import integrations
from steps.service.external import External
from steps.service.fhir import FhirServer
from steps.service.integrations import Tries
from tests.probes.servers import closed_port
from tests.steps.network_platform import findings
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.platforms import a_platform

PAY, PROTECTED = "POST /v1/test/pay", "GET /Patient/none"
TRIES = {
    "service": "api",
    "tries": {"payment": {"path": "/v1/test/pay", "expect": {"a.b": "ok"}, "needs": ["pay"]}},
}
EXTERNAL: dict[str, Any] = {
    "services": {"api": {"health": {"external": {"path": "/ext", "status_field": "status"}}}},
    "external": {
        "service": "api",
        "endpoint": "external",
        "expected": ["pay"],
        "vendors": [
            {
                "name": "Payfast",
                "services": ["pay"],
                "support_contact": "help@payfast.example",
                "sla_minutes": 30,
            }
        ],
    },
}
FHIR = {
    "service": "api",
    "resources": {"Patient": ["read"], "Appointment": ["read", "search-type"]},
    "protected_path": "/Patient/none",
}
FINE = {"a": {"b": "ok"}}


@pytest.fixture
def server() -> Iterator[PatientServer]:
    with patient_server() as running:
        running.always = {
            PAY: (200, FINE),
            PROTECTED: (401, {}),
            "GET /metadata": (200, _statement(FhirState())),
        }
        yield running


def tried(platform: Platform) -> Check:
    check = Check("X-1", platform.regions)
    Tries(platform, Availability(platform), check).judge("payment")
    return check


def stated(platform: Platform) -> Check:
    check = Check("X-1", platform.regions)
    fhir = FhirServer(platform, Availability(platform), check)
    fhir.states_capabilities()
    fhir.refuses_strangers()
    json.dumps([one.record() for one in check.noted()["eu"].judgements], allow_nan=False)
    return check


class TestTries:
    @pytest.mark.parametrize(
        ("answer", "outcome", "says"),
        [
            ((200, FINE), "PASS", ""),
            ((200, {"a": {"b": "failed"}}), "FAIL", "payment try /v1/test/pay a.b is “failed”"),
            ((200, {"a": "ok"}), "FAIL", "a.b is None"),
            ((200, ["ok"]), "FAIL", "a.b is None"),
            ((404, {}), "FAIL", "status is 404, wanted 200"),
            ((502, {"a": {"b": "failed"}}), "FAIL", "a.b is “failed”, wanted “ok”"),
            ((502, {}), "FAIL", "status 502 for 0."),
        ],
        ids=[
            "as it should be",
            "it says that it failed",
            "no such field",
            "no object",
            "no such route",
            "unavailable, and which part",
            "unavailable",
        ],
    )
    def test_an_answer_counts_by_its_status_and_its_words(
        self,
        tmp_path: pathlib.Path,
        server: PatientServer,
        answer: tuple[int, object],
        outcome: str,
        says: str,
    ) -> None:
        server.always[PAY] = answer
        check = tried(a_platform(tmp_path, {"eu": server.url}, integrations=TRIES))
        assert check.outcome("eu") == outcome
        assert says in "\n".join(findings(check))

    @pytest.mark.parametrize(
        ("content_type", "body", "outcomes"),
        [
            ("application/json", b"{}", ["PASS"]),
            ("", b"", ["PASS"]),
            ("application/json", b'{"ok": true, "error": null, "status": "done"}', ["PASS"]),
            ("application/json", b'{"status": "FAILED"}', ["PASS", "INCONCLUSIVE"]),
            ("application/json", b'{"success": false}', ["PASS", "INCONCLUSIVE"]),
            ("application/json", b'{"errors": [{}]}', ["PASS", "INCONCLUSIVE"]),
            ("text/html; charset=utf-8", b"<!doctype html>", ["PASS", "FAIL"]),
            ("", b" <html></html>", ["PASS", "FAIL"]),
        ],
        ids=[
            *("JSON", "nothing", "a good word", "a bad word", "no success", "errors"),
            *("a page", "a page without its type"),
        ],
    )
    def test_without_words_to_expect_a_page_for_people_is_still_no_answer(
        self, content_type: str, body: bytes, outcomes: list[str]
    ) -> None:
        answer = HttpAnswer(200, {}, body, content_type, "1.1")
        found = integrations._of("payment try", answer, {}, unavailable=False)
        assert [one.outcome.value for one in found] == outcomes

    def test_a_failed_try_names_the_vendor_behind_it_with_contact_and_sla(
        self, tmp_path: pathlib.Path, server: PatientServer
    ) -> None:
        server.always[PAY] = (500, {})
        platform = a_platform(tmp_path, {"eu": server.url}, integrations=TRIES, **EXTERNAL)
        assert "call help@payfast.example; they owe an answer within 30 min" in "\n".join(
            findings(tried(platform))
        )

    def test_a_gate_without_network_says_nothing_of_it(self, tmp_path: pathlib.Path) -> None:
        away = {"eu": f"http://127.0.0.1:{closed_port()}"}
        assert tried(a_platform(tmp_path, away, integrations=TRIES)).outcome("eu") is Outcome.ERROR

    def test_what_is_not_described_is_named(
        self, tmp_path: pathlib.Path, server: PatientServer
    ) -> None:
        check = Check("X-1", ("eu",))
        bare = a_platform(tmp_path, {"eu": server.url})
        with pytest.raises(NotDescribedError, match="section integrations"):
            Tries(bare, Availability(bare), check)
        platform = a_platform(tmp_path, {"eu": server.url}, integrations=TRIES)
        with pytest.raises(NotDescribedError, match=r"integrations\.tries\.mail"):
            Tries(platform, Availability(platform), check).judge("mail")

    def test_a_service_without_an_address_is_refused(
        self, tmp_path: pathlib.Path, server: PatientServer
    ) -> None:
        with pytest.raises(ConfigurationError, match="lacks an address for shop"):
            a_platform(tmp_path, {"eu": server.url}, integrations={**TRIES, "service": "shop"})


class TestFhir:
    @pytest.mark.parametrize(
        ("state", "outcome", "says"),
        [
            ({}, "PASS", ""),
            ({"fhir_version": "3.0.2"}, "FAIL", "is of FHIR version 3.0.2, wanted 4.0"),
            ({"fhir_version": "4.3.0"}, "FAIL", "is of FHIR version 4.3.0, wanted 4.0"),
            ({"resources": ("Patient",)}, "FAIL", "resources lacks Appointment"),
            ({"interactions": ("read",)}, "FAIL", "Appointment interactions lacks search-type"),
            ({"resource_type": "OperationOutcome"}, "FAIL", "The answer is an OperationOutcome"),
            ({"resource_type": "Bundle"}, "FAIL", "The answer is no CapabilityStatement"),
        ],
        ids=[
            "as it should be",
            "an old version",
            "a newer version",
            "a resource is missing",
            "an interaction is missing",
            "an error with status 200",
            "another resource",
        ],
    )
    def test_a_statement_is_read_by_the_published_model(
        self,
        tmp_path: pathlib.Path,
        server: PatientServer,
        state: dict[str, Any],
        outcome: str,
        says: str,
    ) -> None:
        server.always["GET /metadata"] = (200, _statement(FhirState(**state)))
        check = stated(a_platform(tmp_path, {"eu": server.url}, fhir=FHIR))
        assert check.outcome("eu") == outcome
        assert says in "\n".join(findings(check))

    def test_a_statement_of_r5_is_read_by_the_model_of_r5(
        self, tmp_path: pathlib.Path, server: PatientServer
    ) -> None:
        newest = {**_statement(FhirState(fhir_version="5.0.0")), "versionAlgorithmString": "semver"}
        server.always["GET /metadata"] = (200, newest)
        fhir = {**FHIR, "version": "5.0"}
        assert findings(stated(a_platform(tmp_path, {"eu": server.url}, fhir=fhir))) == []

    def test_a_server_with_every_resource_and_search_parameter_states_megabytes(
        self, tmp_path: pathlib.Path, server: PatientServer
    ) -> None:
        long = {**_statement(FhirState()), "description": "all of it " * 300_000}
        server.always["GET /metadata"] = (200, long)
        assert findings(stated(a_platform(tmp_path, {"eu": server.url}, fhir=FHIR))) == []

    def test_a_damaged_statement_names_the_places_and_nothing_of_the_answer(
        self, tmp_path: pathlib.Path, server: PatientServer
    ) -> None:
        damaged = {**_statement(FhirState()), "kind": 3, "Jane Doe": "sentinel"}
        server.always["GET /metadata"] = (200, damaged)
        found = "\n".join(findings(stated(a_platform(tmp_path, {"eu": server.url}, fhir=FHIR))))
        assert "no valid CapabilityStatement" in found
        assert "kind" in found
        assert "Jane" not in found
        assert "sentinel" not in found

    @pytest.mark.parametrize(("status", "outcome"), [(401, "PASS"), (403, "PASS"), (200, "FAIL")])
    def test_a_record_asks_for_a_login(
        self, tmp_path: pathlib.Path, server: PatientServer, status: int, outcome: str
    ) -> None:
        server.always[PROTECTED] = (status, {})
        check = stated(a_platform(tmp_path, {"eu": server.url}, fhir=FHIR))
        assert check.outcome("eu") == outcome

    def test_a_server_that_is_away_fails_while_another_region_answers(
        self, tmp_path: pathlib.Path, server: PatientServer
    ) -> None:
        regions = {"eu": f"http://127.0.0.1:{closed_port()}", "us": server.url}
        check = stated(a_platform(tmp_path, regions, fhir=FHIR))
        assert (check.outcome("eu"), check.outcome("us")) == (Outcome.FAIL, Outcome.PASS)

    def test_an_environment_without_one_says_so(
        self, tmp_path: pathlib.Path, server: PatientServer
    ) -> None:
        platform = a_platform(tmp_path, {"eu": server.url})
        with pytest.raises(NotDescribedError, match="section fhir"):
            FhirServer(platform, Availability(platform), Check("X-1", ("eu",)))


class TestVendorsThemselves:
    @pytest.mark.parametrize(
        ("status", "outcome", "says"),
        [
            (200, "PASS", ""),
            (404, "PASS", ""),
            (503, "FAIL", "Payfast fails for the gate too: call help@payfast.example"),
            (None, "INCONCLUSIVE", "Payfast could not be asked by the gate"),
        ],
        ids=["up", "up, though not there", "down", "out of the gate's reach"],
    )
    def test_a_vendor_answers_the_gate(
        self,
        tmp_path: pathlib.Path,
        server: PatientServer,
        status: int | None,
        outcome: str,
        says: str,
    ) -> None:
        server.always["GET /status"] = (status or 200, {})
        address = server.url if status else f"http://127.0.0.1:{closed_port()}"
        (vendor,) = EXTERNAL["external"]["vendors"]
        external = {**EXTERNAL["external"], "vendors": [{**vendor, "address": f"{address}/status"}]}
        platform = a_platform(
            tmp_path, {"eu": server.url}, services=EXTERNAL["services"], external=external
        )
        check = Check("X-1", platform.regions)
        External.read(platform, Availability(platform), check).vendors_answer()
        assert check.outcome("eu") == outcome
        assert says in "\n".join(findings(check))

"""The platform's own tries of its external services, and its FHIR server."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from environments.yaml_file import ConfigurationError
from gates.decide.outcome import Outcome
from sandbox.systems.service.standins import FhirState, statement
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError
from tests.probes.servers import closed_port
from tests.steps.json_server import Answer
from tests.steps.network_platform import findings
from tests.steps.patient_server import PatientServer
from tests.steps.platforms import a_platform
from tests.steps.scenarios import judged
from tests.steps.service.conftest import VENDOR
from tests.tables import cases

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
        "vendors": [VENDOR],
    },
}
FHIR = {
    "service": "api",
    "resources": {"Patient": ["read"], "Appointment": ["read", "search-type"]},
    "protected_path": "/Patient/none",
}
FINE = {"a": {"b": "ok"}}


TRIED, STATED = "D6.2-1", "D6.2-3"

Checked = Callable[..., Check]


@pytest.fixture
def checked(tmp_path: pathlib.Path, server: PatientServer) -> Checked:
    """Return how to run a check on a platform that is sound, with other sections or regions."""
    server.always = {
        PAY: (200, FINE),
        PROTECTED: (401, {}),
        "GET /metadata": (200, statement(FhirState())),
    }

    def run(check_id: str, regions: dict[str, str] | None = None, **sections: Any) -> Check:
        own = {"integrations": TRIES, "fhir": FHIR, **sections}
        own = {name: section for name, section in own.items() if section is not None}
        return judged(check_id, a_platform(tmp_path, regions or {"eu": server.url}, **own))

    return run


FAILED, UNWANTED = {"a": {"b": "failed"}}, "a.b is “failed”, wanted “ok”"


class TestTries:
    @cases(
        "answer outcome says",
        {
            "as it should be": ((200, FINE), "PASS", ""),
            "it says that it failed": ((200, FAILED), "FAIL", f"try /v1/test/pay {UNWANTED}"),
            "no such field": ((200, {"a": "ok"}), "FAIL", "a.b is None"),
            "no object": ((200, ["ok"]), "FAIL", "a.b is None"),
            "no such route": ((404, {}), "FAIL", "status is 404, wanted 200"),
            "unavailable, and which part": ((502, FAILED), "FAIL", UNWANTED),
            "unavailable": ((502, {}), "FAIL", "status 502 for 0."),
        },
    )
    def test_an_answer_counts_by_its_status_and_its_words(
        self, server: PatientServer, checked: Checked, answer: Answer, outcome: str, says: str
    ) -> None:
        server.always[PAY] = answer
        check = checked(TRIED)
        assert check.outcome("eu") == outcome
        assert says in "\n".join(findings(check))

    def test_a_failed_try_names_the_vendor_behind_it_with_contact_and_sla(
        self, server: PatientServer, checked: Checked
    ) -> None:
        server.always[PAY] = (500, {})
        assert "call help@payfast.example; they owe an answer within 30 min" in "\n".join(
            findings(checked(TRIED, **EXTERNAL))
        )

    def test_a_gate_without_network_says_nothing_of_it(self, checked: Checked) -> None:
        away = {"eu": f"http://127.0.0.1:{closed_port()}"}
        assert checked(TRIED, away).outcome("eu") is Outcome.ERROR

    @pytest.mark.parametrize(
        ("check_id", "sections", "names"),
        [
            (TRIED, {"integrations": None}, "section integrations"),
            ("D6.2-2", {}, r"integrations\.tries\.notifications"),
            (STATED, {"fhir": None}, "section fhir"),
        ],
    )
    def test_what_is_not_described_is_named(
        self, checked: Checked, check_id: str, sections: dict[str, Any], names: str
    ) -> None:
        with pytest.raises(NotDescribedError, match=names):
            checked(check_id, **sections)

    def test_a_service_without_an_address_is_refused(self, checked: Checked) -> None:
        with pytest.raises(ConfigurationError, match="lacks an address for shop"):
            checked(TRIED, integrations={**TRIES, "service": "shop"})


SEARCH = "Appointment interactions lacks search-type"
LARGE = {"description": "all of it " * 300_000}


class TestFhir:
    @cases(
        "state changes says",
        {
            "as it should be": ({}, {}, ""),
            "an old version": ({"fhir_version": "3.0.2"}, {}, "FHIR version 3.0.2, wanted 4.0"),
            "a newer version": ({"fhir_version": "4.3.0"}, {}, "FHIR version 4.3.0, wanted 4.0"),
            "of R5, by its model": (
                {"fhir_version": "5.0.0"},
                {"versionAlgorithmString": "semver"},
                "FHIR version 5.0.0, wanted 4.0",
            ),
            "a resource is missing": ({"resources": ("Patient",)}, {}, "lacks Appointment"),
            "an interaction is missing": ({"interactions": ("read",)}, {}, SEARCH),
            "an error with status 200": (
                {"resource_type": "OperationOutcome"},
                {},
                "The answer is an OperationOutcome",
            ),
            "another resource": ({"resource_type": "Bundle"}, {}, "is not a CapabilityStatement"),
            "megabytes, with every search parameter": ({}, LARGE, ""),
        },
    )
    def test_a_statement_is_read_by_the_published_model(
        self,
        server: PatientServer,
        checked: Checked,
        state: dict[str, Any],
        changes: dict[str, Any],
        says: str,
    ) -> None:
        server.always["GET /metadata"] = (200, {**statement(FhirState(**state)), **changes})
        check = checked(STATED)
        found = "\n".join(findings(check))
        assert check.outcome("eu") == ("FAIL" if says else "PASS"), found
        assert says in found

    def test_a_damaged_statement_names_the_places_and_nothing_of_the_answer(
        self, server: PatientServer, checked: Checked
    ) -> None:
        damaged = {**statement(FhirState()), "kind": 3, "Jane Doe": "sentinel"}
        server.always["GET /metadata"] = (200, damaged)
        found = "\n".join(findings(checked(STATED)))
        assert "not a valid CapabilityStatement" in found
        assert "kind" in found
        assert "Jane" not in found
        assert "sentinel" not in found

    @pytest.mark.parametrize(("status", "outcome"), [(401, "PASS"), (403, "PASS"), (200, "FAIL")])
    def test_a_record_asks_for_a_login(
        self, server: PatientServer, checked: Checked, status: int, outcome: str
    ) -> None:
        server.always[PROTECTED] = (status, {})
        assert checked(STATED).outcome("eu") == outcome

    def test_a_server_that_is_away_fails_while_another_region_answers(
        self, server: PatientServer, checked: Checked
    ) -> None:
        check = checked(STATED, {"eu": f"http://127.0.0.1:{closed_port()}", "us": server.url})
        assert (check.outcome("eu"), check.outcome("us")) == (Outcome.FAIL, Outcome.PASS)

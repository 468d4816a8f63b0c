"""The platform's own tries of its external services, and its FHIR server."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from environments.yaml_file import ConfigurationError
from gates.decide.outcome import Outcome
from sandbox.systems.service.standins import FhirState, statement
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.steps.json_server import Answer
from tests.steps.patient_server import PatientServer
from tests.steps.platforms import a_platform
from tests.steps.scenarios import judged, told
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


FAILED, LARGE = {"a": {"b": "failed"}}, {"description": "all of it " * 300_000}


def stated(changes: dict[str, Any] | None = None, **state: Any) -> dict[str, Answer]:
    """Return the answer of the FHIR server with a statement that is otherwise than it should be."""
    return {"GET /metadata": (200, {**statement(FhirState(**state)), **(changes or {})})}


@cases(
    "check_id answers sections",
    {
        "a try as it should be": (TRIED, {}, {}),
        "it says that it failed": (TRIED, {PAY: (200, FAILED)}, {}),
        "no such field": (TRIED, {PAY: (200, {"a": "ok"})}, {}),
        "no object": (TRIED, {PAY: (200, ["ok"])}, {}),
        "no such route": (TRIED, {PAY: (404, {})}, {}),
        "unavailable, and which part": (TRIED, {PAY: (502, FAILED)}, {}),
        "unavailable": (TRIED, {PAY: (502, {})}, {}),
        "failed, with the vendor behind it": (TRIED, {PAY: (500, {})}, EXTERNAL),
        "a statement as it should be": (STATED, {}, {}),
        "an old version": (STATED, stated(fhir_version="3.0.2"), {}),
        "a newer version": (STATED, stated(fhir_version="4.3.0"), {}),
        "R5, by its model": (
            STATED,
            stated({"versionAlgorithmString": "semver"}, fhir_version="5.0.0"),
            {},
        ),
        "a resource is missing": (STATED, stated(resources=("Patient",)), {}),
        "an interaction is missing": (STATED, stated(interactions=("read",)), {}),
        "an error with status 200": (STATED, stated(resource_type="OperationOutcome"), {}),
        "another resource": (STATED, stated(resource_type="Bundle"), {}),
        "megabytes, with every search parameter": (STATED, stated(LARGE), {}),
        "damaged": (STATED, stated({"kind": 3, "Jane Doe": "sentinel"}), {}),
        "a record that refuses without a login": (STATED, {PROTECTED: (403, {})}, {}),
        "a record that asks for no login": (STATED, {PROTECTED: (200, {})}, {}),
    },
)
def test_what_is_said_of_an_answer(
    server: PatientServer,
    checked: Checked,
    check_id: str,
    answers: dict[str, Answer],
    sections: dict[str, Any],
    said: Said,
) -> None:
    server.always |= answers
    said(told(checked(check_id, **sections)))


def test_a_server_that_is_away_fails_while_another_region_answers(
    server: PatientServer, checked: Checked
) -> None:
    away = f"http://127.0.0.1:{closed_port()}"
    assert checked(TRIED, {"eu": away}).outcome("eu") is Outcome.ERROR
    check = checked(STATED, {"eu": away, "us": server.url})
    assert (check.outcome("eu"), check.outcome("us")) == (Outcome.FAIL, Outcome.PASS)


@cases(
    "check_id sections error names",
    {
        "no tries": (TRIED, {"integrations": None}, NotDescribedError, "section integrations"),
        "no such try": ("D6.2-2", {}, NotDescribedError, r"integrations\.tries\.notifications"),
        "no FHIR server": (STATED, {"fhir": None}, NotDescribedError, "section fhir"),
        "no address": (
            TRIED,
            {"integrations": {**TRIES, "service": "shop"}},
            ConfigurationError,
            "lacks an address for shop",
        ),
    },
)
def test_what_is_not_described_is_named(
    checked: Checked, check_id: str, sections: dict[str, Any], error: type[Exception], names: str
) -> None:
    with pytest.raises(error, match=names):
        checked(check_id, **sections)


TOKEN = {"name": "name", "type": "token"}
PATIENT: dict[str, Any] = {
    "type": "Patient",
    "interaction": [{"code": "read"}],
    "searchParam": [{"name": "name", "type": "string"}],
    "operation": [{"name": "everything", "definition": "x"}],
    "conditionalCreate": True,
    "searchInclude": ["Patient:organization"],
    "supportedProfile": ["https://x.test/patient"],
}
REST = {"mode": "server", "interaction": [{"code": "transaction"}], "resource": [PATIENT]}


def with_resources(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"rest": [{**REST, "resource": resources}]}


@cases(
    "now",
    {
        "the same": {},
        "other formats": {"format": ["application/fhir+xml"]},
        "the same format by its other name": {"format": ["application/fhir+json", "xml"]},
        "another version": {"fhirVersion": "4.3.0"},
        "no transactions": {"rest": [{"mode": "server", "resource": [PATIENT]}]},
        "a resource less": with_resources(),
        "less of a resource": with_resources({"type": "Patient"}),
        "a search parameter of another type": with_resources({**PATIENT, "searchParam": [TOKEN]}),
        "not a statement": {"resourceType": "Bundle"},
    },
)
def test_what_the_release_before_offered_is_offered_still(
    checked: Checked,
    server: PatientServer,
    tmp_path: pathlib.Path,
    said: Said,
    now: dict[str, Any],
) -> None:
    before = {**statement(FhirState()), "rest": [REST], "format": ["json", "xml"]}
    (tmp_path / "before.json").write_text(json.dumps(before))
    server.always["GET /metadata"] = (200, {**before, **now})
    fhir = {**FHIR, "resources": {"Patient": []}, "previous": "before.json"}
    said(told(checked(STATED, fhir=fhir)))


@cases(
    "content",
    {
        "no file": None,
        "not JSON": "{",
        "not a statement": "{}",
        "damaged": json.dumps({**statement(FhirState()), "kind": 3}),
        "no resource": json.dumps({**statement(FhirState()), "rest": []}),
    },
)
def test_a_statement_of_before_that_can_not_be_used_is_an_error(
    checked: Checked, tmp_path: pathlib.Path, said: Said, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "before.json").write_text(content)
    said(told(checked(STATED, fhir={**FHIR, "previous": "before.json"})))

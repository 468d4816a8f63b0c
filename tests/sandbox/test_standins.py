from __future__ import annotations

from pydantic import SecretStr
from starlette.testclient import TestClient

from sandbox.core.layout import STANDINS
from sandbox.systems.__main__ import MAKERS
from sandbox.systems.service.fhir import make_app

ADMIN = {"X-Sandbox-Token": "admin"}


def test_every_stand_in_has_a_port_and_every_port_its_stand_in() -> None:
    assert set(STANDINS) == set(MAKERS)


class TestFacts:
    def test_a_fault_lies_over_the_facts_until_it_is_taken_off(self) -> None:
        client = TestClient(make_app(SecretStr("admin"), {}))
        bend = {"fault": "old", "values": {"fhir_version": "3.0.2"}}
        assert client.put("/_sandbox/fault", json=bend, headers=ADMIN).status_code == 200
        assert client.get("/metadata").json()["fhirVersion"] == "3.0.2"
        told = client.put("/_sandbox/state", json={"status": 503}, headers=ADMIN)
        assert told.status_code == 200
        assert client.get("/metadata").json()["fhirVersion"] == "3.0.2"
        straight = {"fault": "old", "values": None}
        assert client.put("/_sandbox/fault", json=straight, headers=ADMIN).status_code == 200
        answer = client.get("/metadata")
        assert (answer.status_code, answer.json()["fhirVersion"]) == (503, "4.0.1")

    def test_nobody_else_may_change_them(self) -> None:
        client = TestClient(make_app(SecretStr("admin"), {}))
        assert client.put("/_sandbox/state", json={"status": 503}).status_code == 401
        assert client.get("/metadata").status_code == 200

    def test_an_unknown_fact_is_refused(self) -> None:
        client = TestClient(make_app(SecretStr("admin"), {}))
        answer = client.put("/_sandbox/state", json={"colour": "red"}, headers=ADMIN)
        assert answer.status_code == 422

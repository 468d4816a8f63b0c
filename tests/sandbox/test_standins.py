"""Stand-ins keep what they are told and bend while a fault holds; and what the platform's build makes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from sandbox.app.__main__ import make_app
from sandbox.app.config import AppConfig
from sandbox.app.document import additions
from sandbox.core.layout import STANDINS
from sandbox.systems.__main__ import MAKERS
from sandbox.systems.delivery.builds import MANIFEST, REPOSITORIES, image_digest, web_bundle
from sandbox.systems.service.standins import DECLINED_CARD, VENDORS, fhir, vendors
from tests.checkout import ROOT
from tests.golden import compare_file
from tests.tables import cases

ADMIN = {"X-Sandbox-Token": "admin"}


def test_every_stand_in_has_a_port_and_every_port_its_stand_in() -> None:
    assert set(STANDINS) == set(MAKERS)


def order(client: TestClient, path: str, given: dict[str, object]) -> int:
    return client.put(f"/_sandbox/{path}", json=given, headers=ADMIN).status_code


class TestFacts:
    @pytest.fixture
    def client(self) -> TestClient:
        return TestClient(fhir(SecretStr("admin"), {}))

    def test_a_fault_lies_over_the_facts_until_it_is_taken_off(self, client: TestClient) -> None:
        assert order(client, "fault", {"fault": "old", "values": {"fhir_version": "3.0.2"}}) == 200
        assert client.get("/metadata").json()["fhirVersion"] == "3.0.2"
        assert order(client, "state", {"status": 503}) == 200
        assert client.get("/metadata").json()["fhirVersion"] == "3.0.2"
        assert order(client, "fault", {"fault": "old", "values": None}) == 200
        answer = client.get("/metadata")
        assert (answer.status_code, answer.json()["fhirVersion"]) == (503, "4.0.1")

    def test_nobody_else_may_change_them_and_an_unknown_fact_is_refused(
        self, client: TestClient
    ) -> None:
        assert client.put("/_sandbox/state", json={"status": 503}).status_code == 401
        assert order(client, "state", {"colour": "red"}) == 422
        assert client.get("/metadata").status_code == 200


class TestVendors:
    @pytest.fixture
    def client(self) -> TestClient:
        return TestClient(vendors(SecretStr("admin"), {}))

    def test_every_service_is_well_until_it_is_told_otherwise(self, client: TestClient) -> None:
        healthy = dict.fromkeys(VENDORS, 200)
        assert states(client) == healthy
        assert order(client, "state", {"down": "auth0"}) == 200
        assert states(client) == healthy | {"auth0": 503}
        assert order(client, "state", {"down": "paypal"}) == 422
        assert order(client, "state", {"down": None}) == 200
        assert states(client) == healthy
        assert client.get("/paypal/status").status_code == 404

    @cases(
        "vendor path sent answered",
        {
            "a good card is charged": ("stripe", "charges", "tok_visa", (200, "succeeded")),
            "the declined card is not": ("stripe", "charges", DECLINED_CARD, (402, "declined")),
            "a message is queued": ("twilio", "messages", "", (200, "queued")),
            "a mail is queued": ("sendgrid", "mail", "", (200, "queued")),
        },
    )
    def test_a_service_takes_orders_unless_it_is_down(
        self, client: TestClient, vendor: str, path: str, sent: str, answered: tuple[int, str]
    ) -> None:
        taken = client.post(f"/{vendor}/{path}", json={"amount": 100, "source": sent})
        assert (taken.status_code, taken.json()["status"]) == answered
        assert order(client, "state", {"down": vendor}) == 200
        assert client.post(f"/{vendor}/{path}", json={}).status_code == 503


def states(client: TestClient) -> dict[str, int]:
    return {name: client.get(f"/{name}/status").status_code for name in VENDORS}


COMMITTED = ROOT / "contract" / "openapi"


@pytest.mark.parametrize("repository", REPOSITORIES)
def test_every_version_has_an_image_of_its_own(repository: str) -> None:
    digests = {image_digest(repository, version) for version in ("1.1.0", "1.2.0")}
    assert len(digests) == 2


def test_the_manifest_lists_every_other_file() -> None:
    bundle = web_bundle("1.2.0")
    listed = json.loads(bundle[MANIFEST].content)["files"]
    assert set(listed) == set(bundle) - {MANIFEST}


def test_assets_change_their_name_with_their_content() -> None:
    old, new = (
        {name: file.content for name, file in web_bundle(version).items() if "assets/" in name}
        for version in ("1.1.0", "1.2.0")
    )
    same = old.keys() & new.keys()
    assert same != set(new)
    assert all(old[name] == new[name] for name in same)


def openapi(version: str) -> Any:
    """Return what a version of the API says of itself."""
    login = {"host": "x", "port": 1, "name": "x", "user": "x", "password": "x"}
    document = {
        "region": "eu",
        "version": version,
        "port": 0,
        "vendors_url": "http://x",
        "database": login,
        "redis": {"host": "x", "port": 1},
        "admin_token": "x",
        "synthetic": {"email_domain": "x.example", "token": "x"},
    }
    app = make_app(AppConfig.model_validate(document))
    return TestClient(app).get("/openapi.json").json()


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0"])
def test_the_committed_document_is_the_one_that_a_release_serves(version: str) -> None:
    """After a change of the API: SAID=write ./harness pytest -n 0 tests/sandbox/test_standins.py."""
    text = json.dumps(openapi(version), indent=1, sort_keys=True)
    compare_file(COMMITTED / f"v{version}.json", f"{text}\n")


def test_every_answer_of_the_release_is_described_and_none_of_the_sandboxs_own() -> None:
    new = openapi("1.2.0")
    assert new["info"]["version"] == "1.2.0"
    assert (
        "CallWithAddress"
        in new["components"]["schemas"].keys() - openapi("1.1.0")["components"]["schemas"].keys()
    )
    assert not [path for path in new["paths"] if path.startswith(("/_sandbox", "/metrics"))]
    good = [
        answer.get("content", {}).get("application/json", {}).get("schema")
        for methods in new["paths"].values()
        for described in methods.values()
        for code, answer in described["responses"].items()
        if code.startswith("2") and code != "204"
    ]
    assert all(good)
    for path in ("/v1/providers/{provider_id}", "/v1/appointments"):
        assert new["paths"][path]["get"]["security"] == [{"HTTPBearer": []}]


def operations(version: str) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi(version)["paths"].items()
        for method, operation in methods.items()
    }


def test_the_release_documents_its_refusals_and_what_can_be_asked_next() -> None:
    found = operations("1.2.0")
    added = additions()["operations"]
    assert added.keys() <= found.keys()
    missing = {
        name: set(map(str, more["also"])) - found[name]["responses"].keys()
        for name, more in added.items()
    }
    assert not any(missing.values())
    guarded = [one for one in found.values() if "security" in one]
    assert all("401" in one["responses"] for one in guarded)
    with_body = [one for one in found.values() if "requestBody" in one]
    assert all("400" in one["responses"] for one in with_body)
    ids = {one["operationId"] for one in found.values()}
    links = [
        link["operationId"]
        for one in found.values()
        for answer in one["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) >= 5
    assert set(links) <= ids

"""Mobile apps in use against a small API whose answers a test changes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import socket
import threading
from typing import Any

import pytest

from steps.delivery.mobile import findings, read_contract
from steps.delivery.openapi import compared
from steps.kit.platform import NotDescribedError, Platform
from tests.checkout import ROOT
from tests.golden import Said
from tests.probes.servers import Behaviour, closed_port
from tests.steps.moody import moody, saying
from tests.steps.platforms import NOWHERE, a_platform, a_policy
from tests.steps.scenarios import judged, told
from tests.tables import cases

PATIENT = "Maria Musterfrau"
THING = {"id": "t-1", "size": 3}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["id", "size"],
    "properties": {"id": {"type": "string"}, "size": {"type": "integer"}},
}
CONTRACT = """
schema: 1
version: 1.0.0
requests:
  - {path: "/things/{thing}", operation: "GET /things/{id}", authenticated: true, response: thing.json}
operations: [POST /things]
"""
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/things/{thing_id}": {
            "get": {"responses": {"200": {"content": {"application/json": {"schema": SCHEMA}}}}}
        },
        "/things": {"post": {"responses": {"201": {}}}},
    }
}


@dataclasses.dataclass(frozen=True, slots=True)
class Apps:
    """A folder with the contract of one version in use, and the document of the release before."""

    folder: pathlib.Path

    @property
    def contract(self) -> pathlib.Path:
        return self.folder / "contracts" / "1.0.0"

    def platform(self, url: str, **changes: Any) -> Platform:
        """Return the platform; its section may be changed."""
        mobile = {
            "service": "api",
            "versions": ["1.0.0"],
            "contracts": "contracts",
            "token": "file:token",
            "values": {"thing": "t-1"},
            "previous_openapi": "before.json",
            **changes,
        }
        return a_platform(self.folder, {"eu": url}, policy=a_policy(), mobile=mobile)

    def heard(self, check_id: str, mood: Behaviour | str, **changes: Any) -> list[str]:
        """Run a check on a service of this mood, or at an address; return all that is said."""
        with contextlib.ExitStack() as stack:
            url = mood if isinstance(mood, str) else stack.enter_context(moody(mood)).url
            found = told(judged(check_id, self.platform(url, **changes)))
        assert PATIENT not in str(found)
        return found


READS, COMPARED, OTHERS = "D4.2-1", "D4.2-3", "CT-DIFF-1"


@pytest.fixture
def apps(tmp_path: pathlib.Path) -> Apps:
    made = Apps(tmp_path)
    made.contract.mkdir(parents=True)
    (made.contract / "contract.yaml").write_text(CONTRACT)
    (made.contract / "thing.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "before.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "token").write_text("sentinel-token")
    return made


def listing(*things: object) -> Behaviour:
    return saying({"things": things})


LISTED = {"type": "object", "properties": {"things": {"type": "array", "items": SCHEMA}}}
POSTS = CONTRACT.replace("GET /things/{id}", "POST /things")


@cases(
    "mood files",
    {
        "as the app knows it": (saying({**THING, "new": True}), {}),
        "a field is missing": (saying({"id": PATIENT}), {}),
        "a field has another type": (saying({"id": PATIENT, "size": PATIENT}), {}),
        "a list": (saying([PATIENT]), {}),
        "refused": (saying({"detail": "x"}, "426 Upgrade Required"), {}),
        "away, without any network": (NOWHERE.format(closed_port()), {}),
        "a list of nothing": (listing(), {"thing.json": json.dumps(LISTED)}),
        "a list of something": (listing(THING), {"thing.json": json.dumps(LISTED)}),
        "no schema": ("http://eu", {"thing.json": None}),
        "a schema of nothing": ("http://eu", {"thing.json": "{}"}),
        "a type that does not exist": ("http://eu", {"thing.json": '{"type": "objct"}'}),
        "a reference to another file": ("http://eu", {"thing.json": '{"$ref": "part.json"}'}),
        "a reference to nowhere": ("http://eu", {"thing.json": '{"$ref": "#/$defs/part"}'}),
        "no JSON": ("http://eu", {"thing.json": "["}),
        "only brackets": ("http://eu", {"thing.json": "[" * 200_000}),
        "no contract": ("http://eu", {"contract.yaml": None}),
        "another version": ("http://eu", {"contract.yaml": CONTRACT.replace("n: 1.", "n: 2.")}),
        "a request that the gate would send otherwise": ("http://eu", {"contract.yaml": POSTS}),
    },
)
def test_an_answer_is_read_as_the_app_reads_it_and_no_value_of_it_is_shown(
    apps: Apps, mood: Behaviour | str, files: dict[str, str | None], said: Said
) -> None:
    for name, content in files.items():
        changed = apps.contract / name
        changed.unlink() if content is None else changed.write_text(content)
    said(apps.heard(READS, mood), {str(apps.folder): "FOLDER"})


@cases("lacks", {"a value": {"values": {"other": "t-1"}}, "a token": {"token": None}})
def test_what_a_request_needs_and_nobody_gave_is_named_before_anything_is_asked(
    apps: Apps, lacks: dict[str, Any], said: Said
) -> None:
    with moody(saying({"detail": "no"}, "404 Not Found")) as service:
        said(apps.heard(READS, service.url, **lacks))
    assert service.requests == 0


def test_a_version_that_nobody_uses_is_named(apps: Apps) -> None:
    with pytest.raises(NotDescribedError, match=r"mobile\.versions lacks 1\.0\.0"):
        apps.heard(READS, "http://eu", versions=["9.9.9"])


def to_the_app_alone(connection: socket.socket, over: threading.Event) -> None:
    """Answer the document to who has the apps' login, and to nobody else."""
    asked = connection.recv(65536, socket.MSG_PEEK).lower()
    login = b"authorization: bearer sentinel-token" in asked
    refused = saying({"detail": "who are you"}, "401 Unauthorized")
    (saying(DOCUMENT) if login else refused)(connection, over)


FEWER = {**DOCUMENT, "paths": {k: v for k, v in DOCUMENT["paths"].items() if k != "/things"}}
ELSEWHERE = {**DOCUMENT, "servers": [{"url": "https://elsewhere.test"}]}
NEVER = CONTRACT.replace("POST /things", "POST /never")


@cases(
    "mood contract",
    {
        "the same": (saying(DOCUMENT), CONTRACT),
        "not for everybody": (to_the_app_alone, CONTRACT),
        "a breaking change": (saying(FEWER), CONTRACT),
        "other servers": (saying(ELSEWHERE), CONTRACT),
        "another document": (saying({"hello": "world"}), CONTRACT),
        "nothing": (saying(None), CONTRACT),
        "an operation that never was": (saying(DOCUMENT), NEVER),
    },
)
def test_the_apis_document_is_held_against_the_one_of_the_release_before(
    apps: Apps, mood: Behaviour, contract: str, said: Said
) -> None:
    (apps.contract / "contract.yaml").write_text(contract)
    said(apps.heard(COMPARED, mood), {str(apps.folder): "FOLDER"})


MORE: dict[str, Any] = {"get": {"responses": {"200": {}}}}
WITH_MORE = {**DOCUMENT, "paths": {**DOCUMENT["paths"], "/more": MORE}}


@cases(
    "before mood",
    {
        "the same": (WITH_MORE, saying(WITH_MORE)),
        "one that an app uses is gone": (
            WITH_MORE,
            saying({"paths": {"/more": MORE}}),
        ),
        "one that no app uses is gone": (WITH_MORE, saying(DOCUMENT)),
        "no other one": (DOCUMENT, saying(DOCUMENT)),
    },
)
def test_what_no_app_uses_is_held_against_the_release_before_by_itself(
    apps: Apps, before: dict[str, Any], mood: Behaviour, said: Said
) -> None:
    (apps.folder / "before.json").write_text(json.dumps(before))
    said(apps.heard(OTHERS, mood), {str(apps.folder): "FOLDER"})


def test_findings_name_the_schemas_words_and_never_the_answers() -> None:
    schema = {"type": "object", "additionalProperties": False, "properties": {"a": {"enum": [1]}}}
    found = findings(schema, {"a": PATIENT, PATIENT: 1})
    assert found == ("a is not of enum [1]", "the answer breaks the rule additionalProperties")


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_this_repositorys_contracts_name_operations_of_the_release_before(version: str) -> None:
    document = json.loads((ROOT / "contract" / "openapi" / "v1.1.0.json").read_bytes())
    contract = read_contract(ROOT / "contract" / "mobile" / version, version)
    assert compared(document, document, contract.all_operations()) == ()

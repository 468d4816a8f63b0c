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

from gates.decide.outcome import Outcome
from steps.delivery.mobile import findings, read_contract
from steps.delivery.openapi import breaking_changes
from steps.kit.platform import NotDescribedError, Platform
from tests.checkout import ROOT
from tests.probes.servers import Behaviour, closed_port
from tests.steps.moody import moody, saying
from tests.steps.platforms import NOWHERE, a_platform, a_policy
from tests.steps.scenarios import all_of, judged
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

    def heard(self, check_id: str, mood: Behaviour | str, **changes: Any) -> tuple[Any, str]:
        """Run a check on a service of this mood, or at an address: its outcome, and all that is said."""
        with contextlib.ExitStack() as stack:
            url = mood if isinstance(mood, str) else stack.enter_context(moody(mood)).url
            check = judged(check_id, self.platform(url, **changes))
        assert "sentinel" not in str(check.noted())
        return check.outcome("eu"), "\n".join(one.sentence for one in all_of(check))


READS, COMPARED = "D4.2-1", "D4.2-3"


@pytest.fixture
def apps(tmp_path: pathlib.Path) -> Apps:
    made = Apps(tmp_path)
    made.contract.mkdir(parents=True)
    (made.contract / "contract.yaml").write_text(CONTRACT)
    (made.contract / "thing.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "before.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "token").write_text("sentinel-token")
    return made


@cases(
    "mood outcome says",
    {
        "as the app knows it": (saying({**THING, "new": True}), Outcome.PASS, "can read"),
        "a field is missing": (saying({"id": PATIENT}), Outcome.FAIL, "lacks size"),
        "a field has another type": (
            saying({"id": PATIENT, "size": PATIENT}),
            Outcome.FAIL,
            "size is not of type integer",
        ),
        "a list": (saying([PATIENT]), Outcome.FAIL, "the answer is not of type object"),
        "refused": (saying({"detail": "x"}, "426 Upgrade Required"), Outcome.FAIL, "is 426"),
        "away, without any network": (NOWHERE.format(closed_port()), Outcome.ERROR, ""),
    },
)
def test_an_answer_is_read_as_the_app_reads_it_and_no_value_of_it_is_shown(
    apps: Apps, mood: Behaviour | str, outcome: Outcome, says: str
) -> None:
    found, said = apps.heard(READS, mood)
    assert found is outcome, said
    assert says in said
    assert PATIENT not in said


@pytest.mark.parametrize(
    ("things", "seen"), [([], "things was empty"), ([THING], "answers what the app can read")]
)
def test_a_list_of_nothing_is_told_as_that(apps: Apps, things: list[Any], seen: str) -> None:
    listed = {"type": "object", "properties": {"things": {"type": "array", "items": SCHEMA}}}
    (apps.contract / "thing.json").write_text(json.dumps(listed))
    found, said = apps.heard(READS, saying({"things": things}))
    assert found is Outcome.PASS
    assert said.endswith(seen)


@cases(
    "file content",
    {
        "no schema": ("thing.json", None),
        "a schema of nothing": ("thing.json", "{}"),
        "a type that does not exist": ("thing.json", '{"type": "objct"}'),
        "a reference to another file": ("thing.json", '{"$ref": "part.json"}'),
        "a reference to nowhere": ("thing.json", '{"$ref": "#/$defs/part"}'),
        "no JSON": ("thing.json", "["),
        "no contract": ("contract.yaml", None),
        "of another version": ("contract.yaml", CONTRACT.replace("n: 1.0.0", "n: 2.0.0")),
        "a request that the gate would send otherwise": (
            "contract.yaml",
            CONTRACT.replace("GET /things/{id}", "POST /things"),
        ),
    },
)
def test_a_contract_that_can_not_be_used_is_an_error(
    apps: Apps, file: str, content: str | None
) -> None:
    damaged = apps.contract / file
    damaged.unlink() if content is None else damaged.write_text(content)
    found, said = apps.heard(READS, "http://eu")
    assert found is Outcome.ERROR
    assert "can't be used" in said


@cases(
    "lacks says",
    {
        "a value": ({"values": {"other": "t-1"}}, "mobile.values lacks thing"),
        "a token": ({"token": None}, "mobile.token"),
    },
)
def test_what_a_request_needs_and_nobody_gave_is_named_before_anything_is_asked(
    apps: Apps, lacks: dict[str, Any], says: str
) -> None:
    with moody(saying({"detail": "no"}, "404 Not Found")) as service:
        found, said = apps.heard(READS, service.url, **lacks)
    assert found is Outcome.ERROR
    assert says in said
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
UNREAD = "parts that it does not compare"


@cases(
    "mood outcome says",
    {
        "the same": (saying(DOCUMENT), Outcome.PASS, ""),
        "not for everybody": (to_the_app_alone, Outcome.PASS, ""),
        "a breaking change": (saying(FEWER), Outcome.FAIL, "POST /things: is gone"),
        "other servers": (saying(ELSEWHERE), Outcome.INCONCLUSIVE, UNREAD),
        "another document": (saying({"hello": "world"}), Outcome.ERROR, "not an OpenAPI document"),
        "nothing": (saying(None), Outcome.ERROR, "not an OpenAPI document"),
    },
)
def test_the_apis_document_is_held_against_the_one_of_the_release_before(
    apps: Apps, mood: Behaviour, outcome: Outcome, says: str
) -> None:
    found, said = apps.heard(COMPARED, mood)
    assert found is outcome, said
    assert says in said
    assert (": servers" in said) is (says == UNREAD)


def test_an_operation_that_never_was_is_an_error(apps: Apps) -> None:
    never = CONTRACT.replace("POST /things", "POST /never")
    (apps.contract / "contract.yaml").write_text(never)
    found, said = apps.heard(COMPARED, saying(DOCUMENT))
    assert found is Outcome.ERROR
    assert "POST /never" in said


def test_findings_name_the_schemas_words_and_never_the_answers() -> None:
    schema = {"type": "object", "additionalProperties": False, "properties": {"a": {"enum": [1]}}}
    found = findings(schema, {"a": PATIENT, PATIENT: 1})
    assert found == ("a is not of enum [1]", "the answer breaks the rule additionalProperties")


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_this_repositorys_contracts_name_operations_of_the_release_before(version: str) -> None:
    document = json.loads((ROOT / "contract" / "openapi" / "v1.1.0.json").read_bytes())
    contract = read_contract(ROOT / "contract" / "mobile" / version, version)
    breaking_changes(document, document, contract.all_operations())

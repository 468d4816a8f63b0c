"""Mobile apps in use against a small API whose answers a test changes."""

from __future__ import annotations

import copy
import json
import pathlib
import socket
import threading
from typing import Any

import pytest

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from steps.delivery.contracts import findings, read_contract
from steps.delivery.openapi import breaking_changes
from steps.kit.platform import NotDescribedError, Platform
from tests.checkout import ROOT
from tests.probes.servers import Behaviour, closed_port
from tests.steps.moody import moody, saying
from tests.steps.platforms import a_platform, a_policy
from tests.steps.scenarios import judged
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


def written(folder: pathlib.Path, url: str, **changes: Any) -> Platform:
    """Write contract, schema and document and return the platform; its section may be changed."""
    contract = folder / "contracts" / "1.0.0"
    contract.mkdir(parents=True, exist_ok=True)
    (contract / "contract.yaml").write_text(CONTRACT)
    (contract / "thing.json").write_text(json.dumps(SCHEMA))
    (folder / "before.json").write_text(json.dumps(DOCUMENT))
    (folder / "token").write_text("sentinel-token")
    return a_platform(
        folder,
        {"eu": url},
        policy=a_policy(),
        mobile={
            "service": "api",
            "versions": ["1.0.0"],
            "contracts": "contracts",
            "token": "file:token",
            "values": {"thing": "t-1"},
            "previous_openapi": "before.json",
            **changes,
        },
    )


def reads(platform: Platform) -> tuple[Judgement, ...]:
    noted = judged("D4.2-1", platform).noted()
    assert "sentinel" not in str(noted)
    return noted["eu"].judgements


def compared(platform: Platform) -> tuple[Judgement, ...]:
    return judged("D4.2-3", platform).noted()["eu"].judgements


def worst(judgements: tuple[Judgement, ...]) -> Outcome:
    return max((one.outcome for one in judgements), key=list(Outcome).index)


class TestReading:
    def test_an_answer_as_the_app_knows_it_passes(self, tmp_path: pathlib.Path) -> None:
        with moody(saying({**THING, "new": True})) as service:
            assert worst(reads(written(tmp_path, service.url))) is Outcome.PASS

    @cases(
        "mood says",
        {
            "a field is missing": (saying({"id": PATIENT}), "lacks size"),
            "a field has another type": (
                saying({"id": PATIENT, "size": PATIENT}),
                "size is not of type integer",
            ),
            "a list": (saying([PATIENT]), "the answer is not of type object"),
            "refused": (saying({"detail": "upgrade"}, "426 Upgrade Required"), "is 426"),
        },
    )
    def test_what_the_app_can_not_read_fails_without_a_value_of_the_answer(
        self, tmp_path: pathlib.Path, mood: Behaviour, says: str
    ) -> None:
        with moody(mood) as service:
            judgements = reads(written(tmp_path, service.url))
        assert worst(judgements) is Outcome.FAIL
        assert any(says in one.sentence for one in judgements), judgements
        assert PATIENT not in str(judgements)

    @pytest.mark.parametrize(
        ("things", "seen"), [([], "things was empty"), ([THING], "answers what the app can read")]
    )
    def test_a_list_of_nothing_is_told_as_that(
        self, tmp_path: pathlib.Path, things: list[Any], seen: str
    ) -> None:
        with moody(saying({"things": things})) as service:
            platform = written(tmp_path, service.url)
            listed = {
                "type": "object",
                "properties": {"things": {"type": "array", "items": SCHEMA}},
            }
            (tmp_path / "contracts" / "1.0.0" / "thing.json").write_text(json.dumps(listed))
            last = reads(platform)[-1]
        assert last.outcome is Outcome.PASS
        assert last.sentence.endswith(seen)

    def test_a_service_that_is_away_without_any_network_is_no_finding(
        self, tmp_path: pathlib.Path
    ) -> None:
        platform = written(tmp_path, f"http://127.0.0.1:{closed_port()}")
        assert worst(reads(platform)) is Outcome.ERROR

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
        self, tmp_path: pathlib.Path, file: str, content: str | None
    ) -> None:
        platform = written(tmp_path, "http://eu")
        damaged = tmp_path / "contracts" / "1.0.0" / file
        damaged.unlink() if content is None else damaged.write_text(content)
        judgements = reads(platform)
        assert worst(judgements) is Outcome.ERROR
        assert "can't be used" in judgements[0].sentence

    @cases(
        "lacks says",
        {
            "a value": ({"values": {"other": "t-1"}}, "mobile.values lacks thing"),
            "a token": ({"token": None}, "mobile.token"),
        },
    )
    def test_what_a_request_needs_and_nobody_gave_is_named_before_anything_is_asked(
        self, tmp_path: pathlib.Path, lacks: dict[str, Any], says: str
    ) -> None:
        with moody(saying({"detail": "no"}, "404 Not Found")) as service:
            (found,) = reads(written(tmp_path, service.url, **lacks))
        assert found.outcome is Outcome.ERROR
        assert says in found.sentence
        assert service.requests == 0

    def test_a_version_that_nobody_uses_is_named(self, tmp_path: pathlib.Path) -> None:
        with pytest.raises(NotDescribedError, match=r"mobile\.versions lacks 1\.0\.0"):
            reads(written(tmp_path, "http://eu", versions=["9.9.9"]))


class TestComparing:
    def test_the_same_document_breaks_nothing(self, tmp_path: pathlib.Path) -> None:
        with moody(saying(DOCUMENT)) as service:
            assert worst(compared(written(tmp_path, service.url))) is Outcome.PASS

    def test_a_document_that_is_not_for_everybody_is_read_with_the_apps_login(
        self, tmp_path: pathlib.Path
    ) -> None:
        def behave(connection: socket.socket, over: threading.Event) -> None:
            asked = connection.recv(65536, socket.MSG_PEEK).lower()
            login = b"authorization: bearer sentinel-token" in asked
            refused = saying({"detail": "who are you"}, "401 Unauthorized")
            (saying(DOCUMENT) if login else refused)(connection, over)

        with moody(behave) as service:
            assert worst(compared(written(tmp_path, service.url))) is Outcome.PASS

    def test_a_breaking_change_of_what_apps_use_fails(self, tmp_path: pathlib.Path) -> None:
        now = copy.deepcopy(DOCUMENT)
        del now["paths"]["/things"]
        with moody(saying(now)) as service:
            judgements = compared(written(tmp_path, service.url))
        assert worst(judgements) is Outcome.FAIL
        assert "POST /things: is gone" in judgements[-1].sentence

    def test_a_difference_that_is_not_compared_is_undecided_and_named(
        self, tmp_path: pathlib.Path
    ) -> None:
        now = {**copy.deepcopy(DOCUMENT), "servers": [{"url": "https://elsewhere.test"}]}
        with moody(saying(now)) as service:
            judgements = compared(written(tmp_path, service.url))
        assert worst(judgements) is Outcome.INCONCLUSIVE
        assert "parts that it does not compare" in judgements[-1].sentence
        assert ": servers" in judgements[-1].sentence

    @cases("mood", {"another document": saying({"hello": "world"}), "nothing": saying(None)})
    def test_what_is_no_document_is_an_error(self, tmp_path: pathlib.Path, mood: Behaviour) -> None:
        with moody(mood) as service:
            assert worst(compared(written(tmp_path, service.url))) is Outcome.ERROR

    def test_an_operation_that_never_was_is_an_error(self, tmp_path: pathlib.Path) -> None:
        with moody(saying(DOCUMENT)) as service:
            platform = written(tmp_path, service.url)
            contract = tmp_path / "contracts" / "1.0.0" / "contract.yaml"
            contract.write_text(CONTRACT.replace("POST /things", "POST /never"))
            judgements = compared(platform)
        assert worst(judgements) is Outcome.ERROR
        assert "POST /never" in judgements[-1].sentence


def test_findings_name_the_schemas_words_and_never_the_answers() -> None:
    schema = {"type": "object", "additionalProperties": False, "properties": {"a": {"enum": [1]}}}
    found = findings(schema, {"a": PATIENT, PATIENT: 1})
    assert found == ("a is not of enum [1]", "the answer breaks the rule additionalProperties")


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_this_repositorys_contracts_name_operations_of_the_release_before(version: str) -> None:
    document = json.loads((ROOT / "contract" / "openapi" / "v1.1.0.json").read_bytes())
    contract = read_contract(ROOT / "contract" / "mobile" / version, version)
    breaking_changes(document, document, contract.all_operations())

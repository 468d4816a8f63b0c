"""Contract tests against a small API that keeps its promises, or breaks each in its own way."""

from __future__ import annotations

import datetime as dt
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from probes.contract import Answers, Finding
from settings.contract import Contract
from settings.delivery import AcceptedChange
from steps.contract.passes import words
from steps.contract.rules import answered, by_name, kept
from steps.kit import records
from steps.kit.leases import writer_lease
from steps.kit.platform import NotDescribedError, Platform
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.steps.contract.things import DOCUMENT, TOKEN, things
from tests.steps.json_server import Answer
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged, told
from tests.tables import cases

BROKEN: dict[str, Answer] = {
    "GET /things": (418, []),
    "GET /things/t-1": (200, {"id": "t-1"}),
    "GET /state": (200, {"id": 1, "size": "sentinel: Maria Musterfrau"}),
    "GET /open": (500, {}),
}
LIST, ONE = "/things", "/things/t-1"
OWN = "own@synthetic.example"


@pytest.fixture
def platform_of(tmp_path: pathlib.Path) -> Any:
    """Return what makes the platform of an address; its section contract may be changed."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "released.json").write_text(json.dumps(DOCUMENT))

    def made(url: str, other: str | None = None, **changes: Any) -> Platform:
        contract = {
            "service": "api",
            "budget": "200s",
            "requests_per_second": 1000,
            "values": {"thing_id": "t-1"},
            "leave_out": {"DELETE /things/{thing_id}": "there is one thing"},
            **({"writes": True} if changes.get("writes") else {"token": "file:token"}),
            **changes,
        }
        regions = {"eu": url, **({"us": other} if other else {})}
        synthetic = {
            "service": "api",
            "email_domain": "synthetic.example",
            "token": "file:token",
            "provider_id": "p-1",
        }
        return a_platform(
            tmp_path, regions, run_seconds=300, contract=contract, synthetic=synthetic
        )

    return made


def test_a_read_only_pass_sends_nothing_but_reads_that_the_document_names(
    platform_of: Any, said: Said
) -> None:
    with things() as server:
        said(told(judged("CT-READ-1", platform_of(server.url))))
    allowed = {f"GET {one}" for one in (LIST, "/state", "/open", "/openapi.json")}
    others = {one for one in server.asked if one not in allowed}
    assert all(one.startswith("GET /things/") for one in others)
    assert "GET /things/t-1" in others
    assert server.addresses == []


def test_each_broken_promise_of_a_read_is_one_finding(platform_of: Any, said: Said) -> None:
    with things(BROKEN.get) as server:
        said(told(judged("CT-READ-1", platform_of(server.url))))


def test_a_login_that_is_new_an_error_that_passes_and_what_never_succeeds(
    platform_of: Any, said: Said
) -> None:
    errors = [500]

    def mood(asked: str, answer: Answer) -> Answer:
        if asked == "GET /state" and errors:
            return errors.pop(), {}
        return {"GET /open": (401, {}), "GET /things/t-1": (404, {})}.get(asked, answer)

    with things(mood) as server:
        said(told(judged("CT-READ-1", platform_of(server.url))))


def test_an_api_that_fails_altogether_breaks_no_contract(platform_of: Any, said: Said) -> None:
    with things(lambda *_: (503, {})) as server:
        check = judged("CT-READ-1", platform_of(server.url))
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    said(told(check))


@cases(
    "document",
    {
        "not JSON": b"nothing",
        "larger than is read": b" " * 9_000_000,
        "Swagger 2.0": {"swagger": "2.0", "info": {}, "paths": {}},
        "another host's parts": {
            **DOCUMENT,
            "paths": {"/x": {"$ref": "http://127.0.0.1:1/other.json"}},
        },
    },
)
@pytest.mark.parametrize("check_id", ["CT-DOC-1", "CT-READ-1"])
def test_a_document_that_is_not_read_is_said(
    platform_of: Any, said: Said, document: object, check_id: str
) -> None:
    with things(document=document) as server:
        check = judged(check_id, platform_of(server.url, released="released.json"))
    said(told(check))
    assert set(server.asked) == {"GET /openapi.json"}


@pytest.mark.parametrize("check_id", ["CT-DOC-1", "CT-READ-1"])
def test_an_api_that_is_down_is_undecided(platform_of: Any, said: Said, check_id: str) -> None:
    with things() as other:
        check = judged(check_id, platform_of(NOWHERE.format(closed_port()), other.url))
    assert check.outcome("eu") is Outcome.INCONCLUSIVE
    said(told(check))


def test_the_served_document_is_the_released_one_in_each_region(
    platform_of: Any, said: Said
) -> None:
    changed = json.loads(json.dumps(DOCUMENT))
    changed["components"]["schemas"]["Thing"]["required"] = ["id"]
    changed["servers"] = [{"url": "/"}]
    with things() as first, things(document=changed) as second:
        compared = [
            told(judged("CT-DOC-1", platform_of(first.url, second.url, **more)), region)
            for more in ({"released": "released.json"}, {})
            for region in ("eu", "us")
        ]
    said(compared)


def test_a_full_pass_leaves_nothing_behind(platform_of: Any, said: Said) -> None:
    with things() as server:
        body = {"email": OWN, "role": "patient"}
        own = {"POST /v1/auth/register": body}
        check = judged("CT-FULL-1", platform_of(server.url, writes=True, bodies=own))
    said(told(check))
    assert OWN in server.addresses
    assert not any(one.startswith("DELETE /things") for one in server.asked)
    assert all(one.endswith("@synthetic.example") for one in server.addresses)
    others = [one for one in server.addresses if one != OWN]
    assert len(others) == len(set(others)) > 1
    (tag,) = server.tags
    assert str(tag).endswith("-eu-contract-full")
    assert server.patients.records == {}


def test_what_a_full_pass_finds(platform_of: Any, said: Said) -> None:
    def mood(asked: str, answer: Answer) -> Answer:
        wrong = {
            ("GET /things", 401): (200, []),
            ("POST /things", 400): (201, {"id": "t-1", "size": 3}),
        }
        return wrong.get((asked, answer[0]), answer)

    with things(mood) as server:
        check = judged("CT-FULL-1", platform_of(server.url, writes=True))
    found = [one for one in told(check) if one.startswith("FAIL")]
    said([one.partition(": curl")[0] for one in found])


def test_nothing_but_reads_is_sent_where_nothing_may_be_written(platform_of: Any) -> None:
    with things() as server, pytest.raises(NotDescribedError, match="writes is false here"):
        judged("CT-FULL-1", platform_of(server.url))
    assert server.asked == []


def test_a_refused_login_and_a_lease_of_somebody_else_are_errors(
    platform_of: Any, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "LEASE_WAIT_SECONDS", 0.05)
    with things() as server:
        platform = platform_of(server.url, writes=True)
        server.patients.always["POST /v1/auth/login"] = (401, {})
        refused = judged("CT-FULL-1", platform)
        with writer_lease(server.url, "run-of-somebody", 1):
            held = judged("CT-FULL-1", platform)
    assert {refused.outcome("eu"), held.outcome("eu")} == {Outcome.ERROR}
    said([one.partition(" (process")[0] for one in (*told(refused), *told(held))])


PARTS: dict[str, Answer] = {
    "GET /parts/things.json": (200, {"get": {"responses": {"200": {"$ref": "answers.json#/one"}}}}),
    "GET /parts/answers.json": (
        200,
        {"one": {"$ref": "../openapi.json#/components/responses/thing"}},
    ),
    "GET /parts/list.json": (200, []),
    "GET /parts/gone.json": (404, {}),
}


@cases(
    "path",
    {
        "on its own host": {"$ref": "parts/things.json"},
        "that is not there": {"$ref": "/parts/gone.json"},
        "that is no document": {"$ref": "parts/list.json"},
        "on another host": {"$ref": "//localhost/parts/things.json"},
    },
)
def test_parts_of_a_document_are_read_on_its_own_host_alone(
    platform_of: Any, said: Said, path: Mapping[str, str]
) -> None:
    document = {**DOCUMENT, "paths": {"/state": path, "/open": {"$ref": "#/paths/~1state"}}}
    with things(PARTS.get, document) as server:
        said([told(judged(one, platform_of(server.url))) for one in ("CT-DOC-1", "CT-READ-1")])
    assert {one.split()[0] for one in server.asked} == {"GET"}


def _finding(operation: str, kind: str, detail: str, curl: str, shared: str = "") -> Finding:
    return Finding(operation, kind, detail, "coverage", 200, 1, curl, again=True, shared=shared)


ALIKE = [
    _finding("GET /a", "schema", "type id", "curl /a?long", "Thing"),
    _finding("GET /b", "schema", "type id", "curl /b", "Thing"),
    _finding("GET /c", "schema", "type id", "curl /c", "Other"),
    _finding("GET /d", "schema", "type id", "curl /d"),
    _finding("GET /a", "server error", "500", "curl /a"),
    _finding("GET /b", "server error", "500", "curl /b"),
    *(_finding(f"GET /{n}", "status", "418", "curl /s") for n in range(8)),
]
NAME = "GET /b: answers 200 with a body that breaks the document's rule “type id”"
ACCEPTED = {"change": NAME, "reason": "an old app wants it", "until": "2026-11-30"}


@cases(
    "accepted day",
    {
        "nothing is accepted": ({}, 30),
        "on its last day": (ACCEPTED, 30),
        "a day later": (ACCEPTED, 31),
        "another word": ({**ACCEPTED, "change": NAME.lower()}, 30),
    },
)
def test_a_cause_is_one_finding_and_what_is_accepted_is_shown(
    accepted: dict[str, str], day: int, said: Said
) -> None:
    answers = Answers((), {}, {}, (), (), (), "completed", {}, 0, 1.0, "4")
    named = [AcceptedChange.model_validate(accepted)] if accepted else []
    today = dt.date(2026, 11, 1) + dt.timedelta(days=day - 1)
    found = list(kept("the API", answers, by_name(ALIKE, words()), named, today))
    said([f"{one.outcome.value}: {one.sentence}" for one in found])


@cases(
    "ended phases outcome",
    {
        "every phase had its turn": ("completed", ("coverage", "fuzzing"), Outcome.PASS),
        "the budget ended the last": ("max_time", ("coverage", "fuzzing"), Outcome.PASS),
        "the budget left no turn to one": ("max_time", ("coverage",), Outcome.INCONCLUSIVE),
    },
)
def test_a_budget_that_ends_before_a_phase_decides_nothing(
    ended: str, phases: tuple[str, ...], outcome: Outcome, said: Said
) -> None:
    answers = Answers(
        asked=("GET /a",),
        statuses={"GET /a": {"200": 1}},
        seconds={},
        findings=(),
        errors=(),
        phases=phases,
        ended=ended,
        sent={"GET": 1},
        refused=0,
        elapsed_seconds=1.0,
        tool="4",
    )
    judgement = answered("the API", answers, Contract(service="api"), 0.95)
    assert judgement.outcome is outcome
    said(judgement)

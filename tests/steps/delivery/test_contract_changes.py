"""Each change of an API's document is told for what it is to clients: it breaks, is fine, or is unknown."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

import pytest
import yaml

from settings.delivery import AcceptedChange
from steps.delivery.openapi import Change, NotComparableError, compared, others
from steps.delivery.rules import compatible
from tests.golden import Said
from tests.tables import cases

TABLE = yaml.safe_load(pathlib.Path(__file__).with_name("contract_changes.yaml").read_text())
THING = {"type": "object", "properties": {"id": {"type": "string"}}}
COMPONENTS = TABLE["components"]


def document(operation: Any, **rest: Any) -> dict[str, Any]:
    """Return a document whose one operation, GET /x/{id}, answers a thing if nothing else is said."""
    answers = {"200": {"content": {"application/json": {"schema": THING}}}}
    item = {} if operation is None else {"get": {"responses": answers, **operation}}
    return {"openapi": "3.1.0", "paths": {"/x/{id}": item}, "components": COMPONENTS, **rest}


def sent(schema: Any) -> dict[str, Any]:
    body = {"type": "object", "properties": {"it": schema}}
    return document({"requestBody": {"content": {"application/json": {"schema": body}}}})


def read(schema: Any) -> dict[str, Any]:
    answer = {"type": "object", "properties": {"it": schema}}
    return document({"responses": {"200": {"content": {"application/json": {"schema": answer}}}}})


def rows() -> dict[str, tuple[dict[str, Any], dict[str, Any], str]]:
    """Return two documents, and what becoming the second is to the clients of the first."""
    found = {}
    for name, row in TABLE["schemas"].items():
        for way, place in (("sent", sent), ("read", read)):
            was, is_now = place(row["was"]), place(row["now"])
            there, back = row[way].split()
            found[f"{name}, {way}"] = was, is_now, there
            found[f"{name}, {way}, back"] = is_now, was, back
    for name, row in TABLE["operations"].items():
        was, is_now = document(row["was"]), document(row["now"], **row.get("document", {}))
        there, back = row["is"].split()
        found[name] = was, is_now, there
        if row["now"] is not None:
            found[f"{name}, back"] = is_now, was, back
    return found


ROWS = rows()


@pytest.mark.parametrize("name", ROWS)
def test_a_change_is_what_it_is_to_clients(name: str) -> None:
    was, is_now, wanted = ROWS[name]
    found = compared(was, is_now, ["GET /x/{id}", *others(was, ["GET /x/{id}"])])
    is_it = {True: "breaks", False: "unknown", None: "fine"}
    worst = max((one.breaks for one in found), default=None)
    assert is_it[worst] == wanted, [str(one) for one in found]


def test_what_is_said_of_each_change(said: Said) -> None:
    found = {
        name: compared(*row[:2], ["GET /x/{id}", *others(row[0], [])]) for name, row in ROWS.items()
    }
    said({name: [str(one) for one in changes] for name, changes in found.items() if changes})


def test_only_what_is_asked_for_is_compared_whatever_its_parameter_is_called() -> None:
    was, gone = document({}), document(None, webhooks={"new": {}})
    assert compared(was, gone, []) == ()
    assert [str(one) for one in compared(was, gone, ["GET /x/{other}"])] == [
        "GET /x/{other}: is gone"
    ]
    assert others({**was, "webhooks": {"new": {}}}, ["GET /x/{other}"]) == ("webhook new",)


PATH: dict[str, Any] = {"parameters": [{"in": "header", "name": "T", "required": True}]}
SHARED = {"parameters": [{"$ref": "#/components/parameters/T"}]}
REFERRED = {"responses": {"200": {"$ref": "#/components/responses/R"}}}
BODY = {"requestBody": {"$ref": "#/components/requestBodies/B"}}


def shared(**schema: Any) -> dict[str, Any]:
    """Return a document whose parts are among its components."""
    made = {"content": {"application/json": {"schema": {"type": "object", **schema}}}}
    whole = document({**REFERRED, **BODY})
    parts = {"responses": {"R": made}, "requestBodies": {"B": made}}
    return {**whole, "components": {**COMPONENTS, **parts}}


@cases(
    "now says",
    {
        "of the whole path": (
            {**document({}), "paths": {"/x/{id}": {**PATH, **document({})["paths"]["/x/{id}"]}}},
            "needs the header parameter t now",
        ),
        "of the components": (
            {**document(SHARED), "components": {"parameters": {"T": PATH["parameters"][0]}}},
            "needs the header parameter t now",
        ),
    },
)
def test_a_parameter_is_seen_wherever_it_is_written(now: dict[str, Any], says: str) -> None:
    assert [one.says for one in compared(document({}), now, ["GET /x/{id}"])] == [says]


def test_answers_and_bodies_among_the_components_are_compared_too() -> None:
    before, now = shared(), shared(required=["a"], properties={"a": {"type": "string"}})
    there, back = (compared(*pair, ["GET /x/{id}"]) for pair in ((before, now), (now, before)))
    assert [one.says for one in there] == ["request needs the field a now"]
    assert [one.says for one in back] == [
        "request: the field a is gone",
        "response lacks the field a",
    ]


SILENT = {
    "an answer of any shape": {"200": {"content": {"application/json": {"schema": {}}}}},
    "an answer without a schema": {"200": {"content": {"application/json": {}}}},
    "a reference to nowhere": {
        "200": {"content": {"application/json": {"schema": {"$ref": "#/no"}}}}
    },
    "an answer that is only described": {"200": {"description": "what it may be"}},
    "no answer": {},
}


@pytest.mark.parametrize("responses", SILENT.values(), ids=SILENT)
def test_a_document_that_promises_nothing_proves_nothing(responses: dict[str, Any]) -> None:
    before = document({"responses": responses})
    with pytest.raises(NotComparableError, match=r"says nothing of what GET /x/\{id\} answers"):
        compared(before, document({}), ["GET /x/{id}"])
    assert not any(
        one.breaks for one in compared(before, before, others(before, []), must_promise=False)
    )


@pytest.mark.parametrize("whose", ["the release before", "this release"])
def test_a_document_of_swagger_2_can_not_be_compared(whose: str) -> None:
    two = {"swagger": "2.0", "paths": {}}
    before, now = (two, document({})) if whose == "the release before" else (document({}), two)
    with pytest.raises(NotComparableError, match=f"{whose} has a document of Swagger 2"):
        compared(before, now, [])


def test_an_operation_that_never_was_is_a_mistake_of_the_contract() -> None:
    with pytest.raises(NotComparableError, match="no operation GET /never"):
        compared(document({}), document({}), ["GET /never"])


@cases(
    "broken",
    {
        "no paths": {"paths": []},
        "no operations": {"paths": {"/x/{id}": None}},
        "lists for objects": {"paths": {"/x/{id}": {"get": {"responses": ["200"], "parameters": {"a": 1}}}}},
    },
)  # fmt: skip
def test_a_document_of_another_form_breaks_and_is_survived(broken: dict[str, Any]) -> None:
    assert any(one.breaks for one in compared(document({}), broken, ["GET /x/{id}"]))


def test_documents_that_refer_to_themselves_everywhere_come_to_an_end() -> None:
    names = "ABCDEFGHIJKLMNOP"
    links = {one: {"$ref": f"#/components/schemas/{one}"} for one in names}
    whole: dict[str, Any] = {
        one: {"type": "object", "properties": {**links, "id": {"type": "string"}}} for one in names
    }
    parent = {
        "Parent": {"oneOf": list(links.values())},
        "A": {"allOf": [{"$ref": "#/components/schemas/Parent"}]},
    }
    for before in (whole, {**whole, **parent}):
        number = {
            **before["B"],
            "properties": {**before["B"]["properties"], "id": {"type": "integer"}},
        }
        pair = [
            {**read(links["C"]), "components": {"schemas": one}}
            for one in (before, {**before, "B": number})
        ]
        assert sum(one.breaks for one in compared(pair[0], pair[1], ["GET /x/{id}"])) == 1


def test_what_lies_too_deep_or_is_too_much_is_not_compared_and_said() -> None:
    deep: dict[str, Any]
    deeper: dict[str, Any]
    deep, deeper = ({"type": kind} for kind in ("string", "integer"))
    for _ in range(40):
        deep, deeper = ({"type": "object", "properties": {"in": one}} for one in (deep, deeper))
    many, more = (
        {
            "allOf": [
                {"anyOf": [{"minLength": one} for one in range(first, first + 12)]}
                for first in (0, last)
            ]
        }
        for last in (20, 30)
    )
    for was, is_now, says in (
        (deep, deeper, "deeper than 30 levels"),
        (many, more, "more than 100 ways"),
    ):
        changes = compared(sent(was), sent(is_now), ["GET /x/{id}"])
        assert [(one.breaks, says in one.says) for one in changes] == [(False, True)]


TODAY = dt.date(2026, 11, 30)
BREAKS = Change("GET /x", "is gone", breaks=True)
UNKNOWN = Change("GET /y", "servers", breaks=False)


@cases(
    "changes accepted",
    {
        "nothing": ([], {}),
        "a breaking change": ([BREAKS, UNKNOWN], {}),
        "an unknown one": ([UNKNOWN], {}),
        "accepted until today": ([BREAKS], {"GET /x: is gone": 0}),
        "accepted until yesterday": ([BREAKS], {"GET /x: is gone": -1}),
        "another one is accepted": ([BREAKS], {"GET /x: is": 1}),
        "one of two is accepted": ([BREAKS, UNKNOWN], {"GET /x: is gone": 1}),
        "many": ([Change(f"GET /{one}", "is gone", breaks=True) for one in range(7)], {}),
    },
)
def test_a_change_hits_its_users_until_somebody_answers_for_it(
    said: Said, changes: list[Change], accepted: dict[str, int]
) -> None:
    answered = [
        AcceptedChange(
            change=name, reason="nobody asks for it", until=TODAY + dt.timedelta(days=days)
        )
        for name, days in accepted.items()
    ]
    judged = compatible(
        "the API", changes, {"GET /x": "mobile 1.0.0", "GET /y": ""}, answered, TODAY
    )
    said([judged.outcome.name, judged.sentence, dict(judged.data)])

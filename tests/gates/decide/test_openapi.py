from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from gates.decide.openapi import UnknownOperationError, breaking_changes

LOGIN, LIST = "POST /login", "GET /things/{id}"
BEFORE: dict[str, Any] = {
    "paths": {
        "/login": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Login"}}
                    },
                },
                "responses": {"200": {"description": "in"}},
            }
        },
        "/things/{thing_id}": {
            "get": {
                "parameters": [
                    {"in": "path", "name": "thing_id", "required": True},
                    {"in": "query", "name": "page", "required": False},
                ],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                        }
                    },
                    "422": {"description": "refused"},
                },
            }
        },
    },
    "components": {
        "schemas": {
            "Login": {
                "type": "object",
                "required": ["email"],
                "properties": {
                    "email": {"type": "string"},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                },
            },
            "Thing": {
                "type": "object",
                "required": ["id", "parts"],
                "properties": {
                    "id": {"type": "string"},
                    "note": {"type": "string"},
                    "state": {"enum": ["open", "shut"]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                    "parent": {"$ref": "#/components/schemas/Thing"},
                },
            },
            "Part": {
                "type": "object",
                "required": ["size"],
                "properties": {"size": {"type": "integer"}},
            },
        }
    },
}
Change = Callable[[dict[str, Any]], object]


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def operation(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


def changes(change: Change, *operations: str) -> tuple[str, ...]:
    now = copy.deepcopy(BEFORE)
    change(now)
    return breaking_changes(BEFORE, now, operations or (LOGIN, LIST))


BREAKING: dict[str, tuple[Change, str]] = {
    "a path is gone": (lambda now: now["paths"].pop("/login"), "POST /login: is gone"),
    "a method is gone": (
        lambda now: now["paths"]["/things/{thing_id}"].pop("get"),
        "GET /things/{id}: is gone",
    ),
    "a request needs one field more": (
        lambda now: schema(now, "Login")["required"].append("device"),
        "request needs the field device now",
    ),
    "a request takes a value less": (
        lambda now: schema(now, "Login")["properties"]["kind"]["enum"].remove("b"),
        "request.kind takes 1 values less",
    ),
    "a request takes another type": (
        lambda now: schema(now, "Login")["properties"]["email"].update(type="object"),
        "request.email takes no string any more",
    ),
    "a query parameter is needed": (
        lambda now: operation(now, "/things/{thing_id}", "get")["parameters"][1].update(
            required=True
        ),
        "needs the query parameter page now",
    ),
    "an answer lacks a field": (
        lambda now: schema(now, "Thing")["properties"].pop("note"),
        "response lacks the field note",
    ),
    "an answer may lack a field": (
        lambda now: schema(now, "Thing")["required"].remove("id"),
        "response may lack the field id",
    ),
    "an answer's field may be null": (
        lambda now: schema(now, "Thing")["properties"].update(
            id={"anyOf": [{"type": "string"}, {"type": "null"}]}
        ),
        "response.id may be null now",
    ),
    "a field of a list's items has another type": (
        lambda now: schema(now, "Part")["properties"]["size"].update(type="string"),
        "response.parts[].size may be string now",
    ),
    "an answer has a value that nobody knew": (
        lambda now: schema(now, "Thing")["properties"]["state"]["enum"].append("lost"),
        "response.state may have 1 new values",
    ),
    "a good answer has another status": (
        lambda now: operation(now, "/login", "post").update(responses={"201": {}}),
        "no longer answers 200",
    ),
    "a reference leads nowhere": (
        lambda now: now["components"]["schemas"].pop("Part"),
        "response.parts[] lacks the field size",
    ),
}


@pytest.mark.parametrize(("change", "says"), BREAKING.values(), ids=BREAKING)
def test_what_breaks_a_client_is_found(change: Change, says: str) -> None:
    assert any(says in found for found in changes(change)), changes(change)


HARMLESS: dict[str, Change] = {
    "nothing": lambda _: None,
    "a new path": lambda now: now["paths"].update({"/new": {"get": {}}}),
    "a new optional field of a request": lambda now: schema(now, "Login")["properties"].update(
        device={"type": "string"}
    ),
    "a new field of an answer": lambda now: schema(now, "Thing")["properties"].update(
        size={"type": "integer"}
    ),
    "another name of a path parameter": lambda now: now["paths"].update(
        {"/things/{id}": now["paths"].pop("/things/{thing_id}")}
    ),
    "another refusal": lambda now: operation(now, "/things/{thing_id}", "get")["responses"].pop(
        "422"
    ),
    "a request takes a value more": lambda now: schema(now, "Login")["properties"]["kind"][
        "enum"
    ].append("c"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_no_client_feels_is_left_out(change: Change) -> None:
    assert changes(change) == ()


def test_only_the_operations_asked_for_are_compared() -> None:
    assert changes(lambda now: now["paths"].pop("/login"), LIST) == ()


def test_an_operation_that_never_was_is_a_mistake_of_the_contract() -> None:
    with pytest.raises(UnknownOperationError, match="no operation GET /never"):
        breaking_changes(BEFORE, BEFORE, ["GET /never"])


def test_documents_that_refer_to_themselves_come_to_an_end() -> None:
    assert breaking_changes(BEFORE, BEFORE, [LIST]) == ()

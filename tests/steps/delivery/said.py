"""Changes of an API, one thing changed in each; `tests.gates.decide.test_said` keeps what is found in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from steps.delivery.openapi import compared

LOGIN, LIST, X = "POST /login", "GET /things/{id}", "GET /x"
Document = dict[str, Any]
Change = Callable[[Document], object]


def ref(name: str, kind: str = "schemas") -> Document:
    return {"$ref": f"#/components/{kind}/{name}"}


def json_of(schema: Document) -> Document:
    return {"content": {"application/json": {"schema": schema}}}


TEXT, WHOLE, NOTHING = {"type": "string"}, {"type": "integer"}, {"type": "null"}
BEFORE: Document = {
    "paths": {
        "/login": {
            "post": {
                "requestBody": {"required": True, **json_of(ref("Login"))},
                "responses": {"200": {"description": "in"}},
            }
        },
        "/things/{thing_id}": {
            "get": {
                "parameters": [
                    {"in": "path", "name": "thing_id", "required": True},
                    {"in": "query", "name": "page", "required": False},
                ],
                "responses": {"200": json_of(ref("Thing")), "422": {"description": "refused"}},
            }
        },
    },
    "components": {
        "schemas": {
            "Login": {
                "type": "object",
                "required": ["email"],
                "properties": {"email": TEXT, "kind": {**TEXT, "enum": ["a", "b"]}},
            },
            "Thing": {
                "type": "object",
                "required": ["id", "parts"],
                "properties": {
                    "id": TEXT,
                    "note": TEXT,
                    "state": {"enum": ["open", "shut"]},
                    "parts": {"type": "array", "items": ref("Part")},
                    "parent": ref("Thing"),
                },
            },
            "Part": {"type": "object", "required": ["size"], "properties": {"size": WHOLE}},
        }
    },
}
BEFORE = json.loads(json.dumps(BEFORE))  # no part of it is in two places: a change is of one
GET, POST = "paths /things/{thing_id} get", "paths /login post"
ASKS, ANSWERS = "components schemas Login", "components schemas Thing"
EMAIL, KIND, THING = (
    f"{ASKS} properties email",
    f"{ASKS} properties kind",
    f"{ANSWERS} properties",
)
JSON = f"{GET} responses 200 content application/json"
CLOSED = {**BEFORE["components"]["schemas"]["Login"], "additionalProperties": False}


def _place(document: Any, path: str) -> tuple[Any, Any]:
    """Return what holds the last part of a path, and that part; `path` is divided by blanks."""
    *steps, last = path.split()
    for step in steps:
        document = document[int(step) if isinstance(document, list) else step]
    return document, int(last) if isinstance(document, list) else last


def put(path: str, value: Any) -> Change:
    """Return what sets one part of a document."""

    def change(document: Document) -> None:
        holder, last = _place(document, path)
        holder[last] = value

    return change


def drop(path: str) -> Change:
    """Return what takes one part away."""

    def change(document: Document) -> None:
        holder, last = _place(document, path)
        del holder[last]

    return change


def rename(path: str, name: str) -> Change:
    """Return what gives one part another name."""

    def change(document: Document) -> None:
        holder, last = _place(document, path)
        holder[name] = holder.pop(last)

    return change


def changed(*changes: Change) -> Document:
    document: Document = json.loads(json.dumps(BEFORE))
    for change in changes:
        change(document)
    return document


CHANGES: dict[str, Change] = {
    "a path is gone": drop("paths /login"),
    "a method is gone": drop(GET),
    "a new path": put("paths /new", {"get": {}}),
    "another name of a path parameter": rename("paths /things/{thing_id}", "/things/{id}"),
    "a request needs one field more": put(f"{ASKS} required", ["email", "device"]),
    "a request takes one field more": put(f"{ASKS} properties device", TEXT),
    "a request takes a field less": drop(EMAIL),
    "a request's field is only read": put(f"{EMAIL} readOnly", value=True),
    "a request takes a value less": put(f"{KIND} enum", ["a"]),
    "a request takes a value more": put(f"{KIND} enum", ["a", "b", "c"]),
    "a request takes another type": put(f"{EMAIL} type", "object"),
    "a request's field is shorter": put(f"{EMAIL} maxLength", 20),
    "a request's field has a pattern": put(f"{EMAIL} pattern", "^a"),
    "a request's field has a format": put(f"{EMAIL} format", "email"),
    "a request's field has a default": put(f"{EMAIL} default", "x"),
    "a request's other fields have a pattern": put(f"{ASKS} patternProperties", {"^x": {}}),
    "a request takes no other field": put(ASKS, CLOSED),
    "a query parameter is gone": drop(f"{GET} parameters 1"),
    "a query parameter is needed": put(f"{GET} parameters 1 required", value=True),
    "a query parameter has a maximum": put(f"{GET} parameters 1 schema", {"maximum": 5}),
    "a query parameter has a style": put(f"{GET} parameters 1 style", "pipeDelimited"),
    "an operation needs a login": put(f"{GET} security", [{"b": []}]),
    "every operation needs a login": put("security", [{"b": []}]),
    "a good answer has another status": put(f"{POST} responses", {"201": {}}),
    "another refusal": put(f"{GET} responses 422", {"description": "x", "content": {"a/b": {}}}),
    "a refusal less": drop(f"{GET} responses 422"),
    "an answer has a header": put(f"{GET} responses 200 headers", {"Link": {"required": True}}),
    "an answer is of another media type": rename(JSON, "application/hal+json"),
    "an answer lacks a field": drop(f"{THING} note"),
    "an answer may lack a field": put(f"{ANSWERS} required", ["parts"]),
    "an answer has one field more": put(f"{THING} size", WHOLE),
    "an answer's field may be null": put(f"{THING} id", {"anyOf": [TEXT, NOTHING]}),
    "an answer's field has a default": put(f"{THING} note default", "x"),
    "an answer's field is shorter": put(f"{THING} note maxLength", 5000),
    "an answer's field is not something": put(f"{THING} note not", {"const": "x"}),
    "an answer's field is encoded": put(f"{THING} note contentEncoding", "base64"),
    "an answer's field called title": put(f"{THING} title", {**TEXT, "maxLength": 5}),
    "an answer's shape is told by a field": put(f"{ANSWERS} discriminator", {"propertyName": "id"}),
    "a field of a list's items": put("components schemas Part properties size", TEXT),
    "an answer has another value": put(f"{THING} state enum", ["open", "shut", "lost"]),
    "a reference leads nowhere": drop("components schemas Part"),
    "a reference to another file": put(f"{THING} note", {"$ref": "other.yaml#/Note"}),
    "callbacks": put(f"{GET} callbacks", {"done": {}}),
    "an operation's servers": put(f"{GET} servers", [{"url": "https://other.test"}]),
    "servers": put("servers", [{"url": "/v2"}]),
    "webhooks": put("webhooks", {"new": {}}),
    "another media type": put(f"{POST} requestBody content text/csv", {"schema": TEXT}),
}


def _line(name: str, before: Document, now: Document, *operations: str) -> str:
    found = compared(before, now, operations or (LOGIN, LIST))
    unread = (f"not compared: {one}" for one in found.not_compared)
    return f"{name}: {'; '.join([*found.breaking, *unread]) or 'nothing'}"


def changes() -> Iterator[str]:
    """Yield what is found in each change, and in taking it back."""
    for name, change in CHANGES.items():
        now = changed(change)
        yield _line(name, BEFORE, now)
        if "is gone" not in name:
            yield _line(f"{name}, taken back", now, BEFORE)


def a_document(answer: Document, schemas: Document | None = None, **operation: Any) -> Document:
    """Return a document whose one operation, GET /x, answers this as JSON."""
    responses = {"200": {"content": {"application/json": answer}}}
    return {
        "paths": {"/x": {"get": {"responses": responses, **operation}}},
        "components": {"schemas": schemas or {}},
    }


def an_object(**properties: Any) -> Document:
    return {"type": "object", "required": sorted(properties), "properties": properties}


PERSON = ref("Person")
# How generators of documents write one and the same thing: what becomes of a Person is seen through each.
WRAPPED: dict[str, Callable[[Document], Document]] = {
    "as it is": lambda person: person,
    "in allOf, with a description beside it": lambda one: {"allOf": [one], "description": "who"},
    "extended by allOf": lambda person: {"allOf": [person, an_object(role=TEXT)]},
    "or null (3.1)": lambda person: {"anyOf": [person, NOTHING]},
    "or null, by oneOf": lambda person: {"oneOf": [NOTHING, person]},
    "one of two": lambda person: {"oneOf": [person, an_object(group=TEXT)]},
    "in a map": lambda person: {"type": "object", "additionalProperties": person},
    "in a list of a list": lambda person: {"type": "array", "items": {"items": person}},
}


def nullable(schema: Document) -> Document:
    """Return it as version 3.0 writes "or null"."""
    return {**schema, "nullable": True}


TEAM, WORD, ENUM, BOT = ref("Team"), ref("Word"), {"enum": ["a"]}, an_object(bot=TEXT)
LIST_OF_TEXT, LIST_OF_WHOLE = ({"type": "array", "items": one} for one in (TEXT, WHOLE))
SCHEMAS = {
    "Person": an_object(id=TEXT),
    "Team": an_object(id=TEXT),
    "Word": TEXT,
    "Kind": {"enum": ["b", "c"]},
}
PAIRS: dict[str, tuple[Document, Document]] = {
    "nullable (3.0)": (TEXT, nullable(TEXT)),
    "a reference, nullable (3.0)": (PERSON, nullable({"allOf": [PERSON]})),
    "a reference, or null (3.1)": (PERSON, {"anyOf": [PERSON, NOTHING]}),
    "null as a constant": (TEXT, {"anyOf": [TEXT, {"const": None}]}),
    "3.0 written as 3.1": (nullable(TEXT), {"type": ["string", "null"]}),
    "a reference, so too": (nullable({"allOf": [PERSON]}), {"oneOf": [PERSON, NOTHING]}),
    "a reference written out": (PERSON, an_object(id=TEXT)),
    "any type": (TEXT, {}),
    "another type": (TEXT, WHOLE),
    "numbers": (WHOLE, {"type": "number"}),
    "or null no more": ({"anyOf": [WHOLE, NOTHING]}, WHOLE),
    "one value": (TEXT, {"const": "a"}),
    "any value": (ENUM, TEXT),
    "another value": (ENUM, {"enum": ["a", "b"]}),
    "any value of a map": ({"type": "object", "additionalProperties": TEXT}, {"type": "object"}),
    "any item": (LIST_OF_TEXT, {"type": "array"}),
    "another shape too": (PERSON, {"anyOf": [PERSON, BOT]}),
    "a third shape": ({"oneOf": [PERSON, TEAM]}, {"oneOf": [PERSON, TEAM, BOT]}),
    "another list too": (
        {"oneOf": [PERSON, LIST_OF_TEXT]},
        {"oneOf": [PERSON, LIST_OF_TEXT, LIST_OF_WHOLE]},
    ),
    **{
        f"one of several: {name}": ({"anyOf": was}, {"anyOf": is_now})
        for name, (was, is_now) in {
            "one that is open": ([TEXT, WHOLE], [TEXT, {}]),
            "plain values in another order": ([TEXT, WHOLE], [WHOLE, TEXT]),
            "null": ([PERSON, TEXT], [PERSON, TEXT, NOTHING]),
            "a plain one": ([PERSON, TEXT], [PERSON, WHOLE, TEXT]),
            "a plain one by its reference": ([WORD, WHOLE], [WHOLE, WORD]),
            "another plain one by its reference": ([PERSON, WHOLE], [PERSON, WHOLE, WORD]),
            "another value by its reference": ([ENUM, {"enum": ["b"]}], [ENUM, ref("Kind")]),
            "one with a format": ([TEXT, WHOLE], [{**TEXT, "format": "uuid"}, WHOLE]),
        }.items()
    },
    "plain types in a list": ({"anyOf": [TEXT, WHOLE]}, {"type": ["string", "integer"]}),
}


def _in_answer(schema: Document) -> Document:
    return a_document({"schema": an_object(it=schema)}, SCHEMAS)


def _in_parameter(schema: Document) -> Document:
    parameter = {"in": "query", "name": "q", "schema": schema}
    return a_document({"schema": TEXT}, SCHEMAS, parameters=[parameter])


def _in_request(schema: Document) -> Document:
    return a_document({"schema": TEXT}, SCHEMAS, requestBody=json_of(schema))


def schemas() -> Iterator[str]:
    """Yield what is found where a schema becomes another one, there and back, wherever it stands."""
    person = an_object(id=TEXT, name=TEXT)
    for name, wrap in WRAPPED.items():
        pair = ({**SCHEMAS, "Person": one} for one in (person, SCHEMAS["Person"]))
        before, now = (a_document({"schema": wrap(PERSON)}, one) for one in pair)
        yield _line(f"a field less, {name}", before, now, X)
        yield _line(f"a field more, {name}", now, before, X)
    for name, (was, is_now) in PAIRS.items():
        for document in (_in_answer, _in_parameter, _in_request):
            yield _line(name, document(was), document(is_now), X)
            yield _line(f"{name}, the other way round", document(is_now), document(was), X)


CHOICE = ref("Choice")
REFERRING: dict[str, Change] = {
    "a word of a parameter": put(f"{GET} parameters 1 content", CHOICE),
    "another media type": put(f"{POST} requestBody content text/csv", {"schema": CHOICE}),
    "another answer": put(f"{GET} responses 422", CHOICE),
    "a server": put(f"{GET} servers", [CHOICE]),
    "a webhook": put("webhooks", CHOICE),
    "the rest of a schema": put(f"{THING} note not", CHOICE),
    "a choice": put(f"{THING} note", {"anyOf": [TEXT, CHOICE]}),
    "a parameter": put(f"{GET} parameters 1 schema", CHOICE),
}


def references() -> Iterator[str]:
    """Yield what is found where what is referred to differs: each is followed in its own document."""
    for name, refer in REFERRING.items():
        before, now = (
            changed(refer, put("components schemas Choice", {**TEXT, "maxLength": length}))
            for length in (20, 10)
        )
        yield _line(name, before, now)
        yield _line(f"{name}, the same", before, before)

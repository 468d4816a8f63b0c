from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from steps.delivery.openapi import Comparison, NotComparableError, breaking_changes, compared

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
    with pytest.raises(NotComparableError, match="no operation GET /never"):
        breaking_changes(BEFORE, BEFORE, ["GET /never"])


def test_documents_that_refer_to_themselves_come_to_an_end() -> None:
    assert breaking_changes(BEFORE, BEFORE, [LIST]) == ()


def test_entities_that_all_refer_to_each_other_are_compared_once() -> None:
    names = ("A", "B", "C", "D", "E")
    links = {name: {"$ref": f"#/components/schemas/{name}"} for name in names}
    entities = {name: {"type": "object", "properties": links} for name in names}
    graph = a_document({"schema": links["A"]}, entities)
    assert breaking_changes(graph, graph, ["GET /x"]) == ()


def a_document(
    answer: dict[str, Any], schemas: dict[str, Any] | None = None, **operation: Any
) -> dict[str, Any]:
    """Return a document whose one operation, GET /x, answers this as JSON."""
    responses = {"200": {"content": {"application/json": answer}}}
    return {
        "paths": {"/x": {"get": {"responses": responses, **operation}}},
        "components": {"schemas": schemas or {}},
    }


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": sorted(properties), "properties": properties}


TEXT, WHOLE, NOTHING = {"type": "string"}, {"type": "integer"}, {"type": "null"}
PERSON = {"$ref": "#/components/schemas/Person"}
# How generators of documents write one and the same thing: what becomes of a Person is seen through each.
WRAPPED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "as it is": lambda person: person,
    "in allOf, with a description beside it": lambda person: {
        "allOf": [person],
        "description": "who",
    },
    "extended by allOf": lambda person: {"allOf": [person, an_object(role=TEXT)]},
    "or null (3.1)": lambda person: {"anyOf": [person, NOTHING]},
    "or null, by oneOf": lambda person: {"oneOf": [NOTHING, person]},
    "one of two": lambda person: {"oneOf": [person, an_object(group=TEXT)]},
    "in a map": lambda person: {"type": "object", "additionalProperties": person},
    "in a list of a list": lambda person: {"type": "array", "items": {"items": person}},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_a_lost_field_is_seen_however_the_document_is_written(
    wrap: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    answer = {"schema": wrap(PERSON)}
    before = a_document(answer, {"Person": an_object(id=TEXT, name=TEXT)})
    now = a_document(answer, {"Person": an_object(id=TEXT)})
    (found,) = breaking_changes(before, now, ["GET /x"])
    assert found.endswith("lacks the field name")
    assert breaking_changes(before, before, ["GET /x"]) == ()


ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "nullable (3.0)": (TEXT, {**TEXT, "nullable": True}, "may be null now"),
    "a reference, nullable (3.0)": (
        PERSON,
        {"allOf": [PERSON], "nullable": True},
        "may be null now",
    ),
    "a reference, or null (3.1)": (PERSON, {"anyOf": [PERSON, NOTHING]}, "may be null now"),
    "null as a constant": (TEXT, {"anyOf": [TEXT, {"const": None}]}, "may be null now"),
    "any type": (TEXT, {}, "may be anything now"),
    "any value": ({"enum": ["a"]}, TEXT, "may have any value now"),
    "any value of a map": (
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object"},
        "{} may be anything now",
    ),
    "any item": ({"type": "array", "items": TEXT}, {"type": "array"}, "[] may be anything now"),
    "whole numbers no more": (WHOLE, {"type": "number"}, "may be number now"),
    "another shape too": (
        {"oneOf": [PERSON, {"$ref": "#/components/schemas/Team"}]},
        {"oneOf": [PERSON, {"$ref": "#/components/schemas/Team"}, an_object(bot=TEXT)]},
        "may have a shape that nobody knew",
    ),
    "another list too": (
        {"oneOf": [PERSON, {"type": "array", "items": TEXT}]},
        {"oneOf": [PERSON, *({"type": "array", "items": one} for one in (TEXT, WHOLE))]},
        "may have a shape that nobody knew",
    ),
}
SCHEMAS = {"Person": an_object(id=TEXT), "Team": an_object(id=TEXT)}


@pytest.mark.parametrize(("was", "is_now", "says"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_promises_less_is_found(
    was: dict[str, Any], is_now: dict[str, Any], says: str
) -> None:
    before, now = (
        a_document({"schema": an_object(it=schema)}, SCHEMAS) for schema in (was, is_now)
    )
    (found,) = breaking_changes(before, now, ["GET /x"])
    assert found.endswith(says)
    assert breaking_changes(now, now, ["GET /x"]) == ()


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        pytest.param({"type": "number"}, WHOLE, id="whole numbers are numbers"),
        pytest.param({**TEXT, "nullable": True}, TEXT, id="null no more"),
        pytest.param(
            {**TEXT, "nullable": True}, {"type": ["string", "null"]}, id="3.0 written as 3.1"
        ),
        pytest.param(
            {"allOf": [PERSON], "nullable": True}, {"oneOf": [PERSON, NOTHING]}, id="so too"
        ),
        pytest.param(PERSON, an_object(id=TEXT), id="a reference written out"),
        pytest.param(TEXT, {"const": "a"}, id="one value"),
    ],
)
def test_an_answer_that_promises_as_much_is_none(
    was: dict[str, Any], is_now: dict[str, Any]
) -> None:
    before, now = (
        a_document({"schema": an_object(it=schema)}, SCHEMAS) for schema in (was, is_now)
    )
    assert breaking_changes(before, now, ["GET /x"]) == ()


REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "some values only": (TEXT, {**TEXT, "enum": ["a"]}, "takes only some values now"),
    "another type": (TEXT, WHOLE, "takes no string any more"),
    "one type only": ({}, WHOLE, "takes only integer now"),
}


@pytest.mark.parametrize(("was", "is_now", "says"), REQUESTS.values(), ids=REQUESTS)
def test_a_parameter_that_takes_less_is_found(
    was: dict[str, Any], is_now: dict[str, Any], says: str
) -> None:
    before, now = (
        a_document(
            {"schema": TEXT}, parameters=[{"in": "query", "name": "filter", "schema": schema}]
        )
        for schema in (was, is_now)
    )
    assert breaking_changes(before, now, ["GET /x"]) == (
        f"GET /x: the query parameter filter {says}",
    )


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        pytest.param(WHOLE, TEXT, id="any text instead of a number's"),
        pytest.param({"anyOf": [WHOLE, NOTHING]}, WHOLE, id="null, which none can be, no more"),
        pytest.param({"enum": ["a"]}, {"enum": ["a", "b"]}, id="another value"),
    ],
)
def test_a_parameter_that_takes_more_breaks_nobody(
    was: dict[str, Any], is_now: dict[str, Any]
) -> None:
    before, now = (
        a_document(
            {"schema": TEXT}, parameters=[{"in": "query", "name": "filter", "schema": schema}]
        )
        for schema in (was, is_now)
    )
    assert breaking_changes(before, now, ["GET /x"]) == ()


def test_a_body_that_may_not_be_null_any_more_breaks() -> None:
    before, now = (
        a_document(
            {"schema": TEXT},
            requestBody={
                "content": {"application/json": {"schema": {**TEXT, "nullable": nullable}}}
            },
        )
        for nullable in (True, False)
    )
    assert breaking_changes(before, now, ["GET /x"]) == ("GET /x: request takes no null any more",)


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        pytest.param(WHOLE, {"type": "number"}, id="every number"),
        pytest.param(TEXT, {}, id="anything"),
        pytest.param({"enum": ["a"]}, TEXT, id="every value"),
        pytest.param(PERSON, {"anyOf": [PERSON, an_object(bot=TEXT)]}, id="another shape too"),
    ],
)
def test_a_request_that_takes_more_breaks_nobody(
    was: dict[str, Any], is_now: dict[str, Any]
) -> None:
    before, now = (
        a_document(
            {"schema": TEXT},
            SCHEMAS,
            requestBody={"content": {"application/json": {"schema": schema}}},
        )
        for schema in (was, is_now)
    )
    assert breaking_changes(before, now, ["GET /x"]) == ()


def test_what_is_only_read_is_not_asked_of_a_request_and_what_is_only_written_not_promised() -> (
    None
):
    documents = []
    for mark in ({}, {"made_at": {**TEXT, "readOnly": True}}):
        thing = an_object(id=TEXT, **mark)
        sent = {"application/json": {"schema": thing}}
        documents.append(a_document({"schema": thing}, requestBody={"content": sent}))
    before, now = documents
    assert breaking_changes(before, now, ["GET /x"]) == ()
    assert breaking_changes(now, before, ["GET /x"]) == (
        "GET /x: response lacks the field made_at",
    )
    secret = a_document({"schema": an_object(id=TEXT, password={**TEXT, "writeOnly": True})})
    assert breaking_changes(secret, a_document({"schema": an_object(id=TEXT)}), ["GET /x"]) == ()


def test_the_name_of_a_header_is_the_same_in_capitals() -> None:
    before, now = (
        a_document({"schema": TEXT}, parameters=[{"in": "header", "name": name, "required": True}])
        for name in ("X-Tenant", "x-tenant")
    )
    assert breaking_changes(before, now, ["GET /x"]) == ()


JSON_BY_OTHER_NAMES = ("application/json; charset=utf-8", "application/fhir+json", "*/*")


@pytest.mark.parametrize("name", JSON_BY_OTHER_NAMES)
def test_json_by_another_name_is_compared_too(name: str) -> None:
    before, now = a_document({"schema": an_object(id=TEXT)}), a_document({"schema": an_object()})
    for document in (before, now):
        content = document["paths"]["/x"]["get"]["responses"]["200"]["content"]
        content[name] = content.pop("application/json")
    assert breaking_changes(before, now, ["GET /x"]) == ("GET /x: response lacks the field id",)


def test_answers_and_bodies_that_are_shared_are_compared_too() -> None:
    before, now = a_document({}), a_document({})
    for document, shape in ((before, an_object(id=TEXT)), (now, an_object())):
        body = {"content": {"application/json": {"schema": shape}}}
        document["components"] |= {"responses": {"Found": body}, "requestBodies": {"Sent": body}}
        document["paths"]["/x"]["get"] = {
            "requestBody": {"$ref": "#/components/requestBodies/Sent"},
            "responses": {"200": {"$ref": "#/components/responses/Found"}},
        }
    assert breaking_changes(before, now, ["GET /x"]) == ("GET /x: response lacks the field id",)
    assert breaking_changes(now, before, ["GET /x"]) == ("GET /x: request needs the field id now",)


def test_an_answer_or_request_that_is_no_json_any_more_breaks_everybody() -> None:
    sent = {"application/json": {"schema": TEXT}}
    before = a_document({"schema": TEXT}, requestBody={"content": sent})
    now = a_document(
        {"schema": TEXT}, requestBody={"content": {"multipart/form-data": {"schema": TEXT}}}
    )
    responses = now["paths"]["/x"]["get"]["responses"]
    responses["200"] = {"content": {"text/html": {"schema": TEXT}}}
    assert breaking_changes(before, now, ["GET /x"]) == (
        "GET /x: takes no JSON any more",
        "GET /x: no longer answers 200 with JSON",
    )


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(a_document({"schema": {}}), id="an answer of any shape"),
        pytest.param(a_document({}), id="an answer without a schema"),
        pytest.param(a_document({"schema": {"$ref": "#/nowhere"}}), id="a reference to nowhere"),
        pytest.param(
            {"paths": {"/x": {"get": {"responses": {"200": {"description": "what it may be"}}}}}},
            id="an answer that is only described",
        ),
        pytest.param({"paths": {"/x": {"get": {"responses": {}}}}}, id="no answer"),
    ],
)
def test_a_document_that_promises_nothing_proves_nothing(before: dict[str, Any]) -> None:
    with pytest.raises(NotComparableError, match="GET /x"):
        breaking_changes(before, a_document({"schema": an_object(id=TEXT)}), ["GET /x"])


@pytest.mark.parametrize("whose", ["the release before", "this release"])
def test_a_document_of_swagger_2_can_not_be_compared(whose: str) -> None:
    three = a_document({"schema": TEXT})
    two = {"swagger": "2.0", "paths": {"/x": {"get": {"responses": {"200": {"schema": TEXT}}}}}}
    before, now = (two, three) if whose == "the release before" else (three, two)
    with pytest.raises(NotComparableError, match=f"{whose} has a document of Swagger 2"):
        breaking_changes(before, now, ["GET /x"])


@pytest.mark.parametrize(
    "broken",
    [
        {"paths": []},
        {"paths": {"/x": None}},
        {"paths": {"/x": {"get": {"responses": ["200"], "parameters": {"a": 1}}}}},
    ],
    ids=["no paths", "no operations", "lists for objects"],
)
def test_a_document_of_another_form_is_told_and_breaks_nothing_off(broken: dict[str, Any]) -> None:
    assert breaking_changes(a_document({"schema": TEXT}), broken, ["GET /x"]) != ()


def test_a_shape_that_is_known_by_itself_comes_to_an_end() -> None:
    child = {"allOf": [{"$ref": "#/components/schemas/Parent"}]}
    parent = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in "ABCDE"]}
    schemas = {"Parent": parent, **dict.fromkeys("ABCDE", child)}
    document = a_document(
        {"schema": an_object(it={"$ref": "#/components/schemas/Parent"})}, schemas
    )
    assert breaking_changes(document, document, ["GET /x"]) == ()


def put(path: str, value: Any) -> Callable[[Any], None]:
    """Return what sets one part of the document; `path` is divided by blanks."""

    def change(document: Any) -> None:
        *steps, last = path.split()
        for step in steps:
            document = document[int(step) if isinstance(document, list) else step]
        document[last] = value

    return change


GET, POST = "paths /things/{thing_id} get", "paths /login post"
THING, EMAIL = "components schemas Thing properties", "components schemas Login properties email"
CLOSED = {**BEFORE["components"]["schemas"]["Login"], "additionalProperties": False}
TIGHTER = [
    (put(f"{EMAIL} maxLength", 20), "request.email has another maxLength now"),
    (put(f"{EMAIL} pattern", "^a"), "request.email has another pattern now"),
    (put(f"{EMAIL} format", "email"), "request.email has another format now"),
    (put("components schemas Login", CLOSED), "another additionalProperties"),
    (put(f"{GET} security", [{"b": []}]), "GET /things/{id}: needs a login now"),
    (put("security", [{"b": []}]), "GET /things/{id}: needs a login now"),
    (
        put(f"{GET} parameters 1 schema", {"maximum": 5}),
        "the query parameter page has another maximum",
    ),
]


@pytest.mark.parametrize(("change", "said"), TIGHTER, ids=map(str, range(len(TIGHTER))))
def test_a_request_that_may_be_less_breaks(
    change: Callable[[dict[str, Any]], None], said: str
) -> None:
    now = copy.deepcopy(BEFORE)
    change(now)
    assert any(said in one for one in breaking_changes(BEFORE, now, [LOGIN, LIST]))
    loosened = compared(now, BEFORE, [LOGIN, LIST])
    assert loosened == Comparison((), ())


UNREAD = [
    (lambda now: operation(now, "/things/{thing_id}", "get")["parameters"].pop(1), "page is gone"),
    (
        lambda now: schema(now, "Login")["properties"].pop("email"),
        "request: the field email is gone",
    ),
    (
        lambda now: schema(now, "Login")["properties"]["email"].update(readOnly=True),
        "request: the field email is gone",
    ),
    (
        lambda now: (
            content := now["paths"]["/things/{thing_id}"]["get"]["responses"]["200"]["content"]
        ).update({"application/hal+json": content.pop("application/json")}),
        "answer 200: media type application/json",
    ),
    (put(f"{GET} responses 200 headers", {"Link": {"required": True}}), "answer 200: headers"),
    (put(f"{GET} responses 422", {"description": "x", "content": {"a/b": {}}}), "answer 422"),
    (put(f"{GET} callbacks", {"done": {}}), "callbacks"),
    (put(f"{GET} servers", [{"url": "https://other.test"}]), "servers"),
    (put("servers", [{"url": "/v2"}]), "servers"),
    (put("webhooks", {"new": {}}), "webhooks"),
    (put(f"{GET} parameters 1 style", "pipeDelimited"), "the query parameter page: style"),
    (put(f"{THING} note default", "x"), "response.note: default"),
    (put(f"{THING} note maxLength", 5000), ""),
    (put(f"{THING} note not", {"const": "x"}), "response.note: not"),
    (
        put("components schemas Thing discriminator", {"propertyName": "id"}),
        "response: discriminator",
    ),
    (put(f"{EMAIL} default", "x"), "request.email: default"),
    (put("components schemas Login patternProperties", {"^x": {}}), "request: patternProperties"),
    (put(f"{THING} note contentEncoding", "base64"), "response.note: contentEncoding"),
]


@pytest.mark.parametrize(("change", "said"), UNREAD, ids=map(str, range(len(UNREAD))))
def test_what_differs_in_a_part_that_is_not_compared_is_named(
    change: Callable[[dict[str, Any]], None], said: str
) -> None:
    now = copy.deepcopy(BEFORE)
    change(now)
    found = compared(BEFORE, now, [LOGIN, LIST])
    assert found.breaking == ()
    assert any(said in one for one in found.not_compared) if said else found.not_compared == ()


def test_other_media_types_and_logins_are_named() -> None:
    before = copy.deepcopy(BEFORE)
    put(f"{POST} requestBody content text/csv", {"schema": {"type": "string"}})(before)
    put(f"{POST} security", [{"b": []}])(before)
    now = copy.deepcopy(BEFORE)
    put(f"{POST} security", [{"c": ["write"]}])(now)
    found = compared(before, now, [LOGIN])
    assert found.not_compared == (f"{LOGIN}: security", f"{LOGIN}: request: media type text/csv")


def test_a_reference_that_leads_nowhere_is_named_though_both_have_it() -> None:
    before = copy.deepcopy(BEFORE)
    put(f"{THING} note", {"$ref": "other.yaml#/Note"})(before)
    found = compared(before, before, [LIST])
    assert any("a $ref that leads nowhere" in one for one in found.not_compared)


def test_words_for_people_do_not_differ() -> None:
    now = copy.deepcopy(BEFORE)
    for path in (
        f"{GET} summary",
        f"{THING} note description",
        f"{THING} note title",
        f"{GET} x-y",
    ):
        put(path, "new words")(now)
    assert compared(BEFORE, now, [LOGIN, LIST]) == Comparison((), ())


def test_a_field_called_title_is_a_field() -> None:
    before, now = copy.deepcopy(BEFORE), copy.deepcopy(BEFORE)
    put(f"{THING} title", {"type": "string", "maxLength": 5})(before)
    put(f"{THING} title", {"type": "string", "maxLength": 50})(now)
    assert compared(before, now, [LIST]).not_compared == (f"{LIST}: response.title: maxLength",)


def test_two_ways_of_writing_a_choice_of_plain_values_are_the_same() -> None:
    before, now = copy.deepcopy(BEFORE), copy.deepcopy(BEFORE)
    put(f"{THING} note", {"anyOf": [{"type": "string"}, {"type": "integer"}]})(before)
    put(f"{THING} note", {"type": ["string", "integer"]})(now)
    assert compared(before, now, [LIST]) == Comparison((), ())
    put(f"{THING} note", {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "integer"}]})(
        now
    )
    assert compared(before, now, [LIST]).not_compared == (f"{LIST}: response.note: anyOf.format",)


def test_a_login_that_is_written_otherwise_is_the_same_login() -> None:
    before, now = copy.deepcopy(BEFORE), copy.deepcopy(BEFORE)
    put("components securitySchemes", {"b": {"scheme": "bearer", "type": "http"}})(before)
    put("components securitySchemes", {"b": {"type": "http", "scheme": "bearer"}})(now)
    put(f"{GET} security", [{"b": []}])(before)
    put(f"{GET} security", [{"b": []}, {"b": []}])(now)
    assert compared(before, now, [LIST]) == Comparison((), ())


@pytest.mark.parametrize("what", ["request", "response"])
def test_what_lies_too_deep_is_not_compared_and_said(what: str) -> None:
    def nested(leaf: str) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": leaf}
        for _ in range(40):
            schema = {"type": "object", "properties": {"in": schema}}
        content = {"content": {"application/json": {"schema": schema}}}
        asked = {"requestBody": content} if what == "request" else {}
        answers = {"200": content if what == "response" else {"description": "done"}}
        return {"paths": {"/x": {"post": {**asked, "responses": answers}}}}

    found = compared(nested("string"), nested("integer"), ["POST /x"])
    assert found.breaking == ()
    assert found.not_compared == (f"POST /x: {what}: what lies deeper than 30 levels",)


NOTE = put(f"{THING} note", {"anyOf": [TEXT, {"$ref": "#/components/schemas/Choice"}]})
REFERRING = {
    "a word of a parameter": (
        put(f"{GET} parameters 1 content", {"$ref": "#/components/schemas/Choice"}),
        "the query parameter page: content",
    ),
    "another media type": (
        put(
            f"{POST} requestBody content text/csv",
            {"schema": {"$ref": "#/components/schemas/Choice"}},
        ),
        "request: media type text/csv",
    ),
    "another answer": (
        put(f"{GET} responses 422", {"$ref": "#/components/schemas/Choice"}),
        "answer 422",
    ),
    "a server": (put(f"{GET} servers", [{"$ref": "#/components/schemas/Choice"}]), "servers"),
    "a webhook": (put("webhooks", {"$ref": "#/components/schemas/Choice"}), "webhooks"),
    "the rest of a schema": (
        put(f"{THING} note not", {"$ref": "#/components/schemas/Choice"}),
        "response.note: not",
    ),
    "a choice": (NOTE, "response.note: anyOf.maxLength"),
    "a parameter": (
        put(f"{GET} parameters 1 schema", {"$ref": "#/components/schemas/Choice"}),
        "the query parameter page has another maxLength now",
    ),
}
CHOICES = {**TEXT, "maxLength": 20}, {**TEXT, "maxLength": 10}


@pytest.mark.parametrize(("refer", "said"), REFERRING.values(), ids=REFERRING)
def test_a_reference_is_followed_in_its_own_document(
    refer: Callable[[dict[str, Any]], None], said: str
) -> None:
    before, now = copy.deepcopy(BEFORE), copy.deepcopy(BEFORE)
    for document, choice in zip((before, now), CHOICES, strict=True):
        refer(document)
        put("components schemas Choice", choice)(document)
    found = compared(before, now, [LOGIN, LIST])
    assert any(said in one for one in (*found.breaking, *found.not_compared))
    assert compared(before, before, [LOGIN, LIST]) == Comparison((), ())


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (f"{GET} parameters 1 style", "form", "the query parameter page: style"),
        (f"{GET} callbacks", {"done": {}}, "callbacks"),
        (f"{GET} responses 200 headers", {"Link": {}}, "answer 200: headers"),
        (f"{THING} note maxLength", 20, "response.note: maxLength"),
        (f"{EMAIL} default", "x", "request.email: default"),
    ],
)
def test_what_is_dropped_in_the_new_document_is_named(path: str, value: Any, said: str) -> None:
    before = copy.deepcopy(BEFORE)
    put(path, value)(before)
    found = compared(before, BEFORE, [LOGIN, LIST])
    assert found.breaking == ()
    assert len(found.not_compared) == 1
    assert found.not_compared[0].endswith(said)


@pytest.mark.parametrize("was", [None, {}, {"required": False}, {"required": True}], ids=str)
@pytest.mark.parametrize("required", [True, False])
def test_a_request_body_that_becomes_required_breaks(
    was: dict[str, Any] | None, *, required: bool
) -> None:
    content = {"content": {"application/json": {"schema": TEXT}}}
    before = a_document({"schema": TEXT}, **({} if was is None else {"requestBody": was | content}))
    now = a_document({"schema": TEXT}, requestBody={"required": required, **content})
    needed = required and not (was or {}).get("required")
    expected = ("GET /x: needs a request body now",) if needed else ()
    assert breaking_changes(before, now, ["GET /x"]) == expected


@pytest.mark.parametrize(
    ("was", "is_now", "says"),
    [
        pytest.param([TEXT, WHOLE], [TEXT, {}], "may be anything now", id="one that is open"),
        pytest.param([TEXT, WHOLE], [WHOLE, TEXT], None, id="plain values in another order"),
        pytest.param([PERSON, TEXT], [PERSON, TEXT, NOTHING], "may be null now", id="null"),
        pytest.param([PERSON, TEXT], [PERSON, WHOLE, TEXT], "may be integer now", id="a plain one"),
        pytest.param(
            [{"$ref": "#/components/schemas/Word"}, WHOLE],
            [WHOLE, {"$ref": "#/components/schemas/Word"}],
            None,
            id="a plain one by its reference",
        ),
        pytest.param(
            [PERSON, WHOLE],
            [PERSON, WHOLE, {"$ref": "#/components/schemas/Word"}],
            "may be string now",
            id="another plain one by its reference",
        ),
        pytest.param(
            [{"enum": ["a"]}, {"enum": ["b"]}],
            [{"enum": ["a"]}, {"$ref": "#/components/schemas/Kind"}],
            "may have 1 new values",
            id="another value by its reference",
        ),
    ],
)
def test_a_choice_is_compared_by_what_each_may_be(
    was: list[Any], is_now: list[Any], says: str | None
) -> None:
    before, now = (
        a_document(
            {"schema": an_object(it={"anyOf": schema})},
            {**SCHEMAS, "Word": TEXT, "Kind": {"enum": ["b", "c"]}},
        )
        for schema in (was, is_now)
    )
    expected = () if says is None else (f"GET /x: response.it {says}",)
    assert breaking_changes(before, now, ["GET /x"]) == expected

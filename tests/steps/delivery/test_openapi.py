"""What breaks clients between two documents of an API; `tests.gates.decide.test_said` reads these tables."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from steps.delivery.openapi import Comparison, NotComparableError, breaking_changes, compared
from tests.tables import cases

LOGIN, LIST, X = "POST /login", "GET /things/{id}", "GET /x"
NOTHING_DIFFERS = Comparison((), ())
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
ASKS, ANSWERS_WITH = "components schemas Login", "components schemas Thing"
EMAIL, KIND, THING = (
    f"{ASKS} properties email",
    f"{ASKS} properties kind",
    f"{ANSWERS_WITH} properties",
)
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
    document = copy.deepcopy(BEFORE)
    for change in changes:
        change(document)
    return document


BREAKING: dict[str, tuple[Change, str]] = {
    "a path is gone": (drop("paths /login"), "POST /login: is gone"),
    "a method is gone": (drop(GET), "GET /things/{id}: is gone"),
    "a request needs one field more": (
        put(f"{ASKS} required", ["email", "device"]),
        "request needs the field device now",
    ),
    "a request takes a value less": (
        put(f"{KIND} enum", ["a"]),
        "request.kind takes 1 values less",
    ),
    "a request takes another type": (
        put(f"{EMAIL} type", "object"),
        "request.email takes no string any more",
    ),
    "a query parameter is needed": (
        put(f"{GET} parameters 1 required", value=True),
        "needs the query parameter page now",
    ),
    "an answer lacks a field": (drop(f"{THING} note"), "response lacks the field note"),
    "an answer may lack a field": (
        put(f"{ANSWERS_WITH} required", ["parts"]),
        "response may lack the field id",
    ),
    "an answer's field may be null": (
        put(f"{THING} id", {"anyOf": [TEXT, NOTHING]}),
        "response.id may be null now",
    ),
    "a field of a list's items has another type": (
        put("components schemas Part properties size", TEXT),
        "response.parts[].size may be string now",
    ),
    "an answer has a value that nobody knew": (
        put(f"{THING} state enum", ["open", "shut", "lost"]),
        "response.state may have 1 new values",
    ),
    "a good answer has another status": (
        put(f"{POST} responses", {"201": {}}),
        "no longer answers 200",
    ),
    "a reference leads nowhere": (
        drop("components schemas Part"),
        "response.parts[] lacks the field size",
    ),
}


@cases("change says", BREAKING)
def test_what_breaks_a_client_is_found(change: Change, says: str) -> None:
    found = breaking_changes(BEFORE, changed(change), [LOGIN, LIST])
    assert any(says in one for one in found), found


@cases(
    "change",
    {
        "nothing": lambda _: None,
        "a new path": put("paths /new", {"get": {}}),
        "a new optional field of a request": put(f"{ASKS} properties device", TEXT),
        "a new field of an answer": put(f"{THING} size", WHOLE),
        "another name of a path parameter": rename("paths /things/{thing_id}", "/things/{id}"),
        "another refusal": drop(f"{GET} responses 422"),
        "a request takes a value more": put(f"{KIND} enum", ["a", "b", "c"]),
    },
)
def test_what_no_client_feels_is_left_out(change: Change) -> None:
    assert breaking_changes(BEFORE, changed(change), [LOGIN, LIST]) == ()


def test_only_the_operations_asked_for_are_compared() -> None:
    assert breaking_changes(BEFORE, changed(drop("paths /login")), [LIST]) == ()


def test_an_operation_that_never_was_is_a_mistake_of_the_contract() -> None:
    with pytest.raises(NotComparableError, match="no operation GET /never"):
        breaking_changes(BEFORE, BEFORE, ["GET /never"])


def a_document(answer: Document, schemas: Document | None = None, **operation: Any) -> Document:
    """Return a document whose one operation, GET /x, answers this as JSON."""
    responses = {"200": {"content": {"application/json": answer}}}
    return {
        "paths": {"/x": {"get": {"responses": responses, **operation}}},
        "components": {"schemas": schemas or {}},
    }


def an_object(**properties: Any) -> Document:
    return {"type": "object", "required": sorted(properties), "properties": properties}


LINKS = {name: ref(name) for name in "ABCDE"}
CHILD = {"allOf": [ref("Parent")]}
PARENT = {"oneOf": [ref(name) for name in "ABCDE"]}


@cases(
    "document",
    {
        "by one reference": a_document({"schema": ref("A")}, {"A": an_object(a=ref("A"))}),
        "all to each other": a_document(
            {"schema": ref("A")},
            {name: {"type": "object", "properties": LINKS} for name in LINKS},
        ),
        "known by itself": a_document(
            {"schema": an_object(it=ref("Parent"))},
            {"Parent": PARENT, **dict.fromkeys("ABCDE", CHILD)},
        ),
    },
)
def test_documents_that_refer_to_themselves_come_to_an_end(document: Document) -> None:
    assert breaking_changes(document, document, [X]) == ()


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


@cases("wrap", WRAPPED)
def test_a_lost_field_is_seen_however_the_document_is_written(
    wrap: Callable[[Document], Document],
) -> None:
    answer = {"schema": wrap(PERSON)}
    before = a_document(answer, {"Person": an_object(id=TEXT, name=TEXT)})
    (found,) = breaking_changes(before, a_document(answer, {"Person": an_object(id=TEXT)}), [X])
    assert found.endswith("lacks the field name")
    assert breaking_changes(before, before, [X]) == ()


def nullable(schema: Document) -> Document:
    """Return it as version 3.0 writes "or null"."""
    return {**schema, "nullable": True}


TEAM, WORD, ENUM = ref("Team"), ref("Word"), {"enum": ["a"]}
LIST_OF_TEXT, LIST_OF_WHOLE = ({"type": "array", "items": one} for one in (TEXT, WHOLE))
SCHEMAS = {
    "Person": an_object(id=TEXT),
    "Team": an_object(id=TEXT),
    "Word": TEXT,
    "Kind": {"enum": ["b", "c"]},
}
ANSWERS: dict[str, tuple[Document, Document, str]] = {
    "nullable (3.0)": (TEXT, nullable(TEXT), "may be null now"),
    "a reference, nullable (3.0)": (PERSON, nullable({"allOf": [PERSON]}), "may be null now"),
    "a reference, or null (3.1)": (PERSON, {"anyOf": [PERSON, NOTHING]}, "may be null now"),
    "null as a constant": (TEXT, {"anyOf": [TEXT, {"const": None}]}, "may be null now"),
    "any type": (TEXT, {}, "may be anything now"),
    "any value": (ENUM, TEXT, "may have any value now"),
    "any value of a map": (
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object"},
        "{} may be anything now",
    ),
    "any item": (LIST_OF_TEXT, {"type": "array"}, "[] may be anything now"),
    "whole numbers no more": (WHOLE, {"type": "number"}, "may be number now"),
    "another shape too": (
        {"oneOf": [PERSON, TEAM]},
        {"oneOf": [PERSON, TEAM, an_object(bot=TEXT)]},
        "may have a shape that nobody knew",
    ),
    "another list too": (
        {"oneOf": [PERSON, LIST_OF_TEXT]},
        {"oneOf": [PERSON, LIST_OF_TEXT, LIST_OF_WHOLE]},
        "may have a shape that nobody knew",
    ),
}
CHOICES: dict[str, tuple[list[Document], list[Document], str]] = {
    "one that is open": ([TEXT, WHOLE], [TEXT, {}], "may be anything now"),
    "plain values in another order": ([TEXT, WHOLE], [WHOLE, TEXT], ""),
    "null": ([PERSON, TEXT], [PERSON, TEXT, NOTHING], "may be null now"),
    "a plain one": ([PERSON, TEXT], [PERSON, WHOLE, TEXT], "may be integer now"),
    "a plain one by its reference": ([WORD, WHOLE], [WHOLE, WORD], ""),
    "another plain one by its reference": (
        [PERSON, WHOLE],
        [PERSON, WHOLE, WORD],
        "may be string now",
    ),
    "another value by its reference": (
        [ENUM, {"enum": ["b"]}],
        [ENUM, ref("Kind")],
        "may have 1 new values",
    ),
}
SAME: dict[str, tuple[Document, Document, str]] = {
    "whole numbers are numbers": ({"type": "number"}, WHOLE, ""),
    "null no more": (nullable(TEXT), TEXT, ""),
    "3.0 written as 3.1": (nullable(TEXT), {"type": ["string", "null"]}, ""),
    "so too": (nullable({"allOf": [PERSON]}), {"oneOf": [PERSON, NOTHING]}, ""),
    "a reference written out": (PERSON, an_object(id=TEXT), ""),
    "one value": (TEXT, {"const": "a"}, ""),
}


@cases(
    "was is_now says",
    {
        **ANSWERS,
        **SAME,
        **{
            f"a choice: {name}": ({"anyOf": was}, {"anyOf": is_now}, says)
            for name, (was, is_now, says) in CHOICES.items()
        },
    },
)
def test_an_answer_that_promises_less_is_found(was: Document, is_now: Document, says: str) -> None:
    before, now = (a_document({"schema": an_object(it=one)}, SCHEMAS) for one in (was, is_now))
    expected = (f"GET /x: response.it{'' if says[:1] in '[{' else ' '}{says}",) if says else ()
    assert breaking_changes(before, now, [X]) == expected
    assert breaking_changes(now, now, [X]) == ()


@cases(
    "was is_now says",
    {
        "some values only": (TEXT, {**TEXT, "enum": ["a"]}, "takes only some values now"),
        "another type": (TEXT, WHOLE, "takes no string any more"),
        "one type only": ({}, WHOLE, "takes only integer now"),
        "any text instead of a number's": (WHOLE, TEXT, ""),
        "null, which none can be, no more": ({"anyOf": [WHOLE, NOTHING]}, WHOLE, ""),
        "another value": (ENUM, {"enum": ["a", "b"]}, ""),
    },
)
def test_a_parameter_that_takes_less_is_found(was: Document, is_now: Document, says: str) -> None:
    before, now = (
        a_document({"schema": TEXT}, parameters=[{"in": "query", "name": "q", "schema": schema}])
        for schema in (was, is_now)
    )
    expected = (f"GET /x: the query parameter q {says}",) if says else ()
    assert breaking_changes(before, now, [X]) == expected


@cases(
    "was is_now says",
    {
        "null no more": (nullable(TEXT), TEXT, "takes no null any more"),
        "a shape less": (
            {"oneOf": [PERSON, TEAM, an_object(bot=TEXT)]},
            {"oneOf": [PERSON, TEAM]},
            "takes a shape less",
        ),
        "every number": (WHOLE, {"type": "number"}, ""),
        "anything": (TEXT, {}, ""),
        "every value": (ENUM, TEXT, ""),
        "another shape too": (PERSON, {"anyOf": [PERSON, an_object(bot=TEXT)]}, ""),
    },
)
def test_a_request_that_takes_less_is_found(was: Document, is_now: Document, says: str) -> None:
    before, now = (
        a_document({"schema": TEXT}, SCHEMAS, requestBody=json_of(schema))
        for schema in (was, is_now)
    )
    assert breaking_changes(before, now, [X]) == ((f"GET /x: request {says}",) if says else ())


def test_what_is_only_read_is_not_asked_and_what_is_only_written_not_promised() -> None:
    with_mark = an_object(id=TEXT, made_at={**TEXT, "readOnly": True})
    before, now = (
        a_document({"schema": thing}, requestBody=json_of(thing))
        for thing in (an_object(id=TEXT), with_mark)
    )
    assert breaking_changes(before, now, [X]) == ()
    assert breaking_changes(now, before, [X]) == ("GET /x: response lacks the field made_at",)
    secret = a_document({"schema": an_object(id=TEXT, password={**TEXT, "writeOnly": True})})
    assert breaking_changes(secret, a_document({"schema": an_object(id=TEXT)}), [X]) == ()


def test_the_name_of_a_header_is_the_same_in_capitals() -> None:
    before, now = (
        a_document({"schema": TEXT}, parameters=[{"in": "header", "name": name, "required": True}])
        for name in ("X-Tenant", "x-tenant")
    )
    assert breaking_changes(before, now, [X]) == ()


@pytest.mark.parametrize(
    "name", ["application/json; charset=utf-8", "application/fhir+json", "*/*"]
)
def test_json_by_another_name_is_compared_too(name: str) -> None:
    before, now = a_document({"schema": an_object(id=TEXT)}), a_document({"schema": an_object()})
    for document in (before, now):
        rename("paths /x get responses 200 content application/json", name)(document)
    assert breaking_changes(before, now, [X]) == ("GET /x: response lacks the field id",)


def test_answers_and_bodies_that_are_shared_are_compared_too() -> None:
    before, now = a_document({}), a_document({})
    for document, shape in ((before, an_object(id=TEXT)), (now, an_object())):
        body = json_of(shape)
        document["components"] |= {"responses": {"Found": body}, "requestBodies": {"Sent": body}}
        document["paths"]["/x"]["get"] = {
            "requestBody": ref("Sent", "requestBodies"),
            "responses": {"200": ref("Found", "responses")},
        }
    assert breaking_changes(before, now, [X]) == ("GET /x: response lacks the field id",)
    assert breaking_changes(now, before, [X]) == ("GET /x: request needs the field id now",)


def test_an_answer_or_request_that_is_no_json_any_more_breaks_everybody() -> None:
    before = a_document({"schema": TEXT}, requestBody=json_of(TEXT))
    now = copy.deepcopy(before)
    for place in ("requestBody", "responses 200"):
        rename(f"paths /x get {place} content application/json", "text/html")(now)
    assert breaking_changes(before, now, [X]) == (
        "GET /x: takes no JSON any more",
        "GET /x: no longer answers 200 with JSON",
    )


@cases(
    "before",
    {
        "an answer of any shape": a_document({"schema": {}}),
        "an answer without a schema": a_document({}),
        "a reference to nowhere": a_document({"schema": {"$ref": "#/nowhere"}}),
        "an answer that is only described": {
            "paths": {"/x": {"get": {"responses": {"200": {"description": "what it may be"}}}}}
        },
        "no answer": {"paths": {"/x": {"get": {"responses": {}}}}},
    },
)
def test_a_document_that_promises_nothing_proves_nothing(before: Document) -> None:
    with pytest.raises(NotComparableError, match="GET /x"):
        breaking_changes(before, a_document({"schema": an_object(id=TEXT)}), [X])


@pytest.mark.parametrize("whose", ["the release before", "this release"])
def test_a_document_of_swagger_2_can_not_be_compared(whose: str) -> None:
    three = a_document({"schema": TEXT})
    two = {"swagger": "2.0", "paths": {"/x": {"get": {"responses": {"200": {"schema": TEXT}}}}}}
    before, now = (two, three) if whose == "the release before" else (three, two)
    with pytest.raises(NotComparableError, match=f"{whose} has a document of Swagger 2"):
        breaking_changes(before, now, [X])


@cases(
    "broken",
    {
        "no paths": {"paths": []},
        "no operations": {"paths": {"/x": None}},
        "lists for objects": {
            "paths": {"/x": {"get": {"responses": ["200"], "parameters": {"a": 1}}}}
        },
    },
)
def test_a_document_of_another_form_is_told_and_breaks_nothing_off(broken: Document) -> None:
    assert breaking_changes(a_document({"schema": TEXT}), broken, [X]) != ()


TIGHTER = [
    (put(f"{EMAIL} maxLength", 20), "request.email has another maxLength now"),
    (put(f"{EMAIL} pattern", "^a"), "request.email has another pattern now"),
    (put(f"{EMAIL} format", "email"), "request.email has another format now"),
    (put(ASKS, CLOSED), "another additionalProperties"),
    (put(f"{GET} security", [{"b": []}]), "GET /things/{id}: needs a login now"),
    (put("security", [{"b": []}]), "GET /things/{id}: needs a login now"),
    (put(f"{GET} parameters 1 schema", {"maximum": 5}), "parameter page has another maximum"),
]


@pytest.mark.parametrize(("change", "said"), TIGHTER, ids=map(str, range(len(TIGHTER))))
def test_a_request_that_may_be_less_breaks(change: Change, said: str) -> None:
    now = changed(change)
    assert any(said in one for one in breaking_changes(BEFORE, now, [LOGIN, LIST]))
    assert compared(now, BEFORE, [LOGIN, LIST]) == NOTHING_DIFFERS


JSON, HAL = f"{GET} responses 200 content application/json", "application/hal+json"
UNREAD = [
    (drop(f"{GET} parameters 1"), "page is gone"),
    (drop(EMAIL), "request: the field email is gone"),
    (put(f"{EMAIL} readOnly", value=True), "request: the field email is gone"),
    (rename(JSON, HAL), "answer 200: media type application/json"),
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
    (put(f"{ANSWERS_WITH} discriminator", {"propertyName": "id"}), "response: discriminator"),
    (put(f"{EMAIL} default", "x"), "request.email: default"),
    (put(f"{ASKS} patternProperties", {"^x": {}}), "request: patternProperties"),
    (put(f"{THING} note contentEncoding", "base64"), "response.note: contentEncoding"),
]


@pytest.mark.parametrize(("change", "said"), UNREAD, ids=map(str, range(len(UNREAD))))
def test_what_differs_in_a_part_that_is_not_compared_is_named(change: Change, said: str) -> None:
    found = compared(BEFORE, changed(change), [LOGIN, LIST])
    assert found.breaking == ()
    assert any(said in one for one in found.not_compared) if said else found.not_compared == ()


@cases(
    "path value said",
    {
        "style": (f"{GET} parameters 1 style", "form", "the query parameter page: style"),
        "callbacks": (f"{GET} callbacks", {"done": {}}, "callbacks"),
        "headers": (f"{GET} responses 200 headers", {"Link": {}}, "answer 200: headers"),
        "a length": (f"{THING} note maxLength", 20, "response.note: maxLength"),
        "a default": (f"{EMAIL} default", "x", "request.email: default"),
    },
)
def test_what_is_dropped_in_the_new_document_is_named(path: str, value: Any, said: str) -> None:
    found = compared(changed(put(path, value)), BEFORE, [LOGIN, LIST])
    assert found.breaking == ()
    (dropped,) = found.not_compared
    assert dropped.endswith(said)


def test_other_media_types_and_logins_are_named() -> None:
    csv = put(f"{POST} requestBody content text/csv", {"schema": TEXT})
    before = changed(csv, put(f"{POST} security", [{"b": []}]))
    found = compared(before, changed(put(f"{POST} security", [{"c": ["write"]}])), [LOGIN])
    assert found.not_compared == (f"{LOGIN}: security", f"{LOGIN}: request: media type text/csv")


def test_a_reference_that_leads_nowhere_is_named_though_both_have_it() -> None:
    before = changed(put(f"{THING} note", {"$ref": "other.yaml#/Note"}))
    found = compared(before, before, [LIST])
    assert any("a $ref that leads nowhere" in one for one in found.not_compared)


def test_words_for_people_do_not_differ() -> None:
    places = (f"{GET} summary", f"{THING} note description", f"{THING} note title", f"{GET} x-y")
    now = changed(*(put(place, "new words") for place in places))
    assert compared(BEFORE, now, [LOGIN, LIST]) == NOTHING_DIFFERS


BEARER = put(f"{GET} security", [{"b": []}])
EITHER = {"anyOf": [TEXT, WHOLE]}


@cases(
    "was is_now differs",
    {
        "a field called title is a field": (
            [put(f"{THING} title", {**TEXT, "maxLength": 5})],
            [put(f"{THING} title", {**TEXT, "maxLength": 50})],
            "response.title: maxLength",
        ),
        "a choice of plain values, written in two ways": (
            [put(f"{THING} note", EITHER)],
            [put(f"{THING} note", {"type": ["string", "integer"]})],
            "",
        ),
        "a choice of which one has a format now": (
            [put(f"{THING} note", EITHER)],
            [put(f"{THING} note", {"anyOf": [{**TEXT, "format": "uuid"}, WHOLE]})],
            "response.note: anyOf.format",
        ),
        "a login, written in two ways": (
            [put("components securitySchemes", {"b": {"scheme": "x", "type": "http"}}), BEARER],
            [
                put("components securitySchemes", {"b": {"type": "http", "scheme": "x"}}),
                put(f"{GET} security", [{"b": []}, {"b": []}]),
            ],
            "",
        ),
    },
)
def test_what_is_written_in_two_ways_is_the_same(
    was: list[Change], is_now: list[Change], differs: str
) -> None:
    found = compared(changed(*was), changed(*is_now), [LIST])
    assert found == Comparison((), (f"{LIST}: {differs}",) if differs else ())


@pytest.mark.parametrize("what", ["request", "response"])
def test_what_lies_too_deep_is_not_compared_and_said(what: str) -> None:
    def nested(schema: Document) -> Document:
        for _ in range(40):
            schema = {"type": "object", "properties": {"in": schema}}
        asked = {"requestBody": json_of(schema)} if what == "request" else {}
        answers = {"200": json_of(schema) if what == "response" else {"description": "done"}}
        return {"paths": {"/x": {"post": {**asked, "responses": answers}}}}

    found = compared(nested(TEXT), nested(WHOLE), ["POST /x"])
    assert found == Comparison((), (f"POST /x: {what}: what lies deeper than 30 levels",))


CHOICE = ref("Choice")


@cases(
    "refer said",
    {
        "a word of a parameter": (
            put(f"{GET} parameters 1 content", CHOICE),
            "the query parameter page: content",
        ),
        "another media type": (
            put(f"{POST} requestBody content text/csv", {"schema": CHOICE}),
            "request: media type text/csv",
        ),
        "another answer": (put(f"{GET} responses 422", CHOICE), "answer 422"),
        "a server": (put(f"{GET} servers", [CHOICE]), "servers"),
        "a webhook": (put("webhooks", CHOICE), "webhooks"),
        "the rest of a schema": (put(f"{THING} note not", CHOICE), "response.note: not"),
        "a choice": (
            put(f"{THING} note", {"anyOf": [TEXT, CHOICE]}),
            "response.note: anyOf.maxLength",
        ),
        "a parameter": (
            put(f"{GET} parameters 1 schema", CHOICE),
            "the query parameter page has another maxLength now",
        ),
    },
)
def test_a_reference_is_followed_in_its_own_document(refer: Change, said: str) -> None:
    before, now = (
        changed(refer, put("components schemas Choice", {**TEXT, "maxLength": length}))
        for length in (20, 10)
    )
    found = compared(before, now, [LOGIN, LIST])
    assert any(said in one for one in (*found.breaking, *found.not_compared))
    assert compared(before, before, [LOGIN, LIST]) == NOTHING_DIFFERS


@pytest.mark.parametrize("was", [None, {}, {"required": False}, {"required": True}], ids=str)
@pytest.mark.parametrize("required", [True, False])
def test_a_request_body_that_becomes_required_breaks(
    was: Document | None, *, required: bool
) -> None:
    body = {} if was is None else {"requestBody": was | json_of(TEXT)}
    before = a_document({"schema": TEXT}, **body)
    now = a_document({"schema": TEXT}, requestBody={"required": required, **json_of(TEXT)})
    needed = required and not (was or {}).get("required")
    expected = ("GET /x: needs a request body now",) if needed else ()
    assert breaking_changes(before, now, [X]) == expected

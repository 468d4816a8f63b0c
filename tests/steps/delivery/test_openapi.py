"""What breaks clients between two documents of an API: what can't be compared, and how far it is looked."""

from __future__ import annotations

import copy

import pytest

from steps.delivery.openapi import Comparison, NotComparableError, breaking_changes, compared
from tests.steps.delivery.said import (
    BEFORE,
    GET,
    LIST,
    LOGIN,
    POST,
    TEXT,
    THING,
    WHOLE,
    Document,
    X,
    a_document,
    an_object,
    changed,
    drop,
    json_of,
    put,
    ref,
    rename,
)
from tests.tables import cases


def test_only_the_operations_asked_for_are_compared() -> None:
    assert breaking_changes(BEFORE, changed(drop("paths /login")), [LIST]) == ()


def test_an_operation_that_never_was_is_a_mistake_of_the_contract() -> None:
    with pytest.raises(NotComparableError, match="no operation GET /never"):
        breaking_changes(BEFORE, BEFORE, ["GET /never"])


LINKS = {name: ref(name) for name in "ABCDE"}
CHILD = {"allOf": [ref("Parent")]}
PARENT = {"oneOf": [ref(name) for name in "ABCDE"]}


@cases(
    "document",
    {
        "by one reference": a_document({"schema": ref("A")}, {"A": an_object(a=ref("A"))}),
        "all to each other": a_document(
            {"schema": ref("A")}, {name: {"type": "object", "properties": LINKS} for name in LINKS}
        ),
        "known by itself": a_document(
            {"schema": an_object(it=ref("Parent"))},
            {"Parent": PARENT, **dict.fromkeys("ABCDE", CHILD)},
        ),
    },
)
def test_documents_that_refer_to_themselves_come_to_an_end(document: Document) -> None:
    assert breaking_changes(document, document, [X]) == ()


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


def test_other_media_types_and_logins_are_named() -> None:
    csv = put(f"{POST} requestBody content text/csv", {"schema": TEXT})
    before = changed(csv, put(f"{POST} security", [{"b": []}]))
    found = compared(before, changed(put(f"{POST} security", [{"c": ["write"]}])), [LOGIN])
    assert found.not_compared == (f"{LOGIN}: security", f"{LOGIN}: request: media type text/csv")


def test_a_reference_that_leads_nowhere_is_named_though_both_have_it() -> None:
    before = changed(put(f"{THING} note", {"$ref": "other.yaml#/Note"}))
    found = compared(before, before, [LIST])
    assert any("a $ref that leads nowhere" in one for one in found.not_compared)


def test_a_login_that_is_written_otherwise_is_the_same_login() -> None:
    was, is_now = {"scheme": "bearer", "type": "http"}, {"type": "http", "scheme": "bearer"}
    before = put("components securitySchemes", {"b": was}), put(f"{GET} security", [{"b": []}])
    now = put("components securitySchemes", {"b": is_now}), put(f"{GET} security", [{"b": []}] * 2)
    assert compared(changed(*before), changed(*now), [LIST]) == Comparison((), ())


def test_words_for_people_do_not_differ() -> None:
    places = (f"{GET} summary", f"{THING} note description", f"{THING} note title", f"{GET} x-y")
    now = changed(*(put(place, "new words") for place in places))
    assert compared(BEFORE, now, [LOGIN, LIST]) == Comparison((), ())


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

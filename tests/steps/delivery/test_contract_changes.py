"""Each change of an API's document is told for what it is to clients: it breaks, is fine, or is unknown."""

from __future__ import annotations

import datetime as dt
import random
import time
from typing import Any

import pytest

from settings.delivery import AcceptedChange
from steps.delivery.openapi import Change, NotComparableError, compared, others, silent
from steps.delivery.rules import compatible
from tests.golden import Said
from tests.tables import beside, cases

TABLE = beside(__file__, "contract_changes.yaml")
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


@pytest.mark.parametrize("whose", ["the release before", "this release"])
def test_a_document_of_several_files_is_not_compared_by_halves(whose: str) -> None:
    whole, parts = document({}), {**document({}), "paths": {"/x/{id}": {"$ref": "x.yaml"}}}
    pair = (parts, whole) if whose == "the release before" else (whole, parts)
    with pytest.raises(NotComparableError, match=rf"{whose} .* nothing is known of /x/\{{id\}}"):
        compared(*pair, [])
    hooked = {**whole, "webhooks": {"new": {"$ref": "new.yaml"}}}
    (found,) = compared(hooked, hooked, ["webhook new"])
    assert (found.breaks, found.says) == (False, "a $ref that leads nowhere")


def test_an_operation_that_never_was_is_a_mistake_of_the_contract() -> None:
    with pytest.raises(NotComparableError, match="no operation GET /never"):
        compared(document({}), document({}), ["GET /never"])


@cases(
    "broken",
    {
        "no paths": {"paths": []},
        "no operations": {"paths": {"/x/{id}": None}},
        "lists for names": {
            "paths": {
                "/x/{id}": {
                    "get": {
                        "responses": {"": {}},
                        "parameters": [{"in": [], "name": {}, "required": True}],
                        "servers": [{"url": "/{a}", "variables": {"a": {"enum": [[]]}}}],
                    }
                }
            }
        },
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


def schemas(**each: Any) -> dict[str, Any]:
    """Return the part of a document with these schemas."""
    return {"components": {**COMPONENTS, "schemas": each}}


def entity(*others: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object that refers to others."""
    links = {name.lower(): {"$ref": f"#/components/schemas/{name}"} for name in others}
    return {"type": "object", "properties": {**links, **properties}}


def test_a_change_is_told_of_each_operation_whose_schemas_refer_to_it_in_a_circle() -> None:
    def paths(*names: str) -> dict[str, Any]:
        ref = "#/components/schemas/"
        return {f"/{one}": read({"$ref": f"{ref}{one}"})["paths"]["/x/{id}"] for one in names}

    before = {
        "paths": paths("A", "B"),
        **schemas(A=entity("B", id={"type": "string"}), B=entity("A", id={"type": "string"})),
    }
    now = {**before, **schemas(A=entity("B"), B=entity("A", id={"type": "string"}))}
    assert [str(one) for one in compared(before, now, ["GET /A", "GET /B"])] == [
        "GET /A: response.it lacks the field id",
        "GET /B: response.it.a lacks the field id",
    ]


LINK = "#/components/schemas/"
ANIMAL = {
    "type": "object",
    "properties": {"kind": {"type": "string"}},
    "discriminator": {"propertyName": "kind", "mapping": {"dog": f"{LINK}Dog"}},
}


def child(**properties: Any) -> dict[str, Any]:
    own = {"type": "object", "properties": properties}
    return {"allOf": [{"$ref": f"{LINK}Animal"}, own]}


@cases(
    "link",
    {
        "of the base": ({"$ref": f"{LINK}Animal"},),
        "of the base or null": ({"anyOf": [{"$ref": f"{LINK}Animal"}, {"type": "null"}]},),
        "of the base, described": ({"allOf": [{"$ref": f"{LINK}Animal"}]},),
    },
)
def test_what_builds_on_a_schema_with_a_discriminator_is_compared_too(link: Any) -> None:
    dog, cat = child(bark={"type": "string"}), child(meow={"type": "string"})
    whole = {**read(link), **schemas(Animal=ANIMAL, Dog=dog, Cat=cat)}
    for name, says in (
        ("Dog", "as dog lacks the field bark"),
        ("Cat", "as Cat lacks the field meow"),
    ):
        now = {**whole, **schemas(Animal=ANIMAL, Dog=dog, Cat=cat)}
        now["components"]["schemas"][name] = child()
        assert [one.says for one in compared(whole, now, ["GET /x/{id}"])] == [
            f"response.it {says}"
        ]
    without = {**whole, **schemas(Animal=ANIMAL, Dog=dog)}
    assert [one.says for one in compared(without, whole, ["GET /x/{id}"])] == [
        "response.it may have the new value Cat"
    ]


def test_shapes_that_come_to_overlap_refuse_what_was_taken() -> None:
    union = {"oneOf": [entity("X"), entity(x={"$ref": f"{LINK}Y"})]}
    texts, both = ({"type": one} for one in ("integer", ["integer", "string"]))
    was, now = ({**sent(union), **schemas(X={"type": "string"}, Y=one)} for one in (texts, both))
    assert [one.breaks for one in compared(was, now, ["GET /x/{id}"])] == [False]


def test_two_thousand_schemas_that_refer_to_each_other_are_compared_in_time() -> None:
    chance = random.Random(1)  # noqa: S311 - cases, no secrets
    names = [f"S{one}" for one in range(2_000)]
    whole = {
        one: entity(*chance.sample(names, 5), id={"type": "string"}, no={"type": "integer"})
        for one in names
    }
    before = {**read({"$ref": f"{LINK}S0"}), **schemas(**whole)}
    assert compared(before, before, ["GET /x/{id}"]) == ()
    now = {**before, **schemas(**{**whole, "S7": entity("S1", id={"type": "integer"})})}
    began = time.process_time()
    assert compared(before, now, ["GET /x/{id}"])
    assert time.process_time() - began < 10  # seconds


def test_schemas_that_inherit_from_each_other_are_compared_in_time() -> None:
    bases = {
        f"S{one}": {"allOf": [{"$ref": f"{LINK}S{one - 1}"}, {"$ref": f"{LINK}S{one - 2}"}]}
        for one in range(2, 500)
    }
    ends = {"S0": entity(a={"type": "string"}), "S1": entity(b={"type": "string"})}
    other = {**ends, "S0": entity(a={"type": "integer"})}
    for last in (36, 499):
        was, now = (
            {**read({"$ref": f"{LINK}S{last}"}), **schemas(**bases, **end)} for end in (ends, other)
        )
        assert compared(was, was, ["GET /x/{id}"]) == ()
        assert compared(was, now, ["GET /x/{id}"])


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


def test_documents_that_are_nested_without_end_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2_000):
        deep = {"type": "array", "items": deep}
    for document_ in (sent(deep), {**document({}), **schemas(Deep=deep)}):
        with pytest.raises(NotComparableError, match="nested too deep"):
            compared(document_, document_, ["GET /x/{id}"])


TODAY = dt.date(2026, 11, 30)
BREAKS = Change("GET /x", "is gone", breaks=True)
UNKNOWN = Change("GET /y", "servers", breaks=False)


def test_of_what_nothing_was_promised_no_change_can_be_seen() -> None:
    before = {**document({}), "paths": {"/x/{id}": document({"responses": {}})["paths"]["/x/{id}"]}}
    assert silent(before, ["GET /x/{id}", "GET /never"]) == ("GET /x/{id}",)
    assert silent(document({}), ["GET /x/{id}"]) == ()
    for quiet, says in (
        (["GET /x"], "of what GET /x answers"),
        (["GET /x", "GET /y"], "answers, nor of 1 more"),
    ):
        judged = compatible("the API", [], {"GET /x": "", "GET /y": ""}, [], TODAY, quiet)
        assert judged.sentence.endswith(says)


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

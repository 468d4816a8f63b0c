"""What is found in changes of an API, those of documents.yaml; `tests.gates.decide.test_said` keeps it."""

from __future__ import annotations

import copy
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from steps.delivery.openapi import NotComparableError, compared

LOGIN, LIST, X = "POST /login", "GET /things/{id}", "GET /x"
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
Document = dict[str, Any]
TABLES: dict[str, dict[str, Any]] = yaml.safe_load(
    pathlib.Path(__file__).with_name("documents.yaml").read_text("utf-8")
)


def json_of(schema: Document) -> Document:
    return {"content": {"application/json": {"schema": schema}}}


def changed(changes: Sequence[Sequence[Any]]) -> Document:
    """Return the document after changes, such as [put, paths /x get, {}]; blanks divide a path."""
    document = copy.deepcopy(TABLES["document"])
    for how, path, *value in changes:
        holder, last = _place(document, path)
        old = holder.pop(last) if how != "put" else None
        if how != "drop":
            holder[value[0] if how == "rename" else last] = old if how == "rename" else value[0]
    return document


def _place(document: Any, path: str) -> tuple[Any, Any]:
    *steps, last = path.split()
    for step in steps:
        document = document[int(step) if isinstance(document, list) else step]
    return document, int(last) if isinstance(document, list) else last


def a_document(answer: Document, schemas: Document | None = None, **operation: Any) -> Document:
    """Return a document whose one operation, GET /x, answers this as JSON."""
    operation = {"responses": {"200": json_of(answer)}, **operation}
    return {"paths": {"/x": {"get": operation}}, "components": {"schemas": schemas or {}}}


def _line(name: str, before: Document, now: Document, *operations: str) -> str:
    try:
        found = compared(before, now, operations or (LOGIN, LIST))
    except NotComparableError as exc:
        return f"{name}: refused: {exc}"
    unread = (f"not compared: {one}" for one in found.not_compared)
    return f"{name}: {'; '.join([*found.breaking, *unread]) or 'nothing'}"


def changes() -> Iterator[str]:
    """Yield what is found in each change, and in taking it back."""
    before = changed([])
    for name, change in TABLES["changes"].items():
        now = changed([change])
        yield _line(name, before, now)
        if "is gone" not in name:
            yield _line(f"{name}, taken back", now, before)
    for name, row in TABLES["several changes"].items():
        both = row.get("both", [])
        before, now = (changed(row.get(side, both)) for side in ("before", "now"))
        yield _line(name, before, now, *row.get("operations", ()))


def schemas() -> Iterator[str]:
    """Yield what is found where a schema becomes another one, there and back, wherever it stands."""
    person = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": TEXT, "name": TEXT},
    }
    known = TABLES["schemas"]
    for name, schema in TABLES["wrapped"].items():
        before, now = a_document(schema, {**known, "Person": person}), a_document(schema, known)
        yield _line(f"a field less, {name}", before, now, X)
        yield _line(f"a field more, {name}", now, before, X)

    def in_answer(it: Document) -> Document:
        return a_document({"type": "object", "required": ["it"], "properties": {"it": it}}, known)

    def in_parameter(schema: Document) -> Document:
        parameter = {"in": "query", "name": "q", "schema": schema}
        return a_document(TEXT, known, parameters=[parameter])

    def in_request(schema: Document) -> Document:
        return a_document(TEXT, known, requestBody=json_of(schema))

    for name, (was, is_now) in TABLES["pairs"].items():
        for document in (in_answer, in_parameter, in_request):
            yield _line(name, document(was), document(is_now), X)
            yield _line(f"{name}, the other way round", document(is_now), document(was), X)


def references() -> Iterator[str]:
    """Yield what is found where what is referred to differs: each is followed in its own document."""
    for name, refer in TABLES["referring"].items():
        before, now = (
            changed([refer, ("put", "components schemas Choice", {**TEXT, "maxLength": length})])
            for length in (20, 10)
        )
        yield _line(name, before, now)
        yield _line(f"{name}, the same", before, before)


def _whole(part: Document) -> Document:
    """Return a document of documents.yaml: itself, or its GET /x with the `components` it refers to."""
    if "paths" in part:
        return part
    components, answer = part.get("components", {}), part.get("answer")
    answers = {} if answer is None else {"responses": {"200": json_of(answer)}}
    operation = {k: v for k, v in part.items() if k not in {"components", "answer"}}
    return {"paths": {"/x": {"get": {**operation, **answers}}}, "components": components}


def documents() -> Iterator[str]:
    """Yield what is found between two whole documents, and the other way round where a row says so."""
    for name, row in TABLES["documents"].items():
        before, now = (_whole(row.get(side, row["before"])) for side in ("before", "now"))
        yield _line(name, before, now, X)
        if row.get("both ways"):
            yield _line(f"{name}, the other way round", now, before, X)
    for what in ("request", "response"):
        before, now = (_deep(what, schema) for schema in (TEXT, WHOLE))
        yield _line(f"too deep in a {what}", before, now, "POST /x")


def _deep(what: str, schema: Document) -> Document:
    for _ in range(40):
        schema = {"type": "object", "properties": {"in": schema}}
    asked = {"requestBody": json_of(schema)} if what == "request" else {}
    answers = {"200": json_of(schema) if what == "response" else {"description": "done"}}
    return {"paths": {"/x": {"post": {**asked, "responses": answers}}}}

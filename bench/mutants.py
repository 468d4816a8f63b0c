"""Draws ways in which an API can break its own document: by seed, knowing the document and no check."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sandbox.app.bent import Bent

Document = Mapping[str, Any]
_STATUSES = (200, 201, 202, 203, 204, 206, 301, 400, 403, 404, 405, 409, 410, 418, 500, 501)
_MEDIA_TYPES = ("text/html", "text/plain", "application/xml", "application/octet-stream")
_MOST_DEEP = 4


def draw(document: Document, count: int, seed: int, without: Collection[str] = ()) -> list[Bent]:
    """Return so many mutants, no two alike: first the kind is drawn, then one of its places."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    by_change: dict[str, list[Bent]] = {}
    asked = (one for one in operations(document) if one[0] not in without)
    for name, operation in asked:
        for bent in _of_operation(document, name, operation, chance):
            by_change.setdefault(bent.change, []).append(bent)
    drawn: list[Bent] = []
    while len(drawn) < count and by_change:
        change = chance.choice(sorted(by_change))
        places = by_change[change]
        drawn.append(places.pop(chance.randrange(len(places))))
        if not places:
            del by_change[change]
    return drawn


def operations(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every operation of a document with its name."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _of_operation(
    document: Document, name: str, operation: Mapping[str, Any], chance: random.Random
) -> Iterator[Bent]:
    answers = operation["responses"]
    yield Bent(operation=name, change="fails", every=chance.choice((1, 2, 3)))
    unnamed = [status for status in _STATUSES if str(status) not in answers]
    yield Bent(operation=name, change="status", status=chance.choice(unnamed))
    if "security" in operation:
        yield Bent(operation=name, change="open")
    elif "401" not in answers:
        yield Bent(operation=name, change="closed")
    if "requestBody" in operation:
        yield Bent(operation=name, change="accepts")
    for status, answer in answers.items():
        for header, described in answer.get("headers", {}).items():
            if described.get("required"):
                yield Bent(operation=name, change="header_gone", name=header)
        if status.startswith("2"):
            yield from _of_answer(document, name, answer, chance)


def _of_answer(
    document: Document, name: str, answer: Mapping[str, Any], chance: random.Random
) -> Iterator[Bent]:
    for media in answer.get("content", {}).values():
        yield Bent(operation=name, change="media_type", name=chance.choice(_MEDIA_TYPES))
        for field, schema, required, closed in _fields(document, media["schema"]):
            yield Bent(operation=name, change="retyped", field=field)
            if required:
                yield Bent(operation=name, change="lacks", field=field)
            if not _takes_null(document, schema):
                yield Bent(operation=name, change="null", field=field)
            if closed:
                yield Bent(operation=name, change="gains", field=f"{field}Too")


def _fields(
    document: Document, schema: Any, way: str = "", depth: int = 0
) -> Iterator[tuple[str, Any, bool, bool]]:
    """Yield each field with its place, its schema, whether it must be there, whether others must not."""
    schema = _resolved(document, schema)
    if depth > _MOST_DEEP:
        return
    if "items" in schema:
        yield from _fields(document, schema["items"], f"{way}[]", depth + 1)
    closed = schema.get("additionalProperties") is False
    for name, field in schema.get("properties", {}).items():
        place = f"{way}.{name}" if way else name
        yield place, field, name in schema.get("required", ()), closed
        yield from _fields(document, field, place, depth + 1)


def _resolved(document: Document, schema: Any) -> Mapping[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    resolved: Mapping[str, Any] = schema
    return resolved


def _takes_null(document: Document, schema: Any) -> bool:
    found = _resolved(document, schema)
    kinds = found.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    return "null" in kinds or any(
        _takes_null(document, one) for one in (*found.get("anyOf", ()), *found.get("oneOf", ()))
    )

"""Parts of an OpenAPI document: what they refer to, and what in them programs can feel."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_MOST_DEPTH: Final = 12
_FOR_PEOPLE: Final = frozenset(
    {"description", "summary", "title", "example", "examples", "deprecated", "externalDocs", "tags"}
    | {"operationId", "scopes", "$comment", "$schema", "$id", "$anchor", "$defs", "definitions"}
)
SCHEMAS: Final = "#/components/schemas/"
"""How a reference to one of them begins."""
_NO_PARTS: Final = frozenset({"schema", "example", "examples", "links"})
"""Words of an operation under which a `$ref` is a schema's matter, or none at all."""
_BY_NAME: Final = frozenset(
    {"properties", "patternProperties", "headers", "responses", "content", "mapping", "encoding"}
    | {"dependentRequired", "dependentSchemas", "variables", "callbacks"}
)
"""Their entries have names of the platform's own, whatever those are."""
Part = Mapping[str, Any]
"""An object of a document."""
Schema = Part
NOTHING_SAID: Final[Schema] = {}


def unchanged(one: Part, other: Part) -> frozenset[str]:
    """Return the references whose schemas are the same in both documents, with all they refer to."""
    pairs = [mapping(mapping(each.get("components")).get("schemas")) for each in (one, other)]
    same = {
        f"{SCHEMAS}{name}": set(_references(schema))
        for name, schema in pairs[0].items()
        if name in pairs[1] and repr(schema) == repr(pairs[1][name])  # True is no 1
    }
    users: dict[str, list[str]] = {}
    for user, used in same.items():
        for reference in used:
            users.setdefault(reference, []).append(user)
    left = [reference for reference in users if reference not in same]
    while left:
        changed = [user for user in users.get(left.pop(), ()) if user in same]
        left += changed
        for user in changed:
            del same[user]
    return frozenset(same)


def refers_only_to(schema: Any, known: frozenset[str]) -> bool:
    """Tell whether all that a schema refers to is known."""
    return all(reference in known for reference in _references(schema))


def leads_nowhere(document: Part, value: Any) -> bool:
    """Tell whether a part of an operation, whatever its schemas, refers to what the document lacks."""
    left, followed = [value], set[str]()
    while left:
        found = left.pop()
        if isinstance(found, list):
            left += found
            continue
        left += [one for name, one in mapping(found).items() if name not in _NO_PARTS]
        reference = mapping(found).get("$ref")
        if isinstance(reference, str) and reference not in followed:
            followed.add(reference)
            left.append(at(document, reference))
            if not left[-1]:
                return True
    return False


def plain(document: Part, value: Any) -> Any:
    """Return a part of a document without what is for people alone, and with all that it refers to.

    Each reference is followed once, however often documents refer to each other.
    """
    followed: dict[str, Any] = {}
    whole = _without_words(referred(document, value) if isinstance(value, Mapping) else value)
    found = list(_references(whole))
    while found:
        reference = found.pop()
        if reference not in followed:
            followed[reference] = _without_words(at(document, reference))
            found.extend(_references(followed[reference]))
    return {"it": whole, "refers to": followed} if followed else whole


def _without_words(value: Any, *, named: bool = False) -> Any:
    if isinstance(value, list):
        return [_without_words(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return {
        name: _without_words(part, named=name in _BY_NAME and not named)
        for name, part in sorted(value.items())
        if named or not is_for_people(name)
    }


def _references(value: Any) -> Iterator[str]:
    """Yield what a part refers to; what a discriminator leads to is told by nothing: an empty text."""
    parts = value if isinstance(value, list) else mapping(value).values()
    if isinstance(mapping(value).get("discriminator"), Mapping):
        yield ""
    if isinstance(reference := mapping(value).get("$ref"), str):
        yield reference
    for part in parts:
        yield from _references(part)


def is_for_people(name: str) -> bool:
    """Tell whether a word of a document says nothing that a program could feel."""
    return name in _FOR_PEOPLE or name.startswith("x-")


def referred(document: Part, found: Any) -> Part:
    """Follow references; one that leads nowhere, or in a circle, is empty."""
    for _ in range(_MOST_DEPTH):
        found = mapping(found)
        if "$ref" not in found:
            return found  # type: ignore[no-any-return]  # what a document holds has no type
        found = at(document, str(found["$ref"]))
    return NOTHING_SAID


def mapping(value: Any) -> Part:
    """Return an object of a document; empty where something else stands."""
    return value if isinstance(value, Mapping) else NOTHING_SAID


def listed(schema: Schema, name: str) -> Sequence[Any]:
    """Return a list of a schema; empty where something else stands."""
    found = schema.get(name)
    return found if isinstance(found, list) else ()


def at(document: Part, reference: str) -> Part:
    """Return what a reference leads to; empty where that is nothing."""
    found: Any = document
    for part in urllib.parse.unquote(reference.removeprefix("#/")).split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = {str(place): one for place, one in enumerate(found)}
        found = mapping(found).get(name)
    return mapping(found)

"""What a JSON Schema of an OpenAPI document allows, however the document is written.

References, `allOf`, and the three ways of saying "or null" (3.0's `nullable`, 3.1's list of types, `anyOf`)
are put together, so that two ways of writing the same are the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_MOST_DEPTH: Final = 12
_MOST_UNIONS_DEEP: Final = 3
"""Of shapes that are known by shapes that are known by shapes: three are enough to see a type."""
_JSON_TYPES: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}
_READ: Final = frozenset(
    {"type", "enum", "const", "nullable", "required", "properties", "items"}
    | {"allOf", "anyOf", "oneOf", "readOnly", "writeOnly"}
)
_FOR_PEOPLE: Final = frozenset(
    {"description", "summary", "title", "example", "examples", "deprecated", "externalDocs", "tags"}
    | {"operationId", "xml", "$comment", "$schema", "$id", "$anchor", "$defs", "definitions"}
)
_BY_NAME: Final = frozenset({"properties", "patternProperties", "headers", "responses", "content"})
"""Their entries have names of the platform's own, whatever those are."""
Part = Mapping[str, Any]
"""An object of a document."""
Schema = Part
NOTHING_SAID: Final[Schema] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What a value may be; empty sets leave it open."""

    types: frozenset[str]
    values: frozenset[str]
    """The only ones, apart from null."""
    required: frozenset[str]
    properties: Mapping[str, Schema]
    parts: Mapping[str, Schema]
    """What all else in it is like: `[]` of a list's items, `{}` of a map's."""
    variants: Mapping[str, Schema]
    """Objects and lists, where it may be one of several: by name, or by place."""
    rest: Part
    """What else is said of it, such as `maxLength`; `$ref` where a reference leads nowhere."""

    def without(self, mark: str) -> Shape:
        """Return the same without fields that are marked `readOnly` or `writeOnly`."""
        marked = {name for name, one in self.properties.items() if one.get(mark) is True}
        kept = {name: one for name, one in self.properties.items() if name not in marked}
        return dataclasses.replace(self, properties=kept, required=self.required - marked)

    @property
    def says_nothing(self) -> bool:
        """Whether any value at all would do."""
        return not (self.types or self.values or self.properties or self.parts or self.variants)


def shape_of(document: Part, schema: Schema) -> Shape:
    """Return what a schema of a document allows; a reference that leads nowhere allows anything."""
    parts = list(_parts(document, schema, 0))
    return Shape(
        types=_types(document, parts, 0),
        values=_values(document, parts, 0),
        required=frozenset(name for part in parts for name in listed(part, "required")),
        properties=_properties(parts),
        parts=_others(parts),
        variants=_variants(document, parts),
        rest=_rest(document, parts),
    )


def plain(document: Part, value: Any, depth: int = 0) -> Any:
    """Return a part of a document with its references followed, and without what is for people alone.

    Its names are in order: two ways of writing the same are equal, and look so.
    """
    if isinstance(value, list):
        return [plain(document, one, depth + 1) for one in value]
    if not isinstance(value, Mapping) or depth > _MOST_DEPTH:
        return value
    found = referred(document, value) if "$ref" in value else value
    return {
        name: {one: plain(document, each, depth + 2) for one, each in sorted(mapping(part).items())}
        if name in _BY_NAME
        else plain(document, part, depth + 1)
        for name, part in sorted(found.items())
        if not is_for_people(name)
    }


def is_for_people(name: str) -> bool:
    """Tell whether a word of a document says nothing that a program could feel."""
    return name in _FOR_PEOPLE or name.startswith("x-")


def referred(document: Part, found: Any) -> Part:
    """Follow references; one that leads nowhere, or in a circle, is empty."""
    for _ in range(_MOST_DEPTH):
        found = mapping(found)
        if "$ref" not in found:
            return found  # type: ignore[no-any-return]  # what a document holds has no type
        found = _at(document, str(found["$ref"]))
    return NOTHING_SAID


def mapping(value: Any) -> Part:
    """Return an object of a document; empty where something else stands."""
    return value if isinstance(value, Mapping) else NOTHING_SAID


def listed(schema: Schema, name: str) -> Sequence[Any]:
    """Return a list of a schema; empty where something else stands."""
    found = schema.get(name)
    return found if isinstance(found, list) else ()


def _at(document: Part, reference: str) -> Part:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = mapping(found).get(part.replace("~1", "/").replace("~0", "~"), {})
    return mapping(found)


def _parts(document: Part, schema: Any, depth: int) -> Iterator[Schema]:
    """Yield everything that holds of a value at once."""
    if depth > _MOST_DEPTH or not isinstance(schema, Mapping):
        return
    yield schema
    if "$ref" in schema:
        yield from _parts(document, _at(document, str(schema["$ref"])), depth + 1)
    union = _union(schema)
    for one in (*listed(schema, "allOf"), *(union if len(union) == 1 else ())):
        yield from _parts(document, one, depth + 1)


def _union(schema: Schema) -> list[Schema]:
    """Return what a value may be one of, apart from null."""
    found = map(mapping, (*listed(schema, "anyOf"), *listed(schema, "oneOf")))
    return [one for one in found if not _is_null(one)]


def _is_null(schema: Schema) -> bool:
    return schema.get("type") == "null" or schema.get("const", 0) is None


def _types(document: Part, parts: Sequence[Schema], depth: int) -> frozenset[str]:
    told = [_told(document, part, depth) for part in parts]
    sets = [types - {"null"} for types in told if types - {"null"}]
    if not sets:
        return frozenset({"null"} if any("null" in types for types in told) else ())
    types = frozenset.intersection(*sets) or frozenset.union(*sets)
    nullable = any("null" in one for one in told) or any(map(_is_nullable, parts))
    return types | {"null"} if nullable else types


def _is_nullable(schema: Schema) -> bool:
    union = map(mapping, (*listed(schema, "anyOf"), *listed(schema, "oneOf")))
    return schema.get("nullable") is True or any(map(_is_null, union))


def _told(document: Part, schema: Schema, depth: int) -> frozenset[str]:
    """Return the types that one part tells, in so many words or by what it says else."""
    if "type" in schema:
        told = schema["type"]
        return frozenset([told] if isinstance(told, str) else map(str, listed(schema, "type")))
    if {"properties", "required", "additionalProperties"} & schema.keys():
        return frozenset({"object"})
    if "items" in schema:
        return frozenset({"array"})
    if known := _own_values(schema):
        return frozenset(_JSON_TYPES.get(type(value), "object") for value in known)
    return _together(
        [_types(document, parts, depth + 1) for parts in _choices(document, schema, depth)]
    )


def _values(document: Part, parts: Sequence[Schema], depth: int) -> frozenset[str]:
    own = {repr(one) for part in parts for one in _own_values(part) if one is not None}
    chosen = [
        _together(
            [_values(document, choice, depth + 1) for choice in _choices(document, part, depth)]
        )
        for part in parts
    ]
    return frozenset(own).union(*chosen)


def _own_values(schema: Schema) -> list[Any]:
    return [*listed(schema, "enum"), *([schema["const"]] if "const" in schema else ())]


def _choices(document: Part, schema: Schema, depth: int) -> list[list[Schema]]:
    """Return of each thing that a value may be one of what holds of it."""
    union = _union(schema)
    if len(union) < 2 or depth > _MOST_UNIONS_DEEP:  # noqa: PLR2004 - one alone is not a choice
        return []
    return [list(_parts(document, one, 0)) for one in union]


def _together(sets: list[frozenset[str]]) -> frozenset[str]:
    """Return what one of several may be; one that is open leaves all open."""
    return frozenset().union(*sets) if all(sets) else frozenset()


def _properties(parts: Sequence[Schema]) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for part in parts:
        for name, schema in mapping(part.get("properties")).items():
            known = found.get(name)
            found[name] = mapping(schema) if known is None else {"allOf": [known, schema]}
    return found


def _others(parts: Sequence[Schema]) -> dict[str, Schema]:
    return {
        shown: schema
        for part in parts
        for shown, name in (("[]", "items"), ("{}", "additionalProperties"))
        if (schema := mapping(part.get(name)))
    }


def _rest(document: Part, parts: Sequence[Schema]) -> dict[str, Any]:
    found = _rest_of(document, parts)
    for choice in (one for part in parts for one in _choices(document, part, 0)):
        # Objects and lists are variants, which are compared by themselves.
        if not any({"properties", "items", "anyOf", "oneOf"} & part.keys() for part in choice):
            for name, said in _rest_of(document, choice).items():
                found[f"anyOf.{name}"] = [*found.get(f"anyOf.{name}", ()), said]
    return found


def _rest_of(document: Part, parts: Sequence[Schema]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for part in parts:
        for name, said in part.items():
            lost = name == "$ref" and not _at(document, str(said))
            open_map = name == "additionalProperties" and (
                said is True or isinstance(said, Mapping)
            )
            if lost or not (name == "$ref" or name in _READ or open_map or is_for_people(name)):
                found.setdefault(name, []).append(plain(document, said))
    return {
        name: said[0] if len(said) == 1 else sorted(said, key=repr) for name, said in found.items()
    }


def _variants(document: Part, parts: Sequence[Schema]) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for part in parts:
        union = _union(part)
        if len(union) < 2:  # noqa: PLR2004 - one alone is not a choice
            continue
        for place, schema in enumerate(union):
            types = _types(document, list(_parts(document, schema, 0)), 0)
            if not types or types & {"object", "array"}:
                found[str(schema.get("$ref") or schema.get("title") or place)] = schema
    return found

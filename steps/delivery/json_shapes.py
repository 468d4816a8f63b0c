"""What a JSON Schema of an OpenAPI document allows, however the document is written.

References, `allOf`, and the three ways of saying "or null" (3.0's `nullable`, 3.1's list of types, `anyOf`)
are put together, so that two ways of writing the same are the same.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from steps.delivery.json_parts import (
    SCHEMAS,
    Part,
    Schema,
    at,
    is_for_people,
    listed,
    mapping,
    plain,
    referred,
)

_MOST_INHERITED: Final = 40
_MOST_REFERENCES: Final = 1_000
_MOST_WAYS: Final = 100
_TOO_MANY: Final = f"more than {_MOST_WAYS} ways to meet it"
"""What is said where they are not told apart."""
_JSON_TYPES: Final = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}
_UNIONS: Final = ("anyOf", "oneOf")
_READ: Final = frozenset(
    {"type", "enum", "const", "nullable", "required", "properties", "items", "additionalProperties"}
    | {"readOnly", "writeOnly"}
)
_SAYS_NOTHING: Final = (
    ("minLength", 0),
    ("minItems", 0),
    ("minProperties", 0),
    ("uniqueItems", False),
)
_ONLY_OF: Final = {
    "string": frozenset({"maxLength", "minLength", "pattern"}),
    "array": frozenset({"maxItems", "minItems", "uniqueItems"}),
    "object": frozenset({"maxProperties", "minProperties", "patternProperties", "propertyNames"}),
    "number": frozenset(
        {"maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf"}
    ),
}
"""Words that say something of values of one type, and nothing of others."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """One kind of value that a schema allows; what is empty or None is left open."""

    name: str
    """What a union calls it: its reference or title."""
    types: frozenset[str]
    values: frozenset[str] | None
    """The only ones, as JSON."""
    required: frozenset[str]
    properties: Mapping[str, Schema]
    parts: Mapping[str, Schema]
    """What all else in it is like: `[]` of a list's items, `{}` of a map's."""
    is_closed: bool
    """Whether it has no fields but those."""
    limits: Part
    """What else is said of it, such as `maxLength`; `$ref` where a reference leads nowhere."""

    def without(self, document: Part, mark: str) -> Shape:
        """Return the same without fields that are marked `readOnly` or `writeOnly`."""
        fields = self.properties.items()
        marked = {name for name, one in fields if _is_marked(document, one, mark)}
        kept = {name: one for name, one in fields if name not in marked}
        return dataclasses.replace(self, properties=kept, required=self.required - marked)


@dataclasses.dataclass(frozen=True, slots=True)
class Shapes:
    """All that a schema allows."""

    is_nullable: bool
    each: tuple[Shape, ...]
    """None where only null is allowed."""
    is_exclusive: bool
    """Whether a value must be of one shape and of no other (`oneOf`)."""
    overlap: bool
    """Whether a value may be of several of the shapes, as far as types, values and fields tell."""

    @property
    def says_nothing(self) -> bool:
        """Whether any value at all would do."""
        return any(
            not (one.types or one.properties or one.parts or one.limits.keys() - {"$ref"})
            for one in self.each
        )


def shapes_of(document: Part, schema: Any) -> Shapes:
    """Return what a schema of a document allows; a reference that leads nowhere allows anything."""
    try:
        ways = _ways(document, schema, frozenset(), itertools.count())
    except _TooManyError:
        ways = [("", [{_TOO_MANY: mapping(schema)}])]
    shapes, nulls = [], 0
    for name, parts in ways:
        types, with_null = _types(parts)
        values = _values(parts)
        nulls += with_null
        if types is not None and (values is None or values):
            shapes.append(_shape(document, name, types, values, parts))
    each = [one for shape in shapes for one in _by_type(shape)]
    return Shapes(
        is_nullable=nulls > 0,
        each=tuple(_joined(each)),
        is_exclusive=_is_exclusive(document, schema),
        overlap=nulls > 1 or any(_overlap(*pair) for pair in itertools.combinations(each, 2)),
    )


def _is_exclusive(document: Part, schema: Any) -> bool:
    left, followed = [schema], set[str]()
    while left:
        found = mapping(left.pop())
        if len(listed(found, "oneOf")) > 1:
            return True
        left += [one for word in ("allOf", *_UNIONS) for one in listed(found, word)]
        reference = str(found.get("$ref", ""))
        if reference and reference not in followed:
            followed.add(reference)
            left.append(at(document, reference))
    return False


def _is_marked(document: Part, schema: Any, mark: str, depth: int = 3) -> bool:
    """Tell whether a field is `readOnly` or `writeOnly`, there or in what it is put together of."""
    found = mapping(schema)
    if found.get(mark) is True or not depth:
        return found.get(mark) is True
    inner = [*listed(found, "allOf"), at(document, str(found["$ref"])) if "$ref" in found else {}]
    return any(_is_marked(document, one, mark, depth - 1) for one in inner)


def kinds_of(document: Part, schema: Any, depth: int = 3) -> dict[str, Schema]:
    """Return what builds on a schema, by the value of its discriminator; of a union all are shapes."""
    found = referred(document, schema)
    unions = [one for word in _UNIONS for one in listed(found, word)]
    if said := mapping(found.get("discriminator")):
        return {} if unions else _kinds(document, said)
    parts = [*listed(found, "allOf"), *unions] if depth else []
    kinds = {
        value: kind for part in parts for value, kind in kinds_of(document, part, depth - 1).items()
    }
    return {} if schema in kinds.values() else kinds


def _kinds(document: Part, said: Part) -> dict[str, Schema]:
    names = {str(value): str(name) for value, name in mapping(said.get("mapping")).items()}
    schemas = mapping(mapping(document.get("components")).get("schemas"))
    for name, schema in schemas.items():
        bases = [referred(document, one) for one in listed(mapping(schema), "allOf")]
        # One that is named nowhere is known by its own name.
        if any(one.get("discriminator") is said for one in bases) and not {
            name,
            f"{SCHEMAS}{name}",
        } & set(names.values()):
            names[name] = name
    return {
        value: {"$ref": name if "/" in name else f"{SCHEMAS}{name}"}
        for value, name in names.items()
    }


def _overlap(one: Shape, other: Shape) -> bool:
    if one.types and other.types and not wide(one.types) & wide(other.types):
        return False
    if one.values is not None and other.values is not None:
        return bool(one.values & other.values)
    # Objects that need different fields are told apart by them.
    return one.required <= other.required or other.required <= one.required


def wide(types: frozenset[str]) -> frozenset[str]:
    """Return types with whole numbers among them where there are numbers."""
    return types | {"integer"} if "number" in types else types


_Way = tuple[str, list[Schema]]
"""What a union calls it, and all that holds at once."""


class _TooManyError(Exception):
    """A schema refers to more than can be put together in time."""


def _ways(document: Part, schema: Any, inside: frozenset[str], steps: Iterator[int]) -> list[_Way]:
    """Return the ways to meet a schema; a reference met inside itself asks for nothing more.

    `steps` counts the references that were followed; raises _TooManyError.
    """
    if schema is False:
        return [("", [{"not": {}}])]
    found = mapping(schema)
    ways: list[_Way] = [
        ("", [{name: one for name, one in found.items() if name not in {"allOf", *_UNIONS}}])
    ]
    if "$ref" in found and (reference := str(found["$ref"])) not in inside:
        if next(steps) > _MOST_REFERENCES or len(inside) > _MOST_INHERITED:
            raise _TooManyError
        inner = _ways(document, at(document, reference), inside | {reference}, steps)
        ways = _both(ways, inner, found)
    for part in listed(found, "allOf"):
        ways = _both(ways, _ways(document, part, inside, steps), {"allOf": [part]})
    for word in _UNIONS:
        union = [
            (str(mapping(one).get("$ref") or mapping(one).get("title") or name), parts)
            for one in listed(found, word)
            for name, parts in _ways(document, one, inside, steps)
        ]
        if union:
            ways = _both(ways, union, {word: found[word]})
    return ways


def _both(ways: list[_Way], others: list[_Way], together: Schema) -> list[_Way]:
    """Return the ways in which both hold; where those are too many, with the second as it is written."""
    if len(ways) * len(others) > _MOST_WAYS:
        others = [("", [{_TOO_MANY: together}])]
    return [(other or name, [*parts, *more]) for name, parts in ways for other, more in others]


def _types(parts: Sequence[Schema]) -> tuple[frozenset[str] | None, bool]:
    """Return what types hold apart from null, None where there is none; and whether null does."""
    told = [types for part in parts if (types := _told(part))]
    with_null = any(part.get("nullable") is True for part in parts) or (
        bool(told) and all("null" in types for types in told)
    )
    if not told:
        return frozenset(), with_null
    types = frozenset.intersection(*map(wide, told)) - {"null"}
    return (types - {"integer"} if "number" in types else types) or None, with_null


def _told(schema: Schema) -> frozenset[str]:
    """Return the types that one part tells, in so many words or by what it says else."""
    if "type" in schema:
        told, values = schema["type"], _own_values(schema)
        types = frozenset([told] if isinstance(told, str) else map(str, listed(schema, "type")))
        return types if values is None or None in values else types - {"null"}
    if {"properties", "required", "additionalProperties"} & schema.keys():
        return frozenset({"object"})
    if "items" in schema:
        return frozenset({"array"})
    return frozenset(_JSON_TYPES.get(type(value), "object") for value in _own_values(schema) or ())


def _values(parts: Sequence[Schema]) -> frozenset[str] | None:
    told = [
        frozenset(json.dumps(value, sort_keys=True) for value in values if value is not None)
        for part in parts
        if (values := _own_values(part)) is not None
    ]
    return frozenset.intersection(*told) if told else None


def _own_values(schema: Schema) -> list[Any] | None:
    # A whole number is the same with a point.
    values = [
        int(one) if isinstance(one, float) and one.is_integer() else one
        for one in listed(schema, "enum")
    ]
    if "const" in schema:
        const = schema["const"]
        return [const] if "enum" not in schema or const in values else []
    return values if "enum" in schema else None


def _shape(
    document: Part,
    name: str,
    types: frozenset[str],
    values: frozenset[str] | None,
    parts: Sequence[Schema],
) -> Shape:
    return Shape(
        name=name,
        types=types,
        values=values,
        required=frozenset(str(name) for part in parts for name in listed(part, "required")),
        properties=_together(mapping(part.get("properties")) for part in parts),
        parts=_together(
            {shown: part[word]}
            for part in parts
            for shown, word in (("[]", "items"), ("{}", "additionalProperties"))
            if mapping(part.get(word))
        ),
        is_closed=any(part.get("additionalProperties") is False for part in parts),
        limits=_limits(document, parts),
    )


def _by_type(shape: Shape) -> Iterator[Shape]:
    """Yield it for each of its types, with what is said of that one."""
    for kind in sorted(shape.types):
        numeric = kind.replace("integer", "number")
        foreign = frozenset[str]().union(
            *(words for of, words in _ONLY_OF.items() if of != numeric)
        )
        limits = {name: one for name, one in shape.limits.items() if name not in foreign}
        yield dataclasses.replace(
            shape,
            types=frozenset({kind}),
            values=None if shape.values is None else _values_of(kind, shape.values),
            limits=_whole_bounds(limits) if kind == "integer" else limits,
        )
    if not shape.types:
        yield shape


def _whole_bounds(limits: Part) -> dict[str, Any]:
    """Return what is said of whole numbers with their bounds included: more than 4 is at least 5."""
    found = dict(limits)
    for word, excluded in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        bounds = []
        if tightness(word, limits.get(excluded)) is not None:
            bound = found.pop(excluded)
            bounds += [math.floor(bound) + 1 if word == "minimum" else math.ceil(bound) - 1]
        if tightness(word, limits.get(word)) is not None:
            bounds += [math.ceil(limits[word]) if word == "minimum" else math.floor(limits[word])]
        if bounds:
            found[word] = max(bounds) if word == "minimum" else min(bounds)
    return found


def _values_of(kind: str, values: frozenset[str]) -> frozenset[str]:
    """Return the values of a type; all where none is: a YAML file's `1` is often meant as a text."""
    told = {value: _JSON_TYPES[type(json.loads(value))] for value in values}
    wanted = {kind, "integer"} if kind == "number" else {kind}
    return frozenset(value for value, one in told.items() if one in wanted) or values


def _joined(shapes: list[Shape]) -> Iterator[Shape]:
    """Yield them; those of one type that are only values as one: a union of constants is an enum."""
    constants: dict[frozenset[str], Shape] = {}
    for one in shapes:
        if one.values is None or one.limits or one.properties:
            yield one
        else:
            known = constants.setdefault(one.types, one)
            values = one.values | (known.values or frozenset())
            constants[one.types] = dataclasses.replace(known, values=values)
    yield from constants.values()


def _together(parts: Iterable[Part]) -> dict[str, Schema]:
    """Return all that is told by name; what is told twice holds at once."""
    found: dict[str, Schema] = {}
    for name, schema in (pair for part in parts for pair in part.items()):
        found[name] = {"allOf": [found[name], schema]} if name in found else schema
    return found


def _limits(document: Part, parts: Sequence[Schema]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for part in map(_with_plain_bounds, parts):
        for name, said in part.items():
            lost = name == "$ref" and not at(document, str(said))
            no_schema = name == "items" and not (said is True or isinstance(said, Mapping))
            read = name == "$ref" or name in _READ or is_for_people(name)
            if lost or no_schema or not read:
                found.setdefault(name, []).append(plain(document, said))
    limits = {name: _one_of(name, said) for name, said in found.items()}
    return {name: said for name, said in limits.items() if (name, said) not in _SAYS_NOTHING}


def _with_plain_bounds(schema: Schema) -> Schema:
    """Return it with a bound that is excluded as version 3.1 writes it (3.0: true, beside the bound)."""
    found = dict(schema)
    for word in ("Maximum", "Minimum"):
        excluded, plain_word = schema.get(f"exclusive{word}"), word.lower()
        if excluded is True and plain_word in schema:
            found[f"exclusive{word}"] = found.pop(plain_word)
        elif isinstance(excluded, bool):
            del found[f"exclusive{word}"]
    return found


def tightness(name: str, bound: Any) -> float | None:
    """Return how little room a bound such as `maxLength` leaves; None for what is not one."""
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        return None
    if name.lower().removeprefix("exclusive").startswith("max"):
        return -bound
    return bound if name.lower().removeprefix("exclusive").startswith("min") else None


def _one_of(name: str, said: list[Any]) -> Any:
    """Return what several that hold at once come to."""
    different = [one for place, one in enumerate(said) if one not in said[:place]]
    if len(different) > 1 and all(tightness(name, one) is not None for one in different):
        return max(different, key=lambda one: tightness(name, one) or 0.0)
    return different[0] if len(different) == 1 else sorted(different, key=repr)

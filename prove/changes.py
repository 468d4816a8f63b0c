"""Proof of the comparison of schemas, with a validator: what is called fine refuses nothing."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator

from prove import Cases
from steps.delivery.json_changes import OfRequests

PROMISE = "no change of a schema is called fine that refuses what a client was allowed to send"
INSTANCES = 60
ATOMS: tuple[object, ...] = ("", "a", "b", "ab", "abc", -1, 0, 1, 2, 4, 6, 1.5, True, False, None)
SCALARS = ("string", "integer", "number", "boolean", "null")
LIMITS: dict[str, dict[str, tuple[Any, ...]]] = {
    "string": {"maxLength": (0, 1, 3), "minLength": (0, 1, 2), "pattern": ("^a", "b$")},
    "number": {
        "maximum": (0, 1, 5),
        "minimum": (-1, 0, 1),
        "exclusiveMaximum": (1, 2),
        "exclusiveMinimum": (-1, 0),
        "multipleOf": (1, 2, 3, 4),
    },
    "array": {"maxItems": (0, 1), "minItems": (0, 1), "uniqueItems": (True, False)},
    "object": {"maxProperties": (1, 2), "required": (["a"], ["a", "b"], [])},
}


def refuses_nothing(seed: int) -> Cases:
    """Yield pairs of schemas, each with values that the first allows."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    while True:
        was = _schema(chance, 2)
        is_now = _changed(chance, was)
        found = OfRequests({}, {}).changes(was, is_now)
        yield None if found else _refused(chance, was, is_now)


def _refused(chance: random.Random, was: Any, is_now: Any) -> str | None:
    # A field that was not described may be described now: nobody is said to have sent it.
    before, after = Draft202012Validator(_closed(was)), Draft202012Validator(is_now)
    for _ in range(INSTANCES):
        value = _value(chance, 2)
        if before.is_valid(value) and not after.is_valid(value):
            return (
                f"{json.dumps(was)} became {json.dumps(is_now)}, which refuses {json.dumps(value)}"
            )
    return None


def _schema(chance: random.Random, depth: int) -> dict[str, Any]:
    deeper = [_union, _all_of, _object, _object, _array] if depth else []
    make: Callable[[random.Random, int], dict[str, Any]]
    make = chance.choice([_scalar, _scalar, _scalar, _values, *deeper])
    return make(chance, depth - 1)


def _union(chance: random.Random, depth: int) -> dict[str, Any]:
    if chance.random() < 0.5:  # noqa: PLR2004 - one in two
        return {"oneOf": [_scalar(chance, depth) for _ in range(chance.randint(1, 3))]}
    return {"anyOf": [_schema(chance, depth) for _ in range(chance.randint(1, 3))]}


def _all_of(chance: random.Random, depth: int) -> dict[str, Any]:
    return {"allOf": [_schema(chance, depth) for _ in range(chance.randint(1, 2))]}


def _object(chance: random.Random, depth: int) -> dict[str, Any]:
    fields = {name: _schema(chance, depth) for name in chance.sample("abc", chance.randint(0, 2))}
    rest: dict[str, Any] = chance.choice(
        [{}, {"additionalProperties": False}, {"additionalProperties": _schema(chance, 0)}]
    )
    return {"type": "object", "properties": fields, **rest, **_limits(chance, "object")}


def _array(chance: random.Random, depth: int) -> dict[str, Any]:
    items = {"items": _schema(chance, depth)} if chance.random() < 0.7 else {}  # noqa: PLR2004 - seven of ten
    return {"type": "array", **items, **_limits(chance, "array")}


def _scalar(chance: random.Random, _depth: int) -> dict[str, Any]:
    kind = chance.choice(SCALARS)
    if chance.random() < 0.2:  # noqa: PLR2004 - one in five
        return {"type": chance.sample(SCALARS, 2)}
    return {"type": kind, **_limits(chance, kind.replace("integer", "number"))}


def _values(chance: random.Random, _depth: int) -> dict[str, Any]:
    some = chance.sample(["a", "b", 1, 2, None, True], chance.randint(1, 4))
    return {"const": some[0]} if len(some) == 1 else {"enum": some}


def _limits(chance: random.Random, kind: str) -> dict[str, Any]:
    known = LIMITS.get(kind, {})
    return {name: chance.choice(some) for name, some in known.items() if chance.random() < 0.3}  # noqa: PLR2004 - three of ten


def _changed(chance: random.Random, schema: dict[str, Any]) -> dict[str, Any]:
    """Return it with one part replaced, or with a word more or less; a type stays told."""
    whole = copy.deepcopy(schema)
    part, other = chance.choice(list(_parts(whole))), _schema(chance, 1)
    words = [word for word in part if word not in {"type", "enum", "const"}]
    if chance.random() < 0.3:  # noqa: PLR2004 - three of ten
        part.clear()
        part.update(other)
    elif words and chance.random() < 0.5:  # noqa: PLR2004 - one in two
        del part[chance.choice(words)]
    elif "type" in part and part["type"] == other.get("type"):
        part.update(other)
    return whole


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for word in ("anyOf", "oneOf", "allOf"):
            for one in schema.get(word, ()):
                yield from _parts(one)
        for one in (*schema.get("properties", {}).values(), schema.get("items")):
            yield from _parts(one)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    whole = copy.deepcopy(schema)
    for part in _parts(whole):
        if part.get("type") == "object":
            part.setdefault("additionalProperties", False)
    return whole


def _value(chance: random.Random, depth: int) -> Any:
    make = chance.random() if depth else 1.0
    if make < 0.35:  # noqa: PLR2004 - a third
        return {
            name: _value(chance, depth - 1) for name in chance.sample("abcz", chance.randint(0, 3))
        }
    if make < 0.5:  # noqa: PLR2004 - a sixth
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 2))]
    return chance.choice(ATOMS)

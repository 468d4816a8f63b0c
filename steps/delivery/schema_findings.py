"""How an answer differs from a JSON Schema, in words that hold nothing of the answer itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from steps.delivery.json_shapes import referred

_STRUCTURE = {"properties", "items", "anyOf", "oneOf", "allOf", "$defs"}


def findings(schema: Mapping[str, Any], instance: object) -> tuple[str, ...]:
    """Return one phrase for each difference; names come from the schema, values are never shown."""
    # Imported late: the library takes longer to load than most checks take.
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above

    validator = Draft202012Validator(schema)
    return tuple(sorted({_phrase(error) for error in validator.iter_errors(instance)}))


def unusable(schema: Mapping[str, Any]) -> str:
    """Return why a schema is none, such as a type that does not exist; nothing for a good one."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see above
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - see above

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as exc:
        return f"{exc.json_path} is not of {exc.validator} there"
    # The library would look for other files in the network, without a deadline.
    lost = [name for name in _references(schema) if not _leads_somewhere(schema, name)]
    return f"{lost[0]} leads to nothing in the file itself" if lost else ""


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        named = (part.get(word) for word in ("$ref", "$dynamicRef"))
        yield from (name for name in named if isinstance(name, str))
    for one in part.values() if isinstance(part, Mapping) else part:
        if isinstance(one, Mapping | list):
            yield from _references(one)


def _leads_somewhere(schema: Mapping[str, Any], reference: str) -> bool:
    if reference == "#":
        return True
    return reference.startswith("#/") and bool(referred(schema, {"$ref": reference}))


def unseen(schema: Any, instance: object, place: str = "the answer") -> Iterator[str]:
    """Yield the lists of which a schema describes the items, and that had none."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(instance, list) and "items" in schema:
        if not instance:
            yield place
        for one in instance[:1]:
            yield from unseen(schema["items"], one, place)
    if isinstance(instance, Mapping):
        for name, part in schema.get("properties", {}).items():
            if name in instance:
                yield from unseen(part, instance[name], name)


def _phrase(error: Any) -> str:
    place = _place(error.absolute_schema_path)
    if error.validator == "required":
        there = set(error.instance) if isinstance(error.instance, Mapping) else set()
        missing = sorted(set(error.validator_value) - there)
        return f"{place} lacks {', '.join(missing)}"
    if error.validator in {"type", "const", "enum", "pattern", "format"}:
        return f"{place} is not of {error.validator} {error.validator_value}"
    return f"{place} breaks the rule {error.validator}"


def _place(path: Any) -> str:
    """Return where in the schema; its last step is the rule itself."""
    steps = [str(step) for step in list(path)[:-1]]
    named = [step for step in steps if step not in _STRUCTURE and not step.isdigit()]
    return ".".join(named) or "the answer"

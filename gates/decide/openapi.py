"""What would break clients between two OpenAPI documents: a plain structural comparison.

Only what a client can feel counts: an operation that is gone, a request that needs more, an answer that
promises less. What was added, descriptions and order do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MOST_DEPTH = 12
_JSON = "application/json"
Schema = Mapping[str, Any]


class UnknownOperationError(ValueError):
    """A contract names an operation that the release before did not have; the text names it."""


def breaking_changes(
    before: Mapping[str, Any], now: Mapping[str, Any], operations: Iterable[str]
) -> tuple[str, ...]:
    """Return one phrase for each breaking change of operations such as `GET /v1/things/{id}`.

    Raises UnknownOperationError for one that was not there before: nothing could be compared.
    """
    return tuple(
        f"{operation}: {change}"
        for operation in sorted(set(operations))
        for change in _operation(before, now, operation)
    )


def _operation(before: Mapping[str, Any], now: Mapping[str, Any], operation: str) -> Iterator[str]:
    was, is_now = _find(before, operation), _find(now, operation)
    if was is None:
        raise UnknownOperationError(f"the release before has no operation {operation}")
    if is_now is None:
        yield "is gone"
        return
    compared = _Compared(before, now)
    yield from _parameters(_needed(before, operation, was), _needed(now, operation, is_now))
    yield from _request(compared, was, is_now)
    yield from _responses(compared, was, is_now)


def _find(document: Mapping[str, Any], operation: str) -> Mapping[str, Any] | None:
    """Return an operation by method and path; names of path parameters are free."""
    found = _item(document, operation).get(operation.partition(" ")[0].lower())
    return found if isinstance(found, Mapping) else None


def _item(document: Mapping[str, Any], operation: str) -> Mapping[str, Any]:
    path = operation.partition(" ")[2]
    for known, item in document.get("paths", {}).items():
        if _anonymous(known) == _anonymous(path):
            return item if isinstance(item, Mapping) else {}
    return {}


def _anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _needed(
    document: Mapping[str, Any], operation: str, found: Mapping[str, Any]
) -> dict[tuple[Any, Any], bool]:
    """Return of each parameter, by place and name, whether it must be there: the path's and its own."""
    told = [*_item(document, operation).get("parameters", ()), *found.get("parameters", ())]
    resolved = [_resolved(document, one) for one in told]
    return {(one.get("in"), one.get("name")): bool(one.get("required")) for one in resolved}


def _parameters(
    was: Mapping[tuple[Any, Any], bool], is_now: Mapping[tuple[Any, Any], bool]
) -> Iterator[str]:
    for (place, name), needed in is_now.items():
        if needed and place != "path" and not was.get((place, name)):
            yield f"needs the {place} parameter {name} now"


def _request(
    compared: _Compared, was: Mapping[str, Any], is_now: Mapping[str, Any]
) -> Iterator[str]:
    body_was, body_now = was.get("requestBody", {}), is_now.get("requestBody", {})
    if body_now.get("required") and not body_was.get("required"):
        yield "needs a request body now"
    if body_was and body_now:
        yield from compared.request(_schema(body_was), _schema(body_now), "request", 0)


def _responses(
    compared: _Compared, was: Mapping[str, Any], is_now: Mapping[str, Any]
) -> Iterator[str]:
    for status, answer in was.get("responses", {}).items():
        if not status.startswith("2"):
            continue
        answer_now = is_now.get("responses", {}).get(status)
        if answer_now is None:
            yield f"no longer answers {status}"
        else:
            yield from compared.response(_schema(answer), _schema(answer_now), "response", 0)


def _schema(body: Mapping[str, Any]) -> Schema:
    found = body.get("content", {}).get(_JSON, {}).get("schema", {})
    return found if isinstance(found, Mapping) else {}


class _Compared:
    """Two documents: schemas are compared with their references resolved, each in its own."""

    def __init__(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        self._before = before
        self._now = now

    def request(self, was: Schema, is_now: Schema, at: str, depth: int) -> Iterator[str]:
        """Yield what a request may no longer be, or has to have now."""
        was, is_now = _resolved(self._before, was), _resolved(self._now, is_now)
        if depth > _MOST_DEPTH:
            return
        for name in sorted(_required(is_now) - _required(was)):
            yield f"{at} needs the field {name} now"
        if refused := _types(was) - _types(is_now):
            yield f"{at} takes no {' or '.join(sorted(refused))} any more"
        if refused := _values(was) - _values(is_now) if _values(is_now) else set():
            yield f"{at} takes {len(refused)} values less"
        for part, one, other in _shared(was, is_now):
            yield from self.request(one, other, f"{at}{part}", depth + 1)

    def response(self, was: Schema, is_now: Schema, at: str, depth: int) -> Iterator[str]:
        """Yield what an answer no longer promises."""
        was, is_now = _resolved(self._before, was), _resolved(self._now, is_now)
        if depth > _MOST_DEPTH:
            return
        gone = set(_properties(was)) - set(_properties(is_now))
        for name in sorted(gone):
            yield f"{at} lacks the field {name}"
        for name in sorted(_required(was) - _required(is_now) - gone):
            yield f"{at} may lack the field {name}"
        if added := _types(is_now) - _types(was) if _types(was) else set():
            yield f"{at} may be {' or '.join(sorted(added))} now"
        if added := _values(is_now) - _values(was) if _values(was) else set():
            yield f"{at} may have {len(added)} new values"
        for part, one, other in _shared(was, is_now):
            yield from self.response(one, other, f"{at}{part}", depth + 1)


def _resolved(document: Mapping[str, Any], schema: Schema) -> Schema:
    """Follow references; one that leads nowhere, or in a circle, is an empty schema."""
    for _ in range(_MOST_DEPTH):
        reference = schema.get("$ref")
        if reference is None:
            return schema
        found: Any = document
        for part in str(reference).removeprefix("#/").split("/"):
            found = found.get(part, {}) if isinstance(found, Mapping) else {}
        schema = found if isinstance(found, Mapping) else {}
    return {}


def _required(schema: Schema) -> set[str]:
    return set(schema.get("required", ()))


def _properties(schema: Schema) -> Mapping[str, Schema]:
    found: Mapping[str, Schema] = schema.get("properties", {})
    return found


def _types(schema: Schema) -> set[str]:
    """Return the JSON types that a schema allows; empty where it says nothing of them."""
    told = schema.get("type", ())
    types = {told} if isinstance(told, str) else set(told)
    for one in schema.get("anyOf", ()):
        types |= _types(one)
    return types


def _values(schema: Schema) -> set[str]:
    constant = [schema["const"]] if "const" in schema else []
    return {repr(value) for value in (*schema.get("enum", ()), *constant)}


def _shared(was: Schema, is_now: Schema) -> Iterator[tuple[str, Schema, Schema]]:
    """Yield the parts that both schemas have, with what to call them."""
    now = _properties(is_now)
    for name, schema in _properties(was).items():
        if name in now:
            yield f".{name}", schema, now[name]
    if "items" in was and "items" in is_now:
        yield "[]", was["items"], is_now["items"]

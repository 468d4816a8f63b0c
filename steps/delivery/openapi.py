"""What would break clients between two OpenAPI documents: a plain structural comparison.

Only what a client can feel counts: an operation that is gone, a request that needs more, an answer that
promises less. What was added, descriptions and order do not. What the document before said nothing of can't
be compared, and is not proof; nor is what differs in a part that is not compared, which is named.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from steps.delivery.json_shapes import (
    Part,
    Schema,
    Shape,
    is_for_people,
    listed,
    mapping,
    plain,
    referred,
    shape_of,
)

_MOST_DEPTH = 30
_Parameter = tuple[Any, Any]
"""Its place and name."""
_NO_CONTENT = "204"
_ANYTHING = frozenset({"application/json", "application/*", "*/*"})

_BOUNDED = ("", "Length", "Items", "Properties")
_NARROWS = {
    "exclusiveMaximum": "lower",
    "exclusiveMinimum": "higher",
    **{f"max{what or 'imum'}": "lower" for what in _BOUNDED},
    **{f"min{what or 'imum'}": "higher" for what in _BOUNDED},
}
"""Bounds, and which move of one leaves less room."""
_ADDED_NARROWS = frozenset({"pattern", "format", "multipleOf", "uniqueItems"})


class NotComparableError(ValueError):
    """The release before promised nothing that could be compared; the text says what, and the remedy."""


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it: one phrase for each finding, beginning with its operation."""

    breaking: tuple[str, ...]
    not_compared: tuple[str, ...]
    """What differs in parts whose meaning is not compared: nothing is known of it."""


def breaking_changes(before: Part, now: Part, operations: Iterable[str]) -> tuple[str, ...]:
    """Return one phrase for each breaking change of operations such as `GET /v1/things/{id}`.

    Raises NotComparableError where a PASS would prove nothing.
    """
    return compared(before, now, operations).breaking


def compared(before: Part, now: Part, operations: Iterable[str]) -> Comparison:
    """Return what breaks, and what differs and is not compared; raises NotComparableError."""
    for whose, document in (("the release before", before), ("this release", now)):
        if "swagger" in document:
            raise NotComparableError(
                f"{whose} has a document of Swagger 2; convert it to OpenAPI 3"
            )
    breaking, unread = [], []
    for operation in sorted(set(operations)):
        both = _Compared(before, now)
        breaking += [f"{operation}: {change}" for change in _operation(both, operation)]
        unread += [f"{operation}: {part}" for part in dict.fromkeys(both.unread)]
    if plain(before, before.get("webhooks")) != plain(now, now.get("webhooks")):
        unread.append("webhooks")
    return Comparison(tuple(breaking), tuple(unread))


def _operation(both: _Compared, operation: str) -> Iterator[str]:
    was, is_now = _find(both.before, operation), _find(both.now, operation)
    if was is None:
        raise NotComparableError(
            f"the release before has no operation {operation}; correct the contract"
        )
    if is_now is None:
        yield "is gone"
        return
    _promises_something(both.before, operation, was)
    yield from _security(both, was, is_now)
    _servers(both, operation, was, is_now)
    both.differ(
        "", was, is_now, read={"parameters", "requestBody", "responses", "security", "servers"}
    )
    told = _told(both.before, operation, was), _told(both.now, operation, is_now)
    yield from _parameters(both, *told)
    yield from _request(both, was, is_now)
    yield from _responses(both, was, is_now)


def _security(both: _Compared, was: Part, is_now: Part) -> Iterator[str]:
    """Yield that a login is needed now; another one than before is not compared."""
    old, new = _logins(both.before, was), _logins(both.now, is_now)
    if {} in old or not old:
        if new and {} not in new:
            yield "needs a login now"
    elif set(map(repr, old)) != set(map(repr, new)) and new and {} not in new:
        both.unread.append("security")


def _logins(document: Part, operation: Part) -> list[dict[str, Any]]:
    schemes = mapping(mapping(document.get("components")).get("securitySchemes"))
    asked = operation.get("security", document.get("security"))
    return [
        {
            name: (plain(document, schemes.get(name)), scopes)
            for name, scopes in mapping(one).items()
        }
        for one in (asked if isinstance(asked, list) else ())
    ]


def _servers(both: _Compared, operation: str, was: Part, is_now: Part) -> None:
    old, new = (
        [
            plain(document, found)
            for found in (one, _item(document, operation), document)
            if "servers" in found
            for found in listed(found, "servers")
        ]
        for document, one in ((both.before, was), (both.now, is_now))
    )
    if old != new:
        both.unread.append("servers")


def _find(document: Part, operation: str) -> Part | None:
    """Return an operation by method and path; names of path parameters are free."""
    found = _item(document, operation).get(operation.partition(" ")[0].lower())
    return found if isinstance(found, Mapping) else None


def _item(document: Part, operation: str) -> Part:
    path = operation.partition(" ")[2]
    for known, item in mapping(document.get("paths")).items():
        if _anonymous(known) == _anonymous(path):
            return referred(document, item)
    return {}


def _anonymous(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _promises_something(before: Part, operation: str, was: Part) -> None:
    """Refuse an operation of whose answer nothing was said: whatever comes now would be as good."""
    answers = _answers(before, was)
    open_ones = [status for status, answer in answers.items() if _is_open(before, answer)]
    silent = not any(status == _NO_CONTENT or answers[status].get("content") for status in answers)
    if open_ones or (silent and operation.startswith("GET ")):
        raise NotComparableError(
            f"the document of the release before says nothing of what {operation} answers; write its "
            "schema there, as the apps know it"
        )


def _is_open(document: Part, answer: Part) -> bool:
    schema = _json_schema(answer)
    return schema is not None and shape_of(document, schema).says_nothing


def _told(document: Part, operation: str, found: Part) -> dict[_Parameter, Part]:
    """Return the parameters by place and name: the path's and the operation's own."""
    told = [*listed(_item(document, operation), "parameters"), *listed(found, "parameters")]
    resolved = [referred(document, one) for one in told]
    return {(one.get("in"), _name(one)): one for one in resolved}


def _name(parameter: Part) -> Any:
    name = parameter.get("name")
    return name.lower() if parameter.get("in") == "header" and isinstance(name, str) else name


def _parameters(
    compared: _Compared, was: Mapping[_Parameter, Part], is_now: Mapping[_Parameter, Part]
) -> Iterator[str]:
    # Who still sends it is not understood: a filter is silently none.
    compared.unread.extend(
        f"the {place} parameter {name} is gone"
        for place, name in sorted(was.keys() - is_now.keys(), key=str)
        if place != "path"
    )
    for (place, name), found in is_now.items():
        before = was.get((place, name))
        if found.get("required") and place != "path" and not (before or {}).get("required"):
            yield f"needs the {place} parameter {name} now"
        if before is not None:
            at = f"the {place} parameter {name}"
            compared.differ(f"{at}: ", before, found, read={"in", "name", "required", "schema"})
            schemas = mapping(before.get("schema")), mapping(found.get("schema"))
            yield from compared.parameter(*schemas, at)


def _request(compared: _Compared, was: Part, is_now: Part) -> Iterator[str]:
    body_was = referred(compared.before, was.get("requestBody"))
    body_now = referred(compared.now, is_now.get("requestBody"))
    if body_now.get("required") and not body_was.get("required"):
        yield "needs a request body now"
    compared.differ("request: ", body_was, body_now, read={"required", "content"})
    compared.media("request", body_was, body_now)
    schema_was, schema_now = _json_schema(body_was), _json_schema(body_now)
    if schema_was is None or not body_now:
        return
    if schema_now is None:
        yield "takes no JSON any more"
    else:
        yield from compared.request(schema_was, schema_now, "request")


def _responses(compared: _Compared, was: Part, is_now: Part) -> Iterator[str]:
    for status, answer in _answers(compared.before, was).items():
        answer_now = _answer(compared.now, is_now, status)
        if answer_now is None:
            yield f"no longer answers {status}"
            continue
        compared.differ(f"answer {status}: ", answer, answer_now, read={"content"})
        compared.media(f"answer {status}", answer, answer_now)
        schema_was, schema_now = _json_schema(answer), _json_schema(answer_now)
        if schema_was is not None and schema_now is None:
            yield f"no longer answers {status} with JSON"
        elif schema_was is not None and schema_now is not None:
            yield from compared.response(schema_was, schema_now, "response")

    good = _answers(compared.before, was)
    for status, answer in mapping(was.get("responses")).items():
        if status not in good:
            found = mapping(is_now.get("responses")).get(status)
            if plain(compared.before, answer) != plain(compared.now, found):
                compared.unread.append(f"answer {status}")


def _answers(document: Part, operation: Part) -> dict[str, Part]:
    """Return the good answers by status; where none is told, the one that stands for all."""
    told = mapping(operation.get("responses"))
    good = [status for status in told if status.startswith("2")] or ["default"]
    return {status: referred(document, told[status]) for status in good if status in told}


def _answer(document: Part, operation: Part, status: str) -> Part | None:
    """Return what answers with a status now, in its own name or in that of its kind."""
    told = mapping(operation.get("responses"))
    names = (status, f"{status[0]}XX", "default")
    return next((referred(document, told[name]) for name in names if name in told), None)


def _json_schema(body: Part) -> Schema | None:
    """Return the schema of a body's JSON, by whichever name it goes; None without JSON."""
    name = _json_name(body)
    return None if name is None else mapping(mapping(body["content"][name]).get("schema"))


def _json_name(body: Part) -> str | None:
    for name in mapping(body.get("content")):
        kind = _bare(name)
        if kind in _ANYTHING or kind.endswith("+json"):
            return str(name)
    return None


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


@dataclasses.dataclass(frozen=True, slots=True)
class _Compared:
    """Two documents: schemas are compared with their references resolved, each in its own."""

    before: Part
    now: Part
    seen: set[tuple[str, str, str]] = dataclasses.field(default_factory=set)
    """Pairs of schemas that were compared: entities refer to each other, and each is told of once."""
    unread: list[str] = dataclasses.field(default_factory=list)
    """What differs and is not compared."""

    def differ(self, at: str, was: Schema, is_now: Schema, *, read: Collection[str]) -> None:
        """Note which words differ, apart from those that are read elsewhere or are for people."""
        names = [name for name in {**was, **is_now} if name not in read and not is_for_people(name)]
        self.unread.extend(
            f"{at}{name}"
            for name in sorted(names)
            if plain(self.before, was.get(name)) != plain(self.now, is_now.get(name))
        )

    def media(self, at: str, was: Schema, is_now: Schema) -> None:
        """Note the media types beside JSON that are gone or differ."""
        old, new = mapping(was.get("content")), mapping(is_now.get("content"))
        read, read_now = _json_name(was), _json_name(is_now)
        if read and read_now and "*" not in read and _bare(read) != _bare(read_now):
            self.unread.append(f"{at}: media type {read}")
        self.unread.extend(
            f"{at}: media type {name}"
            for name in old
            if name != read and plain(self.before, old[name]) != plain(self.now, new.get(name))
        )

    def parameter(self, was: Schema, is_now: Schema, at: str) -> Iterator[str]:
        """Yield what a parameter may no longer be; it is a text, and none can be null."""
        old, new = shape_of(self.before, was), shape_of(self.now, is_now)
        yield from self._limits(old, new, at, request=True)
        if new.types - {"null"} == {"string"} and not new.values:
            return
        before = dataclasses.replace(old, types=old.types - {"null"})
        yield from _narrower(before, new, at, _TAKES)

    def request(self, was: Schema, is_now: Schema, at: str, depth: int = 0) -> Iterator[str]:
        """Yield what a request may no longer be, or has to have now."""
        if not self._is_new("request", was, is_now, depth):
            return
        old, new = self._shapes(was, is_now, "readOnly")
        for name in sorted(new.required - old.required):
            yield f"{at} needs the field {name} now"
        gone = sorted(set(old.properties) - set(new.properties))
        if new.rest.get("additionalProperties") is False and "additionalProperties" in old.rest:
            yield from (f"{at} takes the field {name} no more" for name in gone)
        else:
            self.unread.extend(f"{at}: the field {name} is gone" for name in gone)
        yield from _narrower(old, new, at, _TAKES)
        yield from self._limits(old, new, at, request=True)
        for part, one, other in _shared(old, new):
            yield from self.request(one, other, f"{at}{part}", depth + 1)

    def response(self, was: Schema, is_now: Schema, at: str, depth: int = 0) -> Iterator[str]:
        """Yield what an answer no longer promises."""
        if not self._is_new("response", was, is_now, depth):
            return
        old, new = self._shapes(was, is_now, "writeOnly")
        gone = set(old.properties) - set(new.properties)
        for name in sorted(gone):
            yield f"{at} lacks the field {name}"
        for name in sorted(old.required - new.required - gone):
            yield f"{at} may lack the field {name}"
        yield from _narrower(new, old, at, _MAY_BE)
        yield from _open_parts(old, new, at)
        yield from self._limits(old, new, at, request=False)
        for part, one, other in _shared(old, new):
            yield from self.response(one, other, f"{at}{part}", depth + 1)

    def _limits(self, old: Shape, new: Shape, at: str, *, request: bool) -> Iterator[str]:
        """Yield what may no longer be, or is no longer promised, beyond types; note what is not compared."""
        self.unread.extend(
            f"{at}: a $ref that leads nowhere" for one in (old, new) if "$ref" in one.rest
        )
        for name in sorted({*old.rest, *new.rest} - {"$ref"}):
            was, is_now = old.rest.get(name), new.rest.get(name)
            if was == is_now:
                continue
            decided = (_tightened if request else _loosened)(name, was, is_now)
            if decided is None:
                self.unread.append(f"{at}: {name}")
            elif decided:
                yield f"{at} has another {name} now"

    def _shapes(self, was: Schema, is_now: Schema, hidden: str) -> tuple[Shape, Shape]:
        old, new = shape_of(self.before, was), shape_of(self.now, is_now)
        return old.without(hidden), new.without(hidden)

    def _is_new(self, what: str, was: Schema, is_now: Schema, depth: int) -> bool:
        pair = (what, repr(was), repr(is_now))
        if depth > _MOST_DEPTH:
            self.unread.append(f"{what}: what lies deeper than {_MOST_DEPTH} levels")
            return False
        if pair in self.seen:
            return False
        self.seen.add(pair)
        return True


def _tightened(name: str, was: Any, is_now: Any) -> bool | None:
    """Tell whether a request may be less than before; None where that is not compared."""
    if name in _ADDED_NARROWS and (was is None or is_now is None):
        return was is None
    if name == "additionalProperties" and {was, is_now} <= {None, False}:
        return is_now is False
    if name not in _NARROWS or not _bounds(was, is_now):
        return None
    if was is None or is_now is None:
        return was is None
    return bool((is_now < was) if _NARROWS[name] == "lower" else (is_now > was))


def _loosened(name: str, was: Any, is_now: Any) -> bool | None:
    """Tell whether an answer may be more than before; None where that is not compared."""
    if name == "format" and isinstance(was, str) and isinstance(is_now, str):
        return True
    narrower = _tightened(name, was, is_now)
    return False if narrower else None


def _bounds(*values: Any) -> bool:
    """Tell whether each is a number or missing: 3.0 writes some bounds as true."""
    return all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        for value in values
    )


_TAKES = (
    *("takes only {} now", "takes no {} any more"),
    *("takes only some values now", "takes {} values less", "takes a shape less"),
)
_MAY_BE = (
    *("may be anything now", "may be {} now"),
    *("may have any value now", "may have {} new values", "may have a shape that nobody knew"),
)
"""What is said where the narrower one has all the types, lacks some, the same of values, and shapes."""


def _narrower(wide: Shape, narrow: Shape, at: str, says: Sequence[str]) -> Iterator[str]:
    """Yield what one shape leaves out of another: a request now of before, an answer before of now."""
    every_type, some_types, every_value, some_values, shapes = says
    if narrow.types and not wide.types:
        yield f"{at} {every_type.format(_or(narrow.types))}"
    elif narrow.types and (types := wide.types - _with_whole_numbers(narrow.types)):
        yield f"{at} {some_types.format(_or(types))}"
    if narrow.values and not wide.values:
        yield f"{at} {every_value}"
    elif narrow.values and (values := wide.values - narrow.values):
        yield f"{at} {some_values.format(len(values))}"
    if narrow.variants and set(wide.variants) - set(narrow.variants):
        yield f"{at} {shapes}"


def _open_parts(old: Shape, new: Shape, at: str) -> Iterator[str]:
    """Yield the items and values of which an answer promises nothing any more."""
    for part, container in (("[]", "array"), ("{}", "object")):
        if part in old.parts and part not in new.parts and container in new.types:
            yield f"{at}{part} may be anything now"


def _with_whole_numbers(types: frozenset[str]) -> frozenset[str]:
    return types | {"integer"} if "number" in types else types


def _or(words: frozenset[str]) -> str:
    return " or ".join(sorted(words))


def _shared(old: Shape, new: Shape) -> Iterator[tuple[str, Schema, Schema]]:
    """Yield the parts that both shapes have, with what to call them."""
    for name, schema in old.properties.items():
        if name in new.properties:
            yield f".{name}", schema, new.properties[name]
    for name, schema in {**old.parts, **old.variants}.items():
        found = {**new.parts, **new.variants}.get(name)
        if found is not None:
            yield name if name in old.parts else "", schema, found

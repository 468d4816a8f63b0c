"""What breaks clients where one JSON Schema of an OpenAPI document became another one.

A request breaks where the API takes less than before, an answer where it may be more than before: in both,
what is *given* (a request by the old rules, an answer by the new ones) must be *taken* by the other side.
What can't be compared is found too, and is never taken for good.
"""

from __future__ import annotations

import dataclasses
import decimal
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from steps.delivery.json_parts import (
    Part,
    Schema,
    is_for_people,
    mapping,
    plain,
    refers_only_to,
    unchanged,
)
from steps.delivery.json_shapes import Shape, Shapes, kinds_of, shapes_of, tightness, wide

_MOST_DEPTH: Final = 30
_MOST_SHOWN: Final = 40
_MOST_VALUES: Final = 3
_ADDED_NARROWS: Final = frozenset({"pattern", "format", "multipleOf", "uniqueItems"})
_WIDER_FORMATS: Final = (("int32", "int64"), ("float", "double"))


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """One difference; `at` is a path such as `.items[].id` in the schema."""

    breaks: bool
    """False where nothing is known of it."""
    says: str
    at: str = ""
    of: tuple[str, str] = ("", "")
    """The schemas in which it was found: entities refer to each other, and each is reported once."""


def broken(says: str) -> Found:
    """Return what breaks clients."""
    return Found(breaks=True, says=says)


def unknown(says: str) -> Found:
    """Return what differs in a part that is not compared."""
    return Found(breaks=False, says=says)


class Narrowing:
    """Tells where what one side gives is not taken by the other; each has its own document.

    Knows what was compared before: documents refer to the same entities again and again.
    """

    _hidden: str
    """Fields with this mark are not part of it."""
    _types: tuple[str, str]
    """Said where the other side takes some types only, and where it lacks some."""
    _values: tuple[str, str]
    """Said so of values."""
    _shapes: str
    _unfelt: frozenset[str] = frozenset()
    """Limits that are none in this direction."""

    def __init__(self, given: Part, taken: Part, *, is_text: bool = False) -> None:
        """Take two documents; `is_text`: whatever is given is a text, as in a parameter."""
        self._given, self._taken, self._is_text = given, taken, is_text
        self._known: dict[tuple[str, str], tuple[Found, ...]] = {}
        self._open: set[tuple[str, str]] = set()
        self._same = unchanged(given, taken)
        self._leans_on_open = False

    def changes(self, was: Any, is_now: Any) -> tuple[Found, ...]:
        """Return what breaks, or can't be compared, where a schema became another one."""
        known, self._leans_on_open = len(self._known), False
        pair = ({} if one is None else one for one in self._ordered(was, is_now))
        found = self._found(*pair)
        # What was found inside of a circle lacks what lies on the rest of it: only the whole is kept.
        whole = self._known.popitem() if len(self._known) > known else None
        while self._leans_on_open and len(self._known) > known:
            self._known.popitem()
        self._known |= dict([whole] if whole else ())
        return found

    def _found(self, given: Any, taken: Any) -> tuple[Found, ...]:
        """Return all that is given by a schema and not taken by another one."""
        pair = (repr(given), repr(taken))
        if pair in self._known:
            return self._known[pair]
        if pair[0] == pair[1] and refers_only_to(given, self._same):
            return ()
        if pair in self._open:
            self._leans_on_open = True
            return ()  # what it refers to is itself, which is just being compared
        if len(self._open) > _MOST_DEPTH:
            self._leans_on_open = True
            deeper = f"what lies deeper than {_MOST_DEPTH} levels"
            return (Found(breaks=False, says=deeper, of=(deeper, deeper)),)
        self._open.add(pair)
        try:
            shapes = shapes_of(self._given, given), shapes_of(self._taken, taken)
            found = [
                one if any(one.of) else dataclasses.replace(one, of=pair)
                for one in (
                    *self._all(*shapes),
                    *self._exclusions(given, taken, *shapes),
                    *self._kinds(given, taken),
                )
            ]
        finally:
            self._open.discard(pair)
        self._known[pair] = once(found)
        return self._known[pair]

    def _all(self, given: Shapes, taken: Shapes) -> Iterator[Found]:
        may_be_null = taken.is_nullable or any(not one.types for one in taken.each)
        if given.is_nullable and not may_be_null and not self._is_text:
            yield broken(self._types[1].format("null"))
        for shape in given.each:
            yield from self._taken_by_one(shape, taken)

    def _taken_by_one(self, given: Shape, taken: Shapes) -> Iterator[Found]:
        """Yield why no shape takes one that is given: nothing where one does."""
        same = [one for one in taken.each if given.name and one.name == given.name]
        others = [one for one in taken.each if one not in same and self._takes_type(given, one)]
        likely, tried = same + others, list[tuple[Found, ...]]()
        for shape in likely:
            known = len(self._known)
            tried.append(tuple(self._one(given, shape)))
            if not tried[-1]:
                return
            while len(self._known) > known and len(likely) > 1:
                self._known.popitem()  # was found while it was assumed that this one fits
        open_ones = [found for found in tried if not any(one.breaks for one in found)]
        if len(tried) == 1 or same:
            yield from tried[0]
        elif open_ones:
            yield from open_ones[0]
        elif not given.types and taken.each and all(one.types for one in taken.each):
            every = frozenset[str]().union(*(one.types for one in taken.each))
            yield broken(self._types[0].format(_or(every)))
        elif tried or not given.types:
            yield broken(self._shapes)
        else:
            yield broken(self._types[1].format(_or(given.types)))

    def _takes_type(self, given: Shape, taken: Shape) -> bool:
        if self._is_text and "string" in taken.types and taken.values is None:
            return not given.types & {"object", "array"}
        if not given.types or not taken.types:
            return not taken.types
        return given.types <= wide(taken.types)

    def _one(self, given: Shape, taken: Shape) -> Iterator[Found]:
        given = given.without(self._given, self._hidden)
        taken = taken.without(self._taken, self._hidden)
        if not self._takes_type(given, taken):
            word = self._types[1] if given.types else self._types[0]
            yield broken(word.format(_or(given.types or taken.types)))
            return
        if taken.values is not None and given.values is None:
            yield broken(self._values[0])
        elif taken.values is not None and (more := (given.values or frozenset()) - taken.values):
            yield broken(self._values[1].format(_some(more)))
        yield from self._limits(given, taken)
        yield from self._fields(given, taken)
        for name in {**given.properties, **taken.properties}:
            # In a map, any other name has a value of its kind.
            sent, kept = (one.properties.get(name, one.parts.get("{}")) for one in (given, taken))
            if sent is not None and kept is not None:
                yield from self._inside(f".{name}", sent, kept)
        for part, kind in (("[]", "array"), ("{}", "object")):
            fixed = kind == "object" and given.is_closed
            if part in taken.parts and kind in given.types and not fixed:
                yield from self._inside(part, given.parts.get(part, {}), taken.parts[part])

    def _inside(self, at: str, given: Any, taken: Any) -> Iterator[Found]:
        for one in self._found(given, taken):
            yield dataclasses.replace(one, at=f"{at}{one.at}")

    def _kinds(self, given: Any, taken: Any) -> Iterator[Found]:
        """Yield what differs in what builds on both, told apart by a discriminator."""
        theirs = kinds_of(self._taken, taken)
        for value, kind in kinds_of(self._given, given).items() if theirs else ():
            if value in theirs:
                yield from self._inside(f" as {value}", kind, theirs[value])
            elif kind["$ref"].endswith(f"/{value}"):  # else the discriminators differ: a limit
                yield broken(self._values[1].format(_shown(value)))

    def _exclusions(
        self, given: Any, taken: Any, shapes: Shapes, others: Shapes
    ) -> Iterator[Found]:
        """Yield that a value may be refused now because it is of two shapes."""
        if not others.is_exclusive:
            return
        if len(shapes.each) > 1 and not shapes.is_exclusive:
            yield unknown("oneOf instead of anyOf")
        elif others.overlap and plain(self._given, given) != plain(self._taken, taken):
            yield unknown("oneOf, of shapes that overlap")

    def _fields(self, given: Shape, taken: Shape) -> Iterator[Found]:
        raise NotImplementedError

    def _ordered(self, was: Any, is_now: Any) -> tuple[Any, Any]:
        """Return what is given and what is taken of the two; of what is given and taken, the two."""
        raise NotImplementedError

    def _limits(self, given: Shape, taken: Shape) -> Iterator[Found]:
        for document_shape in (given, taken):
            if "$ref" in document_shape.limits:
                yield unknown("a $ref that leads nowhere")
        for name in sorted({*given.limits, *taken.limits} - self._unfelt - {"$ref"}):
            pair = _bound(given, name), taken.limits.get(name)
            if pair[0] == pair[1] and isinstance(pair[0], bool) is isinstance(pair[1], bool):
                continue  # in Python True is 1
            breaks = _leaves_less(name, *pair)
            if breaks is None:
                yield unknown(name)
            elif breaks:
                told = given.limits.get(name), taken.limits.get(name)
                yield broken(_another(name, *self._ordered(*told)))


class OfRequests(Narrowing):
    """What is sent by the rules of before must be taken now."""

    _hidden = "readOnly"
    _types = ("takes only {} now", "no longer takes {}")
    _values = ("takes only some values now", "no longer takes the value {}")
    _shapes = "no longer takes one of its shapes"

    def __init__(self, before: Part, now: Part, *, is_text: bool = False) -> None:
        super().__init__(before, now, is_text=is_text)

    def _ordered(self, was: Any, is_now: Any) -> tuple[Any, Any]:
        return was, is_now

    def _fields(self, given: Shape, taken: Shape) -> Iterator[Found]:
        for name in sorted(taken.required - given.required):
            yield broken(f"needs the field {name} now")
        if taken.is_closed and not given.is_closed:
            yield broken("no longer takes other fields")
        for name in sorted(given.properties.keys() - taken.properties.keys()):
            if taken.is_closed:
                yield broken(f"no longer takes the field {name}")
            else:
                yield unknown(f"the field {name} is gone")


class OfAnswers(Narrowing):
    """What is answered now must be what was promised before."""

    _hidden = "writeOnly"
    _types = ("may be anything now", "may be {} now")
    _values = ("may have any value now", "may have the new value {}")
    _shapes = "may have a new shape"
    _unfelt = frozenset({"default"})

    def __init__(self, before: Part, now: Part, *, is_text: bool = False) -> None:
        super().__init__(now, before, is_text=is_text)

    def _ordered(self, was: Any, is_now: Any) -> tuple[Any, Any]:
        return is_now, was

    def _fields(self, given: Shape, taken: Shape) -> Iterator[Found]:
        gone = taken.properties.keys() - given.properties.keys()
        for name in sorted(gone):
            yield broken(f"lacks the field {name}")
        for name in sorted(taken.required - given.required - gone):
            yield broken(f"may lack the field {name}")


def once(found: Iterable[Found]) -> tuple[Found, ...]:
    """Return them without what was found in the same schemas before, on another path."""
    return tuple({(one.of, one.says): one for one in reversed(list(found))}.values())[::-1]


def differing(
    before: Part, now: Part, was: Schema, is_now: Schema, *, read: frozenset[str]
) -> list[str]:
    """Return which words differ, apart from those that are read elsewhere or are for people."""
    names = [name for name in {**was, **is_now} if name not in read and not is_for_people(name)]
    return [
        name
        for name in sorted(names)
        if plain(before, was.get(name)) != plain(now, is_now.get(name))
    ]


def _bound(shape: Shape, name: str) -> Any:
    """Return a limit; a bound that is excluded is one too, where there is no other, and the other way."""
    if name in shape.limits or name.removeprefix("exclusive").lower() not in {"maximum", "minimum"}:
        return shape.limits.get(name)
    if not name.startswith("exclusive"):
        return shape.limits.get(f"exclusive{name.capitalize()}")
    included = shape.limits.get(name.removeprefix("exclusive").lower())
    if included is None or tightness(name, included) is None:
        return None
    return math.nextafter(included, -math.inf if name.endswith("Minimum") else math.inf)


def _leaves_less(name: str, given: Any, taken: Any) -> bool | None:
    """Tell whether a limit of what is taken refuses something that is given; None where unknown."""
    if name == "discriminator":
        return _another_discriminator(mapping(given), mapping(taken))
    if name in _ADDED_NARROWS and (given is None or taken is None):
        return given is None
    if name == "format":
        return (given, taken) not in _WIDER_FORMATS
    if name == "multipleOf":
        return _leaves_a_rest(given, taken)
    return _is_tighter(name, given, taken)


def _leaves_a_rest(given: Any, taken: Any) -> bool | None:
    """Tell whether one number is no multiple of another one, as they are written: 0.05 is one of 0.01."""
    if not tightness("min", given):
        return None
    try:
        return bool(decimal.Decimal(str(given)) % decimal.Decimal(str(taken)))
    except decimal.InvalidOperation:
        return None


def _is_tighter(name: str, given: Any, taken: Any) -> bool | None:
    """Tell whether a bound leaves less room than another one; None for what is not a bound."""
    old, new = tightness(name, given), tightness(name, taken)
    if (given is not None and old is None) or (taken is not None and new is None):
        return None
    return new is not None and (old is None or old < new)


def _another_discriminator(given: Part, taken: Part) -> bool | None:
    if not given or not taken:
        return None
    known = mapping(taken.get("mapping"))
    return given.get("propertyName") != taken.get("propertyName") or any(
        known.get(name) != schema for name, schema in mapping(given.get("mapping")).items()
    )


def _another(name: str, was: Any, is_now: Any) -> str:
    if isinstance(was, Mapping) or isinstance(is_now, Mapping):
        return f"has another {name} now"
    if is_now is None:
        return f"no longer has {name} {_shown(was)}"
    before = "there was none" if was is None else f"it was {_shown(was)}"
    return f"has {name} {_shown(is_now)} now, {before}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _some(values: frozenset[str]) -> str:
    shown = ", ".join(sorted(map(_shown, values))[:_MOST_VALUES])
    return (
        shown if len(values) <= _MOST_VALUES else f"{shown} and {len(values) - _MOST_VALUES} more"
    )


def _or(words: frozenset[str]) -> str:
    return " or ".join(sorted(words))

"""The shape of an API object: which keys it has, of which types, and the words that programs decide by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

_WORDS: Final = frozenset(
    {
        *("apiVersion", "kind", "type", "status", "reason", "phase", "operation", "manager"),
        *("effect", "operator", "key", "qosClass", "restartPolicy", "subresource"),
    }
)
"""Fields whose values count, not only their types."""
_OPEN: Final = frozenset({"data", "capacity", "allocatable"})
"""Fields whose keys are anybody's."""
_NUMBERED: Final = ("conditions", "tolerations", "taints", "managedFields")
"""Lists whose elements are told apart by their words."""


def shape(objects: Iterable[Any]) -> frozenset[str]:
    """Return the shape of some objects together."""
    return frozenset(line for one in objects for line in _lines("", one))


def _lines(path: str, value: Any) -> Iterator[str]:
    name = path.rpartition(".")[2]
    if not value or not isinstance(value, dict | list) or name in _OPEN:
        yield f"{path} {value if name in _WORDS else type(value).__name__}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(f"{path}.{key}", inner)
    else:
        for inner in value:
            yield from _lines(f"{path}[{_mark(name, inner)}]", inner)


def _mark(name: str, element: Any) -> str:
    """Return what tells an element of a list from the others, where their words do."""
    if name not in _NUMBERED:
        return ""
    known = (element.get(word) for word in ("type", "key", "manager", "operation", "effect"))
    return " ".join(str(one) for one in known if one is not None)

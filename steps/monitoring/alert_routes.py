"""Which receiver an alert reaches, by Alertmanager's own rules for its tree of routes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MATCHER = re.compile(
    r"""\s*(?P<quote>"?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)\s*(?P<sign>=~|!~|!=|=)\s*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^",{}]*?))\s*"""
)
_ESCAPED = re.compile(r"\\(.)")
_AT_TIMES = ("mute_time_intervals", "active_time_intervals")


class UnreadableRouteError(ValueError):
    """A route says something that this reader does not know; then nothing can be said of it."""


def receivers(route: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the receivers that an alert with these labels reaches at any time, in order.

    The root matches everything. The first child that matches takes the alert, and those after it too
    where it says `continue`; without a matching child the node itself does. Raises
    UnreadableRouteError.
    """
    found = _reached(route, labels, _receiver(route, ""))
    return tuple(receiver for receiver, always in found if always)


def receivers_at_times(route: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the receivers that hear of such an alert at some times of the week alone."""
    found = _reached(route, labels, _receiver(route, ""))
    return tuple(receiver for receiver, always in found if not always)


def _reached(
    route: Mapping[str, Any], labels: Mapping[str, str], receiver: str
) -> Iterator[tuple[str, bool]]:
    """Yield each receiver, and whether it hears at any time; times are not handed on to children."""
    taken = False
    for child in _list(route, "routes"):
        if not isinstance(child, Mapping):
            raise UnreadableRouteError("a route is not a mapping")
        if not _matches(child, labels):
            continue
        taken = True
        yield from _reached(child, labels, _receiver(child, receiver))
        if child.get("continue") is not True:
            return
    if not taken:
        yield receiver, not any(route.get(key) for key in _AT_TIMES)


def _matches(route: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    matchers = [
        *((name, "=", value) for name, value in _mapping(route, "match")),
        *((name, "=~", value) for name, value in _mapping(route, "match_re")),
        *map(_parsed, _list(route, "matchers")),
    ]
    return all(_fits(labels.get(name, ""), sign, value) for name, sign, value in matchers)


def _fits(observed: str, sign: str, value: str) -> bool:
    if sign in ("=", "!="):
        return (observed == value) is (sign == "=")
    try:
        return (re.fullmatch(value, observed) is not None) is (sign == "=~")
    except re.error:
        raise UnreadableRouteError("a matcher's regular expression is not understood") from None


def _parsed(matcher: object) -> tuple[str, str, str]:
    match = _MATCHER.fullmatch(matcher) if isinstance(matcher, str) else None
    if match is None:
        raise UnreadableRouteError("a matcher is not understood")
    quoted = match["quoted"]
    value = match["plain"] if quoted is None else _ESCAPED.sub(_meant, quoted)
    return match["name"], match["sign"], value


def _meant(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]


def _receiver(route: Mapping[str, Any], inherited: str) -> str:
    return str(route.get("receiver") or inherited)


def _mapping(route: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    value = route.get(key) or {}
    if not isinstance(value, Mapping):
        raise UnreadableRouteError(f"{key} is not a mapping")
    return [(str(name), str(text)) for name, text in value.items()]


def _list(route: Mapping[str, Any], key: str) -> Sequence[object]:
    value = route.get(key) or []
    if not isinstance(value, list):
        raise UnreadableRouteError(f"{key} is not a list")
    return value

"""JSON as the standard has it, and durations as Prometheus writes them; nothing is sent anywhere."""

from __future__ import annotations

import json
import math
import re
from typing import Final, NoReturn


class NotJsonError(Exception):
    """The answer is not JSON; the message is one sentence of ours without the answer's text."""


def parse(body: bytes, *, content_type: str = "") -> object:
    """Return the JSON value of `body`; raises NotJsonError with a sentence that says what it is."""
    try:
        return json.loads(
            # RFC 8259, 8.1: a reader may ignore a byte order mark, and every browser does.
            body.decode("utf-8-sig"),
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
    except NotJsonError:
        raise
    except (ValueError, RecursionError):
        # The parser's exception holds the whole text, so it is not chained.
        raise NotJsonError(_what_it_is(body, content_type)) from None


def _no_constant(name: str) -> NoReturn:
    raise NotJsonError(f"The answer holds {name}, which JSON does not have.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJsonError("The answer holds a number beyond all bounds.")
    return number


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJsonError("The answer holds the same key twice in one object.")
    return found


def _what_it_is(body: bytes, content_type: str) -> str:
    if not body.strip():
        return "The answer is empty where JSON was expected."
    if body.lstrip()[:1] == b"<" or "html" in content_type.lower():
        return "The answer is an HTML or XML page where JSON was expected (a login or error page?)."
    if body.lstrip()[:1] in {b"{", b"["}:
        return "The answer begins like JSON but is broken or cut off."
    return "The answer is not JSON."


_UNITS: Final = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "y": 31_536_000.0,
}
_PART: Final = re.compile(r"(\d+)(ms|[smhdwy])")


def seconds_of(text: object) -> float:
    """Read a duration such as 1m30s, or 0; raises ValueError."""
    parts = _PART.findall(str(text))
    if text not in (0, "0") and (not parts or "".join(map("".join, parts)) != text):
        raise ValueError("no duration of Prometheus's")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)

"""What a failure of Schemathesis says, without a word of the server's: its kind and the document's names."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from schemathesis.core.failures import Failure

_PRIVATE = re.compile(r"pass|secret|token|key|card|auth|cookie|session", re.IGNORECASE)
_SHOWN_HEADERS = frozenset({"content-type", "x-synthetic-tag"})
_STRUCTURE = frozenset(
    {"properties", "items", "allOf", "anyOf", "oneOf", "$ref", "x-bundled", "components", "schemas"}
)
_MOST_BODY = 600
MASK = "***"
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b"'\\")
"""What stands for itself within bash's `$'…'`."""

NO_LOGIN, TAKES_INVALID = "no login needed", "takes invalid"

_ORDER: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "ContentTypeServerError": ("server error", lambda one: str(one.status_code)),
    "ServerError": ("server error", lambda one: str(one.status_code)),
    "IgnoredAuth": (NO_LOGIN, lambda _: ""),
    "UndefinedStatusCode": ("status", lambda one: str(one.status_code)),
    "MissingContentType": ("no content type", lambda _: ""),
    "UndefinedContentType": ("content type", lambda one: _media_type(one.content_type)),
    "MalformedMediaType": ("content type", lambda _: "malformed"),
    "MalformedJson": ("not readable", lambda _: ""),
    "ContentDeserializationError": ("not readable", lambda _: ""),
    "MissingHeaders": ("headers", lambda one: ", ".join(sorted(one.missing_headers))),
    "JsonSchemaError": ("schema", lambda one: _place(one)),  # noqa: PLW0108 - it stands below
    "DiscriminatorMismatch": ("schema", lambda _: "discriminator"),
    "AcceptedNegativeData": (TAKES_INVALID, lambda one: str(one.status_code)),
    "MissingHeaderNotRejected": (TAKES_INVALID, lambda one: f"without {one.header_name}"),
    "RejectedPositiveData": ("refuses valid", lambda one: str(one.status_code)),
    "UseAfterFree": ("still there", lambda _: ""),
    "EnsureResourceAvailability": ("not there", lambda _: ""),
}
"""Kinds, the one that explains the others first: a 500 is also undocumented and of another type."""
_RANKS = {name: rank for rank, name in enumerate(_ORDER)}


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong with which operation; the same cause is one finding, however often it was met."""

    operation: str
    kind: str
    detail: str
    shared: str = ""


def cause(failures: Collection[Failure], operation: str, schema: str) -> Cause | None:
    """Return the cause of one request's failures; None where none of them is a promise broken.

    `schema` is the name of the one that the document has for the whole answer, if it has one.
    """
    known = [one for one in failures if type(one).__name__ in _ORDER]
    if not known:
        return None
    first = min(known, key=lambda one: _RANKS[type(one).__name__])
    kind, detail = _ORDER[type(first).__name__]
    return Cause(operation, kind, detail(first), _schema(first, schema))


def _schema(failure: Any, whole: str) -> str:
    """Return the name of the schema in which a broken rule stands; empty where it has none."""
    path = getattr(failure, "schema_path", ())
    if path and path[0] == "x-bundled":
        uri: str = failure._name_to_uri.get(path[1], "")  # noqa: SLF001 - nothing else tells it
        return uri.rpartition("/")[2]
    return whole if path else ""


def _media_type(text: object) -> str:
    found = re.match(r"[\w.+-]{1,60}/[\w.+-]{1,60}", str(text))
    return found[0] if found else "malformed"


def _place(failure: Any) -> str:
    """Return the rule and where in the document it stands; of an answer's values nothing."""
    path = [str(step) for step in failure.schema_path]
    named = [one for one in path[:-1] if one not in _STRUCTURE and not one.isdigit()]
    place = ".".join(one for one in named if not re.fullmatch(r"schema\d+", one))
    rule = path[-1] if path else "schema"
    if rule == "required":
        # The validator quotes the one name that is missing, and names of properties are the document's.
        found = re.match(r'"([\w.$-]{1,80})" is a required property', failure._raw_message)  # noqa: SLF001 - its own text would show the answer
        place = ".".join(filter(None, (place, found[1] if found else "")))
    return f"{rule} {place}".strip()


def curl(request: Any, secrets: Collection[str]) -> str:
    """Return a request as a line for a shell, with secrets masked."""
    parts = ["curl", "-X", request.method]
    for name, value in request.headers.items():
        text = value[0] if isinstance(value, list) else _text(value)
        if name.lower() in _SHOWN_HEADERS:
            parts += ["-H", f"{name}: {text}"]
        elif _PRIVATE.search(name):
            parts += ["-H", f"{name}: {MASK}"]
    body = request.body
    if body:
        parts += ["-d", _body(body if isinstance(body, bytes) else str(body).encode())]
    parts.append(request.uri if hasattr(request, "uri") else request.url)
    line = " ".join(_quoted(part) for part in parts)
    for secret in sorted(secrets, key=len, reverse=True):
        line = line.replace(secret, MASK)
    return line


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(body: bytes) -> str:
    try:
        return json.dumps(_masked(json.loads(body)))[:_MOST_BODY]
    except (ValueError, RecursionError):
        return body[:_MOST_BODY].decode("latin-1")


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: MASK if _PRIVATE.search(name) else _masked(one) for name, one in value.items()
        }
    return [_masked(one) for one in value] if isinstance(value, list) else value


def _quoted(part: str) -> str:
    """Quote for a shell; what no terminal should get is written as bash's `$'…'`."""
    if part.isprintable() and part.isascii():
        return shlex.quote(part)
    return "$'" + "".join(_escaped(part)) + "'"


def _escaped(part: str) -> Iterator[str]:
    for byte in part.encode():
        yield chr(byte) if byte in _PLAIN else f"\\x{byte:02x}"

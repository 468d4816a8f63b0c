"""The kinds of values that environment files hold, checked as they are read."""

from __future__ import annotations

import re
from typing import Annotated, get_args

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic.fields import FieldInfo

_HTTP_URL = r"^https?://[^/@?#\s]+(/[^\s?#]*)?$"
_MATCHER = r'^([a-zA-Z_][a-zA-Z0-9_]*)(=|!=|=~|!~)"((?:[^"\\\n]|\\.)*)"$'
_REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"


def _http_url(value: str) -> str:
    if not re.fullmatch(_HTTP_URL, value):
        raise ValueError("must be an http(s) address without user, query or fragment")
    return value.rstrip("/")


def _secret_reference(value: str) -> str:
    if not re.fullmatch(_REFERENCE, value):
        raise ValueError("must be a reference, env:NAME or file:PATH, never the secret itself")
    return value


def _matcher(value: str) -> str:
    found = re.fullmatch(_MATCHER, value)
    if found is None:
        raise ValueError("must be one matcher of PromQL, such as 'route!~\"/metrics|/health.*\"'")
    try:
        re.compile(found[3])
    except re.error:
        raise ValueError("is not a regular expression between its quotes") from None
    return value


HttpUrl = Annotated[
    str, AfterValidator(_http_url), WithJsonSchema({"type": "string", "pattern": _HTTP_URL})
]
SecretReference = Annotated[
    str,
    AfterValidator(_secret_reference),
    WithJsonSchema({"type": "string", "pattern": _REFERENCE}),
]
Matcher = Annotated[
    str, AfterValidator(_matcher), WithJsonSchema({"type": "string", "pattern": _MATCHER})
]
Port = Annotated[int, Field(ge=1, le=65535)]
Command = Annotated[tuple[str, ...], Field(min_length=1)]
Targets = Annotated[int, Field(ge=1, le=100_000)]
"""How many there are of something that must be there; none could never be missed."""
Text = Annotated[str, Field(min_length=1)]


def holds_reference(field: FieldInfo) -> bool:
    """Return whether a field of a section is, or may be, a reference to a secret."""
    plain = any(getattr(one, "func", None) is _secret_reference for one in field.metadata)
    return plain or SecretReference in get_args(field.annotation)

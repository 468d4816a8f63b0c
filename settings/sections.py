"""The manners that every configuration section shares, and the kinds of values: units are resolved once."""

from __future__ import annotations

import ipaddress
import re
import socket
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Annotated, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_HTTP_URL = r"^https?://[^/@?#\s]+(/[^\s?#]*)?$"
_MATCHER = r'^([a-zA-Z_][a-zA-Z0-9_]*)(=|!=|=~|!~)"((?:[^"\\\n]|\\.)*)"$'
_PORTS = {"http": 80, "https": 443}
_LOCALHOST = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
_REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"


class Section(BaseModel):
    """A part of a configuration file: unknown keys are refused, errors never echo the input."""

    # What is never read alone needs no validator of its own: half of the time to import the models.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    def _refusals(self) -> Iterator[str]:
        """Yield what is wrong with it as a whole; the first of these refuses it."""
        yield from ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for sentence in self._refusals():
            raise ValueError(sentence)
        return self


def parse_duration(value: object) -> float:
    """Turn `500ms`, `30s`, `5m`, `1h` or `2d` into seconds; raises ValueError for anything else."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration with its unit, such as 30s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_share(value: object) -> float:
    """Turn `5%` or `0.1%` into 0.05 or 0.001; raises ValueError for anything else."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a percentage, such as 0.1%")
    return float(match[1]) / 100


def compiled(pattern: str, otherwise: str) -> re.Pattern[str]:
    """Return a regular expression; raises ValueError with the given sentence where it is none."""
    try:
        return re.compile(pattern)
    except re.error:
        raise ValueError(otherwise) from None


def doubled(names: Sequence[str]) -> list[str]:
    """Return, in order, the names that stand more than once in a list."""
    return sorted({name for name in names if names.count(name) > 1})


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
    compiled(found[3], "is not a regular expression between its quotes")
    return value


def selects(matcher: str, label: str, value: str) -> bool:
    """Tell whether a matcher of PromQL lets this value of a label through; of another label, it does."""
    found = re.fullmatch(_MATCHER, matcher)
    if found is None or found[1] != label:
        return True
    wanted = re.sub(r"\\(.)", r"\1", found[3])
    same = re.fullmatch(wanted, value) is not None if "~" in found[2] else wanted == value
    return same is not found[2].startswith("!")


def _location(value: str) -> str:
    if "@" in value.partition("://")[2]:
        raise ValueError("must hold no user or password; the machine's own credentials are used")
    return value.rstrip("/")


Seconds = Annotated[float, BeforeValidator(parse_duration)]
Share = Annotated[float, BeforeValidator(parse_share)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
CheckId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9.]*(-[A-Z0-9.]+)+$")]
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
Skew = Annotated[Seconds, Field(gt=0, le=300)]
"""By how much two clocks may differ: what is older than that is stale, not skewed."""
Port = Annotated[int, Field(ge=1, le=65535)]
Command = Annotated[tuple[str, ...], Field(min_length=1)]
Targets = Annotated[int, Field(ge=1, le=100_000)]
"""How many there are of something that must be there; none could never be missed."""
Text = Annotated[str, Field(min_length=1)]
Location = Annotated[str, Field(min_length=1), AfterValidator(_location)]
MetricName = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
_SQL_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_TABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"
ColumnName = Annotated[str, Field(pattern=_SQL_NAME)]
TableName = Annotated[str, Field(pattern=_TABLE_NAME)]


def holds_reference(field: FieldInfo) -> bool:
    """Return whether a field of a section is, or may be, a reference to a secret."""
    plain = any(getattr(one, "func", None) is _secret_reference for one in field.metadata)
    return plain or SecretReference in get_args(field.annotation)


def server_of(url: str) -> str:
    """Return an address so that two ways of writing one server are equal; nothing is looked up."""
    parts = urllib.parse.urlsplit(url)
    host = host_of(parts.hostname or "")
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return f"{parts.scheme}://{host}:{port}{re.sub('/+', '/', parts.path).rstrip('/')}"


def host_of(written: str) -> str:
    """Return a host's name or address so that two ways of writing it are equal."""
    host = written.lower().rstrip(".")
    if _is_this_machine(host):
        return "127.0.0.1"
    address = _address(host)
    return str(address) if int(address) else host


def is_on_this_machine(url: str) -> bool:
    """Tell whether an address leads to the machine that asks."""
    host = (urllib.parse.urlsplit(url).hostname or "").rstrip(".")
    return _is_this_machine(host) or _address(host).is_loopback


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or _address(host) in _LOCALHOST


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address that a host is written as, also as 127.1 or 0x7f000001; 0.0.0.0 for a name."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        try:
            found = ipaddress.ip_address(socket.inet_aton(host))
        except OSError:
            return ipaddress.IPv4Address(0)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found

"""The kinds of values that environment files hold, checked as they are read."""

from __future__ import annotations

import ipaddress
import re
import socket
import urllib.parse
from typing import Annotated, get_args

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic.fields import FieldInfo

from settings.sections import Seconds

_HTTP_URL = r"^https?://[^/@?#\s]+(/[^\s?#]*)?$"
_MATCHER = r'^([a-zA-Z_][a-zA-Z0-9_]*)(=|!=|=~|!~)"((?:[^"\\\n]|\\.)*)"$'
_PORTS = {"http": 80, "https": 443}
_LOCALHOST = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
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


def selects(matcher: str, label: str, value: str) -> bool:
    """Tell whether a matcher of PromQL lets this value of a label through; of another label, it does."""
    found = re.fullmatch(_MATCHER, matcher)
    if found is None or found[1] != label:
        return True
    wanted = re.sub(r"\\(.)", r"\1", found[3])
    same = re.fullmatch(wanted, value) is not None if "~" in found[2] else wanted == value
    return same is not found[2].startswith("!")


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

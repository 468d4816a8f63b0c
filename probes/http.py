"""The HTTP probe: one exchange under one exact deadline, verified, bounded, never redirected.

    request(HttpTarget("https://api.example.org"), "GET", "/health", deadline=Deadline.after(5))

An answer of any status is a value; only the lack of an answer is a failure. The caller judges.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpcore
import httpx
from pydantic import SecretStr

from probes import formats as strict_json
from probes import network
from probes.formats import NotJsonError
from probes.observation import (
    Deadline,
    FailureKind,
    FoundError,
    Kinds,
    Observation,
    PhaseClock,
    failures_of,
    kind_of,
    observed,
    utc_now,
)

__all__ = ["NotJsonError"]


PHASES = ("resolve", "connect", "tls", "send", "wait", "transfer")
_PHASE_BY_EVENT = {
    "http11.send_request_headers.started": "send",
    "http11.receive_response_headers.started": "wait",
    "http11.receive_response_body.started": "transfer",
}


class DeadlineStream(httpcore.NetworkStream):
    """A connected socket whose reads and writes share one deadline.

    The operating system's error is the argument of httpcore's: `failure_kind` reads it there.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline, clock: PhaseClock) -> None:
        self._connection = connection
        self._deadline = deadline
        self._clock = clock
        self.first_bytes = b""
        self.ended = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - httpcore's signature; the deadline rules
        """Return what has arrived; raises httpcore.ReadError."""
        try:
            self._connection.settimeout(network.seconds_left(self._deadline))
            data = self._connection.recv(max_bytes)
        except OSError as exc:
            raise httpcore.ReadError(exc) from exc
        self.first_bytes = self.first_bytes or data[:5]
        self.ended = self.ended or not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        """Send all of `buffer`; raises httpcore.WriteTimeout, or WriteError, after which it reads on."""
        try:
            self._connection.settimeout(network.seconds_left(self._deadline))
            self._connection.sendall(buffer)
        except TimeoutError as exc:
            raise httpcore.WriteTimeout(exc) from exc
        except OSError as exc:
            raise httpcore.WriteError(exc) from exc

    def close(self) -> None:
        """Close the socket at once, without waiting for the peer."""
        self._connection.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as above
    ) -> httpcore.NetworkStream:
        """Do the handshake; raises httpcore.ConnectError."""
        self._clock.enter("tls")
        try:
            self._connection = network.wrap_tls(
                self._connection, server_hostname or "", ssl_context, self._deadline
            )
        except OSError as exc:
            raise httpcore.ConnectError(exc) from exc
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ARG002 - as above
        """Say nothing: httpcore asks for the negotiated protocol, and that is HTTP/1.1."""
        return None


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections within one deadline; `stream` is the last one opened."""

    def __init__(self, deadline: Deadline, clock: PhaseClock) -> None:
        self._deadline = deadline
        self._clock = clock
        self.stream: DeadlineStream | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - httpcore's signature; the deadline rules
        local_address: str | None = None,  # noqa: ARG002 - never bound
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 - none given
    ) -> httpcore.NetworkStream:
        """Resolve and connect; raises httpcore.ConnectError."""
        try:
            connection = network.open_tcp(host, port, self._deadline, self._clock)
        except OSError as exc:
            raise httpcore.ConnectError(exc) from exc
        self.stream = DeadlineStream(connection, self._deadline, self._clock)
        return self.stream


class DeadlineTransport(httpx.HTTPTransport):
    """One connection for one exchange."""

    def __init__(
        self, context: ssl.SSLContext | None, deadline: Deadline, clock: PhaseClock
    ) -> None:
        # httpx's own start reads every authority, for a pool that knows no deadline over a whole call.
        self.backend = DeadlineBackend(deadline, clock)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, network_backend=self.backend, max_connections=1
        )


HeaderValue: TypeAlias = str | SecretStr
MAX_BODY_BYTES: Final = 1_048_576
TOO_MANY_REQUESTS: Final = 429
_SAFE_TO_REPEAT: Final = frozenset({"GET", "HEAD"})
_CACHE_HEADERS: Final = (
    *("x-cache", "x-cache-status", "x-cache-lookup", "x-proxy-cache", "x-varnish-cache"),
    *("cache-status", "cf-cache-status", "cdn-cache", "x-cache-remote", "x-vercel-cache"),
)
_CLOCKS_DIFFER: Final = dt.timedelta(minutes=5)
_FROM_CACHE: Final = re.compile(r"(?i)(?<![a-z])(hit|stale|updating)(?![a-z])")
# The one mapping of this module; a test walks httpx's exceptions, into which it turns those of httpcore.
# What an OSError caused is mapped by the operating system's own word in `network`.
_KINDS: Final[Kinds] = {
    httpx.TimeoutException: FailureKind.TIMEOUT,
    httpx.ProtocolError: FailureKind.PROTOCOL,
    httpx.DecodingError: FailureKind.PROTOCOL,
    httpx.NetworkError: FailureKind.CONNECTION_LOST,
    # What is left is ours: a proxy (we use none), a bad URL, a redirect (we follow none), misuse.
    httpx.HTTPError: FailureKind.OUR_FAULT,
    httpx.LocalProtocolError: FailureKind.OUR_FAULT,
    httpx.InvalidURL: FailureKind.OUR_FAULT,
    httpx.CookieConflict: FailureKind.OUR_FAULT,
    httpx.StreamError: FailureKind.OUR_FAULT,
}
_SENTENCES: Final = failures_of("http", key="ca_file")


@dataclasses.dataclass(frozen=True, slots=True)
class HttpTarget:
    """A service: its base address, the authority that signs its certificate, headers of every request.

    Raises ValueError for an address that is not plain http(s) or that holds user, query or fragment.
    """

    base_url: str
    ca_file: str | None = None
    headers: Mapping[str, HeaderValue] | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"https?://[^/@\s?#]+(/[^\s?#]*)?", self.base_url):
            raise ValueError("base_url must be http(s)://host[:port][/path] and nothing more")

    @property
    def host(self) -> str:
        """Return host and port as they stand in the address."""
        return urlsplit(self.base_url).netloc


def bearer(token: SecretStr | None) -> dict[str, HeaderValue]:
    """Return the header by which a token is shown; none without one."""
    if token is None:
        return {}
    return {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}


_MEDIA_TYPES = frozenset(
    {
        *("application/json", "application/problem+json", "application/health+json"),
        *("application/fhir+json", "application/vnd.pagerduty+json", "application/xml"),
        *("application/openmetrics-text", "application/octet-stream", "application/javascript"),
        *("text/javascript", "text/xml", "text/html", "text/plain", "text/css"),
        *("text/event-stream", "image/svg+xml", "image/png", "image/x-icon", "font/woff2"),
    }
)
"""Only these are shown: a server may write anything into the header."""


@dataclasses.dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the server answered; header values and body are private and never shown."""

    status: int
    headers: Mapping[str, str] = dataclasses.field(repr=False)
    """By lower-case name."""
    body: bytes = dataclasses.field(repr=False)
    content_type: str
    http_version: str
    received_at: dt.datetime = dataclasses.field(default_factory=utc_now, repr=False)

    @property
    def from_cache(self) -> str | None:
        """Return which header says that a cache gave this answer and not the service; None: none does.

        The age is what `Age` says, or the time since `Date` (RFC 9111, 4.2.3), beyond what clocks differ by.
        """
        age = re.fullmatch(r"\d{1,12}", self.headers.get("age", "").strip())
        if age is not None and int(age[0]) > 0:
            return f"Age: {int(age[0])}"
        old = self.received_at - _date(self.headers.get("date", ""), self.received_at)
        if old > _CLOCKS_DIFFER:
            return f"Date: {old.total_seconds():.0f} s ago, or its clock is wrong"
        return next(
            (one for one in _CACHE_HEADERS if _FROM_CACHE.search(self.headers.get(one, ""))), None
        )

    @property
    def retry_after_seconds(self) -> float | None:
        """Return for how long a server that throttles us (429) wants no more asks, if it says so."""
        said = self.headers.get("retry-after", "")
        told = self.status == TOO_MANY_REQUESTS and re.fullmatch(r"\d{1,9}", said, re.ASCII)
        return float(said) if told else None

    @property
    def media_type(self) -> str:
        """Return what kind of content it says it is, as far as that is a kind that is known."""
        told = self.content_type.partition(";")[0].strip().lower()
        return told if told in _MEDIA_TYPES or not told else "another type"

    def json(self) -> object:
        """Return the body as strict JSON; raises NotJsonError with a sentence."""
        return strict_json.parse(self.body, content_type=self.content_type)

    def facts(self) -> Mapping[str, object]:
        """Return what may be kept: no header's own text and nothing of the body."""
        return {
            "status": self.status,
            "content_type": self.media_type,
            "size_bytes": len(self.body),
            "http_version": self.http_version,
            "from_cache": self.from_cache,
        }


def _date(header: str, otherwise: dt.datetime) -> dt.datetime:
    try:
        return dt.datetime.strptime(header.replace("GMT", "+0000"), "%a, %d %b %Y %H:%M:%S %z")
    except ValueError:
        return otherwise


@dataclasses.dataclass(frozen=True, slots=True)
class _Call:
    target: HttpTarget
    method: str
    path: str
    json: object | None
    headers: Mapping[str, HeaderValue]
    max_bytes: int

    def failure(self, kind: FailureKind) -> FoundError:
        return FoundError(kind, _SENTENCES[kind].format(host=self.target.host))

    def too_large(self) -> FoundError:
        detail = f"{self.target.host} answered with more than {self.max_bytes} bytes."
        return FoundError(FailureKind.TOO_LARGE, detail)


def request(  # noqa: PLR0913 - the whole call of this probe; all but three have a default
    target: HttpTarget,
    method: str,
    path: str,
    *,
    deadline: Deadline,
    json: object | None = None,
    headers: Mapping[str, HeaderValue] | None = None,
    max_bytes: int = MAX_BODY_BYTES,
) -> Observation[HttpAnswer]:
    """Ask once (GET and HEAD once more after a broken transport) and return what came back.

    Measures seconds by phase: resolve, connect, tls, send, wait (for the answer's head), transfer.
    Raises ValueError when `path` does not begin with a slash.
    """
    if not path.startswith("/"):
        raise ValueError("path must begin with /")
    call = _Call(
        target, method, path, json, {**(target.headers or {}), **(headers or {})}, max_bytes
    )

    def measured(clock: PhaseClock) -> HttpAnswer:
        try:
            return _attempt(call, deadline, clock)
        except FoundError as exc:
            lost = exc.failure.kind is FailureKind.CONNECTION_LOST
            if not lost or method not in _SAFE_TO_REPEAT or deadline.remaining_seconds() <= 0:
                raise
        clock.again()
        return _attempt(call, deadline, clock)

    return observed("http", asked(target, method, path), measured, phases=PHASES)


def got(
    clock: PhaseClock,
    target: HttpTarget,
    path: str,
    *,
    deadline: Deadline,
    max_bytes: int = MAX_BODY_BYTES,
) -> Observation[HttpAnswer]:
    """GET as a part of a larger question, whose clock takes over what the exchange has measured."""
    seen = request(target, "GET", path, deadline=deadline, max_bytes=max_bytes)
    clock.adopt(seen.phases, seen.attempts)
    return seen


def asked(target: HttpTarget, method: str, path: str) -> str:
    """Return what is asked as reports show it: of a query its names alone."""
    path, _, query = path.partition("#")[0].partition("?")
    names = [pair.partition("=")[0] for pair in query.split("&") if pair]
    shown = "?" + "&".join(f"{name}=…" for name in names) if names else ""
    return f"{method} {target.base_url.rstrip('/')}{path}{shown}"


def _attempt(call: _Call, deadline: Deadline, clock: PhaseClock) -> HttpAnswer:
    """Return the answer; raises FoundError, and what is a fault of ours."""
    # Said here because the libraries' own exceptions quote the header's value.
    for name, value in call.headers.items():
        if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?", _plain(value)):
            detail = f"The value of the header {name} is empty, not ASCII or has a line break."
            raise FoundError(FailureKind.OUR_FAULT, detail)
    transport: DeadlineTransport | None = None
    try:
        secure = call.target.base_url.startswith("https")
        context = network.tls_context(call.target.ca_file) if secure else None
        transport = DeadlineTransport(context, deadline, clock)
        return _exchange(call, transport, clock)
    except FoundError:
        raise
    except Exception as exc:
        kind = _kind(exc, transport)
        if kind is None:
            raise
        raise call.failure(kind) from exc


def _plain(value: HeaderValue) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _exchange(call: _Call, transport: DeadlineTransport, clock: PhaseClock) -> HttpAnswer:
    def trace(event: str, _info: object) -> None:
        if event in _PHASE_BY_EVENT:
            clock.enter(_PHASE_BY_EVENT[event])

    with httpx.Client(transport=transport, trust_env=False, follow_redirects=False) as client:
        ready = client.build_request(
            call.method,
            call.target.base_url.rstrip("/") + call.path,
            json=call.json,
            headers={
                # A compressed body could grow beyond its bound while it is unpacked.
                "Accept-Encoding": "identity",
                **{name: _plain(value) for name, value in call.headers.items()},
            },
            extensions={"trace": trace},
        )
        response = client.send(ready, stream=True)
        try:
            return HttpAnswer(
                status=response.status_code,
                headers=dict(response.headers.items()),
                body=b"".join(_bounded(response, call)),
                content_type=response.headers.get("content-type", ""),
                http_version=response.http_version,
            )
        finally:
            response.close()


def _bounded(response: httpx.Response, call: _Call) -> Iterator[bytes]:
    declared = response.headers.get("content-length", "0")
    if response.request.method != "HEAD" and int(declared) > call.max_bytes:
        raise call.too_large()
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > call.max_bytes:
            raise call.too_large()
        yield chunk


def _kind(exc: Exception, transport: DeadlineTransport | None) -> FailureKind | None:
    stream = transport.backend.stream if transport else None
    kind = failure_kind(exc)
    if kind is FailureKind.PROTOCOL and stream is not None and stream.ended:
        # The libraries call an early end a protocol error; it is one only after something else
        # than HTTP had arrived.
        lost = stream.first_bytes in {b"", b"HTTP/"}
        return FailureKind.CONNECTION_LOST if lost else kind
    return kind


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of httpx or the operating system means; None: not theirs."""
    # The backend hands the operating system's error on as the argument of httpcore's own exception.
    for one in (exc, *getattr(exc.__cause__, "args", ())):
        if isinstance(one, OSError):
            return network.os_failure_kind(one)
    return kind_of(exc, _KINDS)

"""HTTP/1.1 as the engine speaks it: a request, where a name leads, a connection, an answer or why none."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import errno
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, cast

import httptools

_INTERIM = 200
"""Below it a status only announces another."""
_MOST_HEAD = 512 * 1024
"""Bytes of a head and of what is read together with its end."""
_NO_HTTP = (
    httptools.HttpParserError, httptools.HttpParserCallbackError, httptools.HttpParserUpgrade,
)  # fmt: skip

_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's codes for a chain that leads to no certificate authority which is trusted here."""
_OUT_OF = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS})
_HEAD_WITH_LENGTH = re.compile(rb"(?is).*?\ncontent-length.*?\n\r?\n")
"""Interim heads, which have none, stand before it."""


class Trouble(enum.StrEnum):
    """Why there is no answer; the words of reports."""

    NAME = "name not resolved"
    CONNECT = "no connection"
    ROUTE = "no route from the generator's machine"
    PORTS = "no free port or descriptor"
    TLS = "TLS refused"
    AUTHORITY = "certificate not trusted"
    LOST = "connection lost before the answer was whole"
    NOT_HTTP = "no HTTP"
    TOO_LARGE = "body too large"
    TIMEOUT = "no whole answer in time"


def trouble_of(exc: Exception) -> Trouble:
    """Return why no connection came about."""
    if isinstance(exc, ssl.SSLCertVerificationError) and exc.verify_code in _UNKNOWN_AUTHORITY:
        return Trouble.AUTHORITY
    if isinstance(exc, ssl.SSLError):
        return Trouble.TLS
    if isinstance(exc, socket.gaierror):
        return Trouble.NAME
    if isinstance(exc, OSError) and (
        exc.errno in _OUT_OF or any(f"[Errno {number}]" in str(exc) for number in _OUT_OF)
    ):
        # A name with several addresses brings all their errors in one, as words without a number.
        return Trouble.PORTS
    if isinstance(exc, OSError) and exc.errno in _NO_ROUTE:
        return Trouble.ROUTE
    return Trouble.CONNECT


class Answer(NamedTuple):
    """What became of one request."""

    status: int | None
    """None where there is no answer."""
    trouble: Trouble | None = None
    body: bytes = b""
    """Empty unless it was asked for."""
    size_bytes: int = 0


class Connection(asyncio.Protocol):
    """A connection that is idle or asked; tells of each answer once, and of its own end.

    HEAD is not spoken: its answers announce bodies that never come.
    """

    __slots__ = (
        "_answered", "_asked", "_body", "_gone", "_head", "_keeps_alive", "_keeps_body",
        "_most_bytes", "_parser", "_repeats_length", "_requests", "_size", "_status", "_transport",
    )  # fmt: skip

    def __init__(
        self,
        answered: Callable[[Connection, Answer], None],
        gone: Callable[[Connection], None],
        *,
        most_bytes: int,
    ) -> None:
        self._answered = answered
        self._gone = gone
        self._most_bytes = most_bytes
        self._transport: asyncio.Transport | None = None
        # One for all answers: making one costs as much as reading an answer.
        self._parser = _parser(self)
        self._requests = 0
        self._asked = self._keeps_body = self._keeps_alive = self._repeats_length = False
        self._head = b""
        self._body: list[bytes] = []
        self._size = 0
        self._status = 0
        """Of the whole answer; 0 until it is whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio's call)."""
        self._transport = cast("asyncio.Transport", transport)  # what a stream protocol is given

    def ask(self, request: bytes, *, keep_body: bool = False) -> None:
        """Send a whole request; its answer comes by `answered`. Raises RuntimeError while one is asked."""
        if self._asked or self._transport is None:
            raise RuntimeError("this connection is busy or not open")
        self._asked, self._keeps_body = True, keep_body
        self._requests += 1
        self._head, self._size, self._status = b"", 0, 0
        self._transport.write(request)

    @property
    def usable(self) -> bool:
        """Whether another request may be asked."""
        return not self._asked and self._transport is not None and not self._transport.is_closing()

    @property
    def died_reused(self) -> bool:
        """Whether a kept connection ended before the first byte of the answer to its last request.

        Then the server had closed it before it saw the request, as servers do with idle connections.
        """
        return self._requests > 1 and not self._head

    def give_up(self, trouble: Trouble) -> None:
        """End what is asked without its answer; the connection goes with it."""
        # First: whoever is told must not ask this connection again.
        self.close()
        self._tell(Answer(None, trouble))

    def close(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on (asyncio's call)."""
        if not self._asked:
            # Nobody asked: whatever this is, it belongs to no request.
            self.close()
            return
        if not self._size:
            self._head += data
        try:
            self._read(data)
        except _NO_HTTP:
            self.give_up(Trouble.NOT_HTTP)
            return
        if self._status and self._size <= self._most_bytes:
            # Only now, with all bytes read: whoever is told may ask again at once.
            if not self._keeps_alive:
                self.close()
            self._asked = False
            self._answered(self, self._whole(self._status))
        elif self._size > self._most_bytes or len(self._head) > _MOST_HEAD:
            self.give_up(Trouble.TOO_LARGE)

    def _read(self, data: bytes) -> None:
        """Read on; the same length twice is one length (RFC 9112, 6.3), which the parser refuses."""
        if not self._repeats_length:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError:
                self._repeats_length = self._head.lower().count(b"\ncontent-length") > 1
                if not self._repeats_length:
                    raise
                self._parser = _parser(self)
        if self._repeats_length and (once := _one_length(self._head)) is not None:
            self._repeats_length = False
            self._parser.feed_data(once)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the connection is over (asyncio's call)."""
        self._transport = None
        if self._asked and exc is None:
            head = _Head.of(self._head)
            if head.status and not head.tells_length:
                # A body without a length ends with its connection, as in HTTP/1.0.
                self._tell(self._whole(head.status))
        self._tell(Answer(None, Trouble.LOST))
        self._gone(self)

    def on_message_begin(self) -> None:
        """End the connection for what begins after the answer: nobody asked for it (the parser's call)."""
        if self._status:
            self._keeps_alive = False

    def on_body(self, data: bytes) -> None:
        """Count, and keep where it was asked for (the parser's call)."""
        if self._status:
            return
        self._size += len(data)
        if self._keeps_body and self._size <= self._most_bytes:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """Note the answer's end, and whether the server stays (the parser's call)."""
        status = self._parser.get_status_code()
        if status >= _INTERIM and not self._status:
            self._status = status
            self._keeps_alive = self._parser.should_keep_alive()

    def _whole(self, status: int) -> Answer:
        if not self._keeps_body:
            return Answer(status, None, b"", self._size)
        body, self._body = b"".join(self._body), []
        return Answer(status, None, body, self._size)

    def _tell(self, answer: Answer) -> None:
        if self._asked:
            self._asked = False
            self._answered(self, answer)


def _parser(of: object) -> Any:
    parser = httptools.HttpResponseParser(of)
    # A bare line feed ends a line (RFC 9112, 2.2): clients take it, and so do the platform's.
    parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
    return parser


def _one_length(read: bytes) -> bytes | None:
    """Return what was read with a Content-Length that says the same again left out; None: no whole head."""
    head = _HEAD_WITH_LENGTH.match(read)
    if head is None:
        return None
    kept: dict[bytes, bytes] = {}
    for number, line in enumerate(head[0].split(b"\n")):
        length = b"".join(line.lower().split())
        key = length if length.startswith(b"content-length:") else str(number).encode()
        kept.setdefault(key, line)
    return b"\n".join(kept.values()) + read[head.end() :]


class _Head:
    """What an answer's first bytes tell: asked of the few whose connection ended before they did."""

    def __init__(self) -> None:
        self.status = 0
        self.tells_length = False
        self._parser = _parser(self)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Read a head once more."""
        head = cls()
        with contextlib.suppress(*_NO_HTTP):
            head._parser.feed_data(data)
        return head

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002 - the parser's signature
        """Note how the body's end is told (the parser's call)."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self.tells_length = True

    def on_headers_complete(self) -> None:
        """Note the status (the parser's call)."""
        status = self._parser.get_status_code()
        if status >= _INTERIM:
            self.status = status
        else:
            self.tells_length = False


_REDIRECTS = 300
"""Below it a status is right: a redirect is an error here, for nobody follows it."""
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be written."""

    name: str
    """As reports call its kind."""
    data: bytes
    judge: Callable[[Answer], str | None] | None = None
    """Returns what is wrong with an answer; None: nothing. Without one, a status below 300 is right."""
    keep_body: bool = False
    """Whether `judge` reads the body."""

    @property
    def idempotent(self) -> bool:
        """Whether asking twice is the same as asking once (RFC 9110, 9.2.2)."""
        return self.data.partition(b" ")[0] in _IDEMPOTENT

    def wrong(self, answer: Answer) -> str | None:
        """Return what is wrong with an answer, in a report's words; None: nothing."""
        if answer.trouble is not None:
            return answer.trouble.value
        if self.judge is not None:
            return self._judged(self.judge, answer)
        status = answer.status or 0
        return None if status < _REDIRECTS else f"status {status}"

    @staticmethod
    def _judged(judge: Callable[[Answer], str | None], answer: Answer) -> str | None:
        try:
            return judge(answer)
        except Exception as exc:  # noqa: BLE001 - a check that breaks must not pass for a right answer
            return f"its check raised {type(exc).__name__}"


@dataclass(slots=True)
class Flight:
    """A request that is under way."""

    request: Request
    stage: int
    """In which it was due."""
    due_at: float
    """When it should be sent, by the engine's clock in seconds."""
    sent_at: float


KEPT_SECONDS = 5.0
"""So long an answer holds, also that there is none; then the name may have moved."""

Place = tuple[int, str]
"""Address family and address."""


class Names:
    """The addresses of one host. A lookup is never broken off: uvloop does not survive that."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._lookup: asyncio.Future[list[Place]] | None = None
        self._holds_until = 0.0

    @property
    def unknown(self) -> bool:
        """Whether the first answer, or a new one, is still waited for."""
        return self._lookup is None or not self._lookup.done()

    async def places(self) -> list[Place]:
        """Return the addresses; raises OSError."""
        if self._lookup is None or (self._lookup.done() and time.monotonic() > self._holds_until):
            self._lookup = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._lookup)

    async def end(self) -> None:
        """Wait for a lookup that is under way."""
        if self._lookup is not None:
            with contextlib.suppress(OSError):
                await self._lookup

    async def _ask(self) -> list[Place]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM
            )
        finally:
            self._holds_until = time.monotonic() + KEPT_SECONDS
        return [(family, str(where[0])) for family, _, _, _, where in found]

"""One HTTP/1.1 connection with one request at a time: bytes out, an answer or the reason for none back."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

_INTERIM = 200
"""Below it a status only announces another."""


class Trouble(enum.StrEnum):
    """Why there is no answer; the words of reports."""

    NAME = "name not resolved"
    CONNECT = "no connection"
    PORTS = "no free port or descriptor"
    TLS = "TLS refused"
    LOST = "connection lost before the answer was whole"
    NOT_HTTP = "no HTTP"
    TOO_LARGE = "body too large"
    TIMEOUT = "no whole answer in time"


@dataclass(frozen=True, slots=True)
class Answer:
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
        "_answered", "_asked", "_body", "_gone", "_keeps_body", "_most_bytes", "_parser", "_size",
        "_sized", "_status", "_transport",
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
        self._asked = self._keeps_body = False
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._size = 0
        self._status: int | None = None
        self._sized = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio's call)."""
        self._transport = cast("asyncio.Transport", transport)  # what a stream protocol is given

    def ask(self, request: bytes, *, keep_body: bool = False) -> None:
        """Send a whole request; its answer comes by `answered`. Raises RuntimeError while one is asked."""
        if self._asked or self._transport is None:
            raise RuntimeError("this connection is busy or not open")
        self._asked, self._keeps_body = True, keep_body
        self._transport.write(request)

    @property
    def usable(self) -> bool:
        """Whether another request may be asked."""
        return not self._asked and self._transport is not None and not self._transport.is_closing()

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
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserCallbackError):
            self.give_up(Trouble.NOT_HTTP)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the connection is over (asyncio's call)."""
        self._transport = None
        if self._status is not None and not self._sized and exc is None:
            # A body without a length ends with its connection, as in HTTP/1.0.
            self._tell(self._whole())
        self._tell(Answer(None, Trouble.LOST))
        self._gone(self)

    def on_message_begin(self) -> None:
        """End the connection if nobody asked for what begins here (the parser's call)."""
        if not self._asked:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: ARG002 - the parser's signature
        """Note how the body's end is told (the parser's call)."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._sized = True

    def on_headers_complete(self) -> None:
        """Note the status (the parser's call)."""
        status = self._parser.get_status_code()
        self._status = status if status >= _INTERIM else None

    def on_body(self, data: bytes) -> None:
        """Count, and keep where it was asked for (the parser's call)."""
        self._size += len(data)
        if self._size > self._most_bytes:
            self.give_up(Trouble.TOO_LARGE)
        elif self._keeps_body:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """Tell of the answer, and stay open if the server does (the parser's call)."""
        if self._status is None:
            self._sized = False
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._tell(self._whole())

    def _whole(self) -> Answer:
        return Answer(self._status, None, b"".join(self._body), self._size)

    def _tell(self, answer: Answer) -> None:
        if not self._asked:
            return
        self._asked = False
        self._begin()
        self._answered(self, answer)

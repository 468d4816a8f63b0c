"""A server that does next to nothing: what an engine measures against it is the engine itself.

`python -m load._engine._null_server --port 0` prints its address and serves until it is ended.
GET /slow is answered late, whatever else it is told to do. With a file of answers, a request's
header X-Null-Answer says which one it gets.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import pathlib
import ssl
import sys
import time
from collections.abc import Sequence
from typing import cast

import httptools
import uvloop

_BODY = b'{"answer":"%s"}' % (b"." * 100)
"""As long as a small answer of an API."""
_BAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


def _answer(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


_OK = _answer(b"200 OK", _BODY)
ANSWER_HEADER = b"X-Null-Answer"


def answers_of(file: pathlib.Path) -> list[bytes]:
    """Read answers: a JSON list of `{"status": 201, "body": {}}`; raises OSError and ValueError."""
    listed = json.loads(file.read_text(encoding="utf-8"))
    return [
        _answer(b"%d As asked" % one["status"], json.dumps(one["body"]).encode()) for one in listed
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class Manners:
    """How the server misbehaves, by counts and clock: the same in every run."""

    delay_seconds: float = 0.0
    """Every answer waits so long."""
    bad_every: int = 0
    """Every so-many-th answer is a 500; 0: none."""
    stall_every_seconds: float = 0.0
    """So often the whole server stops; 0: never."""
    stall_seconds: float = 0.0
    """For so long."""
    slow_seconds: float = 1.0
    """So long waits an answer to /slow."""


class _Served(asyncio.Protocol):
    __slots__ = ("_delay_seconds", "_parser", "_server", "_transport")

    def __init__(self, server: NullServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._delay_seconds = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # what a stream protocol is given
        self._server.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()

    def on_url(self, url: bytes) -> None:
        slow = url.startswith(b"/slow")
        manners = self._server.manners
        self._delay_seconds = manners.slow_seconds if slow else manners.delay_seconds

    def on_message_complete(self) -> None:
        answer = self._answer()
        if self._delay_seconds:
            asyncio.get_running_loop().call_later(self._delay_seconds, self._say, answer)
        else:
            self._say(answer)

    def _answer(self) -> bytes:
        return self._server.answer()

    def _say(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Imitating(_Served):
    """Gives the answer that a header asks for; reading headers costs it some speed."""

    __slots__ = ("_number",)

    def on_message_begin(self) -> None:
        self._number = -1

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == ANSWER_HEADER and value.isdigit():
            self._number = int(value)

    def _answer(self) -> bytes:
        answers = self._server.answers
        if 0 <= self._number < len(answers):
            return self._server.answer(answers[self._number])
        return super()._answer()


class NullServer:
    """Answers every request alike, as fast as one process can; or as its header asks."""

    def __init__(self, manners: Manners | None = None, answers: Sequence[bytes] = ()) -> None:
        self.manners = manners or Manners()
        self.answers = answers
        self.served = 0
        self.connections: set[_Served] = set()

    async def listen(self, port: int = 0, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Listen on this machine alone; raises OSError."""
        loop = asyncio.get_running_loop()
        kind = _Imitating if self.answers else _Served
        server = await loop.create_server(
            lambda: kind(self), "127.0.0.1", port, backlog=4096, ssl=tls
        )
        if self.manners.stall_every_seconds:
            loop.call_later(self.manners.stall_every_seconds, self._stall)
        return server

    def answer(self, asked: bytes | None = None) -> bytes:
        """Return what the next request is answered: what it asks for, where it does."""
        self.served += 1
        if self.manners.bad_every and self.served % self.manners.bad_every == 0:
            return _BAD
        return _OK if asked is None else asked

    def hang_up(self) -> None:
        """End every connection at once."""
        for connection in tuple(self.connections):
            connection.close()

    def _stall(self) -> None:
        # Its own loop is what it means to stop.
        time.sleep(self.manners.stall_seconds)
        loop = asyncio.get_running_loop()
        loop.call_later(self.manners.stall_every_seconds - self.manners.stall_seconds, self._stall)


async def _end_of_stdin() -> None:
    """Wait until whoever started this closes its end, or is gone."""
    ended = asyncio.Event()
    stdin = sys.stdin.fileno()

    def read() -> None:
        if not os.read(stdin, 1024):
            ended.set()

    asyncio.get_running_loop().add_reader(stdin, read)
    await ended.wait()


def main(arguments: list[str]) -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="null-server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    for name, usual in dataclasses.asdict(Manners()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(usual), default=usual)
    parser.add_argument("--certificate", help="PEM file with key and chain: serve by TLS")
    parser.add_argument("--answers", type=pathlib.Path, help="JSON file of answers to choose from")
    parser.add_argument("--until-eof", action="store_true", help="serve until stdin is closed")
    options = vars(parser.parse_args(arguments))
    until_eof = options.pop("until_eof")
    port, certificate = options.pop("port"), options.pop("certificate")
    file = options.pop("answers")
    try:
        answers = [] if file is None else answers_of(file)
    except (OSError, ValueError) as exc:
        # Whoever started it may be gone by now, and the file with them.
        parser.error(f"--answers: {exc}")
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)

    async def serve() -> None:
        server = await NullServer(Manners(**options), answers).listen(port, tls)
        scheme = "http" if tls is None else "https"
        sys.stdout.write(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        if until_eof:
            await _end_of_stdin()
        else:
            await server.serve_forever()

    uvloop.run(serve())


if __name__ == "__main__":
    main(sys.argv[1:])

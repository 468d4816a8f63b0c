"""A server that does next to nothing: what an engine measures against it is the engine itself.

`python -m load._engine._null_server --port 0` prints its address and serves until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from typing import cast

import httptools
import uvloop

_BODY = b'{"answer":"%s"}' % (b"." * 100)
"""As long as a small answer of an API."""
_OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY)
) + _BODY
_BAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
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


class _Served(asyncio.Protocol):
    __slots__ = ("_manners", "_parser", "_server", "_transport")

    def __init__(self, server: NullServer) -> None:
        self._server = server
        self._manners = server.manners
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # what a stream protocol is given

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    def on_message_complete(self) -> None:
        self._server.served += 1
        bad = self._manners.bad_every and self._server.served % self._manners.bad_every == 0
        answer = _BAD if bad else _OK
        if self._manners.delay_seconds:
            asyncio.get_running_loop().call_later(self._manners.delay_seconds, self._say, answer)
        else:
            self._say(answer)

    def _say(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class NullServer:
    """Answers every request alike, as fast as one process can."""

    def __init__(self, manners: Manners | None = None) -> None:
        self.manners = manners or Manners()
        self.served = 0

    async def listen(self, port: int = 0) -> asyncio.Server:
        """Listen on this machine alone; raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Served(self), "127.0.0.1", port, backlog=4096)
        if self.manners.stall_every_seconds:
            loop.call_later(self.manners.stall_every_seconds, self._stall)
        return server

    def _stall(self) -> None:
        # Its own loop is what it means to stop.
        time.sleep(self.manners.stall_seconds)
        loop = asyncio.get_running_loop()
        loop.call_later(self.manners.stall_every_seconds - self.manners.stall_seconds, self._stall)


def main(arguments: list[str]) -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="null-server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-seconds", type=float, default=0.0)
    parser.add_argument("--bad-every", type=int, default=0)
    parser.add_argument("--stall-every-seconds", type=float, default=0.0)
    parser.add_argument("--stall-seconds", type=float, default=0.0)
    options = vars(parser.parse_args(arguments))
    port = options.pop("port")

    async def serve() -> None:
        server = await NullServer(Manners(**options)).listen(port)
        sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()

    uvloop.run(serve())


if __name__ == "__main__":
    main(sys.argv[1:])

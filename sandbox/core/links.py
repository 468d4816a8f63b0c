"""TCP links whose target, mode and latency change while they run.

The supervisor puts one between every two parts that a fault must be able to separate. Bytes are handed
from protocol to protocol without streams or tasks, so an open link costs next to nothing.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import socket
import struct
from collections.abc import Callable
from typing import Literal, TypeAlias, cast

from sandbox.core.layout import replica_host

Address: TypeAlias = tuple[str, int]
Mode: TypeAlias = Literal["open", "refuse", "blackhole", "reset"]

_CONNECT_SECONDS = 5.0
_MOST_BYTES_HELD = 256 * 1024
_BACKLOG = 512
_TIMER_SLACK_SECONDS = 0.001  # uvloop's timers count milliseconds and may be that much early
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Link:
    """A listener on 127.0.0.1 that hands every connection on to `target`, or misbehaves.

    `mode`: `open` forwards; `refuse` really closes the listener but keeps its port; `blackhole`
    accepts and never answers; `reset` answers every connection with a RST.
    `latency_seconds` delays every chunk from the client to the server, never the way back.
    With `replicas`, each new connection goes to the next of them; `sticky` keeps an asker with one.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.target: Address | None = None
        self.mode: Mode = "open"
        self.latency_seconds = 0.0
        self.replicas = 1
        self.sticky = False
        self.port = 0
        self._turns = itertools.count()
        self._listener: socket.socket | None = None
        self._connections: set[_Connection] = set()

    async def start(self, port: int = 0) -> None:
        """Take the port (0: a free one, then in `port`) and begin; raises OSError when it is taken."""
        self._listener = _bound(port)
        self.port = self._listener.getsockname()[1]
        self._apply_mode()

    async def stop(self) -> None:
        """Give the port back and break every connection."""
        self._close_listener()
        self._break_connections()

    async def set(
        self,
        *,
        target: Address | None = None,
        mode: Mode | None = None,
        latency_seconds: float | None = None,
        sticky: bool | None = None,
    ) -> None:
        """Change what is given; connections break when the target or the mode changes."""
        self.sticky = self.sticky if sticky is None else sticky
        if latency_seconds is not None:
            self.latency_seconds = latency_seconds
        before = (self.target, self.mode)
        self.target, self.mode = target or self.target, mode or self.mode
        if self._listener is None or (self.target, self.mode) == before:
            return
        if self.mode != before[1]:
            self._apply_mode()
        self._break_connections()

    def forget(self, connection: _Connection) -> None:
        """Drop a connection that ended."""
        self._connections.discard(connection)

    def _apply_mode(self) -> None:
        # A socket that is bound and does not listen refuses for real, and nobody else gets its port.
        self._close_listener()
        self._listener = _bound(self.port)
        if self.mode != "refuse":
            self._listener.listen(_BACKLOG)
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _close_listener(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        if self._listener is None:
            return
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            client, _ = self._listener.accept()
            client.setblocking(False)  # noqa: FBT003 - the standard library's signature
            if self.mode == "reset" or self.target is None:
                _reset(client)
                return
            connection = _Connection(self, client)
            self._connections.add(connection)
            if self.mode == "open":
                connection.begin(self._next_replica(self.target))

    def _next_replica(self, target: Address) -> Address:
        # Who asks here has one address, so a hash of it would always choose the same.
        turn = 0 if self.sticky else next(self._turns)
        return (replica_host(turn % self.replicas), target[1]) if self.replicas > 1 else target

    def _break_connections(self) -> None:
        for connection in tuple(self._connections):
            connection.break_off()


class _Connection:
    """One accepted connection and, when the link is open, the one to the target beside it."""

    def __init__(self, link: Link, client: socket.socket) -> None:
        self._link = link
        self._connecting: asyncio.Task[None] | None = None
        self._client = _Side(client, self._side_lost)
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._server = _Side(server, self._side_lost)
        self._client.out = _Flow(self._client, self._server, lambda: link.latency_seconds)
        self._server.out = _Flow(self._server, self._client, lambda: 0.0)
        self._client.incoming, self._server.incoming = self._server.out, self._client.out

    def begin(self, target: Address) -> None:
        """Start to connect to the target."""
        self._connecting = asyncio.get_running_loop().create_task(self._join(target))

    async def _join(self, target: Address) -> None:
        loop = asyncio.get_running_loop()
        try:
            # The target first: until it answers, the client's bytes wait in the kernel.
            async with asyncio.timeout(_CONNECT_SECONDS):
                await loop.sock_connect(self._server.socket, target)
            await loop.create_connection(lambda: self._server, sock=self._server.socket)
            await loop.connect_accepted_socket(lambda: self._client, self._client.socket)
        except OSError:  # refused, no route; a timeout is one too
            self.break_off()

    def _side_lost(self, exc: Exception | None) -> None:
        """Both sides go together; one that ended in order has been half-closed before."""
        if exc is not None:
            self.break_off()
        elif self._client.lost and self._server.lost:
            self._link.forget(self)

    def break_off(self) -> None:
        """End both sides at once, with a RST."""
        self._link.forget(self)
        if self._connecting is not None and self._connecting is not asyncio.current_task():
            self._connecting.cancel()
        self._client.abort()
        self._server.abort()


class _Side(asyncio.Protocol):
    """One end of a connection: what arrives here leaves through `out`."""

    out: _Flow
    incoming: _Flow

    def __init__(
        self, own_socket: socket.socket, on_lost: Callable[[Exception | None], None]
    ) -> None:
        self.socket = own_socket
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._on_lost = on_lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with what the other side said already."""
        self.transport = cast("asyncio.Transport", transport)
        self.incoming.pump()

    def data_received(self, data: bytes) -> None:
        """Hand a chunk on."""
        self.out.push(data)

    def eof_received(self) -> bool:
        """Hand a half-close on; the other direction stays open."""
        self.out.push(None)
        return True

    def pause_writing(self) -> None:
        """Keep the other side from reading what this one cannot take."""
        self.incoming.regulate(sink_is_full=True)

    def resume_writing(self) -> None:
        """Let the other side read again."""
        self.incoming.regulate(sink_is_full=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the connection."""
        self.lost = True
        self._on_lost(exc)

    def abort(self) -> None:
        """End this side at once, with a RST."""
        if self.transport is None:
            _reset(self.socket)
        elif not self.lost:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self.transport.abort()


class _Flow:
    """The bytes of one direction, in order, each delayed by what `delay_seconds` said on arrival.

    None stands for the end of the stream.
    """

    def __init__(self, source: _Side, sink: _Side, delay_seconds: Callable[[], float]) -> None:
        self._source = source
        self._sink = sink
        self._delay_seconds = delay_seconds
        self._held: collections.deque[tuple[float, bytes | None]] = collections.deque()
        self._bytes_held = 0
        self._sink_is_full = False
        self._paused = False
        self.ended = False

    def push(self, chunk: bytes | None) -> None:
        """Take a chunk, or the end; without delay it goes straight through."""
        delay = self._delay_seconds()
        if not (delay or self._held or self._sink.transport is None):
            self._send(chunk)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        if self._held:
            due = max(due, self._held[-1][0])  # a smaller latency must not reorder bytes
        self._held.append((due, chunk))
        self._bytes_held += len(chunk or b"")
        loop.call_at(due, self.pump)
        self.regulate()

    def pump(self) -> None:
        """Send what is due."""
        now = asyncio.get_running_loop().time() + _TIMER_SLACK_SECONDS
        while self._held and self._held[0][0] <= now and self._sink.transport is not None:
            chunk = self._held.popleft()[1]
            self._bytes_held -= len(chunk or b"")
            self._send(chunk)
        self.regulate()

    def _send(self, chunk: bytes | None) -> None:
        sink, source = self._sink.transport, self._source.transport
        if sink is None or sink.is_closing():
            return
        if chunk is not None:
            sink.write(chunk)
            return
        self.ended = True
        sink.write_eof()
        if self._source.incoming.ended and source is not None:
            source.close()
            sink.close()

    def regulate(self, *, sink_is_full: bool | None = None) -> None:
        """Stop reading from the source while the sink is full or too much is held."""
        if sink_is_full is not None:
            self._sink_is_full = sink_is_full
        pause = self._sink_is_full or self._bytes_held > _MOST_BYTES_HELD
        source = self._source.transport
        if source is None or source.is_closing() or pause == self._paused:
            return
        self._paused = pause
        (source.pause_reading if pause else source.resume_reading)()


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


def _reset(client: socket.socket) -> None:
    if client.fileno() >= 0:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        client.close()

"""Misbehaving servers on port 0: each behaviour is a function of one accepted connection."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from probes.observation import Facts, Failure, FailureKind, Observation

Behaviour = Callable[[socket.socket, threading.Event], None]
Observed = TypeVar("Observed", bound=Observation[Any])
V = TypeVar("V", bound=Facts)


@dataclass
class Server:
    """A listening server: where it is, and what it has seen; `read_request` notes the requests."""

    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def serving(behaviour: Behaviour, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve every connection with `behaviour` in its own thread until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener.getsockname()[1])
    over = threading.Event()
    threads = weakref.WeakSet[threading.Thread]()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            thread = threading.Thread(
                target=_handle, args=(server, connection, behaviour, over, tls)
            )
            threads.add(thread)
            thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(timeout=5)
        for thread in tuple(threads):
            thread.join(timeout=5)


_HEARD = threading.local()
"""Where the thread of a connection notes what it reads."""


def _handle(
    server: Server,
    connection: socket.socket,
    behaviour: Behaviour,
    over: threading.Event,
    tls: ssl.SSLContext | None,
) -> None:
    _HEARD.requests = server.requests
    with contextlib.suppress(OSError), connection:
        connection.settimeout(5)
        with tls.wrap_socket(connection, server_side=True) if tls else connection as secured:
            behaviour(secured, over)


def read_request(connection: socket.socket) -> bytes:
    """Read a whole request: head, and the body that its Content-Length announces."""
    data = b""
    while not _is_whole(data):
        more = connection.recv(65536)
        if not more:
            break
        data += more
    _HEARD.requests.append(data)
    return data


def _is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


def hang(_connection: socket.socket, over: threading.Event) -> None:
    """Accept and say nothing."""
    over.wait(10)


def drip(text: bytes) -> Behaviour:
    """Send `text` over and over, a byte every 30 ms."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        position = 0
        while not over.wait(0.03):
            connection.sendall(text[position : position + 1])
            position = (position + 1) % len(text)

    return behave


def after_head(head: bytes, then: Behaviour) -> Behaviour:
    """Answer with `head` and go on with another behaviour."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head)
        then(connection, over)

    return behave


def answer(
    body: bytes,
    *,
    status: str = "200 OK",
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Behaviour:
    """Answer every request like an ordinary server and close."""
    fields = {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields.items())]
    head = "\r\n".join([*lines, "Connection: close", "", ""]).encode()

    def behave(connection: socket.socket, _over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head + body)

    return behave


def by_path(replies: Mapping[str, Behaviour]) -> Behaviour:
    """Answer each path, without its query, in its own way."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        head = connection.recv(65536, socket.MSG_PEEK)
        replies[head.split(b" ")[1].decode().partition("?")[0]](connection, over)

    return behave


def say(text: bytes) -> Behaviour:
    """Send something at once, whatever was asked, and close in order."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        over.wait(0.2)

    return behave


def after_first(text: bytes) -> Behaviour:
    """Send something once anything was asked, and stay."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(text)
        over.wait(10)

    return behave


def reset(connection: socket.socket, _over: threading.Event) -> None:
    """Read a little and break the connection off with a RST."""
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close_after_request(connection: socket.socket, _over: threading.Event) -> None:
    """Read the request and close without an answer."""
    read_request(connection)


def relay(
    client: socket.socket, port: int, over: threading.Event, *, last_words: bytes | None = None
) -> None:
    """Pass bytes between the client and a local server until one ends or says its last words."""
    with socket.create_connection(("127.0.0.1", port)) as server:
        client.settimeout(0.01)
        server.settimeout(0.01)
        while not over.is_set():
            sent = _pass_on(client, server)
            received = _pass_on(server, client)
            if b"" in {sent, received} or (last_words and last_words in (sent or b"")):
                return


def _pass_on(source: socket.socket, sink: socket.socket) -> bytes | None:
    try:
        data = source.recv(65536)
    except TimeoutError:
        return None
    sink.sendall(data)
    return data


@contextlib.contextmanager
def unreachable_listener() -> Iterator[int]:
    """Yield a port whose queue is full, so that a connection is never established."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield listener.getsockname()[1]


def closed_port() -> int:
    """Return a port on which nothing listens."""
    return closed_ports(1)[0]


def closed_ports(count: int) -> list[int]:
    """Return different ports on which nothing listens."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For httpx's functions on this machine: by default each call reads all public authorities anew."""
NO_AUTHORITIES.check_hostname, NO_AUTHORITIES.verify_mode = False, ssl.CERT_NONE


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for a named condition; raises AssertionError with its name when it does not come."""
    pause = threading.Event()
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        pause.wait(0.03)


def soonest(seconds: float, observe: Callable[[], Observed]) -> Observed:
    """Return an observation that took less than so many seconds, the first of three attempts.

    A busy machine delays one of them; a deadline that is not kept delays all.
    """
    took = []
    for _ in range(3):
        observed = observe()
        if observed.elapsed_seconds < seconds:
            return observed
        took.append(observed.elapsed_seconds)
    raise AssertionError(f"never within {seconds} s: {took}")


def failed(observed: Observation[Any], kind: FailureKind, phase: str | None = None) -> Failure:
    """Return why an observation has no value; it must be of this kind, and of the phase that is given."""
    failure = observed.failure
    assert failure is not None
    assert observed.value is None
    assert (failure.kind, failure.phase if phase else None) == (kind, phase)
    return failure


def brought(observed: Observation[V]) -> V:
    """Return the value of an observation, which must have one."""
    assert observed.value is not None, observed.failure
    return observed.value


def reading(observed: Observation[Any]) -> object:
    """Return what an observation says: its facts, or its failure's kind and sentence, without ports."""
    failure = observed.failure
    if failure is None:
        return observed.record()["facts"]
    return f"{failure.kind.name}: {re.sub(r'(?<=:)[0-9]{4,5}', 'PORT', failure.detail)}"

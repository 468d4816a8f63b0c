"""A redis-py connection on a socket of ours: one deadline, verified TLS, a bounded answer."""

from __future__ import annotations

import socket
from typing import Any, Final

from redis.connection import Connection

from probes import network
from probes.observation import Deadline
from probes.phases import PhaseClock

MAX_ANSWER_BYTES: Final = 16 * 1_048_576


class AnswerTooLargeError(OSError):
    """The server sent more than a probe ever asks for."""


class DeadlineSocket:
    """A connected socket: one deadline for all of it, one bound on the bytes of each answer."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._bytes_left = MAX_ANSWER_BYTES
        self._patience: float | None = None
        self.too_large = False

    def recv(self, size: int) -> bytes:
        """Return what has arrived; raises TimeoutError, AnswerTooLargeError or another OSError."""
        left = network.seconds_left(self._deadline)
        self._connection.settimeout(left if self._patience is None else min(left, self._patience))
        data = self._connection.recv(size)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            self.too_large = True
            raise AnswerTooLargeError
        return data

    def sendall(self, data: bytes) -> None:
        """Send everything, after which a new answer begins; raises OSError."""
        self._bytes_left = MAX_ANSWER_BYTES
        self._connection.settimeout(network.seconds_left(self._deadline))
        self._connection.sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """Let redis-py wait shorter than the deadline (0: only look), never longer."""
        self._patience = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class DeadlineRedisConnection(Connection):
    """Speaks the Redis protocol over a socket that was connected before."""

    def __init__(self, opened: DeadlineSocket | None = None, **settings: Any) -> None:
        self._opened = opened
        super().__init__(**settings)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def _connect(self) -> DeadlineSocket:
        opened, self._opened = self._opened, None
        if opened is None:
            raise ConnectionResetError("redis-py wanted to connect again")
        return opened


def open_socket(
    host: str, port: int, *, tls: bool, ca_file: str | None, deadline: Deadline, clock: PhaseClock
) -> DeadlineSocket:
    """Resolve, connect and do the TLS handshake within the deadline; raises OSError."""
    context = network.tls_context(ca_file) if tls else None
    connection = network.open_tcp(host, port, deadline, clock)
    if context is not None:
        clock.enter("tls")
        connection = network.wrap_tls(connection, host, context, deadline)
    return DeadlineSocket(connection, deadline)

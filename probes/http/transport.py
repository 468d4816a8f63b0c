"""An httpx transport that ends when the deadline does and times its phases.

httpx counts its timeouts per read and write, so a server that drips a byte at a time can hold it for
ever. Here every socket call gets what is left of the one deadline.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import httpcore
import httpx

from probes import network
from probes.observation import Deadline
from probes.phases import PhaseClock

PHASES = ("resolve", "connect", "tls", "send", "wait", "transfer")

_PHASE_BY_EVENT = {
    "http11.send_request_headers.started": "send",
    "http11.receive_response_headers.started": "wait",
    "http11.receive_response_body.started": "transfer",
}


class DeadlineStream(httpcore.NetworkStream):
    """A connected socket whose reads and writes share one deadline."""

    def __init__(self, connection: socket.socket, deadline: Deadline, clock: PhaseClock) -> None:
        self._connection = connection
        self._deadline = deadline
        self._clock = clock
        self.first_bytes = b""
        self.ended = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - httpcore's signature; the deadline rules
        """Return what has arrived; raises httpcore.ReadTimeout or ReadError."""
        try:
            self._connection.settimeout(network.seconds_left(self._deadline))
            data = self._connection.recv(max_bytes)
        except TimeoutError as exc:
            raise httpcore.ReadTimeout(exc) from exc
        except OSError as exc:
            raise httpcore.ReadError(exc) from exc
        self.first_bytes = self.first_bytes or data[:5]
        self.ended = self.ended or not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        """Send all of `buffer`; raises httpcore.WriteTimeout or WriteError."""
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
        """Do the handshake; raises httpcore.ConnectTimeout or ConnectError."""
        self._clock.enter("tls")
        try:
            self._connection = network.wrap_tls(
                self._connection, server_hostname or "", ssl_context, self._deadline
            )
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout(exc) from exc
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
        """Resolve and connect; raises httpcore.ConnectTimeout or ConnectError."""
        try:
            connection = network.open_tcp(host, port, self._deadline, self._clock)
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout(exc) from exc
        except OSError as exc:
            raise httpcore.ConnectError(exc) from exc
        self.stream = DeadlineStream(connection, self._deadline, self._clock)
        return self.stream


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class DeadlineTransport(httpx.BaseTransport):
    """One connection for one exchange; raises httpcore's exceptions."""

    def __init__(
        self, context: ssl.SSLContext | None, deadline: Deadline, clock: PhaseClock
    ) -> None:
        self._clock = clock
        self.backend = DeadlineBackend(deadline, clock)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, network_backend=self.backend, max_connections=1
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return the answer with its body still to be read."""
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=cast("httpx.SyncByteStream", request.stream),
                extensions={"trace": self._trace},
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def _trace(self, event: str, _info: Mapping[str, Any]) -> None:
        phase = _PHASE_BY_EVENT.get(event)
        if phase is not None:
            self._clock.enter(phase)

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

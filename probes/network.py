"""Names, sockets and TLS under a deadline, and what their errors mean.

Every client library here is given sockets of this module, so that resolving, connecting, the TLS
handshake and each read and write end when the caller's deadline does, whatever the server does.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import certifi

from probes.observation import Deadline, FailureKind, Kinds, PhaseClock, kind_of

T = TypeVar("T")
Address: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]

PUBLIC_AUTHORITIES: Final = certifi.where()
"""Mozilla's authorities, the same on every machine."""

_NO_ROUTE: Final = (
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL),
    # A local firewall rule answers with these two.
    *(errno.EPERM, errno.EACCES),
)
_LOST: Final = (errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN)
_KIND_BY_ERRNO: Final = {
    errno.ECONNREFUSED: FailureKind.REFUSED,
    errno.ETIMEDOUT: FailureKind.TIMEOUT,
    **dict.fromkeys(_NO_ROUTE, FailureKind.NO_ROUTE),
    **dict.fromkeys(_LOST, FailureKind.CONNECTION_LOST),
}

# OpenSSL's X509_V_ERR_*: the issuer is missing, self-signed or cannot be followed. Every other code
# blames the certificate itself (dates, names, purpose, key size).
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21, 24, 27})


class ResolverSilent(OSError):  # noqa: N818 - reads as what happened, like the standard library's
    """The resolver gave no answer before the deadline."""


class AuthorityUnusable(OSError):  # noqa: N818 - as above
    """The file of the certificate authority cannot be used."""


def os_failure_kind(error: OSError) -> FailureKind:
    """Map an operating system's or TLS error; an unknown one is the gate's own fault, so that it holds."""
    match error:
        case ssl.SSLCertVerificationError():
            unknown = error.verify_code in _UNKNOWN_ISSUER
            return FailureKind.CERTIFICATE_UNTRUSTED if unknown else FailureKind.CERTIFICATE_INVALID
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return FailureKind.CONNECTION_LOST
        case ssl.SSLError():
            return FailureKind.TLS_FAILED
        case socket.gaierror() | ResolverSilent():
            return FailureKind.NAME_NOT_RESOLVED
        case TimeoutError():
            return FailureKind.TIMEOUT
        case _:
            return _KIND_BY_ERRNO.get(error.errno or 0, FailureKind.OUR_FAULT)


def kind_of_any(exc: BaseException, kinds: Kinds) -> FailureKind | None:
    """Return what an exception of a client library or of the operating system means; None: neither's."""
    return os_failure_kind(exc) if isinstance(exc, OSError) else kind_of(exc, kinds)


def tls_context(ca_file: str | None, *, check_hostname: bool = True) -> ssl.SSLContext:
    """Return a verifying client context: the public authorities, or exactly those of `ca_file`.

    Raises AuthorityUnusable when the file cannot be read or is not a PEM.
    """
    path = ca_file or PUBLIC_AUTHORITIES
    try:
        # Part of the key, so that a file that is replaced is read again.
        return _tls_context(path, Path(path).stat().st_mtime_ns, check_hostname)
    except OSError as exc:
        raise AuthorityUnusable("ca_file") from exc


@functools.lru_cache(maxsize=32)
def _tls_context(path: str, _changed_at_ns: int, check_hostname: bool) -> ssl.SSLContext:  # noqa: FBT001 - a cache key
    context = ssl.create_default_context(cafile=path)
    context.check_hostname = check_hostname
    return context


def seconds_left(deadline: Deadline) -> float:
    """Return the positive seconds left for a blocking call; raises TimeoutError when none are."""
    remaining = deadline.remaining_seconds()
    if remaining <= 0:
        raise TimeoutError("deadline passed")
    return remaining


def resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    """Return the addresses of a host in the system's order of preference.

    Raises socket.gaierror when the name has none and ResolverSilent when the deadline passes first.
    """
    with contextlib.suppress(socket.gaierror):
        return _lookup(host, port, socket.AI_NUMERICHOST)
    try:
        return within(deadline, lambda: _lookup(host, port))
    except TimeoutError:
        raise ResolverSilent("no answer from the resolver") from None


def within(deadline: Deadline, ask: Callable[[], T]) -> T:
    """Return what a call brings that can't be interrupted; raises TimeoutError when the deadline passes.

    A daemon thread may finish it after we have left.
    """
    asked: Future[T] = Future()

    def run() -> None:
        try:
            asked.set_result(ask())
        except BaseException as exc:  # noqa: BLE001 - raised where it is waited for
            asked.set_exception(exc)

    threading.Thread(target=run, daemon=True).start()
    return asked.result(deadline.remaining_seconds())


def _lookup(host: str, port: int, flags: int = 0) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError:
        # The IDNA codec refuses empty and over-long labels with this.
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return [(family, address) for family, _, _, _, address in found]


def has_route(address: str) -> bool:
    """Return whether this machine knows a way to an address; nothing is sent there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as unused:
            unused.connect((address, 9))
    except OSError:
        return False
    return True


def open_tcp(host: str, port: int, deadline: Deadline, clock: PhaseClock) -> socket.socket:
    """Connect within the deadline, timing the phases `resolve` and `connect`; raises OSError."""
    clock.enter("resolve")
    addresses = resolve(host, port, deadline)
    clock.enter("connect")
    errors: list[OSError] = []
    for tried, address in enumerate(addresses):
        share = seconds_left(deadline) / (len(addresses) - tried)
        try:
            return _connect(address, share)
        except OSError as exc:
            errors.append(exc)
    raise _most_telling(errors)


def _connect(address: Address, timeout_seconds: float) -> socket.socket:
    family, socket_address = address
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_seconds)
        connection.connect(socket_address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        connection.close()
        raise
    return connection


def _most_telling(errors: Iterable[OSError]) -> OSError:
    # A host may have an IPv6 address on a machine without IPv6: what the other address said counts.
    ranked = sorted(errors, key=lambda exc: os_failure_kind(exc) is FailureKind.NO_ROUTE)
    return ranked[0] if ranked else socket.gaierror(socket.EAI_NONAME, "no address")


def wrap_tls(
    connection: socket.socket, host: str, context: ssl.SSLContext, deadline: Deadline
) -> ssl.SSLSocket:
    """Do the TLS handshake within the deadline and verify the host name; raises OSError."""
    try:
        connection.settimeout(seconds_left(deadline))
        return context.wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise

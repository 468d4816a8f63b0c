"""A mailbox over IMAP4rev1 (RFC 3501): what arrived, by its subject; it reads no more, and marks nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import email.header
import imaplib
import re
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from probes import network
from probes.announced import Message, Messages
from probes.observation import (
    Deadline,
    FailureKind,
    FoundError,
    Kinds,
    Observation,
    PhaseClock,
    explained,
    failures_of,
    observed,
    unusable,
)

if TYPE_CHECKING:
    from pydantic import SecretStr

PHASES: Final = ("resolve", "connect", "tls", "login", "command")
_MOST_READ = 1000
_WANTED = "(INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)]<0.4000>)"
_ARRIVED = re.compile(rb'INTERNALDATE "([^"]{1,40})"')
_KINDS: Final[Kinds] = {
    imaplib.IMAP4.abort: FailureKind.CONNECTION_LOST,
    imaplib.IMAP4.error: FailureKind.PROTOCOL,
}
_SENTENCES: Final = failures_of("mail", key="ca_file")


@dataclasses.dataclass(frozen=True, slots=True)
class MailTarget:
    """A folder of a mailbox, and the gate's login; the password is masked in every repr."""

    host: str
    port: int
    user: str
    password: SecretStr
    folder: str = "INBOX"
    ca_file: str | None = None

    @property
    def address(self) -> str:
        """Return the target as reports show it."""
        return f"imaps://{self.host}:{self.port}"


class _Connected(imaplib.IMAP4):
    """Speaks IMAP over a socket that was connected before."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        super().__init__()

    def _create_socket(self, timeout: float | None) -> socket.socket:  # noqa: ARG002 - imaplib's own
        return self._connection


def arrived(target: MailTarget, since: dt.datetime, *, deadline: Deadline) -> Observation[Messages]:
    """Return the subjects of the newest thousand messages that arrived since a time, newest first.

    The time is the server's (INTERNALDATE): the header's Date is whatever its sender wrote.
    """

    def measured(clock: PhaseClock) -> Messages:
        connection = network.open_tcp(target.host, target.port, deadline, clock)
        clock.enter("tls")
        context = network.tls_context(target.ca_file)
        secured = network.wrap_tls(connection, target.host, context, deadline)
        # A server that sends a byte now and then would outlast the time of each single read.
        ends = threading.Timer(network.seconds_left(deadline), _cut, (secured,))
        ends.start()
        try:
            clock.enter("login")
            with _Connected(secured) as server:
                _log_in(server, target)
                clock.enter("command")
                found = sorted(_found(server, target, since), key=lambda one: one.at, reverse=True)
        finally:
            ends.cancel()
            secured.close()
        return Messages(tuple(one for one in found if one.at >= since))

    def kind_of(exc: Exception) -> FailureKind | None:
        kind = network.kind_of_any(exc, _KINDS)
        return FailureKind.TIMEOUT if kind and not deadline.remaining_seconds() else kind

    explain = explained(target.address, kind_of, _SENTENCES)
    return observed("mail", target.address, measured, explain, PHASES)


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)


def _log_in(server: imaplib.IMAP4, target: MailTarget) -> None:
    login = f"\0{target.user}\0{target.password.get_secret_value()}".encode()
    try:
        server.authenticate("PLAIN", lambda _: login)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        # The server's words may hold the login.
        raise _refused(target, FailureKind.CREDENTIAL_REFUSED) from None


def _found(server: imaplib.IMAP4, target: MailTarget, since: dt.datetime) -> Iterator[Message]:
    folder = '"' + re.sub(r'(["\\])', r"\\\1", target.folder) + '"'
    if server.select(folder, readonly=True)[0] != "OK":
        raise _refused(target, FailureKind.FORBIDDEN)
    # SEARCH knows days alone, and those of the server's own zone.
    day = f"{since - dt.timedelta(days=1):%d-%b-%Y}"
    said, numbers = server.uid("SEARCH", "SINCE", day)
    listed = (numbers[0] or b"").split()[-_MOST_READ:] if said == "OK" else None
    if listed is None:
        raise _refused(target, FailureKind.QUERY_REJECTED)
    if not listed:
        return
    said, parts = server.uid("FETCH", b",".join(listed).decode("ascii", "replace"), _WANTED)
    if said != "OK":
        raise _refused(target, FailureKind.QUERY_REJECTED)
    # Each message is a pair of what is said of it and its header, and what is said behind that.
    for part, behind in zip(parts, [*parts[1:], b""], strict=True):
        if isinstance(part, tuple):
            yield _message(part[0] + (behind if isinstance(behind, bytes) else b""), part[1])


def _message(said: bytes, header: bytes) -> Message:
    moment = _ARRIVED.search(said)
    try:
        at = dt.datetime.strptime(
            moment[1].decode().strip() if moment else "", "%d-%b-%Y %H:%M:%S %z"
        )
    except ValueError as exc:
        raise unusable("The mail server does not say when a message arrived.") from exc
    return Message(at, _subject(header))


def _subject(header: bytes) -> str:
    value = header.partition(b":")[2].decode("utf-8", "replace")
    unfolded = re.sub(r"\r?\n[ \t]", " ", value).strip()
    try:
        return str(email.header.make_header(email.header.decode_header(unfolded)))
    except (ValueError, LookupError):
        return unfolded  # of no character set that there is: somebody else's message, it hides no other


def _refused(target: MailTarget, kind: FailureKind) -> FoundError:
    return FoundError(kind, f"{target.address}: {_SENTENCES[kind]}.")

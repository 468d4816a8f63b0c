"""A mail server that says what Dovecot 2.3 said when it was asked the same."""

from __future__ import annotations

import contextlib
import datetime as dt
import pathlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence

import trustme

from tests.probes import servers

LOGIN = b"AGdhdGVAY2xpbmljLmV4YW1wbGUAc8OrY3JldA=="
"""gate@clinic.example and sëcret, as PLAIN sends them."""
GREETING = b"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] Dovecot ready.\r\n"
Said = tuple[dt.datetime, bytes]
"""When a message arrived, and its header as FETCH brings it."""


@contextlib.contextmanager
def mailbox(
    folder: pathlib.Path,
    messages: Sequence[Said],
    *,
    dates: bool = True,
    drips: bool = False,
    greeting: bytes = GREETING,
) -> Iterator[int]:
    """Serve a mailbox with a certificate of `folder`/ca.pem; yields its port."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    answers = {
        b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
        b"EXAMINE": b"* %d EXISTS\r\n" % len(messages),
        b"UID SEARCH": b"* SEARCH %s\r\n" % b" ".join(b"%d" % n for n, _ in enumerate(messages, 1)),
        b"UID FETCH": b"".join(
            _fetched(number, *one, dates=dates) for number, one in enumerate(messages, 1)
        ),
        b"LOGOUT": b"* BYE Logging out\r\n",
    }

    def behave(connection: socket.socket, over: threading.Event) -> None:
        with connection.makefile("rb") as lines:
            connection.sendall(greeting)
            for line in lines:
                tag, _, command = line.strip().partition(b" ")
                ends = b"OK done"
                if command.startswith(b"AUTHENTICATE"):
                    connection.sendall(b"+ \r\n")
                    ends = ends if lines.readline().strip() == LOGIN else b"NO [AUTH] s\xc3\xabcret"
                if command.startswith(b'EXAMINE "Lost'):
                    ends = b"NO Mailbox doesn't exist"
                said = next(
                    (text for name, text in answers.items() if command.startswith(name)), b""
                )
                while drips and command.startswith(b"UID FETCH") and not over.wait(0.02):
                    connection.sendall(b"x")
                connection.sendall(said + tag + b" " + ends + b"\r\n")

    with servers.serving(behave, tls=context) as server:
        yield server.port


def _fetched(number: int, at: dt.datetime, header: bytes, *, dates: bool) -> bytes:
    date = f'INTERNALDATE "{at:%d-%b-%Y %H:%M:%S %z}" ' if dates else ""
    size = f"BODY[HEADER.FIELDS (SUBJECT)]<0> {{{len(header)}}}\r\n"
    return f"* {number} FETCH (UID {number} {date}{size}".encode() + header + b")\r\n"

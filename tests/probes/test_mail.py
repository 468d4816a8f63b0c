"""The mailbox over a server that speaks IMAP as Dovecot does, and what of it is never taken for an answer."""

from __future__ import annotations

import datetime as dt
import pathlib
from typing import Any

from pydantic import SecretStr

from probes import mail
from probes.announced import Messages
from probes.observation import Deadline, FailureKind, Observation, utc_now
from tests.probes import servers
from tests.probes.mail_server import mailbox
from tests.tables import cases

SECRET = "sëcret"
SINCE = utc_now() - dt.timedelta(hours=4)
RECENT, OLD = (utc_now() - dt.timedelta(hours=hours) for hours in (1, 20))
ENCODED = b"Subject: =?utf-8?q?Einladung_f=C3=BCr?=\r\n =?utf-8?b?IHYxLjIuMA==?=\r\n\r\n"


def ask(
    place: pathlib.Path, port: int, seconds: float = 5, **changed: Any
) -> Observation[Messages]:
    known = {
        "user": "gate@clinic.example",
        "password": SecretStr(SECRET),
        "ca_file": f"{place}/ca.pem",
    }
    target = mail.MailTarget(**{"host": "localhost", "port": port, **known, **changed})
    return mail.arrived(target, SINCE, deadline=Deadline.after(seconds))


@cases(
    "header subject",
    {
        "plain": (b"Subject: Code freeze for v1.2.0\r\n\r\n", "Code freeze for v1.2.0"),
        "encoded, in two lines": (ENCODED, "Einladung für v1.2.0"),
        "of no known character set": (b"Subject: =?klingon?q?x?=\r\n\r\n", "=?klingon?q?x?="),
        "none": (b"\r\n", ""),
    },
)
def test_a_subject_is_read_as_it_was_meant(
    tmp_path: pathlib.Path, header: bytes, subject: str
) -> None:
    with mailbox(tmp_path, [(OLD, header), (RECENT, header)]) as port:
        found = servers.brought(ask(tmp_path, port))
    assert [(one.at, one.text) for one in found.messages] == [
        (RECENT.replace(microsecond=0), subject)
    ]
    assert found.facts() == {"messages": 1}


def test_an_empty_mailbox_has_no_message(tmp_path: pathlib.Path) -> None:
    with mailbox(tmp_path, []) as port:
        assert servers.brought(ask(tmp_path, port)).messages == ()


@cases(
    "served changed kind",
    {
        "another password": (
            {},
            {"password": SecretStr("sentinel")},
            FailureKind.CREDENTIAL_REFUSED,
        ),
        "no such folder": ({}, {"folder": 'Lost "and" found'}, FailureKind.FORBIDDEN),
        "no time of arrival": ({"dates": False}, {}, FailureKind.UNUSABLE_ANSWER),
        "a byte now and then": ({"drips": True}, {"seconds": 0.5}, FailureKind.TIMEOUT),
        "another name": ({}, {"host": "127.0.0.1"}, FailureKind.CERTIFICATE_INVALID),
        "an unknown authority": ({}, {"ca_file": None}, FailureKind.CERTIFICATE_UNTRUSTED),
    },
)
def test_what_is_no_answer_is_a_failure(
    tmp_path: pathlib.Path, served: dict[str, Any], changed: dict[str, Any], kind: FailureKind
) -> None:
    with mailbox(tmp_path, [(RECENT, b"Subject: x\r\n\r\n")], **served) as port:
        failure = servers.failed(ask(tmp_path, port, **changed), kind)
    assert SECRET not in failure.detail
    assert "sentinel" not in failure.detail


@cases(
    "greeting kind",
    {
        "nothing": (b"", FailureKind.TIMEOUT),
        "another protocol": (b"SSH-2.0-x\r\n", FailureKind.CONNECTION_LOST),
        "busy": (b"* BYE busy\r\n", FailureKind.PROTOCOL),
    },
)
def test_what_does_not_greet_as_imap_is_a_failure(
    tmp_path: pathlib.Path, greeting: bytes, kind: FailureKind
) -> None:
    with mailbox(tmp_path, [], greeting=greeting) as port:
        servers.failed(ask(tmp_path, port, 0.5), kind)

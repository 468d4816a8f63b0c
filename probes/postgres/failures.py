"""What a failure of Postgres, psycopg or libpq means; their own texts are never passed on.

psycopg's messages quote literals, and libpq's can quote a mistyped password. What is kept is the
SQLSTATE, which Postgres documents and does not translate (appendix A of its manual).
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import psycopg

from probes import network
from probes.observation import (
    WORDS,
    Deadline,
    Failure,
    FailureKind,
    Kinds,
    PhaseClock,
    failures_of,
    kind_of,
    kinds_of,
)

if TYPE_CHECKING:
    from probes.postgres import PostgresTarget

_KIND_BY_STATE: Final = kinds_of("postgres")
_KIND_BY_CLASS: Final = kinds_of("postgres_classes")

# psycopg's exceptions without a SQLSTATE; a test walks all of them.
_KIND_BY_TYPE: Final[Kinds] = {
    psycopg.errors.ConnectionTimeout: FailureKind.TIMEOUT,
    psycopg.errors.CancellationTimeout: FailureKind.TIMEOUT,
    psycopg.OperationalError: FailureKind.CONNECTION_LOST,
    psycopg.ProgrammingError: FailureKind.QUERY_REJECTED,
    psycopg.DataError: FailureKind.QUERY_REJECTED,
    psycopg.IntegrityError: FailureKind.QUERY_REJECTED,
    psycopg.NotSupportedError: FailureKind.QUERY_REJECTED,
    psycopg.InterfaceError: FailureKind.OUR_FAULT,
    psycopg.Error: FailureKind.SERVER_ERROR,
    # Neither is ever raised here: Rollback ends psycopg's own transaction blocks.
    psycopg.Warning: FailureKind.OUR_FAULT,
    psycopg.Rollback: FailureKind.OUR_FAULT,
}

_BY_STATE: Final = WORDS["postgres_states"]

_SENTENCES: Final = failures_of("postgres", key="sslrootcert")

_TLS_REQUEST: Final = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


class KnownFailure(Exception):  # noqa: N818 - carries a finding, is not an error of its own
    """A failure whose kind is known; `detail` is its whole sentence, or `words` what follows the address."""

    def __init__(
        self, kind: FailureKind, detail: str | None = None, *, words: str | None = None
    ) -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.detail = detail
        self.words = words


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of psycopg or the operating system means; None: not theirs."""
    if isinstance(exc, KnownFailure):
        return exc.kind
    if isinstance(exc, OSError):
        return network.os_failure_kind(exc)
    state = exc.sqlstate if isinstance(exc, psycopg.Error) else None
    if state is not None:
        by_class = _KIND_BY_CLASS.get(state[:2], FailureKind.SERVER_ERROR)
        return _KIND_BY_STATE.get(state, by_class)
    return kind_of(exc, _KIND_BY_TYPE)


def failure_of(exc: Exception, address: str) -> Failure | None:
    """Return the failure that an exception means, with a sentence of ours; None: not a failure."""
    kind = failure_kind(exc)
    if kind is None:
        return None
    whole = exc.detail if isinstance(exc, KnownFailure) else _of_row_security(exc, address)
    return Failure(kind, whole or f"{address}: {_words(exc, kind)}.")


def _words(exc: Exception, kind: FailureKind) -> str:
    if isinstance(exc, KnownFailure) and exc.words:
        return exc.words
    state = exc.sqlstate if isinstance(exc, psycopg.Error) else None
    words = _BY_STATE.get(state or "", _SENTENCES[kind])
    return f"{words} (SQLSTATE {state})" if state else words


def _of_row_security(exc: Exception, address: str) -> str | None:
    """Return the sentence of a query that policies would answer with fewer rows; None: another failure."""
    if not isinstance(exc, psycopg.Error) or exc.diag.source_function != "check_enable_rls":
        return None
    return (
        f"{address}: row-level security may hide rows from the login, so they can't be counted; "
        "on each table: CREATE POLICY release_gate ON … FOR SELECT TO the login USING (true)."
    )


def login_failure(exc: psycopg.Error, login: PostgresTarget, deadline: Deadline) -> KnownFailure:
    """Return why a login failed; libpq has no code for it, so the way there is walked again."""
    if deadline.remaining_seconds() <= 0 or "timeout" in str(exc):
        return KnownFailure(FailureKind.TIMEOUT)
    try:
        _walk_again(login, deadline)
    except OSError as problem:
        return KnownFailure(network.os_failure_kind(problem))
    for kind, meanings in WORDS["postgres_words"].items():
        for known, words in meanings.items():
            if known in str(exc):
                return KnownFailure(FailureKind[kind.upper()], words=words)
    return KnownFailure(FailureKind.CREDENTIAL_REFUSED)


def _walk_again(login: PostgresTarget, deadline: Deadline) -> None:
    if not login.sslmode.startswith("verify"):
        _open(login, deadline).close()
        return
    named = login.sslmode == "verify-full"
    context = network.tls_context(login.sslrootcert, check_hostname=named)
    with _open(login, deadline) as connection:
        connection.settimeout(network.seconds_left(deadline))
        connection.sendall(_TLS_REQUEST)
        if connection.recv(1) == b"S":
            network.wrap_tls(connection, login.host, context, deadline).close()


def _open(login: PostgresTarget, deadline: Deadline) -> socket.socket:
    return network.open_tcp(login.host, login.port, deadline, PhaseClock("resolve", "connect"))

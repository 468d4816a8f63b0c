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
    FoundError,
    Kinds,
    PhaseClock,
    failures_of,
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


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of psycopg or the operating system means; None: not theirs."""
    state = exc.sqlstate if isinstance(exc, psycopg.Error) else None
    if state is not None:
        by_class = _KIND_BY_CLASS.get(state[:2], FailureKind.SERVER_ERROR)
        return _KIND_BY_STATE.get(state, by_class)
    return network.kind_of_any(exc, _KIND_BY_TYPE)


def failure_of(exc: Exception, address: str) -> Failure | None:
    """Return the failure that an exception means, with a sentence of ours; None: not a failure."""
    kind = failure_kind(exc)
    if kind is None:
        return None
    return Failure(kind, f"{address}: {_words(exc, kind)}.")


def _words(exc: Exception, kind: FailureKind) -> str:
    error = exc if isinstance(exc, psycopg.Error) else psycopg.Error()
    if error.diag.source_function == "check_enable_rls":
        return (
            "row-level security may hide rows from the login, so they can't be counted; "
            "on each table: CREATE POLICY release_gate ON … FOR SELECT TO the login USING (true)"
        )
    state = error.sqlstate
    words = _BY_STATE.get(state or "", _SENTENCES[kind])
    return f"{words} (SQLSTATE {state})" if state else words


def no_login(login: PostgresTarget, kind: FailureKind, words: str = "") -> FoundError:
    """Return what to raise where nobody could log in."""
    return FoundError(kind, f"{login.address}: {words or _SENTENCES[kind]}.")


def login_failure(exc: psycopg.Error, login: PostgresTarget, deadline: Deadline) -> FoundError:
    """Return why a login failed; libpq has no code for it, so the way there is walked again."""
    if deadline.remaining_seconds() <= 0 or "timeout" in str(exc):
        return no_login(login, FailureKind.TIMEOUT)
    try:
        _walk_again(login, deadline)
    except OSError as problem:
        return no_login(login, network.os_failure_kind(problem))
    for kind, meanings in WORDS["postgres_words"].items():
        for known, words in meanings.items():
            if known in str(exc):
                return no_login(login, FailureKind[kind.upper()], words)
    return no_login(login, FailureKind.CREDENTIAL_REFUSED)


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

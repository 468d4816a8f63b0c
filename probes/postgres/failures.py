"""What a failure of Postgres, psycopg or libpq means; their own texts are never passed on.

psycopg's messages quote literals, and libpq's can quote a mistyped password. What is kept is the
SQLSTATE, which Postgres documents and does not translate (appendix A of its manual).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import psycopg

from probes import network
from probes.observation import Deadline, Failure, FailureKind, Kinds, PhaseClock, kind_of

if TYPE_CHECKING:
    from probes.postgres import PostgresTarget

_KIND_BY_STATE: Final = {
    "42501": FailureKind.FORBIDDEN,
    **dict.fromkeys(("57014", "25P03", "25P04"), FailureKind.TIMEOUT),
    **dict.fromkeys(("57P01", "57P02", "57P05"), FailureKind.CONNECTION_LOST),
}
_KIND_BY_CLASS: Final = {
    "08": FailureKind.CONNECTION_LOST,
    "28": FailureKind.CREDENTIAL_REFUSED,
    **dict.fromkeys(("40", "53", "55", "57"), FailureKind.SERVER_BUSY),
    # The server is sound; what we asked is not.
    **dict.fromkeys(
        ("0A", "20", "21", "22", "23", "25", "3D", "3F", "42", "44", "54", "P0"),
        FailureKind.QUERY_REJECTED,
    ),
}

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

_STARTING: Final = "it is starting up; wait until it is ready"
_STOPPING: Final = "it is shutting down; see who stops it, or wait for its restart"
_RECOVERING: Final = "it recovers from a crash; wait, and read its log"
_FULL: Final = "its disk is full; free space on it or enlarge it"
_NO_CONNECTION_LEFT: Final = (
    "all of its connections are in use; end idle ones, or raise max_connections"
)
_NO_DATABASE: Final = "it has no such database; correct the database's name"
_OTHER_SECRET: Final = "it refused the password; correct the secret or the login's own"  # noqa: S105 - a sentence

# libpq reports a refused login as text only. The words are the server's and it may speak another
# language; then the login counts as refused, which holds and never rolls back.
_BY_WORDS: Final[Mapping[FailureKind, Mapping[str, str | None]]] = {
    FailureKind.CREDENTIAL_REFUSED: {
        "password authentication failed": _OTHER_SECRET,
        "pg_hba.conf": (
            "its pg_hba.conf has no line that lets this login in from here, with or without TLS; add one"
        ),
        "is not permitted to log in": "the login may not log in; ALTER ROLE … LOGIN",
    },
    FailureKind.SERVER_BUSY: {
        "sorry, too many clients": _NO_CONNECTION_LEFT,
        "remaining connection slots": _NO_CONNECTION_LEFT,
        "too many connections for role": (
            "the login has no connection left; end its own idle ones, or ALTER ROLE … CONNECTION LIMIT"
        ),
        "too many connections for database": (
            "the database has no connection left; end idle ones, or ALTER DATABASE … CONNECTION LIMIT"
        ),
        "the database system is shutting down": _STOPPING,
        "the database system is in recovery": _RECOVERING,
        "Hot standby mode is disabled": (
            "it is a standby that answers no queries (hot_standby = off); name the primary's address"
        ),
        "the database system is": _STARTING,
        "No space left on device": _FULL,
    },
    FailureKind.FORBIDDEN: {
        "permission denied for database": (
            "the login may not connect to the database; GRANT CONNECT ON DATABASE"
        ),
    },
    FailureKind.TLS_FAILED: {"server does not support SSL": None},
    FailureKind.CONNECTION_LOST: {"server closed the connection": None},
    FailureKind.PROTOCOL: dict.fromkeys(
        ("invalid response", "expected authentication request", "expected SASL")
    ),
    FailureKind.OUR_FAULT: {"root certificate file": None},
    FailureKind.QUERY_REJECTED: {"does not exist": _NO_DATABASE},
}

_BY_STATE: Final = {
    "28000": "its pg_hba.conf or the login's own rights keep the login out; correct them",
    "28P01": _OTHER_SECRET,
    "3D000": _NO_DATABASE,
    "40001": "a standby cancelled the query, which stood in the way of what it replays; ask the primary",
    "40P01": "it ended the query to resolve a deadlock; run again",
    "42P01": "it has no such table; correct the table's name, or apply the migration that makes it",
    "42703": "it has no such column; correct the column's name, or apply the migration that makes it",
    "53100": _FULL,
    "53200": "it is out of memory; give it more, or fewer connections",
    "53300": _NO_CONNECTION_LEFT,
    "53400": "a limit of its configuration is reached, such as temp_file_limit; raise it",
    "55P03": "another session keeps a table locked; end that session, or wait for it",
    "57P01": "an administrator ended the connection; it restarts, or somebody ended the session",
    "57P02": _RECOVERING,
    "57P03": _STARTING,
    "58030": "it can't read or write its files; look at its disk",
    "58P01": "a file of its data is missing; look at its disk, and restore it",
    "XX001": "it found damaged data; look at its disk, and restore it",
    "XX002": "it found a damaged index; REINDEX, and look at its disk",
}
"""By SQLSTATE: what is wrong, and what ends it."""

_SENTENCES: Final = {
    **network.SENTENCES,
    FailureKind.NAME_NOT_RESOLVED: "its name has no address here; check the name and this machine's DNS",
    FailureKind.CERTIFICATE_UNTRUSTED: network.untrusted("sslrootcert"),
    FailureKind.TLS_FAILED: "it completes no TLS handshake",
    FailureKind.PROTOCOL: "it does not speak the Postgres protocol",
    FailureKind.CREDENTIAL_REFUSED: "it refused the login; check user, password and pg_hba.conf",
    FailureKind.FORBIDDEN: "the login lacks a right that the query needs; grant SELECT on what it reads",
    FailureKind.SERVER_BUSY: "it cannot serve now: starting, stopping, out of connections or locked",
    FailureKind.SERVER_ERROR: "it failed with an internal error",
    FailureKind.QUERY_REJECTED: "it rejected the query: a table, column or value is not as expected",
    FailureKind.OUR_FAULT: "the connection could not be used from here",
}

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
    for kind, meanings in _BY_WORDS.items():
        for known, words in meanings.items():
            if known in str(exc):
                return KnownFailure(kind, words=words)
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

"""The Postgres probe: one read in a read-only transaction, by a login that is proved unable to write.

    read_only(target, "SELECT count(*) FROM public.visits", (), deadline=Deadline.after(5))

A read-only transaction is a promise of the session, not a boundary, so the rights of the login are
proved first, and a login that may write is refused before anything else is run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import generators, sql, waiting
from psycopg.abc import PQGen
from pydantic import SecretStr

from probes import network
from probes.observation import (
    Deadline,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    Shown,
    V,
    observed,
)
from probes.postgres.failures import failure_kind, failure_of, login_failure, no_login

__all__ = ["failure_kind"]


@dataclasses.dataclass(frozen=True, slots=True)
class Right(Shown):
    """One right too many."""

    KEPT = ("kind", "privilege", "object_name", "role")

    kind: str
    """`role attribute`, `membership`, `database`, `schema`, `table` or `sequence`."""
    privilege: str
    """`INSERT`, `CREATE`, `SUPERUSER`, ...; for a membership the role."""
    object_name: str
    """Quoted as SQL needs it; the role itself for attributes and memberships."""
    role: str
    """Who holds it: the login, or a role that it is a member of."""

    def sentence(self) -> str:
        """Return the right in words."""
        if self.kind == "role attribute":
            return f"the role attribute {self.privilege} (held by {self.role})"
        if self.kind == "membership":
            return f"the membership in {self.privilege}"
        return f"{self.privilege} on {self.kind} {self.object_name} (held by {self.role})"


@dataclasses.dataclass(frozen=True, slots=True)
class Rights(Shown):
    """The rights that exceed reading."""

    KEPT = ("user", "excess")

    user: str
    excess: tuple[Right, ...]
    """At most 200, the gravest first."""


_OURS: Final = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"


def statements(file: pathlib.Path) -> Mapping[str, str]:
    """Return the statements of a file by the name in the line before each; its comments are not sent."""
    text = file.read_text(encoding="utf-8").replace("{ours}", _OURS)
    named = re.findall(r"^-- name: (\w+)\n((?:.+\n)+)", text, re.MULTILINE)
    return {name: re.sub(r"(?m)^--.*\n", "", statement) for name, statement in named}


STATEMENTS: Final = statements(pathlib.Path(__file__).with_name("statements.sql"))
RV = TypeVar("RV")
_CANCEL_SECONDS = 0.1


class DeadlineConnection(psycopg.Connection[tuple[object, ...]]):
    """Waits for the server until `deadline`, then asks it to cancel and drops the connection."""

    deadline = Deadline(0.0)

    def wait(
        self,
        gen: PQGen[RV],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ARG002 - psycopg's signature; the deadline rules
    ) -> RV:
        """Run psycopg's generator; raises psycopg.errors.QueryCanceled when the deadline passes."""
        try:
            return super().wait(gen, interval, timeout=self.deadline.remaining_seconds())
        except psycopg.OperationalError as exc:
            if self.deadline.remaining_seconds() > 0:
                raise
            self.abandon()
            raise psycopg.errors.QueryCanceled("deadline passed") from exc

    def abandon(self) -> None:
        """Ask the server to stop what it does, briefly, and drop the connection without waiting."""
        with contextlib.suppress(psycopg.Error):
            self.cancel_safe(timeout=_CANCEL_SECONDS)
        self.pgconn.finish()


def ask_policies(reader: Reader, *tables: str) -> None:
    """Let the policies of `tables` (names as SQL reads them) be asked if they show the login every row.

    Any other stays what the transaction makes of it: an error.
    """
    shown = [row[0] for row in reader.rows(STATEMENTS["policies"], ([*tables],))]
    if True in shown and False not in shown:
        reader.rows("SELECT set_config('row_security', 'on', true)")


PHASES: Final = ("resolve", "login", "prove", "query")
MAX_ROWS: Final = 10_000
_LOCK_TIMEOUT_SECONDS: Final = 0.5
_ROWS_AT_A_TIME: Final = 100
Statement: TypeAlias = str | sql.SQL | sql.Composed


@dataclasses.dataclass(frozen=True, slots=True)
class PostgresTarget:
    """A database and the gate's login to it; the password is masked in every repr."""

    host: str
    port: int
    database: str
    user: str
    password: SecretStr
    sslmode: str = "verify-full"
    """`disable`, `require`, `verify-ca` or `verify-full`."""
    sslrootcert: str | None = None
    """The authority's file; the public authorities when None."""

    @property
    def address(self) -> str:
        """Return the target as reports show it."""
        return f"postgres://{self.host}:{self.port}/{self.database}"


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """What a query returned; the values are private."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...] = dataclasses.field(repr=False)

    def facts(self) -> dict[str, object]:
        """Return the number of rows and the names of the columns, never a value."""
        return {"row_count": len(self.rows), "columns": list(self.columns)}


@dataclasses.dataclass(frozen=True, slots=True)
class RecordFound(Shown):
    """Whether one record is there."""

    KEPT = ("found",)  # which record it was stays private

    found: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ServerState(Shown):
    """What the server says of itself."""

    KEPT = ("version", "in_recovery", "database")

    version: str
    in_recovery: bool
    """True on a standby."""
    database: str
    """Its own name of the database; a pool in front of it may have another."""


class Reader:
    """Reads several things in one transaction of one connection."""

    def __init__(self, connection: DeadlineConnection) -> None:
        self._connection = connection

    def rows(
        self, statement: Statement, params: Sequence[object] = ()
    ) -> tuple[tuple[Any, ...], ...]:
        """Return the rows of one query, at most 10,000; raises what `asked` makes a failure of.

        Our own statements cast what they select, so each value has the type that is written there.
        """
        return self.whole(statement, params).rows

    def whole(self, statement: Statement, params: Sequence[object]) -> Rows:
        """Return the same with the names of the columns."""
        rows: list[tuple[object, ...]] = []
        with self._connection.cursor() as cursor:
            for row in cursor.stream(statement, params or None, size=_ROWS_AT_A_TIME):
                rows.append(row)
                if len(rows) > MAX_ROWS:
                    self._connection.abandon()
                    raise FoundError(
                        FailureKind.TOO_LARGE, f"The query returned more than {MAX_ROWS} rows."
                    )
            columns = tuple(column.name for column in cursor.description or ())
        return Rows(columns, tuple(rows))

    def excess(self) -> tuple[Right, ...]:
        """Return what the login may do beyond reading."""
        return tuple(Right(*row) for row in self.rows(STATEMENTS["excess"]))

    def want_primary(self) -> None:
        """Raise what `asked` makes a failure of, on a standby: it may show how things were a while ago."""
        if self.rows("SELECT pg_is_in_recovery()") == ((True,),):
            raise FoundError(
                FailureKind.QUERY_REJECTED,
                "The server answers as a standby, which may be behind: name the primary's address.",
            )


def asked(
    target: PostgresTarget, ask: Callable[[Reader], V], *, deadline: Deadline, prove: bool = True
) -> Observation[V]:
    """Read what `ask` reads, in one read-only transaction that sees what is committed.

    Without `prove` a login that may write is not refused.
    """

    def measured(clock: PhaseClock) -> V:
        # An answer that came, but whose transaction could not be ended in time, is none.
        with _transaction(target, deadline, clock) as connection:
            reader = Reader(connection)
            clock.enter("prove")
            if prove:
                _refuse_writer(target.user, reader.excess())
                clock.enter("query")
            return ask(reader)

    return observed(
        "postgres", target.address, measured, lambda exc: failure_of(exc, target.address), PHASES
    )


def read_only(
    target: PostgresTarget,
    statement: Statement,
    params: Sequence[object] = (),
    *,
    deadline: Deadline,
) -> Observation[Rows]:
    """Run one query, with values for its %s, and return its rows (at most 10,000, else TOO_LARGE).

    Unqualified names are looked up in pg_catalog, then public.
    """
    return asked(target, lambda reader: reader.whole(statement, params), deadline=deadline)


def record_exists(
    target: PostgresTarget, table: str, id_column: str, record_id: object, *, deadline: Deadline
) -> Observation[RecordFound]:
    """Say whether the table (`name` or `schema.name`) has a row whose `id_column` is `record_id`."""
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} = %s)").format(
        sql.Identifier(*table.split(".")), sql.Identifier(id_column)
    )

    def ask(reader: Reader) -> RecordFound:
        ask_policies(reader, ".".join(f'"{part}"' for part in table.split(".")))
        return RecordFound(found=reader.rows(query, (record_id,)) == ((True,),))

    return asked(target, ask, deadline=deadline)


def server_state(target: PostgresTarget, *, deadline: Deadline) -> Observation[ServerState]:
    """Return the server's version, whether it is a standby, and the database's name."""

    def ask(reader: Reader) -> ServerState:
        query = "SELECT current_setting('server_version'), pg_is_in_recovery(), current_database()::text"
        return ServerState(*reader.rows(query)[0])

    return asked(target, ask, deadline=deadline)


def privileges(target: PostgresTarget, *, deadline: Deadline) -> Observation[Rights]:
    """Return what the login may do beyond reading; empty is as it should be. Nothing else is run."""

    def ask(reader: Reader) -> Rights:
        return Rights(target.user, reader.excess())

    return asked(target, ask, deadline=deadline, prove=False)


@contextlib.contextmanager
def _transaction(
    target: PostgresTarget, deadline: Deadline, clock: PhaseClock
) -> Iterator[DeadlineConnection]:
    connection = _connect(target, deadline, clock)
    try:
        connection.execute(_begin(deadline))
        yield connection
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _begin(deadline: Deadline) -> sql.Composed:
    # The server gives up a little before we do, so that it is the one who ends the query.
    milliseconds = max(1, int(network.seconds_left(deadline) * 900))
    lock = min(milliseconds, int(_LOCK_TIMEOUT_SECONDS * 1000))
    return sql.SQL(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; "
        "SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; "
        "SET LOCAL idle_in_transaction_session_timeout = {}; "
        # Rows that row-level security would hide become an error instead of a smaller count.
        "SET LOCAL row_security = off; "
        # One core of the server at most works for the gate.
        "SET LOCAL max_parallel_workers_per_gather = 0; "
        "SET LOCAL search_path = pg_catalog, public"
    ).format(milliseconds, lock, milliseconds + 1000)


def _connect(target: PostgresTarget, deadline: Deadline, clock: PhaseClock) -> DeadlineConnection:
    clock.enter("resolve")
    addresses = network.resolve(target.host, target.port, deadline)
    clock.enter("login")
    failure = no_login(target, FailureKind.NAME_NOT_RESOLVED)
    for tried, (_, address) in enumerate(addresses):
        share = deadline.sooner(network.seconds_left(deadline) / (len(addresses) - tried))
        try:
            return _login(target, str(address[0]), share, deadline)
        except psycopg.Error as exc:
            failure = login_failure(exc, target, deadline)
    raise failure


def _login(
    target: PostgresTarget, address: str, share: Deadline, deadline: Deadline
) -> DeadlineConnection:
    # psycopg.connect() counts whole seconds, two at least; its parts take fractions. libpq fills
    # what is not given from the environment (PGOPTIONS, PGPASSFILE, ...), so all that matters is.
    start = generators.connect(
        psycopg.conninfo.make_conninfo(
            host=target.host,
            hostaddr=address,
            port=target.port,
            dbname=target.database,
            user=target.user,
            password=target.password.get_secret_value(),
            sslmode=target.sslmode,
            sslrootcert=_authority(target),
            gssencmode="disable",
            # Of a database without an encoding (SQL_ASCII) text would arrive as bytes.
            client_encoding="utf8",
            application_name="release-gate",
            options="",
        )
    )
    pgconn = waiting.wait_conn(start, interval=0.1, timeout=network.seconds_left(share))
    connection: DeadlineConnection = DeadlineConnection(pgconn)
    # What is left over is for asking the server to cancel.
    connection.deadline = deadline.sooner(deadline.remaining_seconds() * 0.95)
    connection.set_autocommit(True)
    return connection


def _authority(target: PostgresTarget) -> str:
    # With a file libpq verifies even under `require`, which is only meant to encrypt.
    if not target.sslmode.startswith("verify"):
        return ""
    return target.sslrootcert or network.PUBLIC_AUTHORITIES


def _refuse_writer(user: str, excess: Sequence[Right]) -> None:
    if excess:
        more = f", and {len(excess) - 1} more" if len(excess) > 1 else ""
        raise FoundError(
            FailureKind.NOT_READ_ONLY,
            f"The login {user} has {excess[0].sentence()}{more}: nothing was run. "
            "Give the gate a login that can only read.",
        )

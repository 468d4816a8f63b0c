"""The doctor on Postgres: the gate's login reads what it needs and can write nothing; else the SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence

from probes import postgres
from probes.observation import Failure, FailureKind
from probes.postgres import PostgresTarget, Right
from settings.data import Postgres, TableOfRecords
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable

_SYSTEM = "Postgres"
_SHOWN_STATEMENTS = 20
_KEYS = Keys("postgres.host", "postgres.sslrootcert", "postgres.password")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def examine_postgres(subject: Subject, section: Postgres, target: PostgresTarget) -> list[Finding]:
    """Log in, prove that nothing can be written, and read what the checks read."""
    rights = postgres.privileges(target, deadline=subject.deadline())
    if rights.value is None:
        return [_no_login(subject, section, failure_of(rights))]
    excess = rights.value.excess
    if excess:
        sentence = (
            f"the login {section.user} can write: {excess[0].sentence()}"
            f"{f', and {len(excess) - 1} rights more' if len(excess) > 1 else ''}"
        )
        remedy = revocations(section.user, excess)
        return [Finding(_SYSTEM, None, Level.BAD, sentence, remedy)]
    found = [_finding(Level.OK, f"the login {section.user} works and can't write"), *_tls(subject)]
    found.append(_server(subject, target))
    if section.created_record is not None:
        found.append(_table(subject, section, section.created_record, target))
    return found


def login_sql(section: Postgres) -> tuple[str, ...]:
    """Return the SQL that makes the gate's login and lets it read what the checks read."""
    user, database = quoted(section.user), quoted(section.database)
    table = section.created_record
    return (
        f"CREATE ROLE {user} LOGIN CONNECTION LIMIT 20 PASSWORD '…';",
        f"ALTER ROLE {user} SET default_transaction_read_only = on;",
        f"GRANT CONNECT ON DATABASE {database} TO {user};",
        f"GRANT pg_read_all_stats TO {user};",
        *(table_sql(section.user, table) if table is not None else ()),
    )


def table_sql(user: str, table: TableOfRecords) -> tuple[str, str]:
    """Return the grants that let a login look for a record by its id."""
    schema, name = (quoted(part) for part in _parts(table))
    login, column = quoted(user), quoted(table.id_column)
    return (
        f"GRANT USAGE ON SCHEMA {schema} TO {login};",
        f"GRANT SELECT ({column}) ON {schema}.{name} TO {login};",
    )


def revocations(user: str, excess: Sequence[Right]) -> tuple[str, ...]:
    """Return the SQL that takes a login's excess rights away, each statement once.

    A right that comes with a membership goes with it: the other role keeps what is its own.
    """
    borrowed = {(r.kind, r.privilege, r.object_name) for r in excess if r.role != user}
    own = [r for r in excess if (r.kind, r.privilege, r.object_name) not in borrowed]
    lenders = [r.role for r in excess if r.role != user]
    statements = [f"REVOKE {quoted(role)} FROM {quoted(user)};" for role in lenders]
    statements += [_revocation(user, right) for right in own if right.role == user]
    unique = list(dict.fromkeys(statements))
    more = len(unique) - _SHOWN_STATEMENTS
    tail = [f"-- and {more} more; look again afterwards"] if more > 0 else []
    return (*unique[:_SHOWN_STATEMENTS], *tail)


def _revocation(user: str, right: Right) -> str:
    login = quoted(user)
    if right.kind == "role attribute":
        return f"ALTER ROLE {login} NO{right.privilege};"
    if right.kind == "membership":
        return f"REVOKE {quoted(right.privilege)} FROM {login};"
    if right.privilege == "OWNER":
        return f"ALTER TABLE {right.object_name} OWNER TO …;  -- the role that migrates the schema"
    # Everybody's right is the login's too; whoever needs it has to be given it by name.
    kind = "" if right.kind == "table" else f"{right.kind.upper()} "
    return f"REVOKE {right.privilege} ON {kind}{right.object_name} FROM {login}, PUBLIC;"


def _no_login(subject: Subject, section: Postgres, failure: Failure) -> Finding:
    found = unreachable(subject, _SYSTEM, None, failure, _KEYS)
    if failure.kind in {FailureKind.CREDENTIAL_REFUSED, FailureKind.QUERY_REJECTED}:
        user = quoted(section.user)
        again = f"-- if it exists: ALTER ROLE {user} LOGIN PASSWORD '…';"
        return _finding(Level.BAD, found.sentence, *login_sql(section), again, *found.remedy)
    if failure.kind is FailureKind.FORBIDDEN:
        grant = f"GRANT CONNECT ON DATABASE {quoted(section.database)} TO {quoted(section.user)};"
        return _finding(Level.BAD, found.sentence, grant)
    return found


def _tls(subject: Subject) -> list[Finding]:
    section = subject.settings.postgres
    if section is None or section.sslmode.startswith("verify") or section.host in _LOOPBACK:
        return []
    line = subject.key("postgres.sslmode", "verify-full")
    sentence = f"sslmode {section.sslmode} does not prove whose server this is"
    return [_finding(Level.WARN, sentence, line)]


def _server(subject: Subject, target: PostgresTarget) -> Finding:
    state = postgres.server_state(target, deadline=subject.deadline())
    if state.value is None:
        return unreachable(subject, _SYSTEM, None, failure_of(state), _KEYS)
    if state.value.in_recovery:
        line = subject.key("postgres.host", "the primary")
        return _finding(Level.BAD, "is a standby: a booking may arrive here late", line)
    return _finding(Level.OK, f"version {state.value.version.split()[0]}, primary")


def _table(
    subject: Subject, section: Postgres, table: TableOfRecords, target: PostgresTarget
) -> Finding:
    schema, name = _parts(table)
    place = f"{quoted(schema)}.{quoted(name)}"
    # Both names match a strict pattern and are quoted; no row is read, the right to is proved.
    query = f"SELECT {quoted(table.id_column)} FROM {place} LIMIT 0"  # noqa: S608 - see above
    observed = postgres.read_only(target, query, deadline=subject.deadline())
    if observed.value is not None:
        return _finding(Level.OK, f"a booking can be looked up in {table.table}.{table.id_column}")
    failure = failure_of(observed)
    if failure.kind is FailureKind.FORBIDDEN:
        sentence = f"the login {section.user} may not read {table.table}.{table.id_column}"
        return _finding(Level.BAD, sentence, *table_sql(section.user, table))
    if failure.kind is FailureKind.QUERY_REJECTED:
        sentence = f"there is no {table.table}.{table.id_column}"
        line = subject.key("postgres.created_record", "{table: …, id_column: …}")
        return _finding(Level.BAD, sentence, line)
    return unreachable(subject, _SYSTEM, None, failure, _KEYS)


def _parts(table: TableOfRecords) -> tuple[str, str]:
    schema, _, name = table.table.rpartition(".")
    return schema or "public", name


def _finding(level: Level, sentence: str, *remedy: str) -> Finding:
    return Finding(_SYSTEM, None, level, sentence, remedy)


def quoted(name: str) -> str:
    """Return a name as SQL wants it."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'

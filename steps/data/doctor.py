"""The doctor on the data: the gate's login reads what it needs and can write nothing; else the SQL.

Beside the database: the folders of backups and their tools, and the release repository.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator, Sequence

import probes
from probes import postgres
from probes.observation import Failure, FailureKind
from probes.postgres import PostgresTarget, Right
from probes.repository import RepositoryTarget
from settings.data import Backups, Data, Migrations, Postgres, TableOfRecords
from settings.delivery import EvidenceStore
from steps.kit.evidence import store
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable

_SYSTEM, _BACKUPS, _REPOSITORY, _EVIDENCE = "Postgres", "backups", "repository", "evidence"
_SHOWN_STATEMENTS = 20
_KEYS = Keys("postgres.host", "postgres.sslrootcert", "postgres.password")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OF_MIGRATIONS = (
    *("migration_name", "checksum", "started_at", "finished_at", "rolled_back_at"),
    "applied_steps_count",
)


def examine_postgres(subject: Subject, section: Postgres, target: PostgresTarget) -> list[Finding]:
    """Log in, prove that nothing can be written, and read what the checks read."""
    rights = postgres.privileges(target, deadline=subject.deadline())
    if rights.value is None:
        return [_no_login(subject, section, failure_of(rights))]
    excess = rights.value.excess
    if excess:
        sentence = f"the login {section.user} can write: {excess[0].sentence()}"
        sentence += f", and {len(excess) - 1} rights more" if len(excess) > 1 else ""
        return [_finding(Level.BAD, sentence, *revocations(section.user, excess))]
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


def examine_grants(subject: Subject, section: Data) -> list[Finding]:
    """Look at the rights of the gate's login; nothing where it can't log in, which is told already."""
    target = subject.platform.postgres()
    if target is None:
        return []
    observed = probes.sessions.lacking(target, wanted(section), deadline=subject.deadline())
    if observed.value is None:
        return []
    return list(_rights(target.user, observed.value))


def wanted(section: Data) -> dict[str, list[str]]:
    """Return the columns that the checks read, by table; `ctid` lets a big table be sampled."""
    columns: dict[str, list[str]] = {}
    for name, table in section.tables.items():
        if table.counted is not None:
            tag = [table.synthetic_column] if table.synthetic_column else []
            columns[name] = [table.key, *tag, *table.nulls, "ctid"]
    for reference in section.references:
        columns.setdefault(reference.table, ["ctid"]).append(reference.column)
        columns.setdefault(reference.to_table, []).append(reference.to_column)
    if section.migrations is not None:
        told = section.migrations.has_logs_column
        columns[section.migrations.table] = [*_OF_MIGRATIONS, *([told] if told else [])]
    return {name: sorted(set(of_it)) for name, of_it in columns.items()}


def _rights(user: str, lacking: probes.sessions.Lacking) -> Iterator[Finding]:
    login = quoted(user)
    if lacking.sessions:
        sentence = f"the login {user} sees neither the connections of others nor the standbys"
        yield _finding(Level.BAD, sentence, f"GRANT pg_read_all_stats TO {login};")
    if lacking.columns:
        shown = ", ".join(f"{table}.{column}" for _, table, column in lacking.columns[:5])
        more = f" and {len(lacking.columns) - 5} more" if len(lacking.columns) > 5 else ""  # noqa: PLR2004 - enough to see which
        sentence = f"the login {user} may not read what is counted or followed: {shown}{more}"
        yield _finding(Level.BAD, sentence, *_grants(login, lacking))
    if not (lacking.sessions or lacking.columns):
        yield _finding(Level.OK, "every column that is counted or followed can be read")


def _grants(login: str, lacking: probes.sessions.Lacking) -> Iterator[str]:
    for schema in lacking.schemas:
        yield f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {login};"
    for (schema, table), columns in itertools.groupby(lacking.columns, lambda one: one[:2]):
        names = ", ".join(quoted(column) for _, _, column in columns)
        yield f"GRANT SELECT ({names}) ON {quoted(schema)}.{quoted(table)} TO {login};"


def examine_data(subject: Subject, section: Data) -> list[Finding]:
    """List the folders of backups, look for pg_restore, and read the release's tag."""
    found: list[Finding] = []
    if section.backups is not None:
        found += _backups(subject, section.backups)
    if section.migrations is not None and subject.release_known:
        found.append(_repository(subject, section.migrations))
    return found


def _backups(subject: Subject, section: Backups) -> Iterator[Finding]:
    places = {"location": section.location, "kept_apart": section.kept_apart}
    for key, location in places.items():
        if location is None:
            continue
        observed = probes.files.listing(location, section.pattern, deadline=subject.deadline())
        fixes = subject.key(f"data.backups.{key}", "a folder or bucket that this machine may list")
        if observed.value is None:
            yield _bad(_BACKUPS, failure_of(observed), fixes)
        else:
            count = len(observed.value.entries)
            words = f"{location} can be listed; {count} backups are there"
            yield Finding(_BACKUPS, None, Level.OK if count else Level.WARN, words)
    if shutil.which(section.pg_restore) is None:
        words = f"{section.pg_restore} is not installed here; it reads a backup's table of contents"
        fixes = subject.key("data.backups.pg_restore", "the program's path; or install it")
        yield Finding(_BACKUPS, None, Level.BAD, words, (fixes,))


def _repository(subject: Subject, section: Migrations) -> Finding:
    tag = section.tag.replace("{release}", subject.platform.release.number)
    target = RepositoryTarget(section.repository, tag, section.folder.strip("/"))
    observed = probes.repository.tagged_files(target, deadline=subject.deadline())
    if observed.value is None:
        fixes = subject.key("data.migrations.repository", "the release repository with this tag")
        return _bad(_REPOSITORY, failure_of(observed), fixes)
    count = len(observed.value.files)
    return Finding(_REPOSITORY, None, Level.OK, f"{target.address} can be read: {count} files")


def examine_evidence(subject: Subject, _: EvidenceStore) -> list[Finding]:
    """Look into the store of evidence, whether or not this release has some already."""
    observed = probes.files.evidence(
        store(subject.platform),
        subject.platform.release.tag,
        "image-build",
        deadline=subject.deadline(),
    )
    if observed.value is None:
        fixes = subject.key("evidence", "a folder or url that this machine may read")
        return [_bad(_EVIDENCE, failure_of(observed), fixes)]
    return [Finding(_EVIDENCE, None, Level.OK, "the store can be read")]


def _bad(system: str, failure: Failure, *remedy: str) -> Finding:
    return Finding(system, None, Level.BAD, failure.detail, remedy)

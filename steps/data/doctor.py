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
from probes.git import RepositoryTarget
from probes.observation import Failure, FailureKind
from probes.postgres import PostgresTarget, Right
from settings.data import Backups, Data, Migrations, Postgres, TableOfRecords
from settings.delivery import EvidenceStore
from steps.kit.evidence import store
from steps.kit.findings import Finding, Keys, Subject, System, examination

_SHOWN_STATEMENTS, _SHOWN_COLUMNS = 20, 5
_KEYS = Keys("postgres.host", "postgres.sslrootcert", "postgres.password")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OF_MIGRATIONS = (
    *("migration_name", "checksum", "started_at", "finished_at", "rolled_back_at"),
    "applied_steps_count",
)


@examination
def examine_postgres(
    subject: Subject, section: Postgres, target: PostgresTarget
) -> Iterator[Finding]:
    """Log in, prove that nothing can be written, and read what the checks read."""
    database, login = System(subject, "Postgres", keys=_KEYS), f"the login {section.user}"
    rights = postgres.privileges(target, deadline=subject.deadline())
    excess = database.read(rights, lambda why: _no_login(database, section, why)).excess
    if excess:
        sentence = f"{login} can write: {excess[0].sentence()}"
        sentence += f", and {len(excess) - 1} rights more" if len(excess) > 1 else ""
        yield database.bad(sentence, *revocations(section.user, excess))
        return
    yield database.ok(f"{login} works and can't write")
    if not (section.sslmode.startswith("verify") or section.host in _LOOPBACK):
        sentence = f"sslmode {section.sslmode} does not prove whose server this is"
        yield database.warn(sentence, subject.key("postgres.sslmode", "verify-full"))
    yield from _server(database, target)
    if section.created_record is not None:
        yield from _table(database, section.user, section.created_record, target)


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
    schema, name = map(quoted, probes.schema.qualified(table.table).split("."))
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


def _no_login(database: System, section: Postgres, failure: Failure) -> Finding:
    found, user = database.unread(failure), quoted(section.user)
    if failure.kind in {FailureKind.CREDENTIAL_REFUSED, FailureKind.QUERY_REJECTED}:
        again = f"-- if it exists: ALTER ROLE {user} LOGIN PASSWORD '…';"
        return database.bad(found.sentence, *login_sql(section), again, *found.remedy)
    if failure.kind is FailureKind.FORBIDDEN:
        grant = f"GRANT CONNECT ON DATABASE {quoted(section.database)} TO {user};"
        return database.bad(found.sentence, grant)
    return found


@examination
def _server(database: System, target: PostgresTarget) -> Iterator[Finding]:
    state = database.read(postgres.server_state(target, deadline=database.subject.deadline()))
    if state.in_recovery:
        line = database.subject.key("postgres.host", "the primary")
        yield database.bad("is a standby: a booking may arrive here late", line)
    else:
        yield database.ok(f"version {state.version.split()[0]}, primary")


@examination
def _table(
    database: System, user: str, table: TableOfRecords, target: PostgresTarget
) -> Iterator[Finding]:
    parts, column = (
        probes.schema.qualified(table.table).split("."),
        f"{table.table}.{table.id_column}",
    )
    place = ".".join(map(quoted, parts))

    def unread(failure: Failure) -> Finding:
        if failure.kind is FailureKind.FORBIDDEN:
            sentence = f"the login {user} may not read {column}"
            return database.bad(sentence, *table_sql(user, table))
        if failure.kind is FailureKind.QUERY_REJECTED:
            line = database.subject.key("postgres.created_record", "{table: …, id_column: …}")
            return database.bad(f"there is no {column}", line)
        return database.unread(failure)

    # Both names match a strict pattern and are quoted; no row is read, the right to is proved.
    query = f"SELECT {quoted(table.id_column)} FROM {place} LIMIT 0"  # noqa: S608 - see above
    observed = postgres.read_only(target, query, deadline=database.subject.deadline())
    database.read(observed, unread)
    yield database.ok(f"a booking can be looked up in {column}")


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
    return list(_rights(System(subject, "Postgres"), target.user, observed.value))


def wanted(section: Data) -> dict[str, list[str]]:
    """Return the columns that the checks read, by table; `ctid` lets a big table be sampled."""
    columns: dict[str, list[str]] = {}
    for name, table in section.tables.items():
        if table.counted is not None:
            tag = [table.synthetic_column] if table.synthetic_column else []
            columns[name] = [table.key, *tag, *table.nulls, "ctid"]
        if table.frozen is not None:
            frozen = [table.key, *table.frozen.columns, table.frozen.written]
            columns.setdefault(name, []).extend(frozen)
    for reference in section.references:
        columns.setdefault(reference.table, ["ctid"]).append(reference.column)
        columns.setdefault(reference.to_table, []).append(reference.to_column)
    if section.migrations is not None:
        told = section.migrations.has_logs_column
        columns[section.migrations.table] = [*_OF_MIGRATIONS, *([told] if told else [])]
    return {name: sorted(set(of_it)) for name, of_it in columns.items()}


def _rights(database: System, user: str, lacking: probes.sessions.Lacking) -> Iterator[Finding]:
    login = quoted(user)
    if lacking.sessions:
        sentence = f"the login {user} sees neither the connections of others nor the standbys"
        yield database.bad(sentence, f"GRANT pg_read_all_stats TO {login};")
    if lacking.columns:
        shown = [f"{table}.{column}" for _, table, column in lacking.columns]
        more = f" and {len(shown) - _SHOWN_COLUMNS} more" if len(shown) > _SHOWN_COLUMNS else ""
        sentence = f"the login {user} may not read what is counted or followed: "
        sentence += ", ".join(shown[:_SHOWN_COLUMNS]) + more
        yield database.bad(sentence, *_grants(login, lacking))
    if not (lacking.sessions or lacking.columns):
        yield database.ok("every column that is counted or followed can be read")


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
        found += _backups(System(subject, "backups"), section.backups)
    if section.migrations is not None and subject.release_known:
        found += _repository(System(subject, "repository"), section.migrations)
    return found


def _backups(backups: System, section: Backups) -> Iterator[Finding]:
    for key, place in {"location": section.location, "kept_apart": section.kept_apart}.items():
        if place is not None:
            yield from _folder(backups, f"data.backups.{key}", place, section.pattern)
    if shutil.which(section.pg_restore) is None:
        words = f"{section.pg_restore} is not installed here; it reads a backup's table of contents"
        fixes = backups.subject.key("data.backups.pg_restore", "the program's path; or install it")
        yield backups.bad(words, fixes)


@examination
def _folder(backups: System, key: str, place: str, pattern: str) -> Iterator[Finding]:
    fixes = backups.subject.key(key, "a folder or bucket that this machine may list")
    listed = probes.files.listing(place, pattern, deadline=backups.subject.deadline())
    count = len(backups.read(listed, lambda why: backups.bad(why.detail, fixes)).entries)
    yield (backups.ok if count else backups.warn)(
        f"{place} can be listed; {count} backups are there"
    )


@examination
def _repository(repository: System, section: Migrations) -> Iterator[Finding]:
    subject = repository.subject
    tag = section.tag.replace("{release}", subject.platform.release.number)
    target = RepositoryTarget(section.repository, tag, section.folder.strip("/"))
    fixes = subject.key("data.migrations.repository", "the release repository with this tag")
    observed = probes.git.tagged_files(target, deadline=subject.deadline())
    files = repository.read(observed, lambda why: repository.bad(why.detail, fixes)).files
    yield repository.ok(f"{target.address} can be read: {len(files)} files")


@examination
def examine_evidence(subject: Subject, _: EvidenceStore) -> Iterator[Finding]:
    """Look into the store of evidence, whether or not this release has some already."""
    evidence, release = System(subject, "evidence"), subject.platform.release.tag
    fixes = subject.key("evidence", "a folder or url that this machine may read")
    observed = probes.files.evidence(
        store(subject.platform), release, "image-build.json", deadline=subject.deadline()
    )
    evidence.read(observed, lambda why: evidence.bad(why.detail, fixes))
    yield evidence.ok("the store can be read")

"""The doctor on what the data's checks read in the database: each column that is counted or followed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import probes
from settings.data import Data
from steps.data.doctor import quoted
from steps.kit.findings import Finding, Level, Subject

_SYSTEM = "Postgres"
_OF_MIGRATIONS = (
    *("migration_name", "checksum", "started_at", "finished_at", "rolled_back_at"),
    "applied_steps_count",
)


def examine_grants(subject: Subject, section: Data) -> list[Finding]:
    """Look at the rights of the gate's login; nothing where it can't log in, which is told already."""
    target = subject.platform.postgres()
    if target is None:
        return []
    observed = probes.sessions.lacking(target, wanted(section), deadline=subject.deadline())
    if observed.value is None:
        return []
    return list(_findings(target.user, observed.value))


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


def _findings(user: str, lacking: probes.sessions.Lacking) -> Iterator[Finding]:
    login = quoted(user)
    if lacking.sessions:
        sentence = f"the login {user} sees neither the connections of others nor the standbys"
        yield Finding(_SYSTEM, None, Level.BAD, sentence, (f"GRANT pg_read_all_stats TO {login};",))
    if lacking.columns:
        shown = ", ".join(f"{table}.{column}" for _, table, column in lacking.columns[:5])
        more = f" and {len(lacking.columns) - 5} more" if len(lacking.columns) > 5 else ""  # noqa: PLR2004 - enough to see which
        sentence = f"the login {user} may not read what is counted or followed: {shown}{more}"
        yield Finding(_SYSTEM, None, Level.BAD, sentence, tuple(_grants(login, lacking)))
    if not (lacking.sessions or lacking.columns):
        sentence = "every column that is counted or followed can be read"
        yield Finding(_SYSTEM, None, Level.OK, sentence)


def _grants(login: str, lacking: probes.sessions.Lacking) -> Iterator[str]:
    for schema in lacking.schemas:
        yield f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {login};"
    for (schema, table), columns in itertools.groupby(lacking.columns, lambda one: one[:2]):
        names = ", ".join(quoted(column) for _, _, column in columns)
        yield f"GRANT SELECT ({names}) ON {quoted(schema)}.{quoted(table)} TO {login};"

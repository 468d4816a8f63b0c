"""Which rights to read a Postgres login lacks: columns, schemas, and the sight of others' sessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from probes import postgres
from probes.observation import Deadline, Observation
from probes.postgres import PostgresTarget, Reader
from probes.postgres.schema import qualified

# What is not there is left out: a table may come with the release.
_COLUMNS: Final = """
SELECT n.nspname::text, c.relname::text, a.attname::text, has_schema_privilege(n.oid, 'USAGE')
FROM unnest(%s::text[], %s::text[], %s::text[]) AS w (schema, name, attribute)
JOIN pg_namespace n ON n.nspname = w.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = w.attribute AND NOT a.attisdropped
WHERE NOT (has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT'))
ORDER BY 1, 2, 3
"""
_SESSIONS: Final = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"


@dataclasses.dataclass(frozen=True, slots=True)
class Lacking:
    """What a login may not read."""

    columns: tuple[tuple[str, str, str], ...]
    """Schema, table and column; one of a schema that it may not use among them."""
    schemas: tuple[str, ...]
    """Those that it may not use."""
    sessions: bool
    """Whether it may not see the sessions of others."""

    def facts(self) -> Mapping[str, object]:
        """Return all of it."""
        return dataclasses.asdict(self)


def lacking(
    target: PostgresTarget, wanted: Mapping[str, Sequence[str]], *, deadline: Deadline
) -> Observation[Lacking]:
    """Return what of `wanted`, columns by table, may not be read; no row is."""
    asked = [
        (*qualified(table).split("."), column)
        for table, columns in wanted.items()
        for column in columns
    ]

    def ask(reader: Reader) -> Lacking:
        found = reader.rows(_COLUMNS, [list(part) for part in zip(*asked, strict=True)])
        ((may_look,),) = reader.rows(_SESSIONS)
        columns = tuple(
            (str(schema), str(table), str(column)) for schema, table, column, _ in found
        )
        shut = sorted({str(schema) for schema, *_, may_use in found if may_use is not True})
        return Lacking(columns, tuple(shut), may_look is not True)

    return postgres.asked(target, ask, deadline=deadline)

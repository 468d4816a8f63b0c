"""The structure of a database: tables, columns, keys; with a fingerprint for each table."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from probes import postgres
from probes.observation import Deadline, Observation, Shown
from probes.postgres import PostgresTarget, Reader

_OURS: Final = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"
_TABLES: Final = f"""
SELECT n.nspname || '.' || c.relname,
       array_agg(a.attname::text ORDER BY a.attname),
       string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                            pg_get_expr(d.adbin, d.adrelid)), ', ' ORDER BY a.attname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {_OURS}
GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - all of it is written here
# Of a partition nothing is told: a new one, with its own indexes and keys, changes no table's shape.
_DETAILS: Final = f"""
SELECT name, array_agg(detail), array_remove(array_agg(index), NULL)
FROM (SELECT n.nspname || '.' || c.relname AS name,
             pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid AS detail, x.relname::text AS index
      FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT c.relispartition AND {_OURS}
      UNION ALL
      SELECT n.nspname || '.' || c.relname, k.conname || ' ' || pg_get_constraintdef(k.oid), NULL
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE k.conparentid = 0 AND NOT c.relispartition AND {_OURS}
      UNION ALL
      SELECT n.nspname || '.' || c.relname, pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text, NULL
      FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT g.tgisinternal AND NOT c.relispartition AND {_OURS}
      UNION ALL
      SELECT n.nspname || '.' || c.relname,
             concat_ws(' ', p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[],
                       pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)), NULL
      FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT c.relispartition AND {_OURS}
      UNION ALL
      SELECT n.nspname || '.' || c.relname,
             concat_ws(' ', 'row security', c.relrowsecurity, c.relforcerowsecurity), NULL
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relrowsecurity AND NOT c.relispartition AND {_OURS}) AS each
GROUP BY 1
"""  # noqa: S608 - all of it is written here
# From PostgreSQL 18 on a constraint may be there without being enforced; older ones lack the column.
_KEYS: Final = f"""
SELECT k.conname::text, n.nspname || '.' || c.relname, tn.nspname || '.' || t.relname,
       (SELECT array_agg(a.attname::text ORDER BY o.place)
        FROM unnest(k.conkey) WITH ORDINALITY AS o (number, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.number),
       k.convalidated, coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true),
       NOT EXISTS (SELECT FROM pg_trigger g
                   WHERE (g.tgconstraint = k.oid
                          OR g.tgconstraint IN (SELECT p.oid FROM pg_constraint p
                                                WHERE p.conparentid = k.oid))
                     AND g.tgisinternal AND g.tgenabled IN ('D', 'R'))
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND {_OURS}
ORDER BY 1, 2
"""  # noqa: S608 - all of it is written here
# An index that somebody builds right now is invalid as well. Who may not see others' sessions sees
# that something is built in this database, but not on which table.
_UNFINISHED: Final = f"""
SELECT 'index', x.relname::text, n.nspname || '.' || c.relname,
       CASE WHEN x.relkind = 'I' THEN 'partitioned' ELSE '' END,
       EXISTS (SELECT FROM pg_stat_progress_create_index p
               WHERE p.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND coalesce(p.relid = c.oid, true))
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND {_OURS}
UNION ALL
SELECT 'constraint', k.conname::text, n.nspname || '.' || coalesce(c.relname, d.typname),
       CASE WHEN coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
            THEN CASE WHEN k.convalidated THEN 'switched off' ELSE 'not validated' END
            ELSE 'not enforced' END, false
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type d ON d.oid = k.contypid
WHERE k.conparentid = 0 AND {_OURS}
  AND (NOT k.convalidated
       OR EXISTS (SELECT FROM pg_trigger g
                  WHERE g.tgisinternal AND g.tgenabled IN ('D', 'R')
                    AND (g.tgconstraint = k.oid
                         OR g.tgconstraint IN (SELECT p.oid FROM pg_constraint p
                                               WHERE p.conparentid = k.oid))))
UNION ALL
SELECT 'trigger', g.tgname::text, n.nspname || '.' || c.relname, '', false
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND g.tgenabled = 'D' AND {_OURS}
UNION ALL
SELECT 'rule', r.rulename::text, n.nspname || '.' || c.relname, '', false
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.ev_enabled = 'D' AND {_OURS}
UNION ALL
SELECT 'event trigger', evtname::text, 'the database', '', false
FROM pg_event_trigger WHERE evtenabled = 'D'
UNION ALL
SELECT 'materialized view', c.relname::text, n.nspname || '.' || c.relname, '', false
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND NOT c.relispopulated AND {_OURS}
UNION ALL
SELECT 'type', t.typname::text, n.nspname || '.' || t.typname, '', false
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd', 'r') AND t.typname ~ '_(old|new)$' AND {_OURS}
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.refclassid = 'pg_type'::regclass
                    AND d.refobjid IN (t.oid, t.typarray) AND d.deptype = 'n')
UNION ALL
SELECT 'partition', c.relname::text, n.nspname || '.' || c.relname,
       h.inhparent::regclass::text, false
FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (to_jsonb(h) ->> 'inhdetachpending')::boolean AND {_OURS}
ORDER BY 1, 3, 2
"""  # noqa: S608 - all of it is written here
# An empty partition may be younger than any backup, and nothing of it can be lost.
_PARTITIONS: Final = """
SELECT t.name, array_agg(n.nspname || '.' || c.relname)
         FILTER (WHERE p.isleaf AND pg_relation_size(c.oid) > 0)
FROM unnest(%s::text[], %s::text[]) AS t (name, quoted)
CROSS JOIN LATERAL pg_partition_tree(to_regclass(t.quoted)) AS p
JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.level > 0 GROUP BY 1
"""


@dataclasses.dataclass(frozen=True, slots=True)
class TableShape:
    """One table: its columns, and a digest of what a migration could change of it."""

    columns: tuple[str, ...]
    fingerprint: str
    """Over columns with types and defaults, constraints, indexes, triggers, row security; 16 hex digits."""
    indexes: tuple[str, ...] = ()
    """Their names: what drops or renames one need not name the table."""


@dataclasses.dataclass(frozen=True, slots=True)
class ForeignKey:
    """One declared reference, and whether the database really holds to it."""

    name: str
    table: str
    to_table: str
    columns: tuple[str, ...]
    validated: bool
    """Whether the rows from before it were looked at."""
    enforced: bool
    """Whether it was declared to be enforced."""
    triggers: bool
    """Whether what enforces it is switched on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Unfinished:
    """Something of the schema that was begun and not ended, or is switched off."""

    what: str
    """`index`, `constraint`, `trigger`, `rule`, `event trigger`, `materialized view`, `type` or
    `partition`."""
    name: str
    table: str
    state: str = ""
    """Of an index `partitioned`; of a constraint how it holds nothing back; of a partition its parent."""
    in_progress: bool = False
    """Whether somebody may be building it right now."""

    @property
    def key(self) -> str:
        """Return how a baseline notes it."""
        return f"{self.what} {self.table} {self.name} {self.state}".rstrip()


@dataclasses.dataclass(frozen=True, slots=True)
class Structure:
    """All tables and foreign keys outside the system's schemas, by `schema.name`."""

    tables: Mapping[str, TableShape]
    foreign_keys: tuple[ForeignKey, ...]
    unfinished: tuple[Unfinished, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Return one digest of all tables."""
        return _digest(
            *(f"{name} {shape.fingerprint}" for name, shape in sorted(self.tables.items()))
        )

    def facts(self) -> Mapping[str, object]:
        """Return fingerprints, and the keys that don't hold; names of tables and columns are no data."""
        loose = [
            key.name
            for key in self.foreign_keys
            if not (key.validated and key.enforced and key.triggers)
        ]
        return {
            "fingerprint": self.fingerprint,
            "tables": {name: shape.fingerprint for name, shape in self.tables.items()},
            "foreign_keys": len(self.foreign_keys),
            "not_holding": loose,
            "unfinished": [one.key for one in self.unfinished],
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Partitions(Shown):
    """The partitions of tables that have some; a table without is not among them."""

    KEPT = ("with_rows",)

    with_rows: Mapping[str, tuple[str, ...]]
    """`schema.partition` of those that hold something, by table."""


def partitions(
    target: PostgresTarget, tables: Sequence[str], *, deadline: Deadline
) -> Observation[Partitions]:
    """Return where the rows of partitioned tables really are; needs no right on any table."""

    def ask(reader: Reader) -> Partitions:
        found = reader.rows(_PARTITIONS, ([*tables], [*map(quoted, tables)]))
        return Partitions({str(table): _names(parts) for table, parts in found})

    return postgres.asked(target, ask, deadline=deadline)


def structure(target: PostgresTarget, *, deadline: Deadline) -> Observation[Structure]:
    """Return the structure; needs no right on any table."""

    def ask(reader: Reader) -> Structure:
        reader.want_primary()
        details = {str(row[0]): row[1:] for row in reader.rows(_DETAILS)}
        tables = {}
        for name, columns, described in reader.rows(_TABLES):
            more, indexes = map(_names, details.get(str(name), ((), ())))
            fingerprint = _digest(str(described), *sorted(more))
            tables[str(name)] = TableShape(_names(columns), fingerprint, tuple(sorted(indexes)))
        keys = tuple(map(_key, reader.rows(_KEYS)))
        return Structure(tables, keys, tuple(map(_unfinished, reader.rows(_UNFINISHED))))

    return postgres.asked(target, ask, deadline=deadline)


def qualified(table: str) -> str:
    """Return a table's name with its schema; public where it names none."""
    return table if "." in table else f"public.{table}"


def quoted(table: str) -> str:
    """Return a table's name with its schema as SQL reads it to the letter."""
    return ".".join(f'"{part}"' for part in qualified(table).split("."))


def _key(row: tuple[object, ...]) -> ForeignKey:
    name, table, to_table, columns, *holds = row
    names = (str(name), str(table), str(to_table))
    return ForeignKey(*names, _names(columns), *(one is True for one in holds))


def _unfinished(row: tuple[object, ...]) -> Unfinished:
    what, name, table, state, in_progress = row
    return Unfinished(str(what), str(name), str(table), str(state), in_progress is True)


def _names(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

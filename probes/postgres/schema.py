"""The structure of a database: tables, columns, keys; with a fingerprint for each table."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

from probes import postgres
from probes.observation import Deadline, Observation, Shown
from probes.postgres import STATEMENTS, PostgresTarget, Reader


@dataclasses.dataclass(frozen=True, slots=True)
class TableShape:
    """One table: its columns, and a digest of what a migration could change of it."""

    columns: tuple[str, ...]
    fingerprint: str
    """Over columns with types and defaults, constraints, indexes, triggers, row security; 16 hex digits."""
    indexes: tuple[str, ...] = ()
    """Their names: what drops or renames one need not name the table."""
    oid: int = 0
    """The server's own number of it: a table that is made anew under its name has another."""


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
        found = reader.rows(STATEMENTS["partitions"], ([*tables], [*map(quoted, tables)]))
        return Partitions({table: tuple(parts or ()) for table, parts in found})

    return postgres.asked(target, ask, deadline=deadline)


def structure(target: PostgresTarget, *, deadline: Deadline) -> Observation[Structure]:
    """Return the structure; needs no right on any table."""

    def ask(reader: Reader) -> Structure:
        reader.want_primary()
        details = {name: more for name, *more in reader.rows(STATEMENTS["details"])}
        tables = {}
        for name, columns, described, oid in reader.rows(STATEMENTS["tables"]):
            more, indexes = details.get(name, ((), ()))
            fingerprint = _digest(described, *sorted(more))
            tables[name] = TableShape(tuple(columns), fingerprint, tuple(sorted(indexes)), oid)
        keys = tuple(
            ForeignKey(name, table, to_table, tuple(columns), *holds)
            for name, table, to_table, columns, *holds in reader.rows(STATEMENTS["keys"])
        )
        unfinished = tuple(Unfinished(*row) for row in reader.rows(STATEMENTS["unfinished"]))
        return Structure(tables, keys, unfinished)

    return postgres.asked(target, ask, deadline=deadline)


def qualified(table: str) -> str:
    """Return a table's name with its schema; public where it names none."""
    return table if "." in table else f"public.{table}"


def quoted(table: str) -> str:
    """Return a table's name with its schema as SQL reads it to the letter."""
    return ".".join(f'"{part}"' for part in qualified(table).split("."))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

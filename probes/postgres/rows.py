"""How many rows there are, how many are null where they should not be, and how many point nowhere.

Only numbers come back. Small tables are counted; of a big one, stretches of blocks that lie evenly over it,
always the same ones for the same size. Nothing is locked but as a plain SELECT locks.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from psycopg import sql

from probes import postgres
from probes.observation import Deadline, Observation, Shown
from probes.postgres import STATEMENTS, PostgresTarget, Reader, ask_policies
from probes.postgres.schema import qualified, quoted

STRETCHES: Final = 50
MAX_ORPHANS: Final = 1_000
"""No more are counted: the first thousand say enough."""
SAMPLED_ROWS: Final = 500
"""At either end of a table, by its key."""
_MEGABYTE: Final = 1024 * 1024
_STANDARD_ERRORS: Final = 2.01
"""Student's t for 95 % and 49 degrees of freedom."""


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Up to where everything is counted, and how much of the rest is."""

    exact_rows: int
    exact_megabytes: float
    sampled_blocks: int


@dataclasses.dataclass(frozen=True, slots=True)
class TableToCount:
    """A table and what of its rows counts."""

    name: str
    """`table` or `schema.table`."""
    key: str
    synthetic_column: str | None = None
    nulls: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Counted(Shown):
    """Rows of a table, synthetic ones left out."""

    KEPT = ("there", "rows", "error_rows", "exact", "nulls")

    there: bool
    """Whether the table exists."""
    rows: int = 0
    error_rows: int = 0
    """The number may be wrong by so many, with 95 % confidence; 0 when it was counted."""
    exact: bool = True
    nulls: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """By column; of a sampled table those of the sample."""


@dataclasses.dataclass(frozen=True, slots=True)
class Orphans(Shown):
    """Rows that refer to what is not there."""

    KEPT = ("there", "found", "looked_at")

    there: bool
    """Whether both tables exist."""
    found: int = 0
    """At most 1,000."""
    looked_at: int | None = None
    """How many rows were followed, where that was a sample."""


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A column that refers to another table's key."""

    table: str
    column: str
    to_table: str
    to_column: str


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenRows:
    """A table and what of its rows never changes."""

    name: str
    key: str
    columns: tuple[str, ...]
    written: str
    synthetic_column: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Sampled(Shown):
    """A checksum over the rows with the lowest and the highest keys that were written before a time."""

    KEPT = ("rows", "before", "types")

    before: str
    """That time, as the server writes it."""
    rows: int
    checksum: str
    types: str
    """Of the columns; values of other types have other texts."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Size:
    kind: str
    rows: float
    size_bytes: int
    block_bytes: int

    @property
    def blocks(self) -> int:
        return self.size_bytes // self.block_bytes

    def small(self, limits: Limits) -> bool:
        """Tell whether all of it may be counted; a partitioned table can't be sampled."""
        within = (
            self.rows <= limits.exact_rows and self.size_bytes <= limits.exact_megabytes * _MEGABYTE
        )
        return within or self.kind != "r" or self.blocks <= limits.sampled_blocks


def counted(
    target: PostgresTarget, table: TableToCount, limits: Limits, *, deadline: Deadline
) -> Observation[Counted]:
    """Count a table's rows and the nulls of some columns."""

    def ask(reader: Reader) -> Counted:
        reader.want_primary()
        size = _size(reader, table.name)
        if size is None:
            return Counted(there=False)
        ask_policies(reader, quoted(table.name))
        if size.small(limits):
            return _count(reader, table)
        return _sample(reader, table, size, limits.sampled_blocks)

    return postgres.asked(target, ask, deadline=deadline)


def orphans(
    target: PostgresTarget, link: Link, limits: Limits, *, deadline: Deadline
) -> Observation[Orphans]:
    """Count the rows of a table that refer to a key that is not there."""

    def ask(reader: Reader) -> Orphans:
        reader.want_primary()
        size = _size(reader, link.table)
        if size is None or _size(reader, link.to_table) is None:
            return Orphans(there=False)
        ask_policies(reader, quoted(link.table), quoted(link.to_table))
        if size.small(limits):
            return _followed(reader, link)
        return _sampled_orphans(reader, link, size, limits.sampled_blocks)

    return postgres.asked(target, ask, deadline=deadline)


@dataclasses.dataclass(frozen=True, slots=True)
class KeysFound(Shown):
    """How many of some keys a table has; which ones stays private."""

    KEPT = ("there", "found")

    there: bool
    found: int = 0


def keys_found(
    target: PostgresTarget, table: TableToCount, keys: Sequence[str], *, deadline: Deadline
) -> Observation[KeysFound]:
    """Count which of these keys, as text, are in a table."""
    key = sql.Identifier(table.key)
    query = sql.SQL("SELECT count(DISTINCT {}) FROM {} WHERE {}::text = ANY(%s)")

    def ask(reader: Reader) -> KeysFound:
        reader.want_primary()
        if _size(reader, table.name) is None:
            return KeysFound(there=False)
        ask_policies(reader, quoted(table.name))
        ((found,),) = reader.rows(query.format(key, _identifier(table.name), key), ([*keys],))
        return KeysFound(there=True, found=found)

    return postgres.asked(target, ask, deadline=deadline)


def sampled(
    target: PostgresTarget, table: FrozenRows, before: str | None, *, deadline: Deadline
) -> Observation[Sampled]:
    """Return the checksum of a sample of a table's rows; `before` is None for the first one.

    What was written within the last minute is left out: its transaction may still end either way.
    """

    def ask(reader: Reader) -> Sampled:
        reader.want_primary()
        ask_policies(reader, quoted(table.name))
        # The texts of times are those of a time zone.
        reader.rows(
            "SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true)"
        )
        reader.rows("SELECT set_config('extra_float_digits', '1', true)")
        moment = before or str(reader.rows("SELECT (now() - interval '1 minute')::text")[0][0])
        ((rows, checksum, types),) = reader.rows(_sampled(table), (moment, moment))
        return Sampled(moment, rows, str(checksum), str(types))

    return postgres.asked(target, ask, deadline=deadline)


def _sampled(table: FrozenRows) -> sql.Composed:
    key, columns = sql.Identifier(table.key), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    end = sql.SQL(
        "(SELECT {key} AS k, md5(ROW({columns})::text) AS row, concat_ws(', ', {types}) AS types"
        " FROM {table} WHERE {written} < %s::timestamptz AND {real} ORDER BY {key} {order} LIMIT {most})"
    )
    types = sql.SQL(", ").join(
        sql.SQL("pg_typeof({})").format(sql.Identifier(name)) for name in table.columns
    )
    ends = [
        end.format(
            key=key,
            columns=columns,
            types=types,
            table=_identifier(table.name),
            written=sql.Identifier(table.written),
            real=_real(table),
            order=sql.SQL(order),
            most=SAMPLED_ROWS,
        )
        for order in ("ASC", "DESC")
    ]
    return sql.SQL(
        "SELECT count(*), md5(string_agg(row, '' ORDER BY k)), min(types) FROM ({}) AS sample"
    ).format(sql.SQL(" UNION ").join(ends))


def _size(reader: Reader, table: str) -> _Size | None:
    found = reader.rows(STATEMENTS["size"], (quoted(table),))
    return _Size(*found[0]) if found else None


def _count(reader: Reader, table: TableToCount) -> Counted:
    query = sql.SQL("SELECT count(*), {} FROM {} WHERE {}").format(
        _nulls(table), _identifier(table.name), _real(table)
    )
    (rows, *nulls), *_ = reader.rows(query)
    return Counted(there=True, rows=rows, nulls=_by_column(table, nulls))


def _sample(reader: Reader, table: TableToCount, size: _Size, blocks: int) -> Counted:
    each = max(1, blocks // STRETCHES)
    parts = [
        sql.SQL("SELECT count(*), {} FROM {} WHERE {} AND {}").format(
            _nulls(table), _identifier(table.name), _real(table), stretch
        )
        for stretch in _stretches(size.blocks, each)
    ]
    found = reader.rows(sql.SQL(" UNION ALL ").join(parts))
    counts = [row[0] for row in found]
    if not any(counts):
        # Much was deleted: from blocks that hold nothing any more nothing can be told.
        return _count(reader, table)
    scale = size.blocks / each
    spread = _STANDARD_ERRORS * statistics.stdev(counts) / math.sqrt(len(counts)) * scale
    # The table's last block may be nearly empty, and no stretch shows that.
    error = spread + statistics.fmean(counts) / each
    return Counted(
        there=True,
        rows=round(statistics.fmean(counts) * scale),
        error_rows=math.ceil(error),
        exact=False,
        nulls=_by_column(table, [sum(column) for column in zip(*found, strict=True)][1:]),
    )


def _followed(reader: Reader, link: Link) -> Orphans:
    ((found,),) = reader.rows(_orphaned(link, _all_of(link)))
    return Orphans(there=True, found=found)


def _sampled_orphans(reader: Reader, link: Link, size: _Size, blocks: int) -> Orphans:
    each = max(1, blocks // STRETCHES)
    # Each stretch is a scan of its own: of conditions joined by OR Postgres makes one scan of everything.
    parts = [
        sql.SQL("{} WHERE {}").format(_all_of(link), stretch)
        for stretch in _stretches(size.blocks, each)
    ]
    # Materialised, the sample is read once for both numbers.
    query = sql.SQL("WITH sampled AS MATERIALIZED ({}) SELECT ({}), (SELECT count(*) FROM sampled)")
    orphaned = _orphaned(link, sql.SQL("SELECT reference FROM sampled"))
    found, followed = reader.rows(query.format(sql.SQL(" UNION ALL ").join(parts), orphaned))[0]
    if not followed:
        return _followed(reader, link)
    return Orphans(there=True, found=found, looked_at=followed)


def _all_of(link: Link) -> sql.Composed:
    return sql.SQL("SELECT {} AS reference FROM {}").format(
        sql.Identifier(link.column), _identifier(link.table)
    )


def _orphaned(link: Link, references: sql.Composable) -> sql.Composed:
    return sql.SQL(
        "SELECT count(*) FROM (SELECT FROM ({references}) AS c WHERE c.reference IS NOT NULL "
        "AND NOT EXISTS (SELECT FROM {parent} AS p WHERE p.{key} = c.reference) LIMIT {most}) AS o"
    ).format(
        references=references,
        parent=_identifier(link.to_table),
        key=sql.Identifier(link.to_column),
        most=MAX_ORPHANS,
    )


def _stretches(blocks: int, each: int) -> Sequence[sql.Composed]:
    """Return conditions on a row's place for stretches of blocks that lie evenly over a table."""
    begins = [min(int((n + 0.5) * blocks / STRETCHES), blocks - each) for n in range(STRETCHES)]
    return [
        sql.SQL("(ctid >= {}::tid AND ctid < {}::tid)").format(
            f"({begin},0)", f"({begin + each},0)"
        )
        for begin in begins
    ]


def _nulls(table: TableToCount) -> sql.Composable:
    # The key is counted too: the list of columns is never empty, and a login that may read no column
    # is refused instead of counting.
    columns = [
        sql.SQL("count(*) FILTER (WHERE {} IS NULL)").format(sql.Identifier(name))
        for name in (table.key, *table.nulls)
    ]
    return sql.SQL(", ").join(columns)


def _by_column(table: TableToCount, nulls: Sequence[int]) -> dict[str, int]:
    return dict(zip(table.nulls, nulls[1:], strict=True))


def _real(table: TableToCount | FrozenRows) -> sql.Composable:
    if table.synthetic_column is None:
        return sql.SQL("true")
    return sql.SQL("{} IS NULL").format(sql.Identifier(table.synthetic_column))


def _identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*qualified(table).split("."))

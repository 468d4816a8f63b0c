"""The platform's data: its tables, migrations and backups, and how far each may be from what it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import (
    ColumnName,
    Location,
    Name,
    Port,
    Seconds,
    SecretReference,
    Section,
    Share,
    TableName,
    Text,
    compiled,
)

Age = Annotated[Seconds, Field(gt=0, le=92 * 86400)]
_MOST_STATEMENT_SECONDS = 30.0
MOST_FEWER = 0.9
_ERROR_LINES = (
    "Error: P3018",
    'ERROR:  relation "bookings" does not exist',
    "Database error code: 42P01",
)
"""How Prisma and Postgres say that a migration failed."""


class TableOfRecords(Section):
    """A table in which the gate looks for one record by its id; nothing else is read."""

    table: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$")
    """`table` in the schema public, or `schema.table`."""
    id_column: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Holds the id that the API's answer told."""


class Postgres(Section):
    """The gate's own read-only login to the primary."""

    host: Text
    """The primary: a standby may lag behind a booking."""
    port: Port = 5432
    """TCP port."""
    database: Text
    """The platform's database."""
    user: Text
    """A login that can only read; the gate refuses to run with one that can write."""
    password: SecretReference
    """Of that login."""
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    """As libpq means it."""
    sslrootcert: str | None = None
    """File of the authority that signs the server's certificate, where it is not a public one."""
    created_record: TableOfRecords | None = None
    """Where a booking must arrive."""


class Frozen(Section):
    """What of a table's rows never changes once it is written: a sample of them has a checksum."""

    columns: tuple[ColumnName, ...] = Field(min_length=1)
    """Those that never change; the gate's login must read them, so none about a patient's person."""
    written: ColumnName
    """The column that says when a row was written."""


class Table(Section):
    """A table that must be there."""

    columns: tuple[ColumnName, ...] = Field(min_length=1)
    """The columns that the release's code needs."""
    counted: Name | None = None
    """Its rows are counted and compared with the baseline; the value names the rule in
    gates/policy/data.yaml (`grows`, `steady`, …). Without it the table only has to be there."""
    key: ColumnName = "id"
    """A column that the gate's login may read; counting needs one."""
    synthetic_column: ColumnName | None = None
    """Rows in which it is not null are synthetic and left out of counts."""
    frozen: Frozen | None = None
    """Rows from before the baseline stay what they were; for tables from which nothing is deleted."""
    nulls: tuple[ColumnName, ...] = ()
    """Columns whose nulls are counted and compared with the baseline. The gate's login must be able to
    read them, so name none that holds something about a patient."""

    def _refusals(self) -> Iterator[str]:
        if self.nulls and self.counted is None:
            yield "nulls are compared of counted tables only; add counted with its rule"


class Reference(Section):
    """A reference from one table's column to another table's key; a row that points nowhere is an orphan."""

    table: TableName
    """Whose rows refer."""
    column: ColumnName
    """The column that refers; null refers to nothing and is not an orphan."""
    to_table: TableName
    """What it refers to."""
    to_column: ColumnName = "id"
    """The key there."""
    declared: bool = True
    """Whether a foreign key of the database stands behind it; then it must be validated and enforced."""


class Migrations(Section):
    """Prisma's migrations: what the release ships, and what the database says of them."""

    table: TableName = "_prisma_migrations"
    """Prisma's table, or a view of it. deploy/postgres/gate_role.sql makes one that hides `logs`, which
    may quote a patient's data."""
    has_logs_column: ColumnName | None = None
    """A column of that view: whether Prisma logged an error for the migration."""
    repository: Location
    """The release repository: a checkout's folder, or an address that git can clone."""
    tag: Text = "v{release}"
    """The release's tag; `{release}` becomes its number, such as 1.2.0."""
    folder: Text = "prisma/migrations"
    """Where its migrations are, below the repository."""
    declared_applied: tuple[Text, ...] = ()
    """Migrations that somebody declared applied without running them (`prisma migrate resolve
    --applied`), and that were examined, such as the first one of an older database."""
    log: Location | None = None
    """What `prisma migrate deploy` printed: a file, or an address such as s3://bucket/key."""


class Backups(Section):
    """Where backups of the database are, made by `pg_dump --format=custom`."""

    location: Location
    """A folder, or an address such as s3://bucket/folder."""
    pattern: Text = "*.dump"
    """Names of the finished backups there."""
    kept_apart: Location | None = None
    """A second place, on another host or in another bucket, with a copy of each under the same name."""
    restore_test: Location | None = None
    """What the last restore test found: a JSON file; docs/platform-contract.md has its form."""
    pg_restore: Text = "pg_restore"
    """The program that reads a backup's table of contents: a name on the PATH, or its path."""

    def _refusals(self) -> Iterator[str]:
        if self.kept_apart is not None and _place(self.kept_apart) == _place(self.location):
            yield "kept_apart is the same place as location; name another one"


def _place(location: str) -> str:
    """Return the bucket of an address, or the folder itself."""
    scheme, found, rest = location.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}" if found and scheme != "file" else location


class Data(Section):
    """What of the database is checked around its migration."""

    tables: dict[TableName, Table] = Field(min_length=1)
    """By name, to the letter, `schema.table` where it is not in the schema public."""
    references: tuple[Reference, ...] = ()
    """Followed from row to row, to find orphans."""
    migrations: Migrations | None = None
    """Without it the checks of migrations do not apply."""
    backups: Backups | None = None
    """Without it the checks of backups do not apply."""
    standbys: int = Field(default=0, ge=0)
    """How many standbys must stream from the primary."""

    def _refusals(self) -> Iterator[str]:
        if not any(table.counted for table in self.tables.values()):
            yield (
                "no table is counted, so lost rows could never be seen; give one of tables "
                "`counted` with a rule of the policy's data.yaml"
            )
        for reference in self.references:
            for name in (reference.table, reference.to_table):
                if name not in self.tables:
                    yield f"references name the table “{name}”, which tables lacks; add it"


class BackupPolicy(Section):
    """How young, how big and how closely read a backup has to be."""

    of_this_deployment: Annotated[Seconds, Field(gt=0, le=86400)]
    """Phase 1.1: the newest backup may be that old."""
    max_age: Age
    """Before the deployment."""
    size_tolerance: Annotated[Share, Field(gt=0, le=0.9)]
    """Against the median of the earlier ones, either way."""
    compared_with: int = Field(gt=0, le=100)
    """So many earlier ones at most."""
    read_whole_up_to_mb: float = Field(ge=0)
    """Up to this size every block is read; above it the table of contents and the end."""


class RestoreTestPolicy(Section):
    """How young the last restore test has to be."""

    max_age: Age
    """A week before the deployment."""
    max_age_day_before: Age
    """The day before."""


class MigrationLogPolicy(Section):
    """What a migration log may and must say; patterns are searched line by line."""

    errors: tuple[str, ...] = Field(min_length=1)
    """A line that one of them matches is a failed migration."""
    success: tuple[str, ...] = Field(min_length=1)
    """One of them must match, else the log is not of a finished migration."""
    settle_for: Seconds = Field(ge=0, le=3600)
    """How long a migration that runs now is waited for."""

    def _refusals(self) -> Iterator[str]:
        for pattern in (*self.errors, *self.success):
            if compiled(pattern, f"“{pattern}” is not a regular expression; fix it").search(""):
                yield f"“{pattern}” matches every line, so it proves nothing; narrow it"
        # By other patterns a failed migration would look applied.
        if not any(re.search(one, line) for one in self.errors for line in _ERROR_LINES):
            yield (
                "errors matches no line of a failed migration, such as “Error: P3018”; add '^Error\\b'"
            )
        taken = [one for one in self.success for line in _ERROR_LINES if re.search(one, line)]
        if taken:
            yield (f"success “{taken[0]}” matches a line of a failed migration; narrow it")


class CountRule(Section):
    """By how much a count may move from the baseline."""

    fewer: Share
    """Rows that may be gone, as a share of the baseline's."""
    more: Annotated[Share, Field(le=10)]
    """Rows that may be new, as a share of the baseline's."""
    more_rows: int = Field(default=0, ge=0, le=1_000_000)
    """So many more rows are allowed however small the table is."""

    def _refusals(self) -> Iterator[str]:
        if self.fewer >= 1:
            yield "fewer 100% can never fail: every row may go; lower it"
        if self.fewer > MOST_FEWER:
            yield (
                f"fewer {self.fewer * 100:g}% hardly ever fails: most rows may go; at most "
                f"{MOST_FEWER * 100:g}%"
            )


class CountPolicy(Section):
    """How rows are counted, and what of a difference is allowed."""

    statement_timeout: Seconds = Field(gt=0, le=_MOST_STATEMENT_SECONDS)
    """No statement of a count runs longer; Postgres ends it."""
    exact_up_to_rows: int = Field(ge=0)
    """A table above this, by the statistics, is counted from a sample."""
    exact_up_to_mb: float = Field(ge=0)
    """A table above either is counted from a sample."""
    sampled_blocks: int = Field(ge=100, le=20_000)
    """Of 8 kB each."""
    large_reads: Share = Field(default=0.02, gt=0, le=1)
    """Reads of samples take no more of the time than this: a pause follows each."""
    estimate_tolerance: Annotated[Share, Field(ge=0, le=0.2)]
    """A sample is not held to less than this."""
    rules: dict[Name, CountRule] = Field(min_length=1)
    """By name, as the environment's tables name them."""
    more_nulls: Annotated[Share, Field(ge=0, le=0.5)]
    """Nulls above the baseline's, as a share of the rows."""


class ConnectionPolicy(Section):
    """How full the connections may be, and how far the standby behind."""

    max_used: Annotated[Share, Field(gt=0, le=0.95)]
    """Of `max_connections`, before the deployment adds its own."""
    max_lag: Seconds = Field(gt=0, le=3600)
    """How long ago the standby's newest change was made on the primary."""
    max_lag_mb: float = Field(gt=0, le=16_384)
    """How much of the write-ahead log the standby has not replayed yet."""


class DataPolicy(Section):
    """gates/policy/data.yaml."""

    backups: BackupPolicy
    restore_test: RestoreTestPolicy
    migration_log: MigrationLogPolicy
    counts: CountPolicy
    connections: ConnectionPolicy

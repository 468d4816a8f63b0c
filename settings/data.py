"""The platform's data: its tables, migrations and backups, as the gate checks them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from settings.fields import Text
from settings.sections import Name, Section

_SQL_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_TABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"

ColumnName = Annotated[str, Field(pattern=_SQL_NAME)]
TableName = Annotated[str, Field(pattern=_TABLE_NAME)]


def _location(value: str) -> str:
    if "@" in value.partition("://")[2]:
        raise ValueError("must hold no user or password; the machine's own credentials are used")
    return value.rstrip("/")


Location = Annotated[str, Field(min_length=1), AfterValidator(_location)]


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
    nulls: tuple[ColumnName, ...] = ()
    """Columns whose nulls are counted and compared with the baseline. The gate's login must be able to
    read them, so name none that holds something about a patient."""

    @model_validator(mode="after")
    def _nulls_of_what_is_counted(self) -> Self:
        if self.nulls and self.counted is None:
            raise ValueError("nulls are compared of counted tables only; add counted with its rule")
        return self


class Reference(Section):
    """A reference from one table's column to another table's key; a row that points nowhere is an orphan."""

    table: TableName
    """Whose rows refer."""
    column: ColumnName
    """The column that refers; null refers to nothing and is no orphan."""
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

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.kept_apart is not None and _place(self.kept_apart) == _place(self.location):
            raise ValueError("kept_apart is the same place as location; name another one")
        return self


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

    @model_validator(mode="after")
    def _some_rows_are_counted(self) -> Self:
        if not any(table.counted for table in self.tables.values()):
            raise ValueError(
                "no table is counted, so lost rows could never be seen; give one of tables "
                "`counted` with a rule of the policy's data.yaml"
            )
        return self

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        for reference in self.references:
            for name in (reference.table, reference.to_table):
                if name not in self.tables:
                    raise ValueError(
                        f"references name the table “{name}”, which tables lacks; add it"
                    )
        return self

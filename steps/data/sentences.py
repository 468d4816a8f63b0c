"""Backups, migrations, tables and connections of the database."""

from __future__ import annotations

from pytest_bdd import then, when

from steps.data.backup_rules import BackupFolder
from steps.data.connections import judge_connections
from steps.data.migrations import MigrationCheck
from steps.data.tables import TableCheck
from steps.kit.check import Check
from steps.kit.run import Run


@when("the backups of the database are listed", target_fixture="backups")
def list_backups(run: Run, check: Check) -> BackupFolder:
    return BackupFolder.look(run.platform, check)


@then("the newest one was made for this deployment")
def of_this_deployment(backups: BackupFolder) -> None:
    backups.of_this_deployment()


@then("the newest one is recent")
def recent(backups: BackupFolder) -> None:
    backups.recent()


@then("pg_restore can read it and finds the rows of every table")
def readable(backups: BackupFolder) -> None:
    backups.readable()


@then("the newest one is about as big as the ones before it")
def of_usual_size(backups: BackupFolder) -> None:
    backups.of_usual_size()


@then("the newest one is of this deployment and has its copy apart")
def where_it_belongs(backups: BackupFolder) -> None:
    backups.where_it_belongs()


@then("the last restore test passed within the month")
def restored_within_the_month(backups: BackupFolder) -> None:
    backups.restored_a_week_before()


@then("the last restore test passed within the week")
def restored_within_the_week(backups: BackupFolder) -> None:
    backups.restored_the_day_before()


@when(
    "the migrations of the release are compared with those of the database",
    target_fixture="migrations",
)
def migrations(run: Run, check: Check) -> MigrationCheck:
    return MigrationCheck(run.platform, check)


@then("every one was applied, unchanged, and no other")
def all_applied(migrations: MigrationCheck) -> None:
    migrations.all_applied()


@then("no error was logged in the database")
def nothing_logged(migrations: MigrationCheck) -> None:
    migrations.nothing_logged()


@then("the log of the run shows no error and its success")
def log_is_clean(migrations: MigrationCheck) -> None:
    migrations.log_is_clean()


@then("the last one is the last one of the release")
def schema_version(migrations: MigrationCheck) -> None:
    migrations.schema_version()


@then("nothing of the schema changed without a migration")
def no_drift(migrations: MigrationCheck) -> None:
    migrations.no_drift()


@when("the tables of the database are read", target_fixture="tables")
def tables(run: Run, check: Check) -> TableCheck:
    return TableCheck(run.platform, check)


@then("every expected table has every expected column")
def all_there(tables: TableCheck) -> None:
    tables.all_there()


@then("every counted table has as many rows as the baseline allows")
def rows_as_before(tables: TableCheck) -> None:
    tables.rows_as_before()


@then("no row is an orphan and every foreign key holds")
def no_orphans(tables: TableCheck) -> None:
    tables.no_orphans()


@then("the primary answers, has connections to spare, and its standbys keep up")
def connections(run: Run, check: Check) -> None:
    judge_connections(run.platform, check)

"""A real Postgres with the platform's migrations and the operators' kit, and what a deployment leaves."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from sandbox.core.layout import RELEASE
from sandbox.systems.data import migrations
from sandbox.systems.data import postgres as sandbox_postgres
from sandbox.systems.source import repository
from settings.policy import Deadlines
from steps.kit.platform import Platform
from tests.checkout import ROOT
from tests.probes import real_servers
from tests.probes.real_servers import PASSWORD, Database
from tests.probes.servers import closed_port
from tests.steps.platforms import NOWHERE, a_platform, a_policy

_PRISMA = """
CREATE TABLE _prisma_migrations (
    id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
    migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
    started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)
"""
_ROWS = """
INSERT INTO providers (id, name, specialty, region) VALUES ('p', 'sentinel-9f2-doctor', 'x', 'eu');
INSERT INTO patients (id, name, region) SELECT n::text, 'sentinel-9f2-patient', 'eu'
FROM generate_series(1, 20) AS n;
INSERT INTO patients (id, name, region, synthetic_tag) VALUES ('s', 'synthetic', 'eu', 'run');
INSERT INTO appointments (id, patient_id, provider_id, starts_at, status)
SELECT n::text, n::text, 'p', now(), 'completed' FROM generate_series(1, 20) AS n;
ANALYZE;
"""
TABLES: dict[str, dict[str, Any]] = {
    "patients": {
        "columns": ["id", "name"],
        "counted": "grows",
        "synthetic_column": "synthetic_tag",
        "nulls": ["user_id"],
    },
    "appointments": {"columns": ["id", "source"], "counted": "grows"},
    "appointment_reminders": {"columns": ["id", "send_at"]},
}
REFERENCE = {"table": "appointments", "column": "patient_id", "to_table": "patients"}


@dataclass(frozen=True)
class Records:
    """The database, and the folders beside it."""

    database: Database
    folder: pathlib.Path

    @property
    def backups(self) -> pathlib.Path:
        """Where the backups are."""
        return self.folder / "backups"

    @property
    def log(self) -> pathlib.Path:
        """What the migration printed."""
        return self.folder / "migrate.log"

    @property
    def restore_test(self) -> pathlib.Path:
        """What the last restore test found."""
        return self.folder / "restore-test.json"

    def platform(self, folder: pathlib.Path, **data: Any) -> Platform:
        """Return the platform of this database, its section `data` changed as given."""
        login = {
            "host": "localhost",
            "port": self.database.port,
            "database": "clinic",
            "user": "release_gate",
            "password": f"file:{self.folder / 'password'}",
            "sslmode": "disable",
        }
        section = {
            "tables": TABLES,
            "references": [REFERENCE],
            "migrations": {
                "table": "release_gate.migrations",
                "has_logs_column": "has_logs",
                "repository": str(self.folder / "release"),
                "log": str(self.log),
            },
            "backups": {
                "location": str(self.backups),
                "restore_test": str(self.restore_test),
                "pg_restore": str(sandbox_postgres.programs() / "pg_restore"),
            },
            **data,
        }
        return a_platform(
            folder,
            {"eu": NOWHERE.format(closed_port())},
            # A busy machine is not a slow database.
            policy=a_policy().model_copy(update={"deadlines": Deadlines(call="20s", run="5m")}),
            run_seconds=120,
            postgres=login,
            data=section,
            state={"url": str(folder / "state")},
        )

    def dump(self, name: str, *arguments: str) -> pathlib.Path:
        """Back the database up."""
        file = self.backups / name
        subprocess.run(
            (
                str(sandbox_postgres.programs() / "pg_dump"),
                *("--format=custom", "--host=localhost", f"--port={self.database.port}"),
                *("--username=postgres", "--dbname=clinic", f"--file={file}", *arguments),
            ),
            check=True,
            env={"PGPASSWORD": PASSWORD, "LC_ALL": "C"},
        )
        return file

    @contextlib.contextmanager
    def changed(self, broken: str, fixed: str) -> Iterator[None]:
        """Run statements past the gate and past all foreign keys, and others when the block ends."""
        self._run(broken)
        try:
            yield
        finally:
            self._run(fixed)

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Hold a table locked until the block ends."""
        with self.superuser() as connection:
            connection.autocommit = False
            statement = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE")
            connection.execute(statement.format(sql.Identifier(table)))
            yield
            connection.rollback()

    def superuser(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect past the gate."""
        return self.database.session()

    def _run(self, statements: str) -> None:
        with self.superuser() as connection:
            connection.execute(b"SET session_replication_role = replica")
            connection.execute(statements.encode())


@contextlib.contextmanager
def records_server(ca_file: str, folder: pathlib.Path) -> Iterator[Records]:
    """Run the database, migrated to the release, with the gate's login as the kit makes it."""
    with real_servers.postgres_server(ca_file) as database:
        records = Records(database, folder)
        with records.superuser() as connection:
            _migrate(connection)
            kit = ROOT / "deploy" / "postgres" / "gate_role.sql"
            connection.execute(kit.read_bytes())
            connection.execute(kit.read_bytes())  # it may be run again
            connection.execute(f"ALTER ROLE release_gate PASSWORD '{PASSWORD}'".encode())
            connection.execute(_ROWS.encode())
        (folder / "password").write_text(PASSWORD)
        repository.make(folder / "release")
        records.log.write_text("All migrations have been successfully applied.\n")
        records.backups.mkdir()
        records.dump("nightly.dump")
        records.dump("pre-migration.dump")
        records.restore_test.write_text(json.dumps(a_restore_test()))
        yield records


def a_restore_test(**changed: Any) -> dict[str, Any]:
    """Return the evidence of a restore test that passed just now."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return {"backup": "nightly.dump", "result": "passed", "finished_at": moment, **changed}


def _migrate(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    connection.execute(_PRISMA.encode())
    for migration in migrations.of_release(RELEASE):
        connection.execute(migration.script)
        connection.execute(
            b"INSERT INTO _prisma_migrations VALUES (gen_random_uuid()::text, %s, now(), %s, NULL, "
            b"NULL, now() - interval '1 s', 1)",
            (migration.checksum, migration.name),
        )

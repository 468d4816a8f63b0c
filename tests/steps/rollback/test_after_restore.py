"""A database that is really dumped and restored: every row of it, by the migrations of before, anew."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from gates.decide.outcome import Outcome
from probes.observation import Deadline, utc_now
from probes.postgres import dumped, sessions
from probes.postgres.rows import TableToCount, keys_found
from sandbox.systems.data import postgres as sandbox_postgres
from settings.delivery import EvidenceStore
from steps.collectors import COLLECTORS, collect
from steps.kit.platform import Platform
from tests.probes.real_servers import PASSWORD
from tests.steps.platforms import described, keep_baseline, write_evidence
from tests.steps.records import Records
from tests.steps.scenarios import bad, outcome
from tests.tables import cases

BACKUP = "pre-migration.dump"
PG_RESTORE = str(sandbox_postgres.programs() / "pg_restore")


@pytest.fixture(scope="module")
def backup(records: Records, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a backup, with a folder of its own."""
    records.dump(BACKUP)
    own = tmp_path_factory.mktemp("backups") / BACKUP
    file = pathlib.Path(shutil.copy(records.backups / BACKUP, own))
    half_an_hour_ago = time.time() - 1800
    os.utime(file, (half_an_hour_ago, half_an_hour_ago))
    return file


@pytest.fixture(scope="module")
def restored(
    records: Records, backup: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Platform:
    """Return the platform after a baseline and a restore of that backup over what is there."""
    folder = tmp_path_factory.mktemp("restored")
    platform = described(records.platform(folder), "data.backups", location=str(backup.parent))
    of_data = [one for one in COLLECTORS if one.section in {"data", "migrations"}]
    an_hour_ago = (utc_now() - dt.timedelta(hours=1)).isoformat()
    keep_baseline(platform, collect(platform, of_data), taken_at=an_hour_ago)
    restore_over(records, backup)
    tell(folder, backup)
    return with_evidence(platform, folder)


def restore_over(records: Records, backup: pathlib.Path) -> None:
    where = ("--host=localhost", f"--port={records.database.port}", "--username=postgres")
    subprocess.run(
        (PG_RESTORE, *where, "--dbname=clinic", "--clean", "--exit-on-error", str(backup)),
        check=True,
        env={"PGPASSWORD": PASSWORD, "LC_ALL": "C"},
    )


def tell(folder: pathlib.Path, backup: pathlib.Path, digest: str = "") -> None:
    ended = utc_now()
    facts = {
        "began_at": (ended - dt.timedelta(minutes=1)).isoformat(),
        "ended_at": ended.isoformat(),
        "before.patients": 23,
    }
    of_file = hashlib.sha256(backup.read_bytes()).hexdigest()
    write_evidence(
        folder, "database-restore", {backup.name: f"sha256:{digest or of_file}"}, facts=facts
    )


def with_evidence(platform: Platform, folder: pathlib.Path) -> Platform:
    store = EvidenceStore(folder=str(folder))
    settings = platform.environment.settings.model_copy(update={"evidence": store})
    environment = dataclasses.replace(platform.environment, settings=settings)
    return dataclasses.replace(platform, environment=environment)


@pytest.mark.parametrize("check", ["RB-DB-2", "RB-DB-3"])
def test_a_restored_database_passes(check: str, restored: Platform) -> None:
    assert outcome(check, restored) is Outcome.PASS


@cases(
    "check broken fixed said",
    {
        "a row short": (
            "RB-DB-2",
            "UPDATE patients SET synthetic_tag = 'x' WHERE id = '20'",
            "UPDATE patients SET synthetic_tag = NULL WHERE id = '20'",
            "patients has 19 rows, the backup 20",
        ),
        "as many rows, and another one": (
            "RB-DB-2",
            "UPDATE appointments SET id = 'other' WHERE id = '7'",
            "UPDATE appointments SET id = '7' WHERE id = 'other'",
            "of 20 keys of the backup 1 are not there",
        ),
        "a migration of the release": (
            "RB-DB-2",
            "INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'c', '2027_new')",
            "DELETE FROM _prisma_migrations WHERE id = 'x'",
            "2027_new is still there",
        ),
        "a column of the release": (
            "RB-DB-3",
            "ALTER TABLE patients ADD COLUMN new text",
            "ALTER TABLE patients DROP COLUMN new",
            "public.patients (altered)",
        ),
    },
)
def test_a_database_that_is_restored_by_half_fails(
    check: str, broken: str, fixed: str, said: str, records: Records, restored: Platform
) -> None:
    with records.changed(broken, fixed):
        found = bad(check, restored)
    assert {one.outcome for one in found} == {Outcome.FAIL}
    assert said in " ".join(one.sentence for one in found)


def test_another_file_under_the_name_of_the_backup_fails(
    restored: Platform, backup: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    tell(tmp_path, backup, "7" * 64)
    (found,) = bad("RB-DB-2", with_evidence(restored, tmp_path))
    assert (found.outcome, found.subject) == (Outcome.FAIL, f"digest of {BACKUP}")


def test_without_the_document_nothing_is_decided(
    restored: Platform, tmp_path: pathlib.Path
) -> None:
    assert outcome("RB-DB-2", with_evidence(restored, tmp_path)) is Outcome.INCONCLUSIVE


def test_whoever_may_write_is_seen_since_when(records: Records, restored: Platform) -> None:
    login, tables = restored.postgres(), ["patients", "no_such_table"]
    assert login is not None
    before = utc_now()
    with records.superuser():
        found = sessions.writers(login, tables, deadline=Deadline.after(20)).value
    assert found is not None
    ((user, since),) = [one for one in found.since if one[0] == "postgres"]
    assert since is not None
    assert user == "postgres"
    assert abs((since - before).total_seconds()) < 60
    seen = sessions.writers(login, ["no_such_table"], deadline=Deadline.after(20)).value
    assert seen is not None
    assert seen.since == ()


def test_a_backup_is_counted_without_its_synthetic_rows(backup: pathlib.Path) -> None:
    wanted = {"public.patients": ("id", "synthetic_tag"), "public.appointments": ("id", None)}
    read = dumped.dumped(str(backup), PG_RESTORE, wanted, deadline=Deadline.after(20))
    assert read.value is not None
    patients = read.value.tables["public.patients"]
    assert (patients.rows, patients.synthetic, len(patients.keys)) == (20, 1, 20)
    assert read.value.tables["public.appointments"].rows == 20
    assert set(read.value.tables) == set(wanted)


def test_a_damaged_backup_is_counted_not_at_all(
    backup: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    half = tmp_path / "half.dump"
    half.write_bytes(backup.read_bytes()[:-3000])
    wanted = {"public.patients": ("id", None)}
    read = dumped.dumped(str(half), PG_RESTORE, wanted, deadline=Deadline.after(20))
    assert read.value is None


TRICKY = [
    b'COPY public."Visit" (id, "note, long", tag) FROM stdin;\n',
    b"1\tCOPY public.x (id) FROM stdin;\t\\N\n",
    b"2\\t\t\\\\.\t\\N\n",
    b"3\tx\trun\n",
    b"\\.\n",
    b"\\.\n",
    b"COPY public.other (id) FROM stdin;\n",
    b'COPY public."Visit" (id, tag) FROM stdin;\n',
    b"\\.\n",
]


def test_what_a_row_says_is_taken_for_no_table() -> None:
    found: dict[str, dumped.DumpedTable] = {}
    dumped.take(iter(TRICKY), {"public.Visit": ("id", "tag")}, found)
    visits = found["public.Visit"]
    assert (visits.rows, visits.synthetic, visits.keys) == (2, 1, ["1"])
    assert list(found) == ["public.Visit"]


def test_the_sample_is_the_same_whatever_the_order() -> None:
    tables = dumped.DumpedTable(), dumped.DumpedTable()
    for table, step in zip(tables, (1, -1), strict=True):
        for number in range(5000)[::step]:
            table.add(str(number).encode())
    assert len(tables[0].keys) == dumped.SAMPLED_KEYS
    assert sorted(tables[0].keys) == sorted(tables[1].keys)


def test_keys_are_found_in_a_table(restored: Platform) -> None:
    login = restored.postgres()
    assert login is not None
    for name, there, found in (("patients", True, 2), ("no_such_table", False, 0)):
        read = keys_found(
            login, TableToCount(name, "id"), ["1", "2", "nobody"], deadline=Deadline.after(20)
        )
        assert read.value is not None
        assert (read.value.there, read.value.found) == (there, found)

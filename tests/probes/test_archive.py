"""The table of contents of real archives of pg_dump, with names that its print can't tell apart."""

from __future__ import annotations

import datetime as dt
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from probes.observation import Deadline, utc_now
from probes.postgres import backup
from sandbox.systems.data import postgres as sandbox_postgres
from tests.probes.real_servers import PASSWORD, Database
from tests.probes.servers import brought
from tests.tables import cases

OF_15 = pathlib.Path(__file__).parent / "archives" / "postgresql-15.dump"
ODD = (
    "my schema.x y",
    "public.Lab Results",
    'public.a "quoted" one',
    "public.new\nline",
    "public.t",
)


@pytest.fixture(scope="module")
def odd(database: Database) -> Iterator[Database]:
    """Return the server with a database of odd names, some owned by a role with a blank in its own."""
    database.as_superuser(
        'CREATE ROLE "svc deploy"', 'CREATE DATABASE "clinic prod"', database="postgres"
    )
    database.as_superuser(
        "CREATE TABLE t (id int)",
        'CREATE TABLE "Lab Results" (id int)',
        'CREATE TABLE "new\nline" (id int)',
        'CREATE TABLE "a ""quoted"" one" (id int)',
        'CREATE SCHEMA "my schema"',
        'CREATE TABLE "my schema"."x y" (id int)',
        'ALTER TABLE "Lab Results" OWNER TO "svc deploy"',
        'ALTER TABLE t OWNER TO "svc deploy"',
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        database="clinic prod",
    )
    yield database
    database.as_superuser(
        'DROP DATABASE "clinic prod"', 'DROP ROLE "svc deploy"', database="postgres"
    )


def dumped(database: Database, file: pathlib.Path, form: str) -> pathlib.Path:
    argv = [
        *(str(sandbox_postgres.programs() / "pg_dump"), f"--format={form}", f"--file={file}"),
        *("--host=localhost", f"--port={database.port}", "--username=postgres", "clinic prod"),
    ]
    subprocess.run(argv, check=True, env={"PGPASSWORD": PASSWORD, "LC_ALL": "C", "TZ": "UTC"})
    return file


@pytest.mark.parametrize("form", ["custom", "tar"])
def test_every_name_is_read_as_it_is(form: str, odd: Database, tmp_path: pathlib.Path) -> None:
    file = dumped(odd, tmp_path / "a.dump", form)
    program = str(sandbox_postgres.programs() / "pg_restore")
    found = brought(backup.contents(str(file), program, whole=True, deadline=Deadline.after(20)))
    assert sorted(found.tables) == sorted(ODD)
    assert (found.database, found.whole) == ("clinic prod", True)
    assert found.created_at is not None
    assert abs(utc_now() - found.created_at) < dt.timedelta(minutes=5)


def test_the_table_of_contents_of_a_directory_is_read(
    odd: Database, tmp_path: pathlib.Path
) -> None:
    folder = dumped(odd, tmp_path / "folder", "directory")
    assert sorted(backup.table_of_contents((folder / "toc.dat").read_bytes()).tables) == sorted(ODD)


def test_an_archive_of_postgresql_15_is_read() -> None:
    found = backup.table_of_contents(OF_15.read_bytes())
    assert sorted(found.tables) == sorted([*ODD[:4], "public.patients"])
    assert found.database == "clinic prod"


def test_what_breaks_off_anywhere_is_no_archive() -> None:
    data = OF_15.read_bytes()
    with_all = backup.table_of_contents(data).tables
    for length in range(0, len(data), 7):
        try:
            assert backup.table_of_contents(data[:length]).tables == with_all
        except backup.NotAnArchiveError:
            continue


OTHERS = {
    "nothing": b"",
    "a plain script": b"-- PostgreSQL database dump\n",
    "an old format": b"PGDMP\x01\x0a\x00\x04\x08\x01" + bytes(500),
    "a tar of something else": b"toc.dat\0" + b"x" * 600,
    "impossible numbers": b"PGDMP\x01\x10\x00\x04\x08\x01" + b"\xff" * 500,
}


@cases("data", OTHERS)
def test_anything_else_is_no_archive(data: bytes) -> None:
    with pytest.raises(backup.NotAnArchiveError):
        backup.table_of_contents(data)

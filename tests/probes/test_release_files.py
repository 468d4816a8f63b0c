"""The release repository, files of other tools and backups, each read by its own program or library."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from probes import files
from probes.files import EvidenceStore
from probes.git import RepositoryTarget, TaggedFiles, tagged_files
from probes.observation import Deadline, Document, FailureKind, Observation, utc_now
from probes.postgres import backup
from probes.postgres.backup import Contents
from sandbox.systems.data import postgres as sandbox_postgres
from sandbox.systems.data.migrations import of_release
from sandbox.systems.source.repository import make as make_repository
from tests.probes.real_servers import PASSWORD, Database
from tests.probes.servers import answer, brought, failed, reading, serving
from tests.tables import cases

SOON = 10.0
Said = Callable[..., None]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("repository") / "release"
    make_repository(folder)
    return folder


def tagged(
    where: str, tag: str = "v1.2.0", folder: str = "prisma/migrations", seconds: float = SOON
) -> Observation[TaggedFiles]:
    target = RepositoryTarget(where, tag, folder)
    return tagged_files(target, deadline=Deadline.after(seconds))


def test_the_sandboxs_repository_has_both_releases_wherever_it_is_made(
    release: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    old, new = brought(tagged(str(release), "v1.1.0")), brought(tagged(str(release)))
    assert set(old.files) < set(new.files)
    for migration in of_release("1.2.0"):
        assert new.files[f"prisma/migrations/{migration.name}/migration.sql"] == migration.script
    assert brought(tagged(str(release), folder="elsewhere")).files == {}
    make_repository(tmp_path / "again")
    heads = [git("-C", str(one), "rev-parse", "v1.2.0") for one in (release, tmp_path / "again")]
    assert heads[0] == heads[1]


def git(*words: str) -> bytes:
    return subprocess.run(("git", *words), check=True, capture_output=True).stdout  # noqa: S607 - the PATH's own git


@pytest.mark.parametrize("how", ["{}", "file://{}"], ids=["in place", "cloned"])
def test_files_are_those_of_the_tag_whatever_lies_in_the_working_tree(
    how: str, release: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of this repository: git tells its hooks by GIT_DIR where they run, and one may call the gate."""
    git("init", "--quiet", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    (release / "prisma" / "migrations" / "migration_lock.toml").write_text("edited by hand")
    found = brought(tagged(how.format(release)))
    assert b"postgresql" in found.files["prisma/migrations/migration_lock.toml"]


def test_what_git_does_not_find_or_find_in_time_is_a_failure(
    release: pathlib.Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    found = {
        "no tag": reading(tagged(str(release), "v9")),
        "no folder": reading(tagged(f"{release}/nowhere")),
        "no repository": reading(tagged(f"file://{release}/nowhere")),
        "no time": reading(tagged(str(release), seconds=-1)),
    }
    monkeypatch.setenv("PATH", "/nowhere")
    said({**found, "no git": reading(tagged(str(release)))}, {str(release): "FOLDER"})


def listed(folder: pathlib.Path) -> Observation[files.Listing]:
    return files.listing(str(folder), "*.dump", deadline=Deadline.after(SOON))


def test_a_listing_has_the_newest_first_and_only_what_matches(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, name in enumerate(("new.dump", "old.dump", "new.part")):
        (tmp_path / name).write_bytes(b"x" * (age + 1))
        os.utime(tmp_path / name, (time.time() - age * 60,) * 2)
    (tmp_path / "folder.dump").mkdir()
    found = brought(listed(tmp_path))
    assert [(one.name, one.size) for one in found.entries] == [("new.dump", 1), ("old.dump", 2)]
    monkeypatch.setattr(files, "MAX_ENTRIES", 1)
    assert "holds more than 1 files" in str(reading(listed(tmp_path)))


def test_contents_are_read_whole_and_shown_to_nobody(tmp_path: pathlib.Path) -> None:
    (tmp_path / "log").write_text("sentinel-9f2")
    observed = files.content(str(tmp_path / "log"), deadline=Deadline.after(SOON))
    assert brought(observed).data == b"sentinel-9f2"
    assert "sentinel" not in f"{observed!r} {observed.record()}"


UNREADABLE = ("{}/none", "{}/loop/file", "unknown://{}", "{}/huge")


def test_what_can_not_be_read_is_a_failure_of_its_kind(tmp_path: pathlib.Path, said: Said) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(files.MAX_BYTES + 1)
    places = [one.format(tmp_path) for one in UNREADABLE]
    found = [reading(files.content(one, deadline=Deadline.after(SOON))) for one in places]
    said(found, {str(tmp_path): "FOLDER"})


ARCHIVE = (pathlib.Path(__file__).parent / "archives" / "postgresql-15.dump").read_bytes()
DRAIN = "sys.stdin.buffer.read()"


def read_by(
    folder: pathlib.Path,
    body: str,
    dump: bytes = b"x",
    *,
    whole: bool = True,
    seconds: float = SOON,
) -> Observation[Contents]:
    """Read a dump by a program in the place of pg_restore."""
    (folder / "a.dump").write_bytes(dump)
    program = folder / "program"
    program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    program.chmod(0o755)
    deadline = Deadline.after(seconds)
    return backup.contents(str(folder / "a.dump"), str(program), whole=whole, deadline=deadline)


def test_a_backup_is_fed_to_its_end_and_its_tables_are_named(tmp_path: pathlib.Path) -> None:
    dump = ARCHIVE + os.urandom(600_000)
    found = brought(read_by(tmp_path, DRAIN, dump))
    assert "public.patients" in found.tables
    assert (found.listed, found.whole) == (True, True)
    assert found.sha256 == hashlib.sha256(dump).hexdigest()


def test_a_program_that_stops_reading_early_is_no_trouble(tmp_path: pathlib.Path) -> None:
    says = "sys.stderr.write('pg_restore: error: unexpected end of file')"
    body = f"'--list' in sys.argv or ({says}, sys.exit(1))"
    found = brought(read_by(tmp_path, body, ARCHIVE + b"x" * 600_000))
    assert (found.listed, found.whole) == (True, False)


def saying(words: str, code: int = 1) -> str:
    return f"{DRAIN}\nprint({words!r}, file=sys.stderr)\nsys.exit({code})"


_ZSTD = "could not read: this build does not support compression with zstd"
OUR_FAULTS = {
    "reads what the gate does not": DRAIN,
    "is older than the format": saying("pg_restore: error: unsupported version (1.16) in file"),
    "lacks a compression": saying(f"pg_restore: error: {_ZSTD}"),
    "lacks all compression": saying("cannot restore (compression not supported in this …)"),
    "lacks its libraries": saying("pg_restore: error while loading shared libraries", 127),
    "wraps nothing": saying("Error: You must install a postgresql-client package"),
    "is killed for want of memory": "os.kill(os.getpid(), 9)",
}


@cases("body", OUR_FAULTS)
def test_a_program_that_can_not_work_here_says_nothing_of_the_backup(
    body: str, tmp_path: pathlib.Path, said: Said
) -> None:
    said(reading(read_by(tmp_path, body)), {str(tmp_path): "FOLDER"})


def test_a_program_that_hangs_is_ended_at_the_deadline(tmp_path: pathlib.Path) -> None:
    begun = time.monotonic()
    observed = read_by(tmp_path, "time.sleep(60)", whole=False, seconds=0.3)
    assert time.monotonic() - begun < 30
    failed(observed, FailureKind.TIMEOUT)


def kept(store: EvidenceStore) -> Observation[Document]:
    return files.evidence(store, "v1.2.0", "image-build.json", deadline=Deadline.after(5))


@cases(
    "size", {"a document": 2, "none": None, "one beyond all bounds": files.MAX_EVIDENCE_BYTES + 1}
)
def test_a_document_of_a_folder_is_read_with_its_digest(
    size: int | None, tmp_path: pathlib.Path, said: Said
) -> None:
    (tmp_path / "v1.2.0").mkdir()
    if size is not None:
        (tmp_path / "v1.2.0" / "image-build.json").write_bytes(b" " * size)
    seen = kept(EvidenceStore(folder=tmp_path))
    said(reading(seen))
    assert seen.value is None or seen.value.content == (b"  " if size else None)


def test_a_folder_that_is_not_there_is_our_fault(tmp_path: pathlib.Path) -> None:
    failed(kept(EvidenceStore(folder=tmp_path / "unmounted")), FailureKind.OUR_FAULT)


def test_a_document_is_read_below_an_address_with_the_token() -> None:
    with serving(answer(b"{}")) as server:
        seen = kept(EvidenceStore(url=server.url, token=SecretStr("sentinel")))
    assert brought(seen).content == b"{}"
    assert server.requests[0].startswith(b"GET /v1.2.0/image-build.json ")
    assert b"Bearer sentinel" in server.requests[0]
    assert "sentinel" not in str(seen.record())


ODD = [
    "my schema.x y",
    "public.Lab Results",
    'public.a "quoted" one',
    "public.new\nline",
    "public.t",
]


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
    folder = dumped(odd, tmp_path / "folder", "directory")
    assert sorted(backup.table_of_contents((folder / "toc.dat").read_bytes()).tables) == sorted(ODD)
    file = dumped(odd, tmp_path / "a.dump", form)
    program = str(sandbox_postgres.programs() / "pg_restore")
    found = brought(backup.contents(str(file), program, whole=True, deadline=Deadline.after(20)))
    assert sorted(found.tables) == sorted(ODD)
    assert (found.database, found.whole) == ("clinic prod", True)
    assert found.created_at is not None
    assert abs(utc_now() - found.created_at) < dt.timedelta(minutes=5)


def test_an_archive_of_postgresql_15_is_read() -> None:
    found = backup.table_of_contents(ARCHIVE)
    assert sorted(found.tables) == sorted([*ODD[:4], "public.patients"])
    assert found.database == "clinic prod"


def test_what_breaks_off_anywhere_is_no_archive() -> None:
    with_all = backup.table_of_contents(ARCHIVE).tables
    for length in range(0, len(ARCHIVE), 7):
        with contextlib.suppress(backup.NotAnArchiveError):
            assert backup.table_of_contents(ARCHIVE[:length]).tables == with_all


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

"""The release repository, files of other tools and backups, each read by its own program or library."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from probes import files, repository
from probes.files import EvidenceStore
from probes.observation import Deadline, Document, FailureKind, Observation, utc_now
from probes.postgres import backup
from probes.postgres.backup import Contents
from probes.repository import RepositoryTarget, TaggedFiles
from sandbox.systems.data import migrations
from sandbox.systems.data import postgres as sandbox_postgres
from sandbox.systems.data.migrations import of_release
from tests.probes.real_servers import PASSWORD, Database
from tests.probes.servers import answer, brought, closed_port, failed, read_request, serving
from tests.tables import cases

SOON = 10.0


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("repository") / "release"
    migrations.make(folder)
    return folder


def tagged(
    where: str, tag: str = "v1.2.0", folder: str = "prisma/migrations", seconds: float = SOON
) -> Observation[TaggedFiles]:
    target = RepositoryTarget(where, tag, folder)
    return repository.tagged_files(target, deadline=Deadline.after(seconds))


def test_the_sandboxs_repository_has_both_releases(release: pathlib.Path) -> None:
    old, new = brought(tagged(str(release), "v1.1.0")), brought(tagged(str(release)))
    assert set(old.files) < set(new.files)
    for migration in of_release("1.2.0"):
        assert new.files[f"prisma/migrations/{migration.name}/migration.sql"] == migration.script
    assert brought(tagged(str(release), folder="elsewhere")).files == {}


@pytest.mark.parametrize("how", ["{}", "file://{}"], ids=["in place", "cloned"])
def test_files_are_those_of_the_tag_whatever_lies_in_the_working_tree(
    how: str, release: pathlib.Path
) -> None:
    file = release / "prisma" / "migrations" / "migration_lock.toml"
    file.write_text("edited by hand")
    found = brought(tagged(how.format(release)))
    assert b"postgresql" in found.files["prisma/migrations/migration_lock.toml"]


ABSENT = {
    "no tag": ("{}", "v9"),
    "no folder": ("{}/nowhere", "v1.2.0"),
    "no repository": ("file://{}/nowhere", "v1.2.0"),
}


@cases("where tag", ABSENT)
def test_no_tag_or_no_repository_is_a_failure(where: str, tag: str, release: pathlib.Path) -> None:
    failed(tagged(where.format(release), tag), FailureKind.QUERY_REJECTED)


def test_a_repository_that_the_caller_works_in_is_not_read_instead(
    release: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git tells its hooks by GIT_DIR where they run; the gate may be called by one."""
    git = ("git", "init", "--quiet", str(tmp_path))
    subprocess.run(git, check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert tagged(str(release)).value is not None


def test_git_that_is_missing_or_slow_is_told(
    release: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(tagged(str(release), seconds=-1), FailureKind.TIMEOUT)
    monkeypatch.setenv("PATH", "/nowhere")
    failed(tagged(str(release)), FailureKind.OUR_FAULT)


def test_a_listing_has_the_newest_first_and_only_what_matches(tmp_path: pathlib.Path) -> None:
    for age, name in enumerate(("new.dump", "old.dump", "new.part")):
        (tmp_path / name).write_bytes(b"x" * (age + 1))
        os.utime(tmp_path / name, (time.time() - age * 60,) * 2)
    (tmp_path / "folder.dump").mkdir()
    found = brought(files.listing(str(tmp_path), "*.dump", deadline=Deadline.after(SOON)))
    assert [(one.name, one.size) for one in found.entries] == [("new.dump", 1), ("old.dump", 2)]


def test_contents_are_read_whole_and_shown_to_nobody(tmp_path: pathlib.Path) -> None:
    (tmp_path / "log").write_text("sentinel-9f2")
    observed = files.content(str(tmp_path / "log"), deadline=Deadline.after(SOON))
    assert brought(observed).data == b"sentinel-9f2"
    assert "sentinel" not in repr(observed)
    assert "sentinel" not in str(observed.record())


def test_a_folder_with_too_many_files_says_so(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.dump", "b.dump"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(files, "MAX_ENTRIES", 1)
    failure = files.listing(str(tmp_path), "*.dump", deadline=Deadline.after(SOON)).failure
    assert failure is not None
    assert "holds more than 1 files" in failure.detail


UNREADABLE = {
    "nothing of that name": ("{}/none", FailureKind.UNUSABLE_ANSWER),
    "a loop": ("{}/loop/file", FailureKind.SERVER_ERROR),
    "an unknown store": ("unknown://{}", FailureKind.OUR_FAULT),
    "too large": ("{}/huge", FailureKind.SERVER_ERROR),
}


@cases("location kind", UNREADABLE)
def test_what_can_not_be_read_is_a_failure_of_its_kind(
    location: str, kind: FailureKind, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(files.MAX_BYTES + 1)
    failed(files.content(location.format(tmp_path), deadline=Deadline.after(SOON)), kind)


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


_OLDER, _BROKEN = "is older than the pg_dump that wrote it", "does not work here"
OUR_FAULTS = {
    "reads what the gate does not": (DRAIN, "the gate does not"),
    "is older than the format": (
        saying("pg_restore: error: unsupported version (1.16) in file header"),
        _OLDER,
    ),
    "lacks a compression": (
        saying(
            "pg_restore: error: could not read: this build does not support compression with zstd"
        ),
        _OLDER,
    ),
    "lacks all compression": (
        saying("cannot restore (compression not supported in this installation)"),
        _OLDER,
    ),
    "lacks its libraries": (
        saying("pg_restore: error while loading shared libraries", 127),
        _BROKEN,
    ),
    "wraps nothing": (saying("Error: You must install a postgresql-client package"), _BROKEN),
    "is killed for want of memory": ("os.kill(os.getpid(), 9)", _BROKEN),
}


@cases("body said", OUR_FAULTS)
def test_a_program_that_can_not_work_here_says_nothing_of_the_backup(
    body: str, said: str, tmp_path: pathlib.Path
) -> None:
    assert said in failed(read_by(tmp_path, body), FailureKind.OUR_FAULT).detail


def test_a_program_that_hangs_is_ended_at_the_deadline(tmp_path: pathlib.Path) -> None:
    begun = time.monotonic()
    observed = read_by(tmp_path, "time.sleep(60)", whole=False, seconds=0.3)
    assert time.monotonic() - begun < 3
    failed(observed, FailureKind.TIMEOUT)


def test_the_repository_is_the_same_wherever_it_is_made(
    release: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    migrations.make(tmp_path / "again")
    heads = [
        subprocess.run(
            ("git", "-C", str(folder), "rev-parse", "v1.2.0"),  # noqa: S607 - the PATH's own git
            check=True,
            capture_output=True,
        ).stdout
        for folder in (release, tmp_path / "again")
    ]
    assert heads[0] == heads[1]


def kept(store: EvidenceStore) -> Observation[Document]:
    return files.evidence(store, "v1.2.0", "image-build", deadline=Deadline.after(5))


def document(folder: pathlib.Path, content: bytes) -> None:
    (folder / "v1.2.0").mkdir()
    (folder / "v1.2.0" / "image-build.json").write_bytes(content)


class TestFolder:
    def test_a_document_is_read_with_its_digest(self, tmp_path: pathlib.Path) -> None:
        document(tmp_path, b"{}")
        seen = kept(EvidenceStore(folder=tmp_path))
        assert brought(seen).content == b"{}"
        assert seen.record()["facts"] == {
            "present": True,
            "size_bytes": 2,
            "sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        }

    def test_a_document_that_is_not_there_is_no_failure(self, tmp_path: pathlib.Path) -> None:
        seen = kept(EvidenceStore(folder=tmp_path))
        assert brought(seen).content is None

    def test_a_folder_that_is_not_there_is_our_fault(self, tmp_path: pathlib.Path) -> None:
        seen = kept(EvidenceStore(folder=tmp_path / "unmounted"))
        failed(seen, FailureKind.OUR_FAULT)

    def test_a_document_beyond_all_bounds_is_too_large(self, tmp_path: pathlib.Path) -> None:
        document(tmp_path, b" " * (files.MAX_EVIDENCE_BYTES + 1))
        seen = kept(EvidenceStore(folder=tmp_path))
        failed(seen, FailureKind.TOO_LARGE)


class TestAddress:
    def test_a_document_is_read_below_it_with_the_token(self) -> None:
        asked: list[bytes] = []

        def behave(connection: socket.socket, _over: threading.Event) -> None:
            asked.append(read_request(connection))
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
            )

        with serving(behave) as server:
            seen = kept(EvidenceStore(url=server.url, token=SecretStr("sentinel")))
        assert brought(seen).content == b"{}"
        assert asked[0].startswith(b"GET /v1.2.0/image-build.json ")
        assert b"Bearer sentinel" in asked[0]
        assert "sentinel" not in str(seen.record())

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            ("401 Unauthorized", FailureKind.CREDENTIAL_REFUSED),
            ("403 Forbidden", FailureKind.FORBIDDEN),
            ("503 Service Unavailable", FailureKind.SERVER_ERROR),
            ("302 Found", FailureKind.UNUSABLE_ANSWER),
        ],
    )
    def test_every_other_answer_is_a_failure(self, status: str, kind: FailureKind) -> None:
        with serving(answer(b"{}", status=status)) as server:
            seen = kept(EvidenceStore(url=server.url))
        failed(seen, kind)

    def test_not_found_is_a_document_that_is_not_there(self) -> None:
        with serving(answer(b"{}", status="404 Not Found")) as server:
            seen = kept(EvidenceStore(url=server.url))
        assert brought(seen).content is None

    def test_nothing_that_listens_is_refused(self) -> None:
        seen = kept(EvidenceStore(url=f"http://127.0.0.1:{closed_port()}"))
        failed(seen, FailureKind.REFUSED)


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

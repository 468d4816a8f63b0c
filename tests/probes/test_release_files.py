"""The release repository, files of other tools and backups, each read by its own program or library."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys
import time

import pytest

from probes import files, repository
from probes.observation import Deadline, FailureKind, Observation
from probes.postgres import backup
from probes.repository import RepositoryTarget, TaggedFiles
from sandbox.systems.data import release_repository
from sandbox.systems.data.migrations import of_release
from tests.probes.servers import brought, failed
from tests.tables import cases

SOON = 10.0


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("repository") / "release"
    release_repository.make(folder)
    return folder


def tagged(
    where: str, tag: str = "v1.2.0", folder: str = "prisma/migrations"
) -> Observation[TaggedFiles]:
    target = RepositoryTarget(where, tag, folder)
    return repository.tagged_files(target, deadline=Deadline.after(SOON))


def test_the_sandboxs_repository_has_both_releases(release: pathlib.Path) -> None:
    old, new = tagged(str(release), "v1.1.0").value, tagged(str(release)).value
    assert old is not None
    assert new is not None
    assert set(old.files) < set(new.files)
    for migration in of_release("1.2.0"):
        assert new.files[f"prisma/migrations/{migration.name}/migration.sql"] == migration.script


@cases("how", {"in place": "{}", "cloned": "file://{}"})
def test_files_are_those_of_the_tag_whatever_lies_in_the_working_tree(
    how: str, release: pathlib.Path
) -> None:
    file = release / "prisma" / "migrations" / "migration_lock.toml"
    file.write_text("edited by hand")
    found = brought(tagged(how.format(release)))
    assert b"postgresql" in found.files["prisma/migrations/migration_lock.toml"]


@pytest.mark.parametrize(
    ("where", "tag", "kind"),
    [
        ("{}", "v9", FailureKind.QUERY_REJECTED),
        ("{}/nowhere", "v1.2.0", FailureKind.QUERY_REJECTED),
        ("file://{}/nowhere", "v1.2.0", FailureKind.QUERY_REJECTED),
    ],
)
def test_no_tag_or_no_repository_is_a_failure(
    where: str, tag: str, kind: FailureKind, release: pathlib.Path
) -> None:
    failed(tagged(where.format(release), tag), kind)


def test_a_repository_that_the_caller_works_in_is_not_read_instead(
    release: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git tells its hooks by GIT_DIR where they run; the gate may be called by one."""
    git = ("git", "init", "--quiet", str(tmp_path))
    subprocess.run(git, check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert tagged(str(release)).value is not None


def test_a_folder_that_the_release_lacks_is_empty(release: pathlib.Path) -> None:
    found = brought(tagged(str(release), folder="elsewhere"))
    assert found.files == {}


def test_git_that_is_missing_or_slow_is_told(
    release: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = RepositoryTarget(str(release), "v1.2.0", "prisma")
    slow = repository.tagged_files(target, deadline=Deadline.after(-1)).failure
    monkeypatch.setenv("PATH", "/nowhere")
    missing = repository.tagged_files(target, deadline=Deadline.after(SOON)).failure
    assert slow is not None
    assert slow.kind is FailureKind.TIMEOUT
    assert missing is not None
    assert missing.kind is FailureKind.OUR_FAULT


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


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("{}/none", FailureKind.UNUSABLE_ANSWER),
        ("{}/loop/file", FailureKind.SERVER_ERROR),
        ("unknown://{}", FailureKind.OUR_FAULT),
        ("{}/huge", FailureKind.SERVER_ERROR),
    ],
)
def test_what_can_not_be_read_is_a_failure_of_its_kind(
    location: str, kind: FailureKind, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(files.MAX_BYTES + 1)
    failed(files.content(location.format(tmp_path), deadline=Deadline.after(SOON)), kind)


ARCHIVE = (pathlib.Path(__file__).parent / "archives" / "postgresql-15.dump").read_bytes()


def program(folder: pathlib.Path, body: str) -> str:
    """Return a program in the place of pg_restore."""
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_backup_is_fed_to_its_end_and_its_tables_are_named(tmp_path: pathlib.Path) -> None:
    dump = tmp_path / "a.dump"
    dump.write_bytes(ARCHIVE + os.urandom(600_000))
    reader = program(tmp_path, "sys.stdin.buffer.read()")
    found = brought(backup.contents(str(dump), reader, whole=True, deadline=Deadline.after(SOON)))
    assert "public.patients" in found.tables
    assert (found.listed, found.whole) == (True, True)
    assert found.sha256 == hashlib.sha256(dump.read_bytes()).hexdigest()


def test_a_table_of_contents_that_only_pg_restore_reads_is_our_own_fault(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "a.dump").write_bytes(b"x")
    reader = program(tmp_path, "sys.stdin.buffer.read()")
    observed = backup.contents(
        str(tmp_path / "a.dump"), reader, whole=False, deadline=Deadline.after(SOON)
    )
    assert "the gate does not" in failed(observed, FailureKind.OUR_FAULT).detail


@pytest.mark.parametrize(
    "said",
    [
        "pg_restore: error: unsupported version (1.16) in file header",
        "pg_restore: error: could not read: this build does not support compression with zstd",
        "cannot restore from compressed archive (compression not supported in this installation)",
    ],
)
def test_a_program_that_is_too_old_for_the_backup_is_our_own_fault(
    said: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "a.dump").write_bytes(b"x")
    reader = program(
        tmp_path, f"sys.stdin.buffer.read()\nprint({said!r}, file=sys.stderr)\nsys.exit(1)"
    )
    observed = backup.contents(
        str(tmp_path / "a.dump"), reader, whole=True, deadline=Deadline.after(SOON)
    )
    assert (
        "is older than the pg_dump that wrote it" in failed(observed, FailureKind.OUR_FAULT).detail
    )


@cases(
    "body",
    {
        "without its libraries": "print('pg_restore: shared libraries', file=sys.stderr); sys.exit(127)",
        "a wrapper around nothing": "sys.exit('Error: You must install a postgresql-client package')",
        "killed for want of memory": "import os; os.kill(os.getpid(), 9)",
    },
)
def test_a_program_that_can_not_work_here_says_nothing_of_the_backup(
    body: str, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "a.dump").write_bytes(b"x")
    observed = backup.contents(
        str(tmp_path / "a.dump"), program(tmp_path, body), whole=True, deadline=Deadline.after(SOON)
    )
    assert "does not work here" in failed(observed, FailureKind.OUR_FAULT).detail


def test_a_program_that_stops_reading_early_is_no_trouble(tmp_path: pathlib.Path) -> None:
    dump = tmp_path / "a.dump"
    dump.write_bytes(ARCHIVE + b"x" * 600_000)
    says = "sys.stderr.write('pg_restore: error: unexpected end of file')"
    reader = program(tmp_path, f"'--list' in sys.argv or ({says}, sys.exit(1))")
    found = brought(backup.contents(str(dump), reader, whole=True, deadline=Deadline.after(SOON)))
    assert (found.listed, found.whole) == (True, False)


def test_a_program_that_hangs_is_ended_at_the_deadline(tmp_path: pathlib.Path) -> None:
    dump = tmp_path / "a.dump"
    dump.write_bytes(b"x")
    begun = time.monotonic()
    observed = backup.contents(
        str(dump), program(tmp_path, "time.sleep(60)"), whole=False, deadline=Deadline.after(0.3)
    )
    assert time.monotonic() - begun < 3
    failed(observed, FailureKind.TIMEOUT)


def test_the_repository_is_the_same_wherever_it_is_made(
    release: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    release_repository.make(tmp_path / "again")
    heads = [
        subprocess.run(
            ("git", "-C", str(folder), "rev-parse", "v1.2.0"),  # noqa: S607 - the PATH's own git
            check=True,
            capture_output=True,
        ).stdout
        for folder in (release, tmp_path / "again")
    ]
    assert heads[0] == heads[1]

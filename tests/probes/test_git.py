"""A repository is read as its commits are, and nothing that it brings along is run."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from probes import git
from probes.git import Place
from probes.observation import Deadline, FailureKind
from sandbox.systems.source import repository
from tests.probes.servers import brought, failed

CHANGELOG = "CHANGELOG.md"


def soon() -> Deadline:
    return Deadline.after(20)


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    repository.make(tmp_path / "release")
    return Place(tmp_path / "release", "release")


def config(place: Place, **values: str) -> None:
    for name, value in values.items():
        repository.git(place.folder, "config", name.replace("__", "."), value)


def read_everything(place: Place) -> None:
    commit = brought(git.tag(place, "v1.2.0", deadline=soon())).commit
    brought(git.refs(place, deadline=soon()))
    brought(git.lacking(place, commit, ["1" * 40], deadline=soon()))
    brought(git.files(place, commit, lambda path: path == CHANGELOG, deadline=soon()))
    brought(git.changed(place, f"{commit}~2", commit, deadline=soon()))


def test_nothing_that_a_repository_brings_along_is_run(place: Place) -> None:
    ran = place.folder.parent / "ran"
    program = place.folder.parent / "program"
    program.write_text(f"#!/bin/sh\necho $0 $@ >> {ran}\n")
    program.chmod(0o755)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (place.folder / ".git" / "hooks" / hook).symlink_to(program)
    config(
        place,
        core__fsmonitor=str(program),
        core__pager=str(program),
        core__sshCommand=str(program),
        core__alternateRefsCommand=str(program),
        diff__external=str(program),
        diff__x__textconv=str(program),
        gpg__program=str(program),
        log__showSignature="true",
    )
    attributes = place.folder / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("* diff=x\n")
    read_everything(place)
    assert not ran.exists(), ran.read_text()


def test_a_file_that_is_missing_is_fetched_from_nowhere_that_the_repository_names(
    place: Place,
) -> None:
    ran = place.folder.parent / "ran"
    config(
        place,
        core__repositoryFormatVersion="1",
        extensions__partialClone="origin",
        remote__origin__promisor="true",
        remote__origin__url="ssh://nobody.example/release",
        core__sshCommand=f"touch {ran}; false",
    )
    blob = repository.git(place.folder, "rev-parse", f"v1.2.0:{CHANGELOG}").decode().strip()
    (place.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    commit = repository.commit(place.folder, "1.2.0")
    observed = git.files(place, commit, lambda path: path == CHANGELOG, deadline=soon())
    failed(observed, FailureKind.QUERY_REJECTED)
    assert not ran.exists()


def test_a_commit_is_what_its_id_says_whatever_replaces_it(place: Place) -> None:
    new, old = (repository.commit(place.folder, version) for version in ("1.2.0", "1.1.0"))
    repository.git(place.folder, "replace", new, old)
    (place.folder / ".git" / "info").mkdir(exist_ok=True)
    (place.folder / ".git" / "info" / "grafts").write_text(f"{new}\n")
    found = brought(git.files(place, new, lambda path: path == CHANGELOG, deadline=soon()))
    assert b"[1.2.0]" in found.files[CHANGELOG]
    assert not brought(git.lacking(place, new, [old], deadline=soon())).commits


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_repository_of_somebody_else_is_read(place: Place) -> None:
    for path in (place.folder, *place.folder.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    read_everything(place)


def test_a_commit_that_was_picked_is_contained(place: Place) -> None:
    folder = place.folder
    (folder / "late.ts").write_text("export const late = 1;\n")
    repository.git(folder, "switch", "--quiet", "-c", "feature/late", "v1.1.0")
    repository.git(folder, "add", "late.ts")
    repository.git(folder, "commit", "--quiet", "-m", "Late")
    late = repository.git(folder, "rev-parse", "HEAD").decode().strip()
    repository.git(folder, "switch", "--quiet", "main")
    repository.git(folder, "cherry-pick", "-x", late)
    head = repository.git(folder, "rev-parse", "HEAD").decode().strip()
    before = repository.commit(folder, "1.2.0")
    assert not brought(git.lacking(place, head, [late], deadline=soon())).commits
    unknown = "9" * 40
    found = brought(git.lacking(place, before, [late, unknown], deadline=soon())).commits
    assert found == {late: 1, unknown: None}


def picked(place: Place, *commits: str) -> str:
    """Pick commits to main, and return where it ends."""
    for one in commits:
        repository.git(place.folder, "cherry-pick", one)
    return repository.git(place.folder, "rev-parse", "HEAD").decode().strip()


@pytest.fixture
def two(place: Place) -> tuple[str, str]:
    """Return two commits of a branch that is not merged; main is checked out."""
    repository.git(place.folder, "switch", "--quiet", "-c", "feature/two", "v1.1.0")
    made = []
    for name in ("one.ts", "two.bin"):
        (place.folder / name).write_bytes(b"\0" + name.encode())
        repository.git(place.folder, "add", name)
        repository.git(place.folder, "commit", "--quiet", "-m", name)
        made.append(repository.git(place.folder, "rev-parse", "HEAD").decode().strip())
    repository.git(place.folder, "switch", "--quiet", "main")
    return made[0], made[1]


def lacks(place: Place, head: str, other: str, *, alone: bool = False) -> int | None:
    found = brought(git.lacking(place, head, [other], alone=alone, deadline=soon()))
    return found.commits.get(other, 0)


def test_a_branch_is_contained_when_each_of_its_commits_is(
    place: Place, two: tuple[str, str]
) -> None:
    """By what they change, whatever is written of them."""
    first, last = two
    assert lacks(place, picked(place), last) == 2
    head = picked(place, last)
    assert (lacks(place, head, last), lacks(place, head, last, alone=True)) == (1, 0)
    words = ("commit", "--quiet", "--allow-empty", "-m", f"(cherry picked from commit {first})")
    repository.git(place.folder, *words)
    assert lacks(place, picked(place), first, alone=True) == 1
    assert lacks(place, picked(place, first), last) == 0


def test_a_pick_that_was_taken_back_is_not_contained(place: Place, two: tuple[str, str]) -> None:
    picked(place, *two)
    repository.git(place.folder, "revert", "--no-edit", "HEAD")
    assert lacks(place, picked(place), two[1]) == 1
    assert lacks(place, picked(place), two[1], alone=True) == 1
    repository.git(place.folder, "revert", "--no-edit", "HEAD")
    assert lacks(place, picked(place), two[1]) == 0


def test_a_merge_that_was_picked_as_one_is_contained(place: Place, two: tuple[str, str]) -> None:
    repository.git(place.folder, "switch", "--quiet", "-c", "develop", "v1.1.0")
    repository.git(place.folder, "merge", "--quiet", "--no-ff", "-m", "Two", two[1])
    merge = repository.git(place.folder, "rev-parse", "HEAD").decode().strip()
    repository.git(place.folder, "switch", "--quiet", "main")
    assert lacks(place, picked(place), merge, alone=True) == 1
    repository.git(place.folder, "cherry-pick", "--mainline", "1", merge)
    assert lacks(place, picked(place), merge, alone=True) == 0


def test_who_signed_a_tag_is_read_with_what_was_signed(place: Place) -> None:
    key = place.folder.parent / "key"
    made = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    subprocess.run(made, check=True)
    config(place, gpg__format="ssh", user__signingKey=str(key))
    repository.git(place.folder, "tag", "--force", "--sign", "-m", "Release", "v1.2.0")
    tag = brought(git.tag(place, "v1.2.0", deadline=soon()))
    assert (tag.signed_by, tag.is_annotated) == ("SSH", True)
    from probes import signatures  # noqa: PLC0415 - for this test alone

    known = signatures.PublicKey.parse(key.with_suffix(".pub").read_text())
    assert signatures.signer(tag.signature, tag.payload, [known], "git") == known.fingerprint
    assert signatures.signer(tag.signature, tag.payload + b"x", [known], "git") is None
    assert signatures.signer(tag.signature, tag.payload, [], "git") is None
    assert signatures.signer(tag.signature, tag.payload, [known], "file") is None


def test_authors_are_those_of_the_commits_since_and_of_who_wrote_with_them(place: Place) -> None:
    people = ("--author", "Ada <Ada@Clinic.example>")
    together = "Late\n\nCo-authored-by: Bob <bob@clinic.example>\n"
    words = ("commit", "--quiet", "--allow-empty", *people, "-m", together)
    repository.git(place.folder, *words)
    head = repository.git(place.folder, "rev-parse", "HEAD").decode().strip()
    found = brought(git.authors(place, "refs/tags/v1.2.0", head, deadline=soon()))
    assert found.addresses == {"ada@clinic.example", "bob@clinic.example"}
    assert "ada" not in f"{found!r} {found.facts()}"
    before = brought(git.authors(place, "refs/tags/v1.1.0", "v1.2.0", deadline=soon()))
    assert before.addresses == {"release@unifiedhealth.example"}


def test_too_many_files_are_too_large(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "MAX_FILES", 2)
    commit = repository.commit(place.folder, "1.2.0")
    failed(git.files(place, commit, lambda _: True, deadline=soon()), FailureKind.TOO_LARGE)

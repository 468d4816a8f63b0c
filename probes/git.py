"""The release repository, read by git itself: never a working tree, and nothing that its configuration runs.

A folder is read in place; anything else that git can clone is cloned, as little as possible of it.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from probes.observation import (
    Deadline,
    FailureKind,
    FoundError,
    Observation,
    PhaseClock,
    V,
    observed,
)

MAX_FILES: Final = 5_000
MAX_BYTES: Final = 64 * 1024 * 1024
_ADDRESS: Final = re.compile(r"[a-z+]+://|[^/]+@[^/]+:")
_HARDENED: Final = tuple(
    word
    for setting in (
        *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.pager=cat"),
        *("core.alternateRefsCommand=", "log.showSignature=false", "safe.directory=*"),
    )
    for word in ("-c", setting)
)
"""What a repository's own configuration would run; others' repositories are read too, as nothing is run."""
_QUIET: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    # Names and grafts by which a repository shows other commits than it says.
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "LC_ALL": "C",
}
_ELSEWHERE: Final = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
)
"""By these git reads another repository than the one that is named."""
_TRANSPORTS: Final = "file:https:ssh"
_WRITTEN_BY: Final = re.compile(r"<([^<>\s]+)>")
_SIGNED_BY: Final = {
    "-----BEGIN SSH SIGNATURE-----": "SSH",
    "-----BEGIN PGP SIGNATURE-----": "OpenPGP",
    "-----BEGIN SIGNED MESSAGE-----": "X.509",
}


@dataclasses.dataclass(frozen=True, slots=True)
class RepositoryTarget:
    """A repository, a tag in it, and a folder below it."""

    repository: str
    tag: str
    folder: str

    @property
    def address(self) -> str:
        """Return the target as reports show it."""
        return f"{self.repository} {self.tag}:{self.folder}"


@dataclasses.dataclass(frozen=True, slots=True)
class TaggedFiles:
    """Files at a commit."""

    commit: str
    files: Mapping[str, bytes] = dataclasses.field(repr=False)
    """By path below the repository."""

    def facts(self) -> Mapping[str, object]:
        """Return the commit and the paths."""
        return {"commit": self.commit, "files": sorted(self.files)}


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A repository on this machine."""

    folder: pathlib.Path
    shown: str
    """As the environment names it."""
    is_ours: bool = False
    """Whether the gate cloned it: then git may fetch a file that is asked for."""

    def failed(self, kind: FailureKind, problem: str) -> FoundError:
        """Return what to raise of it."""
        return FoundError(kind, f"{self.shown}: {problem}.")

    def facts(self) -> Mapping[str, object]:
        """Return its name."""
        return {"repository": self.shown}


@dataclasses.dataclass(frozen=True, slots=True)
class Refs:
    """The branches and tags of a repository."""

    branches: Mapping[str, str]
    """Name → commit, those of `origin` too where the repository is somebody's clone."""
    tags: frozenset[str]
    is_shallow: bool
    """Whether its history was cut off: nothing can be said of what is contained in what."""

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"branches": len(self.branches), "tags": len(self.tags), "shallow": self.is_shallow}


@dataclasses.dataclass(frozen=True, slots=True)
class Tag:
    """A tag, and who signed it."""

    commit: str
    object_id: str
    is_annotated: bool
    signed_by: str = ""
    """SSH, OpenPGP or X.509; empty for nobody."""
    payload: bytes = dataclasses.field(default=b"", repr=False)
    signature: str = dataclasses.field(default="", repr=False)

    def facts(self) -> Mapping[str, object]:
        """Return commit and kind."""
        kind = "annotated" if self.is_annotated else "lightweight"
        return {"commit": self.commit, "kind": kind, "signed by": self.signed_by or "nobody"}


@dataclasses.dataclass(frozen=True, slots=True)
class Lacking:
    """What a commit does not contain."""

    commits: Mapping[str, int | None]
    """Commit → how many of its commits are lacking; None where the repository does not know it."""

    def facts(self) -> Mapping[str, object]:
        """Return them."""
        return {"lacking": dict(self.commits)}


@dataclasses.dataclass(frozen=True, slots=True)
class Changed:
    """What lies between two commits."""

    paths: tuple[str, ...]
    messages: str = dataclasses.field(repr=False)

    def facts(self) -> Mapping[str, object]:
        """Return the paths."""
        return {"paths": len(self.paths), "first": list(self.paths[:20])}


@dataclasses.dataclass(frozen=True, slots=True)
class Authors:
    """Who wrote commits, alone or together; their addresses never leave this object."""

    addresses: frozenset[str] = dataclasses.field(repr=False)
    """E-mail addresses in small letters, as the commits have them."""

    def facts(self) -> Mapping[str, object]:
        """Return how many there are."""
        return {"authors": len(self.addresses)}


def tagged_files(target: RepositoryTarget, *, deadline: Deadline) -> Observation[TaggedFiles]:
    """Return the files of the folder at the tag, byte for byte as they were committed."""

    def read(folder: pathlib.Path) -> TaggedFiles:
        place = Place(folder, target.repository)
        name = f"refs/tags/{target.tag}^{{commit}}"
        lacks = f"has no tag {target.tag}, or is not a git repository that this user may read"
        commit = _text(place, ("rev-parse", "--verify", "--quiet", name), deadline, lacks)
        return _files(place, commit, (f"{target.folder}/",), lambda _: True, deadline)

    def ask() -> TaggedFiles:
        if not is_address(target.repository):
            return read(pathlib.Path(target.repository))
        with tempfile.TemporaryDirectory(prefix="release-gate-") as folder:
            clone = pathlib.Path(folder) / "clone"
            _clone(target.repository, clone, ("--depth=1", f"--branch={target.tag}"), deadline)
            return read(clone)

    return _observed(target.address, ask)


def is_address(repository: str) -> bool:
    """Tell whether a repository has to be cloned before it can be read."""
    return _ADDRESS.match(repository) is not None


def cloned(repository: str, folder: pathlib.Path, *, deadline: Deadline) -> Observation[Place]:
    """Clone all commits of a repository, its files only as they are asked for, into a new folder."""

    def ask() -> Place:
        _clone(repository, folder, ("--filter=blob:none",), deadline)
        return Place(folder, repository, is_ours=True)

    return _observed(repository, ask)


def refs(place: Place, *, deadline: Deadline) -> Observation[Refs]:
    """Return branches and tags."""

    def ask() -> Refs:
        problem = "is not a git repository that this user may read"
        wanted = ("--format=%(objectname) %(refname)", "refs/heads", "refs/remotes", "refs/tags")
        lines = _text(place, ("for-each-ref", *wanted), deadline, problem).splitlines()
        found = [(name, commit) for commit, _, name in (line.partition(" ") for line in lines)]
        # What everybody sees counts, not what somebody has beside it.
        named = {
            name.removeprefix(prefix): commit
            for prefix in ("refs/heads/", "refs/remotes/origin/")
            for name, commit in found
            if name.startswith(prefix)
        }
        tags = {name.removeprefix("refs/tags/") for name, _ in found if "refs/tags/" in name}
        asked = ("rev-parse", "--is-shallow-repository")
        shallow = _text(place, asked, deadline, problem) == "true"
        return Refs(named, frozenset(tags), shallow)

    return _observed(f"{place.shown} refs", ask)


def tag(place: Place, name: str, *, deadline: Deadline) -> Observation[Tag]:
    """Return a tag that is there."""

    def ask() -> Tag:
        asked = (f"refs/tags/{name}", f"refs/tags/{name}^{{commit}}")
        problem = f"has no tag {name} that leads to a commit"
        verify = ("rev-parse", "--verify", "--quiet")
        object_id, commit = (_text(place, (*verify, one), deadline, problem) for one in asked)
        if object_id == commit:
            return Tag(commit, object_id, is_annotated=False)
        written = _git(place, ("cat-file", "tag", object_id), deadline, problem)
        return _annotated(commit, object_id, written)

    return _observed(f"{place.shown} {name}", ask)


def _annotated(commit: str, object_id: str, written: bytes) -> Tag:
    for armour, kind in _SIGNED_BY.items():
        payload, begins, rest = written.rpartition(f"\n{armour}".encode())
        if begins:
            signature = f"{armour}{rest.decode('ascii', 'replace')}"
            return Tag(commit, object_id, True, kind, payload + b"\n", signature)  # noqa: FBT003 - a tag's second field
    return Tag(commit, object_id, is_annotated=True)


def lacking(
    place: Place, commit: str, others: Iterable[str], *, alone: bool = False, deadline: Deadline
) -> Observation[Lacking]:
    """Return of which other commits a commit does not contain all that leads to them, or they `alone`.

    One that was picked counts as contained, by what it changes, and as lacking once it was taken back.
    """

    def ask() -> Lacking:
        found = {one: _lacks(place, commit, one, alone, deadline) for one in dict.fromkeys(others)}
        return Lacking({one: count for one, count in found.items() if count != 0})

    return _observed(f"{place.shown} {commit}", ask)


def _lacks(place: Place, commit: str, other: str, alone: bool, deadline: Deadline) -> int | None:  # noqa: FBT001 - handed on
    problem = f"does not know the commit {commit}"
    known = _git(place, ("cat-file", "--batch-check"), deadline, problem, f"{other}\n".encode())
    if b" commit " not in known:
        return None
    beside = (other, f"^{commit}")
    count = int(_text(place, ("rev-list", "--count", *beside, "--"), deadline, problem))
    if not count:
        return 0
    wanted = ("-1", "-m", "--first-parent", other) if alone else ("--no-merges", *beside)
    there = [one for one, _ in _patches(place, ("--no-merges", commit, f"^{other}"), deadline)]
    back = {one: patch for patch, one in _patches(place, ("-R", *wanted), deadline)}
    changes = _patches(place, wanted, deadline)
    lacks = [one for patch, one in changes if there.count(patch) <= there.count(back.get(one, ""))]
    return len(lacks) if changes else count


def _patches(place: Place, asked: tuple[str, ...], deadline: Deadline) -> list[tuple[str, str]]:
    """Return what commits change, as one id whatever they stand on, and the commits; not of empty ones."""
    problem = "can't tell what its commits change"
    plain = ("--full-index", "--no-prefix", "--no-renames", "--no-ext-diff", "--no-textconv")
    written = _git(place, ("log", "-p", *plain, *asked, "--"), deadline, problem)
    ids = _git(place, ("patch-id", "--stable"), deadline, problem, written).decode().split()
    return list(zip(ids[::2], ids[1::2], strict=True))


def files(
    place: Place, commit: str, wanted: Callable[[str], bool], *, deadline: Deadline
) -> Observation[TaggedFiles]:
    """Return those files of a commit whose paths are wanted."""
    return _observed(f"{place.shown} {commit}", lambda: _files(place, commit, (), wanted, deadline))


def changed(place: Place, old: str, new: str, *, deadline: Deadline) -> Observation[Changed]:
    """Return the paths that differ between two commits, and what is written of the commits between."""

    def ask() -> Changed:
        problem = f"does not know both {old} and {new}"
        options = ("--no-ext-diff", "--no-textconv", "--no-renames", "-r", "-z", "--name-only")
        paths = _git(place, ("diff-tree", *options, old, new, "--"), deadline, problem)
        asked = ("rev-list", "--format=%B", new, f"^{old}", "--")
        messages = _text(place, asked, deadline, problem)
        return Changed(tuple(paths.decode("utf-8", "replace").split("\0")[:-1]), messages)

    return _observed(f"{place.shown} {old}..{new}", ask)


def authors(place: Place, old: str, new: str, *, deadline: Deadline) -> Observation[Authors]:
    """Return who wrote the commits that a commit, or tag, has and an older one has not."""

    def ask() -> Authors:
        problem = f"does not know both {old} and {new}"
        together = "%(trailers:key=Co-authored-by,valueonly)"
        asked = (
            "rev-list",
            f"--format=<%ae>%n{together}",
            f"{new}^{{commit}}",
            f"^{old}^{{commit}}",
        )
        written = _text(place, (*asked, "--"), deadline, problem)
        return Authors(frozenset(one.lower() for one in _WRITTEN_BY.findall(written)))

    return _observed(f"{place.shown} {old}..{new}", ask)


def _files(
    place: Place,
    commit: str,
    below: tuple[str, ...],
    wanted: Callable[[str], bool],
    deadline: Deadline,
) -> TaggedFiles:
    listing = ("ls-tree", "-r", "-z", "--full-tree", commit, "--", *below)
    listed = _git(place, listing, deadline, f"can't be listed at {commit}").split(b"\0")[:-1]
    found = [entry.decode("utf-8", "replace").partition("\t") for entry in listed]
    objects = {path: meta.split()[2] for meta, _, path in found if wanted(path)}
    if len(objects) > MAX_FILES:
        raise place.failed(FailureKind.TOO_LARGE, f"holds more than {MAX_FILES} files there")
    contents = _contents(place, list(objects.values()), deadline)
    return TaggedFiles(commit, dict(zip(objects, contents, strict=True)))


def _contents(place: Place, objects: list[str], deadline: Deadline) -> list[bytes]:
    asked = "".join(f"{name}\n" for name in objects).encode()
    stream = _git(place, ("cat-file", "--batch"), deadline, "can't be read", asked)
    contents = []
    at = 0
    for _ in objects:
        # Each answer is a line `object type size`, the bytes, and a line end.
        head, _, _ = stream[at : at + 200].partition(b"\n")
        if not head[-1:].isdigit():
            raise place.failed(FailureKind.QUERY_REJECTED, "lacks a file that its own commit names")
        size, begin = int(head.split()[2]), at + len(head) + 1
        contents.append(stream[begin : begin + size])
        at = begin + size + 1
    return contents


def _observed(target: str, ask: Callable[[], V]) -> Observation[V]:
    def measured(clock: PhaseClock) -> V:
        clock.enter("git")
        return ask()

    return observed("git", target, measured, phases=["git"])


def _clone(
    repository: str, folder: pathlib.Path, options: tuple[str, ...], deadline: Deadline
) -> None:
    at = "".join(one.partition("--branch=")[2] for one in options)
    problem = f"can't be cloned{at and f' at {at}'}; check the address and this machine's access"
    # A partial clone fetches what is asked for later, from where it came and by our own settings.
    only = ("--quiet", "--bare", "--template=", *options)
    nowhere = Place(pathlib.Path("/"), repository, is_ours=True)
    _git(nowhere, ("clone", *only, "--", repository, str(folder)), deadline, problem)


def _text(place: Place, arguments: tuple[str, ...], deadline: Deadline, problem: str) -> str:
    return _git(place, arguments, deadline, problem).decode("utf-8", "replace").strip()


def _git(
    place: Place,
    arguments: tuple[str, ...],
    deadline: Deadline,
    problem: str,
    asked: bytes = b"",
) -> bytes:
    """Run git in a folder; raises FoundError with the problem where git refuses."""
    late = place.failed(FailureKind.TIMEOUT, "gave no complete answer before the deadline")
    if deadline.remaining_seconds() <= 0:
        raise late
    kept = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    # Somebody else's repository could name what is run to fetch from elsewhere.
    allowed = _TRANSPORTS if place.is_ours else "none"
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and no argument begins with what others wrote
            ("git", "-C", str(place.folder.absolute()), *_HARDENED, *arguments),  # noqa: S607 - the PATH's own git
            input=asked,
            env={**kept, **_QUIET, "GIT_ALLOW_PROTOCOL": allowed},
            cwd="/",
            capture_output=True,
            timeout=deadline.remaining_seconds(),
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise late from exc
    except OSError as exc:
        raise place.failed(FailureKind.OUR_FAULT, "git can't be run here; install it") from exc
    if done.returncode != 0:
        raise place.failed(FailureKind.QUERY_REJECTED, problem)
    if len(done.stdout) > MAX_BYTES:
        raise place.failed(FailureKind.TOO_LARGE, "holds more there than the gate reads")
    return done.stdout

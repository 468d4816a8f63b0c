"""The doctor on what the data's checks read beside the database: backups, their tools, the repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import probes
from probes.observation import Failure
from probes.repository import RepositoryTarget
from settings.data import Backups, Data, Migrations
from settings.delivery import EvidenceStore
from steps.kit.evidence import store
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Level, Subject

_BACKUPS, _REPOSITORY, _EVIDENCE = "backups", "repository", "evidence"


def examine_data(subject: Subject, section: Data) -> list[Finding]:
    """List the folders of backups, look for pg_restore, and read the release's tag."""
    found: list[Finding] = []
    if section.backups is not None:
        found += _backups(subject, section.backups)
    if section.migrations is not None and subject.release_known:
        found.append(_repository(subject, section.migrations))
    return found


def _backups(subject: Subject, section: Backups) -> Iterator[Finding]:
    places = {"location": section.location, "kept_apart": section.kept_apart}
    for key, location in places.items():
        if location is None:
            continue
        observed = probes.files.listing(location, section.pattern, deadline=subject.deadline())
        mends = subject.key(f"data.backups.{key}", "a folder or bucket that this machine may list")
        if observed.value is None:
            yield _bad(_BACKUPS, failure_of(observed), mends)
        else:
            count = len(observed.value.entries)
            words = f"{location} can be listed; {count} backups are there"
            yield Finding(_BACKUPS, None, Level.OK if count else Level.WARN, words)
    if shutil.which(section.pg_restore) is None:
        words = f"{section.pg_restore} is not installed here; it reads a backup's table of contents"
        mends = subject.key("data.backups.pg_restore", "the program's path; or install it")
        yield Finding(_BACKUPS, None, Level.BAD, words, (mends,))


def _repository(subject: Subject, section: Migrations) -> Finding:
    tag = section.tag.replace("{release}", subject.platform.release.number)
    target = RepositoryTarget(section.repository, tag, section.folder.strip("/"))
    observed = probes.repository.tagged_files(target, deadline=subject.deadline())
    if observed.value is None:
        mends = subject.key("data.migrations.repository", "the release repository with this tag")
        return _bad(_REPOSITORY, failure_of(observed), mends)
    count = len(observed.value.files)
    return Finding(_REPOSITORY, None, Level.OK, f"{target.address} can be read: {count} files")


def examine_evidence(subject: Subject, _: EvidenceStore) -> list[Finding]:
    """Look into the store of evidence, whether or not this release has some already."""
    observed = probes.evidence.read(
        store(subject.platform),
        subject.platform.release.tag,
        "image-build",
        deadline=subject.deadline(),
    )
    if observed.value is None:
        mends = subject.key("evidence", "a folder or url that this machine may read")
        return [_bad(_EVIDENCE, failure_of(observed), mends)]
    return [Finding(_EVIDENCE, None, Level.OK, "the store can be read")]


def _bad(system: str, failure: Failure, *remedy: str) -> Finding:
    return Finding(system, None, Level.BAD, failure.detail, remedy)

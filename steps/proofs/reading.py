"""Reads the files that the policy asks for: listed, unchanged, of this release's commit, young enough."""

from __future__ import annotations

import dataclasses
import datetime as dt
import fnmatch
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import probes
from environments.release_file import Bound, read_release
from environments.yaml_file import ConfigurationError
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.release import Release
from probes.formats import NotJsonError
from probes.observation import utc_now
from reports import load_words, verdict
from reports.load_words import DamagedLoadRecordError
from reports.verdict import DamagedVerdictError
from settings.proofs import RunWanted, ScanWanted, TestsWanted, Wanted
from steps.kit.asked import Asked, Unread
from steps.kit.evidence import (
    AgeLimit,
    EvidenceFile,
    damaged,
    judge_identity,
    judge_result,
    missing,
    parsed,
    read_evidence,
    store,
    young_enough,
)
from steps.kit.platform import NotDescribedError
from steps.kit.release import described_release
from steps.proofs import rules

if TYPE_CHECKING:
    from probes.documents import About

LIST = "files"
"""The kind of evidence that lists the files of other tools."""


@dataclasses.dataclass(frozen=True, slots=True)
class Read:
    """The files of one document that the policy asks for, which may be believed."""

    wanted: Wanted
    contents: Mapping[str, Any]
    """What each file says, by its name."""
    digests: tuple[str, ...] = ()
    """Of the release's images that they are about."""
    exceptions: tuple[Any, ...] = ()
    before: tuple[Any, ...] | None = None
    """The same of the release before; None: it has none."""
    after: Any = None
    """The run that it must have followed."""
    previous: str = ""
    """The release before."""


@dataclasses.dataclass(frozen=True, slots=True)
class Store:
    """The evidence of one release, as a check reads it."""

    asked: Asked
    bound: Bound
    release: Release
    listed: tuple[EvidenceFile, ...]

    def matching(self, pattern: str) -> list[EvidenceFile]:
        """Return the listed files of a name, in order; a log of SARIF may end in .sarif.json as well."""
        ends = (".json",) if pattern.endswith(".sarif") else ()
        names = {one.file: {one.file, *map(one.file.removesuffix, ends)} for one in self.listed}
        found = [one for one in self.listed if fnmatch.filter(names[one.file], pattern)]
        return sorted(found, key=lambda one: one.file)

    def content(self, title: str, listed: EvidenceFile) -> bytes:
        """Return a file as it was listed; raises Unread where it can't be read or was changed."""
        asked, subject = self.asked, f"{title}, {listed.file}"
        deadline, place = asked.platform.call_deadline(), store(asked.platform)
        found = asked.read(
            f"{subject} of {self.release.tag}",
            lambda: probes.files.evidence(
                *(place, self.release.tag, listed.file),
                deadline=deadline,
                max_bytes=probes.documents.MAX_BYTES,
            ),
        ).content
        if found is None:
            asked.judge(missing(subject, self.release.tag))
            raise Unread(subject)
        if f"sha256:{hashlib.sha256(found).hexdigest()}" != listed.digest:
            asked.judge(rules.changed(subject))
            raise Unread(subject)
        return found

    def says(self, title: str, listed: EvidenceFile, form: str) -> tuple[Any, About]:
        """Return what a file says, and what it says of itself; raises Unread where it is damaged."""
        content = self.content(title, listed)
        try:
            return _READERS.get(form, _by_tool)(content, form)
        except (probes.documents.DocumentError, NotJsonError, *_DAMAGED) as exc:
            self.asked.judge(damaged(f"{title}, {listed.file}", str(exc)))
            raise Unread(title) from None

    def believed(
        self, wanted: Wanted, pattern: str, form: str, image: str | None
    ) -> dict[str, Any]:
        """Return what the files of a name say, as far as they may be believed; the rest is judged."""
        files, contents = self.matching(pattern), dict[str, Any]()
        if not files:
            self.asked.judge(missing(f"{wanted.title}, {pattern},", self.release.tag))

        def take(listed: EvidenceFile) -> None:
            content, about = self.says(wanted.title, listed, form)
            subject = f"{wanted.title}, {listed.file}"
            judgements = [*self._identity(subject, wanted, listed, about, image)]
            self.asked.judge(*judgements)
            if all(one.outcome is Outcome.PASS for one in judgements):
                contents[listed.file] = content

        self.asked.each(files, take)
        return contents

    def _identity(
        self, subject: str, wanted: Wanted, listed: EvidenceFile, about: About, image: str | None
    ) -> Iterator[Judgement]:
        yield rules.of_commit(subject, self.bound.commit, (listed.commit, *about.commits))
        if image is not None:
            own = (listed.image,) if listed.image else ()
            yield rules.of_image(subject, image, about.digests or own)
        for made_at in _ends(listed.made_at, *about.made_at):
            yield young_enough(subject, made_at, self.limit(wanted))
        # Where no finding is forbidden, all that is asked is that the scan was made.
        made = isinstance(wanted, ScanWanted) and wanted.forbidden is None
        yield from (rules.gap(subject, one, wanted_whole=made) for one in about.gaps)

    def limit(self, wanted: Wanted) -> AgeLimit:
        """Return how old a document may be."""
        seconds = wanted.max_age or self.asked.platform.policy.evidence.max_age
        return AgeLimit(now=utc_now(), max_seconds=seconds)


def read_all(asked: Asked) -> tuple[Read, ...] | None:
    """Read all documents of a check; what is not there, or can't be believed, is judged here.

    Returns None where somebody signs for the item and the policy names no document.
    """
    policy, check = asked.platform.policy, asked.check.id
    wanted = policy.evidence.proofs.get(check)
    if wanted is None and check in policy.statements.items:
        return None
    if wanted is None:
        raise NotDescribedError(f"the policy lacks evidence.proofs.{check}; add it")
    found: list[Read] = []
    asked.each([asked], lambda _: found.extend(_read_all(asked, wanted)))
    return tuple(found)


def _read_all(asked: Asked, wanted: tuple[Wanted, ...]) -> Iterator[Read]:
    bound = described_release(asked)
    listing = read_evidence(asked.platform, LIST)
    listing.note(asked.check)
    if listing.evidence is None or not listing.believable:
        raise Unread(LIST)
    asked.judge(
        rules.of_commit(listing.subject, bound.commit, (listing.evidence.commit,)),
        judge_result(listing.subject, listing.evidence),
    )
    here = Store(asked, bound, asked.platform.release, listing.evidence.files)
    for one in wanted:
        yield from _documents(here, one)


def _documents(here: Store, wanted: Wanted) -> Iterator[Read]:
    """Yield the files of a document; of one for each image, those of each."""
    beside = _beside(here, wanted)
    if "{image}" not in wanted.files:
        contents = here.believed(wanted, wanted.files, wanted.format, None)
        yield Read(wanted, contents, **beside)
        return
    images = here.bound.file.images
    section = here.asked.platform.environment.settings.images
    known = () if section is None else section.repositories
    gone = [one for one in known if one not in images] or ["any image"] * (not images)
    here.asked.judge(*(rules.unnamed(wanted.title, one) for one in gone))
    for repository, digest in images.items():
        pattern = wanted.files.replace("{image}", repository.rpartition("/")[2])
        contents = here.believed(wanted, pattern, wanted.format, digest)
        yield Read(wanted, contents, (digest,), **beside)


def _beside(here: Store, wanted: Wanted) -> dict[str, Any]:
    """Return what a document is judged beside: exceptions, the release before, another run."""
    if isinstance(wanted, TestsWanted):
        return {"before": _before(here, wanted)}
    if isinstance(wanted, ScanWanted) and wanted.exceptions and here.matching(wanted.exceptions):
        found = here.believed(wanted, wanted.exceptions, "exceptions", None)
        return {"exceptions": tuple(found.values())}
    if isinstance(wanted, RunWanted) and wanted.after:
        found = here.believed(wanted, wanted.after, "verdict", None)
        return {"after": next(iter(found.values()), None), "previous": here.bound.file.previous}
    return {}


def _before(here: Store, wanted: Wanted) -> tuple[Any, ...] | None:
    """Return the same tests of the release before, however old; None where nobody kept any."""
    before = Release.parse(here.bound.file.previous)
    listing = read_evidence(here.asked.platform, LIST, before)
    here.asked.keep(listing.observation)
    if listing.evidence is None:
        found = listing.observation.value
        return None if found is not None and found.content is None else ()
    there = dataclasses.replace(here, release=before, listed=listing.evidence.files)
    if not there.matching(wanted.files):
        return None
    told, reports = listing.evidence.commit, list[Any]()
    commit = _commit_of(here.asked, before) or told
    # However old it is, it has to be of that release, and of another commit than this one.
    age = here.limit(wanted)
    whose = judge_identity(listing.subject, listing.evidence, LIST, before, age=age)[:-1]
    if commit == here.bound.commit or any(one.outcome is not Outcome.PASS for one in whose):
        return ()

    def take(listed: EvidenceFile) -> None:
        report, about = there.says(wanted.title, listed, wanted.format)
        of = rules.of_commit(listed.file, commit, (told, listed.commit, *about.commits))
        if of.outcome is Outcome.PASS:
            reports.append(report)

    here.asked.each(there.matching(wanted.files), take)
    return tuple(reports)


def _commit_of(asked: Asked, release: Release) -> str:
    """Return the commit of a release; empty where nobody describes it."""
    try:
        return read_release(asked.platform.environment, release).commit
    except ConfigurationError:
        return ""


def _ends(*made_at: dt.datetime) -> set[dt.datetime]:
    """Return when the oldest and the newest part was made: one may be stale, one from the future."""
    return {min(made_at), max(made_at)}


def _by_tool(content: bytes, form: str) -> tuple[Any, About]:
    found: Any = probes.documents.READERS[form](content)
    return found, found.about


def _by_this_gate(content: bytes, form: str) -> tuple[Any, About]:
    """Read what this product wrote: a verdict or the record of a load run."""
    record = probes.documents.read_json(content)
    if form == "load":
        found: Any = load_words.checked(record)
        ended_at = str(record.get("ended_at"))
    else:
        found = verdict.read(record)
        ended_at = str(found.finished_at)
    return found, probes.documents.About(made_at=(dt.datetime.fromisoformat(ended_at),))


def _suite(content: bytes, _: str) -> tuple[Any, About]:
    found = parsed(content)
    return found, probes.documents.About(made_at=(found.created_at,), commits=(found.commit,))


_READERS = {"load": _by_this_gate, "verdict": _by_this_gate, "suite": _suite}
_DAMAGED = (DamagedLoadRecordError, DamagedVerdictError, ValueError)
"""ValueError: a time in it that is none."""

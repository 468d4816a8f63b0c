"""The items that other tools answer for: the documents that the policy names are there, and good.

Files are read that are listed, unchanged, of this release's commit and young enough.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import fnmatch
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import probes
from environments.release_file import Bound, read_release
from environments.yaml_file import ConfigurationError
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.release import Release
from gates.decide.scope import Phase, PostDeploy
from gates.load import Checks, load_catalogue, policy_digest
from probes.formats import NotJsonError
from probes.observation import utc_now
from reports import load_words, verdict
from reports.load_words import DamagedLoadRecordError
from reports.verdict import DamagedVerdictError
from settings.proofs import (
    InventoryWanted,
    LoadWanted,
    RunWanted,
    ScanWanted,
    SuiteWanted,
    TestsWanted,
    Wanted,
)
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
from steps.kit.expect import nothing_to_judge
from steps.kit.platform import NotDescribedError
from steps.kit.release import described_release
from steps.kit.sentence import then, when
from steps.proofs import rules

if TYPE_CHECKING:
    from probes.documents import About

LIST = "files"
"""The kind of evidence that lists the files of other tools."""
Judge = Callable[[Mapping[str, Any], tuple[str, ...]], Iterable[Judgement]]
"""What a document is worth, by what each of its files says and the digests of the images it is of."""
Proofs = Callable[[], tuple[Callable[[], Iterable[Judgement]], ...] | None]
"""What each document of a check is worth: read, kept and believed at the first call; None where the policy
names none, and somebody signs for the item."""


@when("the evidence of the release is read", target_fixture="proofs")
def read(asked: Asked) -> Proofs:
    return functools.cache(lambda: _read_all(asked))


@then("each document that the policy names is there, unchanged, of this release and young enough")
def believable(asked: Asked, proofs: Proofs) -> None:
    if proofs() is None:
        asked.judge(nothing_to_judge("documents", "the policy names none"))


@then("no test failed, and no suite is missing that the release before had")
@then("each scan is whole, and each bill of materials lists something")
@then("no scan found anything as grave as the policy forbids")
@then("the load run passed, at the rate and within the times that the policy asks for")
@then("its tests passed in every browser that the policy asks for")
@then("no page violates WCAG")
@then("staging's run of this gate was GO, with every check that is due there")
def good(asked: Asked, proofs: Proofs) -> None:
    found = proofs()
    if found is None:
        asked.judge(nothing_to_judge("what documents say", "the policy names none"))
    for judgements in found or ():
        asked.judge(*judgements())


def _read_all(asked: Asked) -> tuple[Callable[[], Iterable[Judgement]], ...] | None:
    """Read all documents of a check; what is not there, or can't be believed, is judged here."""
    policy, check = asked.platform.policy, asked.check.id
    wanted = policy.evidence.proofs.get(check)
    if wanted is None and check in policy.statements.items:
        return None
    if wanted is None:
        raise NotDescribedError(f"the policy lacks evidence.proofs.{check}; add it")
    found: list[Callable[[], Iterable[Judgement]]] = []
    asked.each([asked], lambda _: found.extend(_documents_of(asked, wanted)))
    return tuple(found)


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
        made_at = (listed.made_at, *about.made_at)
        # The oldest part may be stale, and the newest one from the future.
        for at in {min(made_at), max(made_at)}:
            yield young_enough(subject, at, self.limit(wanted))
        # Where no finding is forbidden, all that is asked is that the scan was made.
        made = isinstance(wanted, ScanWanted) and wanted.forbidden is None
        yield from (rules.gap(subject, one, wanted_whole=made) for one in about.gaps)

    def limit(self, wanted: Wanted) -> AgeLimit:
        """Return how old a document may be."""
        seconds = wanted.max_age or self.asked.platform.policy.evidence.max_age
        return AgeLimit(now=utc_now(), max_seconds=seconds)


def _documents_of(
    asked: Asked, wanted: tuple[Wanted, ...]
) -> Iterator[Callable[[], Iterable[Judgement]]]:
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


def _documents(here: Store, wanted: Wanted) -> Iterator[Callable[[], Iterable[Judgement]]]:
    """Yield what the files of a document are worth; of one for each image, those of each."""
    judge = _judge(here, wanted)
    if "{image}" not in wanted.files:
        contents = here.believed(wanted, wanted.files, wanted.format, None)
        yield functools.partial(judge, contents, ())
        return
    images = here.bound.file.images
    section = here.asked.platform.environment.settings.images
    known = () if section is None else section.repositories
    gone = [one for one in known if one not in images] or ["any image"] * (not images)
    here.asked.judge(*(rules.unnamed(wanted.title, one) for one in gone))
    for repository, digest in images.items():
        pattern = wanted.files.replace("{image}", repository.rpartition("/")[2])
        contents = here.believed(wanted, pattern, wanted.format, digest)
        yield functools.partial(judge, contents, (digest,))


def _judge(here: Store, wanted: Wanted) -> Judge:
    """Return how a document is judged; what it is judged beside is read now."""
    release = here.release.tag
    match wanted:
        case TestsWanted() as tests:
            before = _before(here, tests)
            return lambda found, _: rules.tests(tests, found, before) if found else ()
        case ScanWanted() as scan:
            given, exceptions = scan.exceptions, tuple[Any, ...]()
            if given and here.matching(given):
                exceptions = (*here.believed(scan, given, "exceptions", None).values(),)
            return _each(
                scan, lambda of, one, images: rules.scan(of, scan, one, exceptions, images)
            )
        case InventoryWanted() as bill:
            return _each(bill, lambda of, one, _: rules.inventory(of, bill, one))
        case LoadWanted() as load:
            return _each(load, lambda of, one, _: rules.load(of, load, one, release))
        case SuiteWanted() as suite:
            return _each(suite, lambda of, one, _: rules.suite(of, suite, one, release))
        case RunWanted() as run:
            followed = here.believed(run, run.after, "verdict", None) if run.after else {}
            after = next(iter(followed.values()), None)
            return lambda found, _: _run(here, run, found, after)


def _each(
    wanted: Wanted, judge: Callable[[str, Any, tuple[str, ...]], Iterable[Judgement]]
) -> Judge:
    def judged(found: Mapping[str, Any], images: tuple[str, ...]) -> Iterator[Judgement]:
        for file, one in found.items():
            yield from judge(f"{wanted.title}, {file}", one, images)

    return judged


def _run(here: Store, run: RunWanted, found: Mapping[str, Any], after: Any) -> Iterator[Judgement]:
    """Judge a run by what the catalogue asks of such a one, as far as it applies here."""
    environment = here.asked.platform.environment
    checks = Checks.of(environment.checks)
    gate = PostDeploy(run.asked) if run.gate == "post-deploy" else Phase.parse(run.asked)
    rows = gate.scope(load_catalogue(checks.features), switched=True).rows
    due = [row for row in rows if row.applies(environment.sections)]
    tag = here.release.tag if run.release == "this" else here.bound.file.previous
    yield from rules.run(run, found, due, tag, policy_digest(checks.policy), after)


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

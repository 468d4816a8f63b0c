"""Evidence: what another tool says that it did, as one small JSON document, and what it is worth.

{"schema": 1, "kind": "image-build", "release": "v1.2.0", "commit": "0f9a…", "created_at": "2026-…Z",
 "result": "passed", "artefacts": [{"name": "api", "digest": "sha256:…"}]}
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, ValidationError, model_validator

import probes
from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Outcome
from gates.decide.release import Release
from probes.files import EvidenceStore
from probes.formats import NotJsonError, parse
from probes.observation import Document, Observation, utc_now
from settings.sections import Name, Section
from steps.kit.check import Check
from steps.kit.expect import expect, measured, need, unable
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import Platform


@dataclasses.dataclass(frozen=True, slots=True)
class EvidenceReading:
    """One document of evidence: what was found, and whether it may be believed at all."""

    subject: str
    observation: Observation[Document]
    evidence: Evidence | None
    """None when there is none, or none that can be read."""
    judgements: tuple[Judgement, ...]
    """Of the document itself: there, readable, of this kind and release, young enough. Whether
    what it tells of ended well is `judge_result`."""

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each artefact by name; empty without evidence."""
        return {} if self.evidence is None else self.evidence.digests()

    @property
    def believable(self) -> bool:
        """Whether the document is there, of this release and young enough."""
        return all(one.outcome is Outcome.PASS for one in self.judgements)

    def note(self, check: Check) -> None:
        """Keep the observation and the judgements of the document in every region of a check."""
        for region in check.regions:
            check.observe(region, self.observation)
        check.judge_everywhere(*self.judgements)


def read_evidence(platform: Platform, kind: str, release: Release | None = None) -> EvidenceReading:
    """Read the evidence of a kind, of the platform's release or another one.

    Raises NotDescribedError without the section evidence.
    """
    subject, release = f"evidence {kind}", release or platform.release
    observation = probes.files.evidence(
        store(platform), release.tag, f"{kind}.json", deadline=platform.call_deadline()
    )
    if observation.value is None:
        failure = instrument_error(subject, failure_of(observation))
        return EvidenceReading(subject, observation, None, (failure,))
    if observation.value.content is None:
        return EvidenceReading(subject, observation, None, (missing(subject, release.tag),))
    try:
        evidence = parsed(observation.value.content)
    except NotJsonError as exc:
        return EvidenceReading(subject, observation, None, (damaged(subject, str(exc)),))
    limit = AgeLimit(now=utc_now(), max_seconds=platform.policy.evidence.of(kind))
    judgements = judge_identity(subject, evidence, kind, release, age=limit)
    return EvidenceReading(subject, observation, evidence, judgements)


def parsed(content: bytes) -> Evidence:
    """Return a document of evidence; raises NotJsonError with a sentence."""
    parse(content)  # refuses what pydantic's parser forgives, such as a key that stands there twice
    try:
        return Evidence.model_validate_json(content)
    except ValidationError as exc:
        places = sorted({".".join(map(str, error["loc"])) or "document" for error in exc.errors()})
        raise NotJsonError(
            f"It is not evidence of schema 1: see {', '.join(places[:5])}."
        ) from None


def store(platform: Platform) -> EvidenceStore:
    """Return where evidence lies; raises NotDescribedError without the section evidence."""
    section = need(platform.environment.settings.evidence, "the section evidence")
    folder = None if section.folder is None else platform.beside(section.folder)
    return EvidenceStore(folder, section.url, platform.secret(section.token))


def missing(subject: str, release: str) -> Judgement:
    """Return that nobody has written it yet."""
    sentence = f"{subject} for {release} is not there yet: nobody has proved it"
    clears = f"{subject} written for {release}"
    return expect(None, subject, sentence, clears, observed="missing", target="evidence")


def damaged(subject: str, why: str) -> Judgement:
    """Return that it is there and says nothing."""
    sentence, clears = f"{subject} can't be read: {why}", f"{subject} written again, whole"
    return unable(subject, sentence, clears, **measured("evidence", "damaged", "evidence"))


CLOCKS_DIFFER_SECONDS = 300.0
"""Evidence may be that much younger than now: two machines' clocks differ."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\n\r]*$")]
_Figure = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,99}$")]


class Artefact(Section):
    """One thing that was made."""

    name: Line
    digest: Digest


class EvidenceFile(Section):
    """A file beside the document, as whoever brought it there lists it."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$")]
    """Its name, in the same folder."""
    digest: Digest
    commit: Commit
    """Of the sources that were tested."""
    made_at: AwareDatetime
    tool: Line
    """What made it, with its version."""
    image: Digest | None = None
    """The image that was tested, where the file can't say it itself."""


class Evidence(Section):
    """One document; unknown keys are refused, so that nothing is silently ignored."""

    schema_version: Literal[1] = Field(alias="schema")
    kind: Name
    release: Line
    commit: Commit
    created_at: AwareDatetime
    result: Literal["passed", "failed", "undecided"]
    artefacts: tuple[Artefact, ...] = ()
    facts: dict[_Figure, bool | int | float | Line] = Field(default_factory=dict)
    """Figures of this kind of evidence, by name."""
    files: tuple[EvidenceFile, ...] = ()
    """What lies beside it; of the kind `files`, which lists the files of other tools."""
    tools: dict[Line, Line] = Field(default_factory=dict)
    """Versions of what tested, by name; this and all below are of a gate's own tests."""
    checks: dict[Line, Line] = Field(default_factory=dict)
    """The worst outcome of each check."""
    counts: dict[_Figure, int] = Field(default_factory=dict)
    findings: tuple[dict[Name, Any], ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(self.digests()) < len(self.artefacts):
            raise ValueError("artefacts names one thing twice")
        for name in ("file", "digest"):
            if len({getattr(one, name) for one in self.files}) < len(self.files):
                raise ValueError(f"files has one {name} twice")
        return self

    def digests(self) -> dict[str, str]:
        """Return the digest of each artefact by its name."""
        return {artefact.name: artefact.digest for artefact in self.artefacts}


def judge_identity(
    subject: str, evidence: Evidence, kind: str, release: Release, *, age: AgeLimit
) -> tuple[Judgement, ...]:
    """Judge that a document is of this kind and release and young enough; not what it says."""
    return (
        equals(f"{subject} kind", evidence.kind, kind),
        of_release(subject, evidence.release, release),
        young_enough(subject, evidence.created_at, age),
    )


def judge_result(subject: str, evidence: Evidence) -> Judgement:
    """Judge that what the document tells of ended well."""
    return equals(f"{subject} result", evidence.result, "passed")


class AgeLimit(Section):
    """Now, and the most seconds that evidence may be old."""

    now: AwareDatetime
    max_seconds: float


def of_release(subject: str, told: str, release: Release) -> Judgement:
    """Judge that what a document tells is this release, by tag or number."""
    with contextlib.suppress(ValueError):
        told = Release.parse(told).tag
    return equals(f"{subject} release", told, release.tag)


def young_enough(subject: str, made_at: dt.datetime, age: AgeLimit) -> Judgement:
    """Judge that something was made lately, and not in the future."""
    seconds = (age.now - made_at).total_seconds()
    early, late = seconds < -CLOCKS_DIFFER_SECONDS, seconds > age.max_seconds
    limit = _days(age.max_seconds)
    sentence = f"{subject} is {_days(max(0.0, seconds))} old, within {limit}"
    if early:
        minute = f"{made_at.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
        sentence = f"{subject} is dated in the future, at {minute} UTC"
    elif late:
        sentence = f"{subject} is {_days(seconds)} old, wanted at most {limit}: it may be outdated"
    return expect(
        None if early or late else True,
        f"{subject} age",
        sentence,
        "new evidence of this release",
        **measured("evidence age", round(seconds), age.max_seconds, "s"),
    )


def _days(seconds: float) -> str:
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.0f} days"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - an hour

"""Evidence of other tools, read for the release under test and judged for what it is worth."""

from __future__ import annotations

import dataclasses

from pydantic import ValidationError

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.files import EvidenceStore
from probes.formats import NotJsonError, parse
from probes.observation import Document, Observation, utc_now
from steps.kit.check import Check
from steps.kit.evidence_rules import AgeLimit, Evidence, judge_identity
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import NotDescribedError, Platform


@dataclasses.dataclass(frozen=True, slots=True)
class EvidenceReading:
    """One document of evidence: what was found, and whether it may be believed at all."""

    subject: str
    observation: Observation[Document]
    evidence: Evidence | None
    """None when there is none, or none that can be read."""
    judgements: tuple[Judgement, ...]
    """Of the document itself: there, readable, of this kind and release, young enough. Whether
    what it tells of ended well is `steps.kit.evidence_rules.judge_result`."""

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
            check.judge(region, *self.judgements)


def read_evidence(platform: Platform, kind: str) -> EvidenceReading:
    """Read the release's evidence of a kind; NotDescribedError without the section evidence."""
    subject = f"evidence {kind}"
    release = platform.release
    observation = probes.files.evidence(
        store(platform), release.tag, kind, deadline=platform.call_deadline()
    )
    if observation.value is None:
        failure = instrument_error(subject, failure_of(observation))
        return EvidenceReading(subject, observation, None, (failure,))
    if observation.value.content is None:
        return EvidenceReading(subject, observation, None, (_missing(subject, release.tag),))
    try:
        evidence = _parsed(observation.value.content)
    except NotJsonError as exc:
        return EvidenceReading(subject, observation, None, (_damaged(subject, str(exc)),))
    limit = AgeLimit(now=utc_now(), max_seconds=platform.policy.evidence.of(kind))
    judgements = judge_identity(subject, evidence, kind, release, age=limit)
    return EvidenceReading(subject, observation, evidence, judgements)


def store(platform: Platform) -> EvidenceStore:
    """Return where evidence lies; raises NotDescribedError without the section evidence."""
    section = platform.environment.settings.evidence
    if section is None:
        raise NotDescribedError("the environment lacks the section evidence; add it")
    folder = None if section.folder is None else platform.environment.path.parent / section.folder
    return EvidenceStore(folder, section.url, platform.secret(section.token))


def _parsed(content: bytes) -> Evidence:
    parse(content)  # refuses what pydantic's parser forgives, such as a key that stands there twice
    try:
        return Evidence.model_validate_json(content)
    except ValidationError as exc:
        places = sorted({".".join(map(str, error["loc"])) or "document" for error in exc.errors()})
        raise NotJsonError(
            f"It is not evidence of schema 1: see {', '.join(places[:5])}."
        ) from None


def _missing(subject: str, release: str) -> Judgement:
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="evidence",
        subject=subject,
        sentence=f"{subject} for {release} is not there yet: nobody has proved it",
        observed="missing",
        target="evidence",
        clears=f"{subject} written for {release}",
    )


def _damaged(subject: str, why: str) -> Judgement:
    return Judgement(
        outcome=Outcome.ERROR,
        rule="evidence",
        subject=subject,
        sentence=f"{subject} can't be read: {why}",
        observed="damaged",
        target="evidence",
        clears=f"{subject} written again, whole",
    )

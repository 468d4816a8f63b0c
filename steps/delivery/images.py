"""Container images of the release: built as the evidence says, in the registry, under the right tag."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import probes
from gates.decide.judgement import Judgement, contains_all
from gates.decide.outcome import Outcome
from probes.observation import Observation
from settings.delivery import Images as Section
from steps.delivery.aws_account import aws_target
from steps.kit.check import Check
from steps.kit.evidence import EvidenceReading, read_evidence
from steps.kit.evidence_rules import judge_result
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import NotDescribedError, Platform


def described(platform: Platform) -> Section:
    """Return what the environment says of images; NotDescribedError without it."""
    section = platform.environment.settings.images
    if section is None:
        raise NotDescribedError("the environment lacks the section images; add it")
    return section


def build_evidence_kind(platform: Platform) -> str:
    """Return the kind of the image build's evidence, also where no registry is described."""
    section = platform.environment.settings.images
    return str(Section.model_fields["evidence"].default if section is None else section.evidence)


def expected_digests(platform: Platform) -> tuple[dict[str, str], EvidenceReading]:
    """Return the digest of each repository's image as it was built, and the evidence that says so."""
    reading = read_evidence(platform, described(platform).evidence)
    return reading.digests, reading


@dataclasses.dataclass(frozen=True, slots=True)
class BuildEvidence:
    """The evidence of a build, read once for a check."""

    check: Check
    reading: EvidenceReading

    @classmethod
    def read(cls, platform: Platform, check: Check, kind: str) -> BuildEvidence:
        """Read the release's evidence of a kind and judge the document itself."""
        reading = read_evidence(platform, kind)
        reading.note(check)
        return cls(check, reading)

    def passed(self) -> None:
        """Judge that the build ended well."""
        if self.reading.evidence is not None:
            self.check.judge_everywhere(judge_result(self.reading.subject, self.reading.evidence))

    def names(self, artefacts: tuple[str, ...]) -> None:
        """Judge that the evidence has a digest for each of these artefacts."""
        if self.reading.evidence is not None:
            subject = f"{self.reading.subject} digests"
            names = tuple(self.reading.digests)
            self.check.judge_everywhere(contains_all(subject, names, artefacts))


@dataclasses.dataclass(frozen=True, slots=True)
class RegistryReading:
    """The release's tag of every repository, looked up once for a check."""

    platform: Platform
    check: Check
    found: dict[str, Observation[probes.aws.RegistryImage]]

    @classmethod
    def read(cls, platform: Platform, check: Check) -> RegistryReading:
        """Look every repository up at once."""
        section = described(platform)
        target = aws_target(platform)
        tag = section.tag.replace("{release}", platform.release.number)

        def look(repository: str) -> Observation[probes.aws.RegistryImage]:
            return probes.aws.image(
                target,
                repository,
                tag,
                deadline=platform.call_deadline(),
                registry_id=section.registry_id,
            )

        with concurrent.futures.ThreadPoolExecutor(len(section.repositories)) as pool:
            looks = pool.map(look, section.repositories)
            found = dict(zip(section.repositories, looks, strict=True))
        for one in found.values():
            check.observe_everywhere(one)
        return cls(platform, check, found)

    def all_there(self) -> None:
        """Judge that the registry has the release's tag in every repository."""
        for repository, observation in self.found.items():
            self.check.judge_everywhere(_there(repository, observation))

    def as_built(self) -> None:
        """Judge that every tag leads to the digest of the build's evidence, and stays if it must."""
        wanted, reading = expected_digests(self.platform)
        reading.note(self.check)
        for repository, observation in self.found.items():
            image = observation.value
            if image is None or image.digest is None:
                self.check.judge_everywhere(_there(repository, observation))
                continue
            if reading.believable:
                self.check.judge_everywhere(_same_digest(image, wanted.get(repository)))
            wanted_so = described(self.platform).tags_are_immutable
            self.check.judge_everywhere(_immutable(image, wanted=wanted_so))


def _there(repository: str, observation: Observation[probes.aws.RegistryImage]) -> Judgement:
    image = observation.value
    if image is None:
        return instrument_error(f"registry, {repository}", failure_of(observation))
    there = image.digest is not None
    subject = f"image {image.repository}:{image.tag}"
    lacks = "the repository itself" if image.tags_are_immutable is None else "the tag"
    return Judgement(
        outcome=Outcome.PASS if there else Outcome.FAIL,
        rule="in the registry",
        subject=subject,
        sentence=f"{subject} is in the registry"
        if there
        else f"{subject} is not in the registry: {lacks} is missing; push it",
        observed=image.digest or "missing",
        target="in the registry",
        clears="" if there else f"{subject} pushed",
    )


def _same_digest(image: probes.aws.RegistryImage, wanted: str | None) -> Judgement:
    subject = f"image {image.repository}:{image.tag}"
    same = image.digest == wanted
    sentence = f"{subject} is the one that was built ({_short(wanted)})"
    if wanted is None:
        sentence = f"{subject} can't be compared: the build's evidence names no digest for it"
    elif not same:
        sentence = (
            f"{subject} leads to {_short(image.digest)}, but {_short(wanted)} was built: "
            "the tag was moved, or another image was pushed"
        )
    return Judgement(
        outcome=Outcome.PASS if same else Outcome.FAIL,
        rule="digest",
        subject=subject,
        sentence=sentence,
        observed=image.digest,
        target=wanted,
        clears="" if same else f"{subject} pushed from the build of this release",
    )


def _immutable(image: probes.aws.RegistryImage, *, wanted: bool) -> Judgement:
    kept = bool(image.tags_are_immutable)
    subject = f"tags of {image.repository}"
    allowed = "" if kept or wanted else ", and images.tags_are_immutable allows it"
    passed = kept or not wanted
    return Judgement(
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        rule="immutable tags",
        subject=subject,
        sentence=f"{subject} {'can not' if kept else 'can'} be moved{allowed}",
        observed="immutable" if kept else "mutable",
        target="immutable" if wanted else None,
        clears="" if passed else f"tag immutability switched on for {image.repository}",
    )


def _short(digest: str | None) -> str:
    return "nothing" if digest is None else digest.removeprefix("sha256:")[:12]

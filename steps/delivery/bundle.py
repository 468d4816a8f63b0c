"""The web bundle in its bucket: exactly what was built, nothing missing, damaged or left over."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Annotated, Literal

from pydantic import Field, ValidationError

import probes
from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Outcome
from probes.formats import NotJsonError, parse
from probes.observation import Observation
from settings.delivery import Frontend as Settings
from settings.sections import Section
from steps.delivery.aws_account import aws_target
from steps.kit.check import Check
from steps.kit.evidence import EvidenceReading, read_evidence
from steps.kit.evidence_rules import Line, of_release
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import NotDescribedError, Platform

READ_SECONDS = 60.0
"""A whole bundle is read in many calls, maybe from another continent."""
_MOST_NAMED = 5


class BuiltFile(Section):
    """One file of a bundle."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(ge=0)
    asset: bool = False
    """Whether its name changes with its content, so that it may be kept for good."""
    assets: tuple[str, ...] = ()
    """Of a page: the files that it names."""


class Manifest(Section):
    """What a build made: `{"schema": 1, "release", "build_id", "files": {name: {sha256, size, …}}}`."""

    schema_version: Literal[1] = Field(alias="schema")
    release: Line
    build_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
    files: dict[str, BuiltFile] = Field(min_length=1)


def described(platform: Platform) -> Settings:
    """Return what the environment says of the frontend; NotDescribedError without it."""
    section = platform.environment.settings.frontend
    if section is None:
        raise NotDescribedError("the environment lacks the section frontend; add it")
    return section


@dataclasses.dataclass(frozen=True, slots=True)
class ManifestReading:
    """The manifest of the release's build; without one, the judgements that say why."""

    manifest: Manifest | None
    evidence: EvidenceReading
    observation: Observation[probes.aws.ObjectContent] | None
    judgements: tuple[Judgement, ...]

    def note(self, check: Check) -> None:
        """Keep everything that was seen and judged on the way to the manifest."""
        self.evidence.note(check)
        if self.observation is not None:
            check.observe_everywhere(self.observation)
        check.judge_everywhere(*self.judgements)


def read_manifest(platform: Platform) -> ManifestReading:
    """Read the manifest in the bucket; only the one whose digest the build's evidence names counts."""
    settings = described(platform)
    evidence = read_evidence(platform, settings.evidence)
    if not evidence.believable:
        return ManifestReading(None, evidence, None, ())
    key = settings.prefix + settings.manifest
    found = probes.aws.content(
        aws_target(platform), settings.bucket, key, deadline=platform.call_deadline()
    )
    subject = f"build manifest {key}"
    if found.value is None:
        error = instrument_error(subject, failure_of(found))
        return ManifestReading(None, evidence, found, (error,))
    if found.value.content is None:
        return ManifestReading(None, evidence, found, (_not_uploaded(subject),))
    content = found.value.content
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    same = _manifest_digest(subject, digest, evidence.digests.get(settings.manifest))
    if same.outcome is not Outcome.PASS:
        return ManifestReading(None, evidence, found, (same,))
    manifest = parsed(content)
    if manifest is None:
        return ManifestReading(None, evidence, found, (same, _damaged(subject)))
    release = of_release(subject, manifest.release, platform.release)
    ours = manifest if release.outcome is Outcome.PASS else None
    return ManifestReading(ours, evidence, found, (same, release))


def uploaded(platform: Platform, check: Check) -> None:
    """Judge that the bucket holds the bundle's files and no others, byte for byte."""
    reading = read_manifest(platform)
    reading.note(check)
    if reading.manifest is None:
        return
    settings = described(platform)
    listed = objects(platform)
    check.observe_everywhere(listed)
    if listed.value is None:
        error = instrument_error(f"bucket {settings.bucket}", failure_of(listed))
        check.judge_everywhere(error)
        return
    files = {f"{settings.prefix}{name}": file for name, file in reading.manifest.files.items()}
    there = {key for key in listed.value.objects if not _is_ignored(settings, key)}
    check.judge_everywhere(
        _none("file of the bundle that is missing in the bucket", files.keys() - there),
        _none("object in the bucket that belongs to no file of the bundle", there - files.keys()),
    )
    _judge_content(platform, check, {key: files[key] for key in sorted(files.keys() & there)})


def objects(platform: Platform) -> Observation[probes.aws.Bucket]:
    """List what lies where the bundle does."""
    settings = described(platform)
    deadline = platform.deadline.sooner(READ_SECONDS)
    return probes.aws.bucket(
        aws_target(platform), settings.bucket, settings.prefix, deadline=deadline
    )


def _judge_content(platform: Platform, check: Check, files: dict[str, BuiltFile]) -> None:
    settings = described(platform)
    deadline = platform.deadline.sooner(READ_SECONDS)
    read = probes.aws.digests(aws_target(platform), settings.bucket, files, deadline=deadline)
    check.observe_everywhere(read)
    if read.value is None:
        error = instrument_error(f"objects of {settings.bucket}", failure_of(read))
        check.judge_everywhere(error)
        return
    found = read.value.sha256
    other = {key for key, file in files.items() if found[key] != file.sha256}
    check.judge_everywhere(_none("object whose content is not the one that was built", other))


def is_of_others(settings: Settings, key: str) -> bool:
    """Return whether an object belongs to no bundle, wherever it comes from."""
    ignored = tuple(settings.prefix + prefix for prefix in settings.ignored)
    return key.startswith(ignored) and key != settings.prefix + settings.manifest


def _is_ignored(settings: Settings, key: str) -> bool:
    return key == settings.prefix + settings.manifest or is_of_others(settings, key)


def _none(what: str, names: set[str]) -> Judgement:
    """PASS when there are none of these names; FAIL with their number and the first of them."""
    shown = sorted(names)[:_MOST_NAMED]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return Judgement(
        outcome=Outcome.FAIL if names else Outcome.PASS,
        rule="as built",
        subject=what,
        sentence=f"{len(names)} x {what}: {', '.join(shown)}{more}" if names else f"no {what}",
        observed=len(names),
        target=0,
        clears="the bundle of this release uploaded again, with what is left over deleted"
        if names
        else "",
        data={"names": shown},
    )


def parsed(content: bytes) -> Manifest | None:
    """Return a manifest, or None for what is none."""
    try:
        return Manifest.model_validate(parse(content))
    except (NotJsonError, ValidationError):
        return None


def _manifest_digest(subject: str, found: str, built: str | None) -> Judgement:
    same = equals(f"{subject} digest", found, built)
    if same.outcome is Outcome.PASS:
        return same
    return dataclasses.replace(
        same,
        sentence=f"{subject} is not the one of this release's build: another build was uploaded, "
        "or none yet",
        clears="the bundle of this release uploaded",
    )


def _not_uploaded(subject: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL,
        rule="uploaded",
        subject=subject,
        sentence=f"{subject} is not in the bucket: the bundle was not uploaded",
        observed="missing",
        target="uploaded",
        clears="the bundle of this release uploaded, its manifest too",
    )


def _damaged(subject: str) -> Judgement:
    return Judgement(
        outcome=Outcome.ERROR,
        rule="uploaded",
        subject=subject,
        sentence=f"{subject} is what was built, and is no manifest of schema 1: mend the build",
        observed="damaged",
        target="a manifest",
        clears="a build that writes its manifest as docs/platform-contract.md says",
    )

"""What checks, doctor and baseline read: AWS with the gate's access, the web build, its evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

import probes
from gates.decide.outcome import Outcome
from probes.formats import NotJsonError, parse
from probes.observation import Document, Facts, Observation
from settings.delivery import Aws, Frontend, Images
from settings.sections import Section
from steps.delivery import rules
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.evidence import EvidenceReading, Line, of_release, read_evidence
from steps.kit.failures import failure_of
from steps.kit.platform import Platform

READ_SECONDS = 60.0
"""A whole bundle is read in many calls, maybe from another continent."""


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


def aws_target(platform: Platform) -> probes.aws.AwsTarget:
    """Return the gate's access to AWS; raises NotDescribedError without the section aws."""
    section = platform.section(Aws)
    return probes.aws.AwsTarget(
        region=section.region,
        endpoint_url=section.endpoint_url,
        access_key_id=platform.secret(section.access_key_id),
        secret_access_key=platform.secret(section.secret_access_key),
        session_token=platform.secret(section.session_token),
        ca_file=section.ca_file,
    )


def build_evidence_kind(platform: Platform) -> str:
    """Return the kind of the image build's evidence, also where no registry is described."""
    section = platform.environment.settings.images
    return str(Images.model_fields["evidence"].default if section is None else section.evidence)


def evidence(asked: Asked, kind: str) -> EvidenceReading:
    """Return the release's evidence of a kind; the document itself is kept and judged."""
    found = read_evidence(asked.platform, kind)
    found.note(asked.check)
    return found


def parsed(content: bytes) -> Manifest | None:
    """Return a manifest, or None for what is none."""
    try:
        return Manifest.model_validate(parse(content))
    except (NotJsonError, ValidationError):
        return None


def content(platform: Platform) -> Observation[Document]:
    """Read the manifest in the bucket, whatever it is."""
    settings = platform.section(Frontend)
    key, deadline = settings.prefix + settings.manifest, platform.call_deadline()
    return probes.aws.content(aws_target(platform), settings.bucket, key, deadline=deadline)


def manifest(asked: Asked) -> Manifest:
    """Return the release's manifest; only the one whose digest the build's evidence names counts.

    Raises Unread where there is none; why, is judged.
    """
    settings = asked.platform.section(Frontend)
    built = evidence(asked, settings.evidence)
    subject = f"build manifest {settings.prefix}{settings.manifest}"
    if not built.believable:
        raise Unread(subject)
    data = asked.read(subject, lambda: content(asked.platform)).content
    if data is None:
        asked.judge(rules.not_uploaded(subject))
        raise Unread(subject)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    same = rules.manifest_digest(subject, digest, built.digests.get(settings.manifest))
    asked.judge(same)
    if same.outcome is not Outcome.PASS:
        raise Unread(subject)
    found = parsed(data)
    if found is None:
        asked.judge(rules.damaged(subject))
        raise Unread(subject)
    release = of_release(subject, found.release, asked.platform.release)
    asked.judge(release)
    if release.outcome is not Outcome.PASS:
        raise Unread(subject)
    return found


def objects(asked: Asked) -> probes.aws.Bucket:
    """Return what lies where the bundle does; raises Unread."""
    settings, platform = asked.platform.section(Frontend), asked.platform
    return asked.read(
        f"bucket {settings.bucket}",
        lambda: probes.aws.bucket(
            aws_target(platform),
            settings.bucket,
            settings.prefix,
            deadline=platform.deadline.sooner(READ_SECONDS),
        ),
    )


IMAGES = "image digests"
BUILD = "web build"

V = TypeVar("V", bound=Facts)


def image_digests(platform: Platform) -> Mapping[str, Any]:
    """Return the digest of every repository's newest tags; raises CannotCollectError."""
    section, target = platform.section(Images), aws_target(platform)
    found = {
        repository: _value(
            probes.aws.tags(
                target,
                repository,
                deadline=platform.call_deadline(),
                registry_id=section.registry_id,
            )
        ).digests
        for repository in section.repositories
    }
    return {SHARED: found}


def web_build(platform: Platform) -> Mapping[str, Any]:
    """Return digest and build of the bundle's manifest, None without; raises CannotCollectError."""
    data = _value(content(platform)).content
    if data is None:
        return {SHARED: None}
    built = parsed(data)
    return {
        SHARED: {
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "build_id": built and built.build_id,
            "files": built and len(built.files),
        }
    }


def _value(observation: Observation[V]) -> V:
    if observation.value is None:
        raise CannotCollectError(failure_of(observation).detail)
    return observation.value

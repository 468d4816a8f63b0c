"""What a baseline keeps of images and web application: what a way back has to lead to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import probes
from probes.observation import Facts, Observation
from settings.delivery import Images
from steps.delivery import reading
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.failures import failure_of
from steps.kit.platform import Platform

IMAGES = "image digests"
BUILD = "web build"

V = TypeVar("V", bound=Facts)


def image_digests(platform: Platform) -> Mapping[str, Any]:
    """Return the digest of every repository's newest tags; raises CannotCollectError."""
    section, target = platform.section(Images), reading.aws_target(platform)
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
    content = _value(reading.content(platform)).content
    if content is None:
        return {SHARED: None}
    manifest = reading.parsed(content)
    return {
        SHARED: {
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "build_id": manifest and manifest.build_id,
            "files": manifest and len(manifest.files),
        }
    }


def _value(observation: Observation[V]) -> V:
    if observation.value is None:
        raise CannotCollectError(failure_of(observation).detail)
    return observation.value

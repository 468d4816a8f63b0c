"""What AWS keeps: images and builds under the release's tag, and how old secrets and access keys are."""

from __future__ import annotations

import concurrent.futures
import functools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import probes
from gates.decide.judgement import Judgement, contains_all
from probes.observation import Observation, utc_now
from settings.delivery import Frontend, Images, Secrets
from steps.delivery import reading, rules
from steps.kit.asked import Asked
from steps.kit.evidence import EvidenceReading, judge_result
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import Platform
from steps.kit.sentence import described, then, when

Built = Callable[[], EvidenceReading]
"""A build's evidence: read, kept and judged at the first call."""
Registry = Mapping[str, Observation["probes.aws.RegistryImage"]]
"""The release's tag of each repository."""


@when("the evidence of the image build is read", target_fixture="built")
def image_evidence(asked: Asked) -> Built:
    kind = asked.platform.section(Images).evidence
    return functools.cache(lambda: reading.evidence(asked, kind))


@when("the evidence of the web build is read", target_fixture="built")
def web_evidence(asked: Asked) -> Built:
    kind = asked.platform.section(Frontend).evidence
    return functools.cache(lambda: reading.evidence(asked, kind))


@then("the build passed")
def build_passed(asked: Asked, built: Built) -> None:
    found = built()
    if found.evidence is not None:
        asked.judge(judge_result(found.subject, found.evidence))


@then("the evidence names the digest of every image")
def names_every_image(asked: Asked, built: Built) -> None:
    _names(asked, built(), asked.platform.section(Images).repositories)


@then("the evidence names the digest of the bundle's manifest")
def names_the_manifest(asked: Asked, built: Built) -> None:
    _names(asked, built(), (asked.platform.section(Frontend).manifest,))


@when("the release's tag of every image is looked up in the registry", target_fixture="registry")
def look_up(asked: Asked) -> Registry:
    section, target = asked.platform.section(Images), reading.aws_target(asked.platform)
    tag = section.tag.replace("{release}", asked.platform.release.number)

    def look(repository: str) -> Observation[probes.aws.RegistryImage]:
        deadline, owner = asked.platform.call_deadline(), section.registry_id
        return probes.aws.image(target, repository, tag, deadline=deadline, registry_id=owner)

    with concurrent.futures.ThreadPoolExecutor(len(section.repositories)) as pool:
        found = list(pool.map(look, section.repositories))
    for one in found:
        asked.keep(one)
    return dict(zip(section.repositories, found, strict=True))


@then("every image is there")
def every_image_there(asked: Asked, registry: Registry) -> None:
    asked.judge(*(_there(repository, seen) for repository, seen in registry.items()))


@then("every tag leads to the digest of the build's evidence, and can't be moved if it must not")
def every_tag_as_built(asked: Asked, registry: Registry) -> None:
    section = asked.platform.section(Images)
    built = reading.evidence(asked, section.evidence)
    for repository, seen in registry.items():
        image = seen.value
        if image is None or image.digest is None:
            asked.judge(_there(repository, seen))
            continue
        if built.believable:
            asked.judge(rules.same_digest(image, built.digests.get(repository)))
        asked.judge(rules.immutable(image, wanted=section.tags_are_immutable))


def _names(asked: Asked, built: EvidenceReading, artefacts: tuple[str, ...]) -> None:
    """Judge that the evidence has a digest for each of these artefacts."""
    if built.evidence is not None:
        asked.judge(contains_all(f"{built.subject} digests", tuple(built.digests), artefacts))


def _there(repository: str, seen: Observation[probes.aws.RegistryImage]) -> Judgement:
    if seen.value is None:
        return instrument_error(f"registry, {repository}", failure_of(seen))
    return rules.in_the_registry(seen.value)


_LOOKERS = 8
_Found = tuple[Observation[Any], list[Judgement]]


described("the ages of the secrets and access keys are read", Secrets, "secrets")


@then("none is older than the policy allows")
def rotated(asked: Asked, secrets: Secrets) -> None:
    looks = [
        *(partial(_secret, asked.platform, name) for name in secrets.names),
        *(partial(_keys, asked.platform, user) for user in secrets.access_key_users),
    ]
    with concurrent.futures.ThreadPoolExecutor(_LOOKERS) as pool:
        for seen, judgements in pool.map(lambda look: look(), looks):
            asked.keep(seen)
            asked.judge(*judgements)


def _secret(platform: Platform, name: str) -> _Found:
    target, subject = reading.aws_target(platform), f"secret {name}"
    seen = probes.aws.secret_dates(target, name, deadline=platform.call_deadline())
    if seen.value is None:
        return seen, [instrument_error(subject, failure_of(seen))]
    if seen.value.deleted:
        return seen, [rules.absent(subject, "is marked for deletion")]
    if seen.value.value_made_at is None:
        return seen, [rules.absent(subject, "is not there, or has no value")]
    limit_seconds = platform.policy.secrets.max_age
    return seen, [rules.young(subject, seen.value.value_made_at, utc_now(), limit_seconds)]


def _keys(platform: Platform, user: str) -> _Found:
    target, subject = reading.aws_target(platform), f"access key of {user}"
    seen = probes.aws.access_keys(target, user, deadline=platform.call_deadline())
    if seen.value is None:
        return seen, [instrument_error(subject, failure_of(seen))]
    if seen.value.made_at is None:
        return seen, [rules.absent(subject, "can't be read: there is no such user")]
    limit_seconds = platform.policy.secrets.max_age
    ages = [rules.young(subject, at, utc_now(), limit_seconds) for at in seen.value.made_at]
    return seen, ages or [rules.no_key(subject)]

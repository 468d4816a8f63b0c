"""The doctor on AWS: the gate's access reads what the checks of images, frontend and secrets read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import probes
from probes.observation import FailureKind, Observation, utc_now
from settings.delivery import Frontend, Images, Secrets
from steps.delivery.reading import aws_target
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Subject, System

_KEYS = Keys("aws.endpoint_url", "aws.ca_file", "aws.access_key_id")
_POLICY = "attach deploy/aws/gate_policy.json, filled in, to the user or role of the gate"
_LOOK = "the policies of that user or role must allow no more than those in deploy/aws"
_ROLE = "run the gate where a pod or runner has its role, or name aws.access_key_id"


def examine_aws(subject: Subject) -> list[Finding]:
    """Read one thing of each kind that the checks read; nothing is written and no secret's value asked."""
    system, found = System(subject, "AWS", None, _KEYS), list[Finding]()
    for finding in _looks(system):
        found.append(finding)
        if not finding.reached:
            # What keeps the gate from one service keeps it from all of them.
            return found
    return [*found, system.not_proved("the user or role of the gate", _LOOK)] if found else []


def _looks(system: System) -> Iterator[Finding]:
    settings = system.subject.settings
    if settings.images is not None:
        yield from _registry(system, settings.images)
    if settings.frontend is not None:
        yield from _frontend(system, settings.frontend)
    if settings.secrets is not None:
        yield from _secrets(system, settings.secrets)


def _registry(system: System, section: Images) -> Iterator[Finding]:
    target, owner = aws_target(system.subject.platform), section.registry_id
    for name in section.repositories:
        deadline = system.subject.deadline()
        seen = probes.aws.tags(target, name, registry_id=owner, deadline=deadline)
        there = seen.value is not None and seen.value.digests is not None
        yield _finding(system, seen, f"repository {name}", "images.repositories", there=there)


def _frontend(system: System, section: Frontend) -> Iterator[Finding]:
    target, call = aws_target(system.subject.platform), system.subject.deadline
    key = f"{section.prefix}{section.manifest}"
    manifest = probes.aws.content(target, section.bucket, key, deadline=call())
    # Before the first deployment there is no manifest yet; a bucket that is not there is a failure.
    yield _finding(system, manifest, f"bucket {section.bucket}", "frontend.bucket")
    orders = probes.aws.invalidations(target, section.distribution, utc_now(), deadline=call())
    yield _finding(system, orders, f"distribution {section.distribution}", "frontend.distribution")


def _secrets(system: System, section: Secrets) -> Iterator[Finding]:
    target, call = aws_target(system.subject.platform), system.subject.deadline
    for name in section.names:
        dates = probes.aws.secret_dates(target, name, deadline=call())
        there = dates.value is not None and dates.value.value_made_at is not None
        yield _finding(system, dates, f"secret {name}", "secrets.names", there=there)
    for user in section.access_key_users:
        keys = probes.aws.access_keys(target, user, deadline=call())
        there = keys.value is not None and keys.value.made_at is not None
        what, key = f"access keys of {user}", "secrets.access_key_users"
        yield _finding(system, keys, what, key, there=there)


def _finding(
    system: System, observed: Observation[Any], what: str, key: str, *, there: bool = True
) -> Finding:
    fix = system.subject.key(key, "the name as AWS has it, in aws.region")
    if observed.value is not None:
        return (
            system.ok(f"{what} can be read") if there else system.bad(f"{what} is not there", fix)
        )
    failure, settings = failure_of(observed), system.subject.settings
    if failure.kind is FailureKind.FORBIDDEN:
        return system.bad(failure.detail, _POLICY)
    if failure.kind is FailureKind.UNUSABLE_ANSWER:
        return system.bad(failure.detail, fix)
    if failure.kind is FailureKind.CREDENTIAL_REFUSED:
        # Missing ones are found without asking anybody.
        own = settings.aws is not None and settings.aws.access_key_id is not None
        renew = f"renew the secret behind aws.access_key_id of {system.subject.file}"
        found = system.bad(failure.detail, renew if own else _ROLE)
        return dataclasses.replace(found, reached=False)
    return system.unread(failure)

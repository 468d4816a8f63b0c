"""The doctor on AWS: the gate's access reads what the checks of images, frontend and secrets read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import probes
from probes.observation import Failure, FailureKind, Observation, utc_now
from settings.delivery import Frontend, Images, Secrets
from steps.delivery.reading import aws_target
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, not_proved, unreachable

_SYSTEM = "AWS"
_KEYS = Keys("aws.endpoint_url", "aws.ca_file", "aws.access_key_id")
_POLICY = "attach deploy/aws/gate_policy.json, filled in, to the user or role of the gate"

_LOOK = "the policies of that user or role must allow no more than those in deploy/aws"
_ROLE = "run the gate where a pod or runner has its role, or name aws.access_key_id"


def examine_aws(subject: Subject) -> list[Finding]:
    """Read one thing of each kind that the checks read; nothing is written and no secret's value asked."""
    found: list[Finding] = []
    for finding in _looks(subject):
        found.append(finding)
        if not finding.reached:
            # What keeps the gate from one service keeps it from all of them.
            return found
    return [*found, not_proved(_SYSTEM, "the user or role of the gate", _LOOK)] if found else found


def _looks(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    if settings.images is not None:
        yield from _registry(subject, settings.images)
    if settings.frontend is not None:
        yield from _frontend(subject, settings.frontend)
    if settings.secrets is not None:
        yield from _secrets(subject, settings.secrets)


def _registry(subject: Subject, section: Images) -> Iterator[Finding]:
    for name in section.repositories:
        observed = probes.aws.tags(
            aws_target(subject.platform),
            name,
            registry_id=section.registry_id,
            deadline=subject.deadline(),
        )
        there = observed.value is not None and observed.value.digests is not None
        yield _finding(subject, observed, f"repository {name}", "images.repositories", there=there)


def _frontend(subject: Subject, section: Frontend) -> Iterator[Finding]:
    target = aws_target(subject.platform)
    key = f"{section.prefix}{section.manifest}"
    manifest = probes.aws.content(target, section.bucket, key, deadline=subject.deadline())
    # Before the first deployment there is no manifest yet; a bucket that is not there is a failure.
    yield _finding(subject, manifest, f"bucket {section.bucket}", "frontend.bucket", there=True)
    orders = probes.aws.invalidations(
        target, section.distribution, utc_now(), deadline=subject.deadline()
    )
    what = f"distribution {section.distribution}"
    yield _finding(subject, orders, what, "frontend.distribution", there=True)


def _secrets(subject: Subject, section: Secrets) -> Iterator[Finding]:
    target = aws_target(subject.platform)
    for name in section.names:
        dates = probes.aws.secret_dates(target, name, deadline=subject.deadline())
        there = dates.value is not None and dates.value.value_made_at is not None
        yield _finding(subject, dates, f"secret {name}", "secrets.names", there=there)
    for user in section.access_key_users:
        keys = probes.aws.access_keys(target, user, deadline=subject.deadline())
        there = keys.value is not None and keys.value.made_at is not None
        yield _finding(
            subject, keys, f"access keys of {user}", "secrets.access_key_users", there=there
        )


def _finding(
    subject: Subject, observed: Observation[Any], what: str, key: str, *, there: bool
) -> Finding:
    if observed.value is None:
        return _unreadable(subject, failure_of(observed), key)
    if not there:
        fixes = subject.key(key, "the name as AWS has it, in aws.region")
        return Finding(_SYSTEM, None, Level.BAD, f"{what} is not there", (fixes,))
    return Finding(_SYSTEM, None, Level.OK, f"{what} can be read")


def _unreadable(subject: Subject, failure: Failure, key: str) -> Finding:
    if failure.kind is FailureKind.FORBIDDEN:
        return Finding(_SYSTEM, None, Level.BAD, failure.detail, (_POLICY,))
    if failure.kind is FailureKind.UNUSABLE_ANSWER:
        fixes = subject.key(key, "the name as AWS has it, in aws.region")
        return Finding(_SYSTEM, None, Level.BAD, failure.detail, (fixes,))
    if failure.kind is FailureKind.CREDENTIAL_REFUSED:
        # Missing ones are found without asking anybody.
        own = subject.settings.aws is not None and subject.settings.aws.access_key_id is not None
        remedy = f"renew the secret behind aws.access_key_id of {subject.file}" if own else _ROLE
        return Finding(_SYSTEM, None, Level.BAD, failure.detail, (remedy,), reached=False)
    return unreachable(subject, _SYSTEM, None, failure, _KEYS)

"""How old the platform's secrets and access keys are; their values are never read."""

from __future__ import annotations

import concurrent.futures
from functools import partial
from typing import Any

import probes
from gates.decide.judgement import Judgement
from probes.observation import Observation, utc_now
from settings.delivery import Secrets
from steps.delivery import reading, rules
from steps.kit.asked import Asked
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import Platform
from steps.kit.sentence import described, then

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

"""How old the platform's secrets and access keys are; their values are never read."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation, utc_now
from steps.delivery.aws_account import aws_target
from steps.kit.check import Check
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import NotDescribedError, Platform

_DAY_SECONDS = 86400.0
_LOOKERS = 8


def rotated(platform: Platform, check: Check) -> None:
    """Judge that every secret and access key is younger than the policy's maximum age."""
    section = platform.environment.settings.secrets
    if section is None:
        raise NotDescribedError("the environment lacks the section secrets; add it")
    target = aws_target(platform)

    def secret(name: str) -> tuple[Observation[probes.aws.SecretDates], list[Judgement]]:
        seen = probes.aws.secret_dates(target, name, deadline=platform.call_deadline())
        return seen, _secret(platform, name, seen)

    def keys(user: str) -> tuple[Observation[probes.aws.AccessKeys], list[Judgement]]:
        seen = probes.aws.access_keys(target, user, deadline=platform.call_deadline())
        return seen, _keys(platform, user, seen)

    results: list[tuple[Observation[Any], list[Judgement]]] = []
    with concurrent.futures.ThreadPoolExecutor(_LOOKERS) as pool:
        results.extend(pool.map(secret, section.names))
        results.extend(pool.map(keys, section.access_key_users))
    for seen, judgements in results:
        check.observe_everywhere(seen)
        check.judge_everywhere(*judgements)


def _secret(
    platform: Platform, name: str, seen: Observation[probes.aws.SecretDates]
) -> list[Judgement]:
    subject = f"secret {name}"
    if seen.value is None:
        return [instrument_error(subject, failure_of(seen))]
    if seen.value.deleted:
        return [_absent(subject, "is marked for deletion")]
    if seen.value.value_made_at is None:
        return [_absent(subject, "is not there, or has no value")]
    return [_young(platform, subject, seen.value.value_made_at)]


def _keys(
    platform: Platform, user: str, seen: Observation[probes.aws.AccessKeys]
) -> list[Judgement]:
    subject = f"access key of {user}"
    if seen.value is None:
        return [instrument_error(subject, failure_of(seen))]
    if seen.value.made_at is None:
        return [_absent(subject, "can't be looked at: there is no such user")]
    return [_young(platform, subject, at) for at in seen.value.made_at] or [_no_key(subject)]


def _young(platform: Platform, subject: str, made_at: dt.datetime) -> Judgement:
    limit = platform.policy.secrets.max_age
    seconds = (utc_now() - made_at).total_seconds()
    days, most = seconds / _DAY_SECONDS, limit / _DAY_SECONDS
    young = seconds <= limit
    sentence = f"{subject} is {days:.0f} days old, wanted at most {most:.0f}"
    return Judgement(
        outcome=Outcome.PASS if young else Outcome.FAIL,
        rule="secret age",
        subject=subject,
        sentence=sentence if young else f"{sentence}: rotate it ({days - most:.0f} days overdue)",
        observed=round(days, 1),
        target=most,
        unit="days",
        clears="" if young else f"{subject} rotated",
        data={"made_at": made_at.isoformat()},
    )


def _absent(subject: str, what: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL,
        rule="secret age",
        subject=subject,
        sentence=f"{subject} {what}",
        observed="absent",
        target="present",
        clears=f"{subject} there, or its name taken out of the environment's secrets",
    )


def _no_key(subject: str) -> Judgement:
    return Judgement(
        outcome=Outcome.PASS,
        rule="secret age",
        subject=subject,
        sentence=f"{subject}: none is active",
        observed=0,
    )

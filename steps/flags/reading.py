"""What checks, doctor and baseline read: the flags in Redis, and the platform's audit log."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Failure, FailureKind, Observation
from settings.flags import Audit, Flags
from steps.flags.rules import Value
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.expect import need
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import Platform

SCAN_SECONDS = 60.0
"""A walk over every key is thousands of calls; a million keys take some seconds."""
NOTHING = Value(None, "<nothing>")


def flags_of(section: Flags) -> list[str]:
    """Return the flags that are always there, or in a state."""
    return [*section.always, *next(iter(section.states.values()))]


def keys_of(section: Flags, flags: Iterable[str]) -> list[str]:
    """Return both keys of each flag."""
    return [key for flag in flags for key in section.keys(flag)]


def look(platform: Platform) -> Observation[probes.redis_keys.Texts]:
    """Read both keys of every described flag."""
    section = platform.section(Flags)
    return read_keys(platform, keys_of(section, flags_of(section)))


def read_keys(platform: Platform, keys: list[str]) -> Observation[probes.redis_keys.Texts]:
    """Read some keys with the gate's own login to Redis; raises NotDescribedError without one."""
    return probes.redis_keys.texts(_redis(platform), keys, deadline=platform.call_deadline())


def found_keys(platform: Platform, pattern: str) -> Observation[probes.redis_keys.KeyNames]:
    """Look for the names of the keys of a pattern."""
    deadline = platform.deadline.sooner(SCAN_SECONDS)
    return probes.redis_keys.key_names(_redis(platform), pattern, deadline=deadline)


def _redis(platform: Platform) -> probes.redis.RedisTarget:
    return need(platform.redis(), "the section redis")


def values(texts: probes.redis_keys.Texts) -> dict[str, Value]:
    """Return what each key holds, to judge it by."""
    return {
        key: Value(
            None if held.text is None else held.text.decode("utf-8", "backslashreplace"), held.shown
        )
        for key, held in texts.held.items()
    }


def shown_text(text: str | None) -> str:
    """Return a text that anybody may have written, so far as evidence may show it."""
    return NOTHING.shown if text is None else probes.redis_keys.shown(text.encode())


def snapshot(platform: Platform) -> Mapping[str, Any]:
    """Return what every described flag holds, so far as evidence may show it: facts of the baseline.

    Raises CannotCollectError when the flags can't be read.
    """
    observed = look(platform)
    if observed.value is None:
        raise CannotCollectError(failure_of(observed).detail)
    return {SHARED: dict(observed.value.facts())}


def audit_target(platform: Platform) -> probes.audit.AuditTarget:
    """Return the gate's access to the audit log; raises NotDescribedError without one."""
    section = platform.section(Audit)
    token = platform.environment.secret(section.token)
    return probes.audit.AuditTarget(section.address, section.path, token, section.ca_file)


def unread(subject: str, failure: Failure) -> Judgement:
    """Return the ERROR of an instrument that did not answer; one whose answer is no use decides nothing."""
    judged = instrument_error(subject, failure)
    if failure.kind is FailureKind.UNUSABLE_ANSWER:
        return dataclasses.replace(judged, outcome=Outcome.INCONCLUSIVE)
    return judged

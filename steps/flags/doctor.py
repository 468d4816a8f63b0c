"""The doctor on Redis and the audit log: the gate's logins read what its checks read, and no more."""

from __future__ import annotations

import datetime as dt

from pydantic import SecretStr

import probes
from probes import redis
from probes.observation import Failure, FailureKind, utc_now
from probes.redis import RedisFacts, RedisTarget
from probes.redis import rights as redis_rights
from probes.redis.rights import RedisRights
from settings.flags import Redis
from steps.flags import reading
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable

_SYSTEM = "Redis"
_USER = "release_gate"
_KEYS = Keys("redis.host", "redis.ca_file", "redis.password")
_COMMANDS = "+ping +info +dbsize +role +time +scan"
_WHOAMI = "+acl|whoami"
_PROOF = "+command|info +acl|dryrun"
_SINCE_ACL, _SINCE_PROOF = 6, 7
_MOST_SHOWN = 12
_SAVE = "ACL SAVE"
_AUDIT = "audit log"
_CONTRACT = "let the platform offer the API of docs/platform-contract.md, “Audit log”"
_LOOK_BACK = dt.timedelta(minutes=1)
_NOBODY = SecretStr("no-token-at-all")


def examine_redis(subject: Subject, section: Redis, target: RedisTarget) -> list[Finding]:
    """Log in, ask for its state, and judge every command that the gate's user may run."""
    state = redis.ping(target, deadline=subject.deadline())
    if state.value is None:
        return [_no_answer(subject, section, failure_of(state))]
    found = [_state(subject, state.value)]
    rights = redis_rights.excess_rights(target, deadline=subject.deadline())
    if rights.value is None:
        return [*found, _no_answer(subject, section, failure_of(rights))]
    found += _rights(subject, section, rights.value, state.value.version)
    return [*found, *_flags(subject, section, state.value.version)]


def acl_lines(
    user: str, version: str, *, new: bool, flags: str | None, database: int = 0
) -> tuple[str, str]:
    """Return the commands that give a user of a Redis of this version the gate's rights and no more.

    `flags` is the pattern of the only keys whose values it may read, if there are any.
    """
    modern = _major(version) >= _SINCE_PROOF
    start = "reset on >PASSWORD" if new else "on resetkeys"
    # Redis 6 has no pattern for reading alone, and none of these commands writes.
    keys = "" if flags is None else f" %R~{flags}" if modern else f" ~{flags}"
    asked = ("+get" if flags else "", "+select" if database else "")
    words = (_COMMANDS, *asked, _WHOAMI, _PROOF if modern else "")
    commands = " ".join(filter(None, words))
    return f"ACL SETUSER {user} {start}{keys} resetchannels -@all {commands}", _SAVE


def _acl_lines(subject: Subject, user: str, version: str, *, new: bool) -> tuple[str, str]:
    described = subject.settings.flags
    pattern = None if described is None else described.every_key
    section = subject.settings.redis
    database = 0 if section is None else section.database
    return acl_lines(user, version, new=new, flags=pattern, database=database)


def _no_answer(subject: Subject, section: Redis, failure: Failure) -> Finding:
    found = unreachable(subject, _SYSTEM, None, failure, _KEYS)
    if failure.kind is FailureKind.CREDENTIAL_REFUSED:
        lines = _acl_lines(subject, section.user, "7", new=True)
        return _finding(Level.BAD, found.sentence, *lines, *found.remedy)
    if failure.kind is FailureKind.FORBIDDEN:
        return _finding(
            Level.BAD, found.sentence, *_acl_lines(subject, section.user, "7", new=False)
        )
    return found


def _state(subject: Subject, state: RedisFacts) -> Finding:
    if state.role != "master":
        line = subject.key("redis.host", "the master")
        return _finding(Level.WARN, f"is a {state.role}: it may lag behind the master", line)
    if state.loading:
        return _finding(Level.WARN, "is loading its data", "wait until it has loaded")
    milliseconds = state.ping_seconds * 1000
    return _finding(Level.OK, f"version {state.version}, master, PING took {milliseconds:.1f} ms")


def _flags(subject: Subject, section: Redis, version: str) -> list[Finding]:
    """Read the flags that the environment describes; nothing to say where it describes none."""
    if subject.settings.flags is None:
        return []
    observed = reading.look(subject.platform)
    if observed.value is not None:
        return [_finding(Level.OK, f"the user {section.user} reads the feature flags")]
    failure = failure_of(observed)
    if failure.kind is FailureKind.FORBIDDEN:
        sentence = f"the user {section.user} may not read the feature flags"
        lines = _acl_lines(subject, section.user, version, new=False)
        return [_finding(Level.BAD, sentence, *lines)]
    return [_no_answer(subject, section, failure)]


def _rights(subject: Subject, section: Redis, rights: RedisRights, version: str) -> list[Finding]:
    if _major(version) < _SINCE_ACL:
        sentence = f"Redis {version} has no ACLs: every login may do everything"
        return [_finding(Level.WARN, sentence, "Redis 6 and later can restrict the gate's user")]
    if rights.excess:
        shown = ", ".join(rights.excess[:_MOST_SHOWN])
        more = len(rights.excess) - _MOST_SHOWN
        sentence = (
            f"the user {rights.user} may run {shown}{f' and {more} more' if more > 0 else ''}"
        )
        return [_finding(Level.BAD, sentence, *_restriction(subject, section, version))]
    if not rights.proved:
        sentence = f"it is not proved that the user {rights.user} can only read"
        return [_finding(Level.WARN, sentence, *_knowledge(section, version))]
    sentence = f"the user {rights.user} can't write, block or read a patient's value"
    return [_finding(Level.OK, sentence)]


def _restriction(subject: Subject, section: Redis, version: str) -> tuple[str, ...]:
    """Return what takes rights away; the default user is everybody's, so the gate gets its own."""
    if section.user != "default":
        return _acl_lines(subject, section.user, version, new=False)
    own = (
        subject.key("redis.user", _USER),
        subject.key("redis.password", "env:GATE_REDIS_PASSWORD"),
    )
    return (*_acl_lines(subject, _USER, version, new=True), *own)


def _knowledge(section: Redis, version: str) -> tuple[str, ...]:
    if _major(version) >= _SINCE_PROOF:
        return (f"ACL SETUSER {section.user} {_PROOF}", _SAVE)
    return (
        f"Redis {version} shows a user's rights to administrators only, Redis 7 to the user itself",
        "compare its line in ACL LIST with the one in docs/platform-contract.md",
    )


def _major(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isdigit() else 0


def _finding(level: Level, sentence: str, *remedy: str) -> Finding:
    return Finding(_SYSTEM, None, level, sentence, remedy)


def examine_audit(subject: Subject) -> list[Finding]:
    """Read the entries of the last minute with the token, and try in vain without it."""
    target = reading.audit_target(subject.platform)
    query = probes.audit.Query(utc_now() - _LOOK_BACK)
    observed = probes.audit.entries(target, query, deadline=subject.deadline())
    if observed.value is None:
        failure = failure_of(observed)
        if failure.kind is FailureKind.UNUSABLE_ANSWER:
            return [Finding(_AUDIT, None, Level.BAD, failure.detail, (_CONTRACT,))]
        keys = Keys("audit.address", "audit.ca_file", "audit.token")
        return [unreachable(subject, _AUDIT, None, failure, keys)]
    readable = Finding(_AUDIT, None, Level.OK, "the gate's token reads its entries")
    anybody = probes.audit.AuditTarget(target.base_url, target.path, _NOBODY, target.ca_file)
    opened = probes.audit.entries(anybody, query, deadline=subject.deadline())
    if opened.value is None:
        return [readable]
    words = "anybody can read it, without a valid token"
    return [readable, Finding(_AUDIT, None, Level.BAD, words, (_CONTRACT,))]

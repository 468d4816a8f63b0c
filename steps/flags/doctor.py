"""The doctor on Redis and the audit log: the gate's logins read what its checks read, and no more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial

from pydantic import SecretStr

import probes
from probes import redis
from probes.observation import Failure, FailureKind, utc_now
from probes.redis import RedisFacts, RedisTarget
from probes.redis import rights as redis_rights
from probes.redis.rights import RedisRights
from settings.flags import Redis
from steps.flags import reading
from steps.kit.findings import Finding, Keys, Subject, System, examination

_USER = "release_gate"
_KEYS = Keys("redis.host", "redis.ca_file", "redis.password")
_COMMANDS = "+ping +info +dbsize +role +time +scan"
_WHOAMI = "+acl|whoami"
_PROOF = "+command|info +acl|dryrun"
_SINCE_ACL, _SINCE_PROOF = 6, 7
_MOST_SHOWN = 12
_SAVE = "ACL SAVE"
_AUDIT = Keys("audit.address", "audit.ca_file", "audit.token")
_CONTRACT = "let the platform offer the API of docs/platform-contract.md, “Audit log”"
_LOOK_BACK = dt.timedelta(minutes=1)
_NOBODY = SecretStr("no-token-at-all")


@examination
def examine_redis(subject: Subject, section: Redis, target: RedisTarget) -> Iterator[Finding]:
    """Log in, ask for its state, and judge every command that the gate's user may run."""
    system = System(subject, "Redis", None, _KEYS)
    no_answer = partial(_no_answer, system, section)
    state = system.read(redis.ping(target, deadline=subject.deadline()), no_answer)
    yield _state(system, state)
    seen = redis_rights.excess_rights(target, deadline=subject.deadline())
    yield _rights(system, section, system.read(seen, no_answer), state.version)
    if subject.settings.flags is not None:
        yield _flags(system, section, state.version)


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
    flags, section = subject.settings.flags, subject.settings.redis
    pattern = None if flags is None else flags.every_key
    database = 0 if section is None else section.database
    return acl_lines(user, version, new=new, flags=pattern, database=database)


def _no_answer(system: System, section: Redis, failure: Failure) -> Finding:
    found = system.unread(failure)
    if failure.kind is FailureKind.CREDENTIAL_REFUSED:
        lines = _acl_lines(system.subject, section.user, "7", new=True)
        return system.bad(found.sentence, *lines, *found.remedy)
    if failure.kind is FailureKind.FORBIDDEN:
        lines = _acl_lines(system.subject, section.user, "7", new=False)
        return system.bad(found.sentence, *lines)
    return found


def _state(system: System, state: RedisFacts) -> Finding:
    if state.role != "master":
        line = system.subject.key("redis.host", "the master")
        return system.warn(f"is a {state.role}: it may lag behind the master", line)
    if state.loading:
        return system.warn("is loading its data", "wait until it has loaded")
    milliseconds = state.ping_seconds * 1000
    return system.ok(f"version {state.version}, master, PING took {milliseconds:.1f} ms")


def _flags(system: System, section: Redis, version: str) -> Finding:
    """Read the flags that the environment describes."""
    failure = reading.look(system.subject.platform).failure
    if failure is None:
        return system.ok(f"the user {section.user} reads the feature flags")
    if failure.kind is FailureKind.FORBIDDEN:
        sentence = f"the user {section.user} may not read the feature flags"
        return system.bad(sentence, *_acl_lines(system.subject, section.user, version, new=False))
    return _no_answer(system, section, failure)


def _rights(system: System, section: Redis, rights: RedisRights, version: str) -> Finding:
    if _major(version) < _SINCE_ACL:
        sentence = f"Redis {version} has no ACLs: every login may do everything"
        return system.warn(sentence, "Redis 6 and later can restrict the gate's user")
    if rights.excess:
        shown, more = ", ".join(rights.excess[:_MOST_SHOWN]), len(rights.excess) - _MOST_SHOWN
        others = f" and {more} more" if more > 0 else ""
        sentence = f"the user {rights.user} may run {shown}{others}"
        return system.bad(sentence, *_restriction(system.subject, section, version))
    if not rights.proved:
        proof: tuple[str, ...] = (f"ACL SETUSER {section.user} {_PROOF}", _SAVE)
        if _major(version) < _SINCE_PROOF:
            proof = (
                f"Redis {version} shows a user's rights to administrators only, Redis 7 to the user itself",
                "compare its line in ACL LIST with the one in docs/platform-contract.md",
            )
        return system.warn(f"it is not proved that the user {rights.user} can only read", *proof)
    return system.ok(f"the user {rights.user} can't write, block or read a patient's value")


def _restriction(subject: Subject, section: Redis, version: str) -> tuple[str, ...]:
    """Return what takes rights away; the default user is everybody's, so the gate gets its own."""
    if section.user != "default":
        return _acl_lines(subject, section.user, version, new=False)
    password = subject.key("redis.password", "env:GATE_REDIS_PASSWORD")
    own = (subject.key("redis.user", _USER), password)
    return (*_acl_lines(subject, _USER, version, new=True), *own)


def _major(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isdigit() else 0


@examination
def examine_audit(subject: Subject) -> Iterator[Finding]:
    """Read the entries of the last minute with the token, and try in vain without it."""
    system = System(subject, "audit log", None, _AUDIT)
    target = reading.audit_target(subject.platform)
    query = probes.audit.Query(utc_now() - _LOOK_BACK)

    def unread(failure: Failure) -> Finding:
        unusable = failure.kind is FailureKind.UNUSABLE_ANSWER
        return system.bad(failure.detail, _CONTRACT) if unusable else system.unread(failure)

    system.read(probes.audit.entries(target, query, deadline=subject.deadline()), unread)
    yield system.ok("the gate's token reads its entries")
    anybody = probes.audit.AuditTarget(target.base_url, target.path, _NOBODY, target.ca_file)
    if probes.audit.entries(anybody, query, deadline=subject.deadline()).value is not None:
        yield system.bad("anybody can read it, without a valid token", _CONTRACT)

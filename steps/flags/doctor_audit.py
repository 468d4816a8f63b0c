"""The doctor on the audit log: the gate's token reads entries, and nobody reads them without one."""

from __future__ import annotations

import datetime as dt

from pydantic import SecretStr

import probes
from probes.observation import FailureKind, utc_now
from steps.flags.change_log import target_of
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable

_SYSTEM = "audit log"
_KEYS = Keys("audit.address", "audit.ca_file", "audit.token")
_CONTRACT = "let the platform offer the API of docs/platform-contract.md, “Audit log”"
_LOOK_BACK = dt.timedelta(minutes=1)
_NOBODY = SecretStr("no-token-at-all")


def examine_audit(subject: Subject) -> list[Finding]:
    """Read the entries of the last minute with the token, and try in vain without it."""
    target = target_of(subject.platform)
    query = probes.audit.Query(utc_now() - _LOOK_BACK)
    observed = probes.audit.entries(target, query, deadline=subject.deadline())
    if observed.value is None:
        failure = failure_of(observed)
        if failure.kind is FailureKind.UNUSABLE_ANSWER:
            return [_finding(Level.BAD, failure.detail, _CONTRACT)]
        return [unreachable(subject, _SYSTEM, None, failure, _KEYS)]
    readable = _finding(Level.OK, "the gate's token reads its entries")
    anybody = probes.audit.AuditTarget(target.base_url, target.path, _NOBODY, target.ca_file)
    opened = probes.audit.entries(anybody, query, deadline=subject.deadline())
    if opened.value is None:
        return [readable]
    return [readable, _finding(Level.BAD, "anybody can read it, without a valid token", _CONTRACT)]


def _finding(level: Level, sentence: str, *remedy: str) -> Finding:
    return Finding(_SYSTEM, None, level, sentence, remedy)

"""The doctor on synthetic records: the token lists them, nobody else can, and none are left over."""

from __future__ import annotations

from pydantic import SecretStr

from probes import http
from probes.http import HttpTarget
from probes.observation import Failure
from settings.service import Synthetic
from smoke.synthetic import PATH, RemovalError, SyntheticRecords
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable

_SYSTEM = "synthetic"
_OK = 200
_REFUSED = frozenset({401, 403})
_CONTRACT = "let the platform offer the API of docs/platform-contract.md, “Synthetic records”"


def examine_synthetic(subject: Subject, region: str, section: Synthetic) -> list[Finding]:
    """List synthetic records with the token and without it; nothing is created or removed."""
    target = subject.platform.service(region, section.service)
    token = subject.platform.environment.secret(section.token)
    status = _status(subject, target, token)
    if isinstance(status, Failure):
        keys = Keys(f"regions.{region}.services.{section.service}", "ca_file", "synthetic.token")
        return [unreachable(subject, _SYSTEM, region, status, keys)]
    if status != _OK:
        return [_refused(subject, region, status)]
    return [_listed(subject, region, target, token), *_open(subject, region, target)]


def _status(subject: Subject, target: HttpTarget, token: SecretStr | None) -> int | Failure:
    headers = {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")} if token else {}
    observed = http.request(target, "GET", PATH, deadline=subject.deadline(), headers=headers)
    return failure_of(observed) if observed.value is None else observed.value.status


def _refused(subject: Subject, region: str, status: int) -> Finding:
    if status in _REFUSED:
        remedy = f"renew the secret behind synthetic.token of {subject.file}"
        sentence = f"GET {PATH} refuses the gate's token (status {status})"
        return Finding(_SYSTEM, region, Level.BAD, sentence, (remedy,))
    sentence = f"GET {PATH} answers {status}: synthetic records can't be found and removed"
    return Finding(_SYSTEM, region, Level.BAD, sentence, (_CONTRACT,))


def _listed(subject: Subject, region: str, target: HttpTarget, token: SecretStr) -> Finding:
    try:
        count = sum(1 for _ in SyntheticRecords(target, token).tags(subject.deadline()))
    except RemovalError as exc:
        return Finding(_SYSTEM, region, Level.BAD, str(exc), (_CONTRACT,))
    if count:
        sentence = f"the token lists synthetic records; {count} are there now"
        remedy = "none if a run is under way; the next run removes what is older than 15 minutes"
        return Finding(_SYSTEM, region, Level.WARN, sentence, (remedy,))
    return Finding(_SYSTEM, region, Level.OK, "the token lists synthetic records; none are there")


def _open(subject: Subject, region: str, target: HttpTarget) -> list[Finding]:
    """Return a finding when anybody may list, and so probably delete, without a token."""
    status = _status(subject, target, None)
    if status != _OK:
        return []
    sentence = f"GET {PATH} lists synthetic records to anybody, without a token"
    return [Finding(_SYSTEM, region, Level.BAD, sentence, (_CONTRACT,))]

"""The doctor on what the gate itself brings: secrets, the traffic it may ask for, sections left out."""

from __future__ import annotations

import base64
import binascii
import collections
import datetime as dt
import json
import os
import stat
from collections.abc import Sequence

from environments.loader import references, secret_file
from environments.provider import program
from environments.yaml_file import ConfigurationError
from gates.decide.catalogue import Row
from settings.objectives import Traffic
from steps.kit.findings import Finding, Level, Subject

_SECRETS, _TRAFFIC, _SECTIONS = "secrets", "traffic", "sections"
_EXPIRES_SOON = dt.timedelta(days=7)
_PARTS_OF_A_JWT = 3


def examine_secrets(subject: Subject, now: dt.datetime) -> list[Finding]:
    """Look at who may read each secret's file, and when a token ends. All are there: loaded before."""
    return [
        _secret(subject, key, reference, now) for key, reference in references(subject.settings)
    ]


def _secret(subject: Subject, key: str, reference: str, now: dt.datetime) -> Finding:
    file = secret_file(reference, subject.platform.environment.path.parent)
    if file is not None and file.stat().st_mode & stat.S_IROTH:
        remedy = (f"chmod 600 {file}", "in Kubernetes: defaultMode: 0400 of the secret's volume")
        return Finding(_SECRETS, None, Level.WARN, f"{key}: every user may read {file}", remedy)
    ends = ends_at(subject.platform.environment.secret(reference).get_secret_value())
    if ends is None or ends - now > _EXPIRES_SOON:
        until = f", valid until {ends:%Y-%m-%d %H:%M} UTC" if ends else ""
        return Finding(_SECRETS, None, Level.OK, f"{key}: {reference} is there{until}")
    level = Level.BAD if ends <= now else Level.WARN
    sentence = f"{key}: {reference} {'ended' if ends <= now else 'ends'} {ends:%Y-%m-%d %H:%M} UTC"
    return Finding(_SECRETS, None, level, sentence, (f"renew the token behind {reference}",))


def ends_at(secret: str) -> dt.datetime | None:
    """Return when a JSON Web Token ends; None for a secret that is none or names no end."""
    parts = secret.split(".")
    if len(parts) != _PARTS_OF_A_JWT:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return dt.datetime.fromtimestamp(claims["exp"], dt.UTC)
    except (binascii.Error, ValueError, TypeError, KeyError, OverflowError, OSError):
        return None


def examine_traffic(traffic: Traffic, file: str, now: dt.datetime) -> list[Finding]:
    """Look at the time of the switch and at the command that brings traffic; it is not run."""
    return [*_switch(traffic, file, now), *_lease(traffic, file)]


def _switch(traffic: Traffic, file: str, now: dt.datetime) -> list[Finding]:
    at = traffic.switched_at
    if at is None:
        remedy = ("gate post-deploy --switched-at …, once traffic is switched",)
        sentence = "nobody said yet since when the release carries traffic"
        return [Finding(_TRAFFIC, None, Level.WARN, sentence, remedy)]
    if at > now:
        line = f"{file}: traffic.switched_at: a time that has passed"
        sentence = f"switched_at {at:%Y-%m-%d %H:%M} lies in the future"
        return [Finding(_TRAFFIC, None, Level.BAD, sentence, (line,))]
    sentence = f"the release carries traffic since {at:%Y-%m-%d %H:%M:%S %Z}"
    return [Finding(_TRAFFIC, None, Level.OK, sentence)]


def _lease(traffic: Traffic, file: str) -> list[Finding]:
    if traffic.lease is None:
        return []
    name = traffic.lease.command[0]
    try:
        runs = os.access(program(name), os.X_OK)
    except ConfigurationError:
        runs = False
    if runs:
        rate = traffic.lease.requests_per_second
        return [Finding(_TRAFFIC, None, Level.OK, f"{name} can bring {rate:g} requests/s more")]
    line = f"{file}: traffic.lease.command: a command that is installed here"
    return [Finding(_TRAFFIC, None, Level.BAD, f"the command {name} can't be run", (line,))]


def examine_sections(sections: frozenset[str], rows: Sequence[Row], file: str) -> list[Finding]:
    """Say which checks do not apply because the environment file leaves their section out."""
    left_out: dict[str, list[str]] = collections.defaultdict(list)
    for row in rows:
        if not row.applies(sections):
            left_out[row.applies_if.partition(":")[2]].append(row.id)
    return [
        Finding(
            _SECTIONS,
            None,
            Level.WARN,
            f"no section {section}: {', '.join(checks)} do not apply",
            (f"{file}: {section}: see docs/environments.md, if the platform has one",),
        )
        for section, checks in left_out.items()
    ]

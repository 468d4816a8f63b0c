"""The doctor on those who may sign: their file can be read, and nobody is missing that policy asks for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from environments.yaml_file import ConfigurationError
from probes.observation import utc_now
from settings.statements import Approvers, Statements, StatementsPolicy
from steps.kit.findings import Finding, Subject, System, examination
from steps.kit.statements import read_approvers

_SOON = dt.timedelta(days=14)


@examination
def examine_statements(subject: Subject, section: Statements) -> Iterator[Finding]:
    """Read the approvers file; each item needs as many people with a valid key as policy asks for."""
    system = System(subject, "approvers")
    try:
        _, approvers = read_approvers(subject.platform.beside(section.approvers))
    except ConfigurationError as exc:
        yield system.bad(str(exc), f"fix {section.approvers}, by a reviewed change")
        return
    policy = subject.platform.policy.statements
    lacking = tuple(_lacking(policy, approvers, utc_now()))
    if lacking:
        remedy = f"name them in {section.approvers}, with a public key that is valid"
        yield system.bad(f"nobody can sign as policy asks: {'; '.join(lacking)}", remedy)
    else:
        yield system.ok(f"{len(approvers.people)} people can sign all that policy asks for")
    for name in _ending(approvers, utc_now()):
        yield system.warn(f"the last key of {name} ends within two weeks", f"{name}: a new key")


def _lacking(policy: StatementsPolicy, approvers: Approvers, now: dt.datetime) -> Iterator[str]:
    able = {
        name: person.roles
        for name, person in approvers.people.items()
        if any(key.counts_at(now) and key.revoked_from is None for key in person.keys)
    }
    for item, rule in policy.items.items():
        people = [name for name, roles in able.items() if set(roles) & set(rule.roles)]
        if len(people) < rule.people:
            yield f"{item} ({' or '.join(rule.roles)})"


def _ending(approvers: Approvers, now: dt.datetime) -> Iterator[str]:
    for person in approvers.people.values():
        ends = [key.valid_until for key in person.keys if key.counts_at(now)]
        if ends and all(end is not None and end - now < _SOON for end in ends):
            yield person.name

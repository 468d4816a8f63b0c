"""Rollback triggers that a person fired by their word, until others take it back. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gates.decide.statements import Kind, Ledger, Signed, by

if TYPE_CHECKING:
    from settings.statements import DeclarePolicy


@dataclasses.dataclass(frozen=True, slots=True)
class Declared:
    """One trigger that somebody fired."""

    trigger: str
    digest: str
    """Of the receipt, by which it is taken back."""
    by: str
    at: dt.datetime
    """When the gate received it."""
    reason: str

    def __str__(self) -> str:
        return f"{self.trigger} was declared by {self.by} at {self.at:%Y-%m-%d %H:%M:%S} UTC: {self.reason}"


def declared(found: Ledger, policy: DeclarePolicy | None) -> dict[str, Declared]:
    """Return what stands, by trigger: the last one who declared it, unless enough people took that back.

    Whoever runs the gate or wrote the release may declare: a false word costs a look, and none may cost data.
    """
    if policy is None:
        return {}
    stands: dict[str, Declared] = {}
    against: dict[str, set[str]] = {}
    for one in found.signed:
        said = one.statement
        for item, value in said.items.items():
            if said.kind is Kind.DECLARE and not refused(one, policy.roles):
                at = one.received_at
                stands[item] = Declared(item, one.digest, by(one), at, said.reason)
            known = stands.get(item)
            taken = said.kind is Kind.WITHDRAW and known is not None and value == known.digest
            if taken and not refused(one, policy.withdrawn_by):
                people = against.setdefault(value, set())
                people.add(said.person)
                if len(people) >= policy.withdrawals:
                    del stands[item]
    return stands


def refused(one: Signed, roles: tuple[str, ...]) -> str:
    """Return why somebody's word does not count, or nothing."""
    if one.statement.role not in roles:
        return f"is signed as {one.statement.role}; {' or '.join(roles)} has to sign"
    return "" if one.statement.reason else "has no reason"


def unclear(found: Ledger) -> Iterator[str]:
    """Yield what may be a declaration and can't be counted: it is not known that nobody fired a trigger."""
    for one in found.absent:
        if one.kind in (None, Kind.DECLARE):
            yield f"whether somebody declared a trigger is not known: {one}"

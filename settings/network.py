"""The zone: who answers for it, who is asked by everybody else, and what it has to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from settings.fields import Port, Text, host_of
from settings.sections import Seconds, Section

HOST_NAME = r"^([A-Za-z0-9_*]([A-Za-z0-9_-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*$"


class NameServer(Section):
    """One DNS server that the gate asks."""

    name: Text
    """As reports call it."""
    host: Text
    """Name or address."""
    port: Port = 53
    """UDP, and TCP for what does not fit."""


class DnsRecord(Section):
    """One set of records, as it must be once the release is deployed."""

    name: str = Field(pattern=HOST_NAME)
    """The full name, without a dot at its end."""
    type: Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"]
    """One entry for each type of a name."""
    values: tuple[Text, ...] = Field(min_length=1)
    """All of them, in any order, as `dig +short` prints them."""
    before: tuple[str, ...] | None = None
    """Its values until phase 6.1, where this release changes it. Before the deployment both count."""
    max_ttl: Seconds | None = Field(default=None, gt=0, le=86_400)
    """Where this record may live longer in caches than the policy's max_ttl."""

    @model_validator(mode="after")
    def _changes(self) -> Self:
        if self.before is not None and set(self.before) == set(self.values):
            raise ValueError("before and values are the same, so nothing changes; remove before")
        return self

    @property
    def accepted_before(self) -> tuple[tuple[str, ...], ...]:
        """Return the sets of values that are right while the release may not be deployed yet."""
        return (self.values,) if self.before is None else (self.before, self.values)


class Dns(Section):
    """The platform's zone."""

    zone: str = Field(pattern=HOST_NAME)
    """Its SOA record has the serial that every authoritative server of one provider must agree on."""
    authoritative: tuple[NameServer, ...] = Field(min_length=1)
    """Every server that is delegated to, each by itself: one that was forgotten answers visitors too,
    so fewer than the zone itself names decide nothing."""
    resolvers: tuple[NameServer, ...] = ()
    """Caches that people ask, such as the company's and some public ones; two or more."""
    records: tuple[DnsRecord, ...] = Field(min_length=1)
    """What the zone must say."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        """Refuse servers that would be asked twice, or under one name: one of two would never be seen."""
        for key, servers in (("authoritative", self.authoritative), ("resolvers", self.resolvers)):
            _refuse_doubled(key, [one.name for one in servers])
            _refuse_doubled(key, [f"{host_of(one.host)}:{one.port}" for one in servers])
        _refuse_doubled("records", [f"{one.name} {one.type}" for one in self.records])
        return self


def _refuse_doubled(key: str, names: Sequence[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"{key} names {doubled[0]} twice; keep one of them")

"""The zone and the certificates that people meet, and how long a change or a certificate may take or last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from settings.sections import Name, Port, Seconds, Section, Text, doubled, host_of

HOST_NAME = r"^([A-Za-z0-9_*]([A-Za-z0-9_-]*[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*$"
HostName = Annotated[str, Field(pattern=HOST_NAME)]
HostAndPort = Annotated[str, Field(pattern=r"^[^\s/@]+:[0-9]{1,5}$")]


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

    def _refusals(self) -> Iterator[str]:
        if self.before is not None and set(self.before) == set(self.values):
            yield "before and values are the same, so nothing changes; remove before"

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

    def _refusals(self) -> Iterator[str]:
        # Of servers that are asked twice, or under one name, one would never be seen.
        for key, servers in (("authoritative", self.authoritative), ("resolvers", self.resolvers)):
            yield from _doubled(key, [one.name for one in servers])
            yield from _doubled(key, [f"{host_of(one.host)}:{one.port}" for one in servers])
        yield from _doubled("records", [f"{one.name} {one.type}" for one in self.records])


def _doubled(key: str, names: Sequence[str]) -> Iterator[str]:
    for name in doubled(names):
        yield f"{key} names {name} twice; keep one of them"


class Certificates(Section):
    """The hosts whose certificates are looked at by a real handshake."""

    hosts: tuple[HostName, ...] = Field(min_length=1)
    """Each is asked for by its name (SNI) at every address of every region."""
    addresses: dict[Name, Annotated[tuple[HostAndPort, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """By region: where it terminates TLS, such as its load balancer's `name:443`; every address behind
    the name is asked. A region without one is asked where the hosts' own names lead, which decides
    nothing where a run asks several regions."""
    ca_file: str | None = None
    """The authority that must have signed them, where it is not a public one."""


class DnsPolicy(Section):
    """What a sane record is, and how long a changed one may take to be known everywhere."""

    propagation: Seconds = Field(default=300.0, gt=0, le=3600)
    """Every resolver answers the wanted values within this time (runbook: up to 5 minutes)."""
    min_ttl: Seconds = Field(default=30.0, ge=1)
    """Below it every visitor asks the authoritative servers again and again."""
    max_ttl: Seconds = Field(default=300.0, gt=0, le=86_400)
    """Over it a change cannot be known everywhere in time; a record may allow itself more."""

    def _refusals(self) -> Iterator[str]:
        if self.min_ttl > self.max_ttl:
            yield "min_ttl is over max_ttl, so no record could pass; swap them"


class CertificatePolicy(Section):
    """What a certificate and its handshake must be."""

    min_days_left: float = Field(default=30.0, ge=1, le=365, allow_inf_nan=False)
    """Days until it expires (runbook: 30)."""
    min_protocol: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    """The oldest version of TLS that a server may agree on with a modern client."""

"""The DNS probe: one question to one server, over UDP and, for what does not fit, TCP.

Every answer is a value, NXDOMAIN, SERVFAIL and REFUSED too: they differ, and the caller judges. Only
the lack of an answer is a failure. The machine's own resolver is asked for a server's address at most.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from probes import network
from probes.observation import (
    Deadline,
    FailureKind,
    Kinds,
    Observation,
    PhaseClock,
    explained,
    failures_of,
    observed,
)

PHASES: Final = ("resolve", "query")

_FIRST_TRY_SECONDS: Final = 2.0
"""A datagram may be lost on the way; it is sent once more."""
_CASE_MATTERS: Final = frozenset({"TXT", "CAA"})

# The one mapping of this module; a test walks the library's exceptions.
_KINDS: Final[Kinds] = {
    dns.exception.Timeout: FailureKind.TIMEOUT,
    EOFError: FailureKind.CONNECTION_LOST,
    dns.query.UnexpectedSource: FailureKind.PROTOCOL,
    dns.query.BadResponse: FailureKind.PROTOCOL,
    dns.exception.FormError: FailureKind.PROTOCOL,
    dns.exception.TooBig: FailureKind.TOO_LARGE,
    dns.exception.DNSException: FailureKind.UNUSABLE_ANSWER,
}

_SENTENCES: Final = failures_of("dns")


@dataclasses.dataclass(frozen=True, slots=True)
class DnsServer:
    """A server to ask, under the name that reports use."""

    name: str
    host: str
    port: int = 53

    @property
    def address(self) -> str:
        """Return the server as reports show it."""
        return f"{self.name} ({self.host}:{self.port})"


@dataclasses.dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What a server said to one question."""

    rcode: str
    """`NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`, …"""
    values: tuple[str, ...]
    """Normalised and sorted; empty when the name has no such record."""
    ttl_seconds: int | None
    """The least on the way to the values; None without any."""
    authoritative: bool

    def facts(self) -> Mapping[str, object]:
        """Return everything but texts: a name's records are public, a TXT record may hold anything."""
        return {
            "rcode": self.rcode,
            "values": [value for value in self.values if not value.startswith('"')],
            "ttl_seconds": self.ttl_seconds,
            "authoritative": self.authoritative,
        }


def ask(
    server: DnsServer, name: str, record_type: str, *, deadline: Deadline
) -> Observation[DnsAnswer]:
    """Ask a server for one name and type; a lost datagram is sent once more."""
    question = dns.message.make_query(f"{name}.", record_type, use_edns=0)

    def measured(clock: PhaseClock) -> DnsAnswer:
        clock.enter("resolve")
        address = network.resolve(server.host, server.port, deadline)[0][1][0]
        clock.enter("query")
        response, clock.attempts = _exchange(question, address, server.port, deadline)
        return _answer(response, record_type)

    target = f"dns://{server.host}:{server.port} {name} {record_type}"
    explain = explained(server.address, failure_kind, _SENTENCES)
    return observed("dns", target, measured, explain, PHASES)


def _exchange(
    question: dns.message.Message, address: str, port: int, deadline: Deadline
) -> tuple[dns.message.Message, int]:
    first = min(_FIRST_TRY_SECONDS, network.seconds_left(deadline) / 2)
    try:
        return dns.query.udp_with_fallback(question, address, timeout=first, port=port)[0], 1
    except dns.exception.Timeout:
        left = network.seconds_left(deadline)
        return dns.query.udp_with_fallback(question, address, timeout=left, port=port)[0], 2


def _answer(response: dns.message.Message, record_type: str) -> DnsAnswer:
    rcode = dns.rcode.to_text(response.rcode())
    authoritative = bool(response.flags & dns.flags.AA)
    if not isinstance(response, dns.message.QueryMessage) or rcode not in {"NOERROR", "NXDOMAIN"}:
        return DnsAnswer(rcode, (), None, authoritative)
    chain = response.resolve_chaining()
    if chain.answer is None:
        return DnsAnswer(rcode, (), None, authoritative)
    values = sorted(_plain(record_type, rdata.to_text()) for rdata in chain.answer)
    return DnsAnswer(rcode, tuple(values), chain.minimum_ttl, authoritative)


def normalised(record_type: str, value: str) -> str:
    """Return a value as answers have it: lower case, no dot at the end; raises ValueError."""
    try:
        rdata = dns.rdata.from_text(
            dns.rdataclass.IN, dns.rdatatype.from_text(record_type), value, relativize=False
        )
    except dns.exception.DNSException as exc:
        raise ValueError(f"“{value}” is not a valid {record_type} record") from exc
    return _plain(record_type, rdata.to_text())


def _plain(record_type: str, text: str) -> str:
    return text if record_type in _CASE_MATTERS else text.lower().rstrip(".")


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of dnspython or the operating system means; None: not theirs."""
    return network.kind_of_any(exc, _KINDS)

"""The doctor on names: every DNS server answers the gate, and every host shakes hands with it."""

from __future__ import annotations

from collections.abc import Iterator

import probes
from probes.dns import DnsAnswer, DnsServer
from settings.network import Certificates, Dns, NameServer
from steps.kit.findings import Finding, Keys, Subject, System, examination

_HTTPS = 443
_ANSWERED = "NOERROR"


def examine_dns(subject: Subject, section: Dns) -> list[Finding]:
    """Ask every server for the zone's SOA record; what the records say is the checks' business."""
    return [
        found
        for where in ("authoritative", "resolvers")
        for server in getattr(section, where)
        for found in _server(subject, section.zone, where, server)
    ]


@examination
def _server(subject: Subject, zone: str, where: str, server: NameServer) -> Iterator[Finding]:
    asked, key = DnsServer(server.name, server.host, server.port), f"dns.{where}.{server.name}"
    system = System(subject, "DNS", None, Keys(key))
    answer = system.read(probes.dns.ask(asked, zone, "SOA", deadline=subject.deadline()))
    wrong = _wrong(answer, must_own=where == "authoritative")
    fix = subject.key(key, f"a server that answers for {zone}")
    fine = system.ok(f"{asked.address} answers for {zone}")
    yield system.bad(f"{asked.address} {wrong} {zone}", fix) if wrong else fine


def _wrong(answer: DnsAnswer, *, must_own: bool) -> str:
    if answer.rcode != _ANSWERED:
        return f"answers {answer.rcode} to the question for"
    return "" if answer.authoritative or not must_own else "answers, but not as an authority for"


def examine_certificates(subject: Subject, region: str, section: Certificates) -> list[Finding]:
    """Shake hands with the first address of every host; whether its certificate is good is a check's."""
    keys = Keys(f"certificates.addresses.{region}", "certificates.ca_file")
    system = System(subject, "TLS", region, keys)
    authority = section.ca_file or subject.settings.ca_file
    return [
        found
        for host in section.hosts
        for address in section.addresses.get(region, (f"{host}:{_HTTPS}",))
        for found in _host(system, host, address, authority)
    ]


@examination
def _host(system: System, host: str, address: str, authority: str | None) -> Iterator[Finding]:
    (name, _, port), call = address.rpartition(":"), system.subject.deadline
    node = system.read(probes.tls.nodes(name.strip("[]"), int(port), deadline=call())).nodes[0]
    shown = system.read(probes.tls.handshake(node, host, authority, deadline=call()))
    words, problem = f"{host} shows a certificate at {node.shown}", shown.problem
    warned = system.warn(f"{words}; {problem}", "renew or fix the certificate")
    yield warned if problem else system.ok(words)

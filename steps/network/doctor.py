"""The doctor on names: every DNS server answers the gate, and every host shakes hands with it."""

from __future__ import annotations

from collections.abc import Iterator

import probes
from probes.dns import DnsAnswer, DnsServer
from settings.network import Certificates, Dns, NameServer
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable

_DNS, _TLS = "DNS", "TLS"
_HTTPS = 443
_ANSWERED = "NOERROR"


def examine_dns(subject: Subject, section: Dns) -> list[Finding]:
    """Ask every server for the zone's SOA record; what the records say is the checks' business."""
    found = [
        _server(subject, section, "authoritative", server, must_own=True)
        for server in section.authoritative
    ]
    return found + [
        _server(subject, section, "resolvers", server, must_own=False)
        for server in section.resolvers
    ]


def _server(
    subject: Subject, section: Dns, where: str, server: NameServer, *, must_own: bool
) -> Finding:
    asked = DnsServer(server.name, server.host, server.port)
    observed = probes.dns.ask(asked, section.zone, "SOA", deadline=subject.deadline())
    key = f"dns.{where}.{server.name}"
    if observed.value is None:
        return unreachable(subject, _DNS, None, failure_of(observed), Keys(key, "", ""))
    wrong = _wrong(observed.value, must_own=must_own)
    if wrong:
        fixes = subject.key(key, f"a server that answers for {section.zone}")
        return Finding(_DNS, None, Level.BAD, f"{asked.address} {wrong} {section.zone}", (fixes,))
    return Finding(_DNS, None, Level.OK, f"{asked.address} answers for {section.zone}")


def _wrong(answer: DnsAnswer, *, must_own: bool) -> str:
    if answer.rcode != _ANSWERED:
        return f"answers {answer.rcode} to the question for"
    if must_own and not answer.authoritative:
        return "answers, but not as an authority for"
    return ""


def examine_certificates(subject: Subject, region: str, section: Certificates) -> list[Finding]:
    """Shake hands with the first address of every host; whether its certificate is good is a check's."""
    return list(_hosts(subject, region, section))


def _hosts(subject: Subject, region: str, section: Certificates) -> Iterator[Finding]:
    authority = section.ca_file or subject.settings.ca_file
    keys = Keys(f"certificates.addresses.{region}", "certificates.ca_file", "")
    for host in section.hosts:
        for address in section.addresses.get(region, (f"{host}:{_HTTPS}",)):
            name, _, port = address.rpartition(":")
            found = probes.tls.nodes(name.strip("[]"), int(port), deadline=subject.deadline())
            if found.value is None:
                yield unreachable(subject, _TLS, region, failure_of(found), keys)
                continue
            node = found.value.nodes[0]
            shown = probes.tls.handshake(node, host, authority, deadline=subject.deadline())
            if shown.value is None:
                yield unreachable(subject, _TLS, region, failure_of(shown), keys)
                continue
            words = f"{host} shows a certificate at {node.shown}"
            if shown.value.problem:
                words += f"; {shown.value.problem}"
                yield Finding(_TLS, region, Level.WARN, words, ("renew or fix the certificate",))
            else:
                yield Finding(_TLS, region, Level.OK, words)

"""What checks and baseline read: every question to every server of a zone, every host's handshakes."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import probes
from probes.observation import FailureKind, Observation
from settings.network import Certificates, Dns, NameServer
from steps.kit.asked import Asked
from steps.kit.availability import Availability
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.check import Check
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import Platform
from steps.network import rules
from steps.network.rules import Answers, Question, question

_HTTPS = 443
_MOST_AT_ONCE = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Zone:
    """The zone of a platform."""

    platform: Platform
    section: Dns

    @classmethod
    def of(cls, platform: Platform) -> Zone:
        """Return it; raises NotDescribedError where the environment says nothing of it."""
        return cls(platform, platform.section(Dns))

    @property
    def delegation(self) -> Question:
        """The question for the servers that the zone itself names."""
        return Question(self.section.zone, "NS")

    def ask(self, servers: Sequence[NameServer], *also: Question) -> Answers:
        """Ask each server for the serial and each record; a silent one costs one deadline in all."""
        soa = Question(self.section.zone, "SOA")
        questions = dict.fromkeys([soa, *(question(one) for one in self.section.records), *also])
        wanted = [(server, one) for server in servers for one in questions]
        if not wanted:
            return {}
        with concurrent.futures.ThreadPoolExecutor(min(len(wanted), _MOST_AT_ONCE)) as pool:
            answers = list(pool.map(self._ask_one, wanted))
        return {
            (server.name, one): answer
            for (server, one), answer in zip(wanted, answers, strict=True)
        }

    def _ask_one(self, wanted: tuple[NameServer, Question]) -> Observation[probes.dns.DnsAnswer]:
        server, one = wanted
        target = probes.dns.DnsServer(server.name, server.host, server.port)
        deadline = self.platform.call_deadline()
        return probes.dns.ask(target, one.name, one.type, deadline=deadline)


def dns_facts(platform: Platform) -> Mapping[str, Any]:
    """Return the records as the first authoritative server that answers has them, for a baseline.

    Raises CannotCollectError when none answers.
    """
    zone = Zone.of(platform)
    facts: dict[str, Any] = {}
    for (_, one), observation in zone.ask(zone.section.authoritative).items():
        if observation.value is not None and str(one) not in facts:
            facts[str(one)] = dict(observation.value.facts())
    if not facts:
        raise CannotCollectError(f"no authoritative server of {zone.section.zone} answers")
    return {SHARED: facts}


@dataclasses.dataclass(frozen=True, slots=True)
class Meeting:
    """One host to be met at one address."""

    host: str
    node: probes.tls.TlsNode

    @property
    def subject(self) -> str:
        """Return it as sentences say it."""
        return f"certificate of {self.host} at {self.node.shown}"


def meetings(here: Asked) -> Iterator[Meeting]:
    """Yield every host at each of its addresses in a region; a name that is not found is judged."""
    section = here.platform.section(Certificates)
    for host in section.hosts:
        for address in section.addresses.get(here.region, (f"{host}:{_HTTPS}",)):
            name, _, port = address.rpartition(":")
            deadline = here.platform.call_deadline()
            found = probes.tls.nodes(name.strip("[]"), int(port), deadline=deadline)
            here.keep(found)
            if found.value is None:
                subject = f"address of {host}, {name}"
                here.judge(instrument_error(subject, failure_of(found)))
                continue
            if found.value.beyond:
                here.judge(rules.beyond(host, found.value.beyond))
            yield from (Meeting(host, node) for node in found.value.nodes)


def meet(here: Asked, availability: Availability, meeting: Meeting) -> probes.tls.Handshake | None:
    """Shake hands and judge what is shown; None where nothing is."""
    platform, section = here.platform, here.platform.section(Certificates)
    ca_file = section.ca_file or platform.environment.settings.ca_file
    found = availability.reach(
        here.region,
        f"TLS at {meeting.node.shown}",
        meeting.subject,
        lambda: probes.tls.handshake(
            meeting.node, meeting.host, ca_file, deadline=platform.call_deadline()
        ),
    )
    here.keep(found.observation)
    failure = found.observation.failure
    if failure is not None and failure.kind is FailureKind.NO_ROUTE:
        # An IPv6 address where the gate has no IPv6: that says nothing of the platform.
        here.judge(instrument_error(meeting.subject, failure))
        return None
    here.judge(*found.judgements)
    shown, policy = found.observation.value, platform.policy.certificates
    if shown is not None and not found.decided:
        here.judge(*rules.handshake(meeting.subject, shown, policy))
        if shown.other is not None:
            kind = "RSA" if shown.other.rsa else "ECDSA"
            here.judge(*rules.handshake(f"{kind} {meeting.subject}", shown.other, policy))
    return shown


def certificate_facts(platform: Platform) -> Mapping[str, Any]:
    """Return fingerprint, key and last day of every certificate by region, for a baseline.

    Raises CannotCollectError when a host shows none.
    """
    check, availability = Check("baseline", platform.regions), Availability(platform)

    def facts(region: str) -> Mapping[str, Any]:
        found, here = {}, Asked(platform, check, (region,))
        for one in meetings(here):
            shown = meet(here, availability, one)
            if shown is None:
                raise CannotCollectError(f"{one.subject}: there is no handshake")
            found[f"{one.host} at {one.node.shown}"] = {
                "fingerprint": shown.fingerprint,
                "key": shown.key,
                "not_after": rules.last_day(shown),
            }
        return found

    return platform.each_region(facts)
